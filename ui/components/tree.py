"""A JSON value as a readable tree. Everything in it is text; nothing of it is parsed by the browser."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from ui.components import wording
from ui.components.element import Tag

_LONGEST = 2_000
_DEEPEST = 12
_MOST = 200
_LINES = 1_000
"""Of all levels together: each is some elements of the page."""


def tree(value: Any) -> None:
    """Draws a value in the current slot; what is too much for a page is counted, and there in a copy."""
    _Tree().draw(value, 0)


class _Tree:
    def __init__(self) -> None:
        self._left = _LINES

    def draw(self, value: Any, depth: int) -> None:
        match value:
            case dict() if depth < _DEEPEST:
                self._lines(value.items(), len(value), depth)
            case list() if depth < _DEEPEST:
                self._lines(enumerate(value), len(value), depth)
            case str():
                Tag("span", value[:_LONGEST], "str")
                _more(len(value) - _LONGEST, "character", "characters")
            case None | bool():
                Tag("span", str(value).lower(), "lit")
            case _:
                Tag("span", str(value)[:_LONGEST], "lit")

    def _lines(self, pairs: Iterable[tuple[Any, Any]], count: int, depth: int) -> None:
        shown = 0
        for name, inner in islice(pairs, _MOST):
            if self._left <= 0:
                break
            self._left -= 1
            shown += 1
            self._line(f"{name}: ", inner, depth)
        _more(count - shown, "entry", "entries")

    def _line(self, name: str, value: Any, depth: int) -> None:
        with Tag("div"):
            Tag("span", name, "named")
            if isinstance(value, (dict, list)) and value:
                with Tag("div", classes="nest"):
                    self.draw(value, depth + 1)
            elif isinstance(value, (dict, list)):
                Tag("span", "{}" if isinstance(value, dict) else "[]", "lit")
            else:
                self.draw(value, depth + 1)


def _more(count: int, one: str, many: str) -> None:
    """Says what is not shown."""
    if count > 0:
        words = f"{wording.number(count)} more {one if count == 1 else many}"
        Tag("div", f"\N{HORIZONTAL ELLIPSIS} {words}", "muted")
