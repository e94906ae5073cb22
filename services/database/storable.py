"""What JSON can say and no database keeps."""

import math
from typing import Any

from services.errors import Invalid

DEEPEST = 32
_LARGEST_NUMBER = 2**63


def require_storable(value: Any) -> None:
    """Raises Invalid for NUL, lone surrogates, numbers out of range, and nesting of more than 32 levels."""
    rest: list[tuple[Any, int]] = [(value, 0)]
    while rest:
        item, depth = rest.pop()
        if depth > DEEPEST:
            raise too_deep()
        match item:
            case dict():
                rest += [(part, depth + 1) for pair in item.items() for part in pair]
            case list():
                rest += [(part, depth + 1) for part in item]
            case str() if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in item):
                raise Invalid("The JSON holds a NUL character or half of a surrogate pair.")
            case float() if not math.isfinite(item):
                raise Invalid("The JSON holds a number that is out of range.")
            case int() if abs(item) >= _LARGEST_NUMBER:
                raise Invalid("The JSON holds a number that is out of range.")


def too_deep() -> Invalid:
    """The error for JSON that is nested too deeply."""
    return Invalid(f"The JSON is nested more than {DEEPEST} levels deep.")
