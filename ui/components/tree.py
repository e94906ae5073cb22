"""A JSON value as a readable tree. Everything in it is text; nothing of it is parsed by the browser."""

from typing import Any

from ui.components.element import Tag

_LONGEST = 2_000
_DEEPEST = 12
_MOST = 200


def tree(value: Any, depth: int = 0) -> None:
    """Draws a value in the current slot."""
    match value:
        case dict() if depth < _DEEPEST:
            for name, inner in list(value.items())[:_MOST]:
                _line(f"{name}: ", inner, depth)
        case list() if depth < _DEEPEST:
            for index, inner in enumerate(value[:_MOST]):
                _line(f"{index}: ", inner, depth)
        case str():
            Tag("span", value[:_LONGEST], "str")
        case _:
            Tag(
                "span",
                str(value).lower() if value is None or isinstance(value, bool) else str(value)[:_LONGEST],
                "lit",
            )


def _line(name: str, value: Any, depth: int) -> None:
    with Tag("div"):
        Tag("span", name, "named")
        if isinstance(value, (dict, list)) and value:
            with Tag("div", classes="nest"):
                tree(value, depth + 1)
        elif isinstance(value, (dict, list)):
            Tag("span", "{}" if isinstance(value, dict) else "[]", "lit")
        else:
            tree(value, depth + 1)
