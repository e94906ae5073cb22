"""A search taken apart into its terms, and put into words. What the fields mean, `services/jobs/search.py` knows."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from services.errors import Invalid
from services.models import Job, JobCount

_LONGEST = 500
_MOST_TERMS = 20

_TERM = re.compile(
    r"""(?P<not>-(?=\S))?(?:(?P<field>[A-Za-z_]+):(?!//))?"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?P<closed>")?|(?P<plain>[^\s"]*))"""
)


@dataclass(frozen=True, slots=True)
class Term:
    """One term as it was typed, and where: `position` counts characters from 0."""

    position: int
    length: int
    negated: bool
    field: str | None
    value: str
    quoted: bool
    at: datetime | None = None
    """The moment that ages are counted back from; None: now."""
    table: type[Job] | type[JobCount] = Job
    """What is searched: jobs, or the counters kept of them."""

    def wrong(self, explanation: str, suggestion: str | None = None) -> NoReturn:
        """Raises Invalid, with the place of the mistake."""
        if suggestion and self.negated and not suggestion.startswith("-"):
            suggestion = f"-{suggestion}"
        hint = f" Did you mean {suggestion}?" if suggestion else ""
        raise Invalid(
            f"{explanation}{hint} (at character {self.position + 1})",
            position=self.position, length=self.length, explanation=explanation, suggestion=suggestion,
        )  # fmt: skip


def mended(text: str, mistake: Invalid) -> str | None:
    """The search with what was meant in place of the mistake; None where nobody knows."""
    meant, start = mistake.data.get("suggestion"), mistake.data.get("position", 0)
    return f"{text[:start]}{meant}{text[start + mistake.data['length'] :]}" if meant else None


def place_of_term(text: str, at: int) -> tuple[int, int]:
    """Where the term begins and ends that holds, or ends at, the character `at`; nothing there: `at` twice."""
    position = 0
    while position < min(at, len(text)):
        found = None if text[position].isspace() else _TERM.match(text, position)
        length = len(found[0]) if found else 0
        if length and position < at <= position + length:
            return position, position + length
        position += length or 1
    return at, at


def read_terms(text: str) -> list[Term]:
    """The terms of a search, in order. Raises Invalid for what cannot be taken apart."""
    if len(text) > _LONGEST:
        raise Invalid(f"A search has at most {_LONGEST} characters.", position=_LONGEST)
    if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in text):
        raise Invalid("A search is made of characters that can be read.", position=0)
    terms, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        term = _term(text, position)
        terms.append(term)
        position += term.length
    if len(terms) > _MOST_TERMS:
        terms[_MOST_TERMS].wrong(f"A search has at most {_MOST_TERMS} terms.")
    return terms


def _term(text: str, position: int) -> Term:
    found = _TERM.match(text, position)
    if found is None:  # the pattern matches anything
        raise Invalid("This cannot be read.", position=position)
    quoted = found["quoted"]
    term = Term(
        position=position,
        length=len(found[0]),
        negated=bool(found["not"]),
        field=found["field"] and found["field"].lower(),
        value=found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL),
        quoted=quoted is not None,
    )
    if quoted is not None and not found["closed"]:
        term.wrong("This quotation has no end.", f'{found[0]}"')
    return term


def in_words(text: str) -> str:
    """A search as a person reads it: `status failed, kind video.process, “out of memory”, not owner me`."""
    said = []
    for term in read_terms(text):
        value = term.value.replace(",", " or ")
        shown = f"{term.field} {value}" if term.field else f"“{value}”"
        said.append(f"not {shown}" if term.negated else shown)
    return ", ".join(said)
