"""Figures as people read them."""

from datetime import datetime

from services.durations import human_duration


def duration(seconds: float) -> str:
    """`8 ms`, `0.4 s`, `48 s`, `3 min 20 s`, `2 h 5 min`."""
    return human_duration(seconds)


def span(start: datetime | None, end: datetime | None) -> str | None:
    """The time between two moments, or None where one is missing."""
    return duration(max((end - start).total_seconds(), 0)) if start and end else None


def size(count: int) -> str:
    """Bytes, in decimal units as file managers show them: `1.2 GB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}".replace(".0 ", " ")
        value /= 1000
    return f"{value:.1f} TB"


def number(value: int) -> str:
    """`12,480`."""
    return f"{value:,}"


def at_least(value: int, exact: bool = True) -> str:  # noqa: FBT001, FBT002 - a figure and whether it is all
    """`12,480`, or `10,000+` where nobody counted on."""
    return number(value) if exact else f"{number(value)}+"


def plural(count: int, word: str) -> str:
    """`1 credit`, `2 credits`."""
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def short_id(value: object) -> str:
    """The first part of an id, enough to tell it by."""
    return str(value)[:8]
