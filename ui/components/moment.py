"""A moment in the browser's own locale and time zone, which the server does not know."""

from datetime import datetime
from typing import Any, Literal, cast

from nicegui.dependencies import Component

from ui.components.element import Lean
from ui.components.look import Look, look_of

Mode = Literal["relative", "ago", "datetime", "time", "day", "hour"]


class Moment(Lean, component="moment.js"):
    """`2 min`, with the absolute time as a tooltip. It ticks by itself, at no cost to the server."""

    def __init__(self, at: datetime | None, mode: Mode = "relative", prefix: str = "") -> None:
        """`at` is aware; None shows nothing."""
        super().__init__(moment_look(at, mode, prefix))

    def point(self, at: datetime | None, prefix: str | None = None) -> None:
        """Sets the moment, and the word before it, where they are others."""
        text = at.isoformat() if at else ""
        self.put(at=text) if prefix is None else self.put(at=text, prefix=prefix)

    def set_mode(self, mode: Mode) -> None:
        """Sets how it is said, if that differs."""
        self.put(mode=mode)

    def _displayed_contents(self, *, only_visible: bool) -> list[Any]:  # noqa: ARG002 - NiceGUI's signature
        return [f"{self.look.props['prefix']}{self.look.props['at']}"]


def moment_look(at: datetime | None, mode: Mode = "relative", prefix: str = "") -> Look:
    """How a moment looks."""
    return look_of(_TAG, mode=mode, at=at.isoformat() if at else "", prefix=prefix)


_TAG = cast("Component", Moment.component).tag
