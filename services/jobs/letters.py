"""Text within text, whatever the case of its letters, on both databases.

SQLite's LIKE knows no case beyond ASCII. Its GLOB takes sets of letters: `*[öÖ]l*`.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

LAST_FOLDED = 0x0527
"""Latin, Greek, Cyrillic: of these, SQLite's index of words knows the case of every letter that we fold."""
_NEWER = {"\N{GREEK CAPITAL LETTER YOT}", "\N{GREEK LETTER YOT}"}
"""Not these: they had no case when it was made."""


class _Holds(FunctionElement[bool]):
    """A column, what ILIKE looks for, what GLOB looks for."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_Holds, "sqlite")
def _glob(element: _Holds, compiler: Any, **kw: Any) -> str:
    column, pattern = (compiler.process(list(element.clauses)[n], **kw) for n in (0, 2))
    return f"{column} GLOB {pattern}"


@compiles(_Holds, "postgresql")
def _ilike(element: _Holds, compiler: Any, **kw: Any) -> str:
    column, pattern = (compiler.process(list(element.clauses)[n], **kw) for n in (0, 1))
    return f"{column} ILIKE {pattern} ESCAPE '/'"


def holds(column: Any, text: str) -> sa.ColumnElement[bool]:
    """The condition that the column holds the text."""
    if all(len(cases_of(letter)) == 1 for letter in text if not letter.isascii()):
        condition: sa.ColumnElement[bool] = column.icontains(text, autoescape=True)
        return condition
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    sets = "".join(_set(letter) for letter in text)
    return _Holds(column, sa.literal(f"%{escaped}%"), sa.literal(f"*{sets}*"))


def _set(letter: str) -> str:
    cases = cases_of(letter)
    return f"[{''.join(sorted(cases))}]" if len(cases) > 1 or letter in "*?[" else letter


def cases_of(letter: str) -> set[str]:
    """The letter, small and large, where each is one letter."""
    if ord(letter) > LAST_FOLDED or letter in _NEWER:
        return {letter}
    cases = {letter, letter.lower(), letter.upper()}
    return {
        case
        for case in cases
        if len(case) == 1 and ord(case) <= LAST_FOLDED and case.lower() == letter.lower()
    }
