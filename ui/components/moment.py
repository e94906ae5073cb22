"""A moment in the browser's own locale and time zone, which the server does not know."""

from datetime import datetime
from typing import Any, Literal

from nicegui.element import Element

Mode = Literal["relative", "ago", "datetime", "time", "day", "hour"]


class Moment(Element, component="moment.js"):
    """`2 min`, with the absolute time as a tooltip. It ticks by itself, at no cost to the server."""

    def __init__(self, at: datetime | None, mode: Mode = "relative", prefix: str = "") -> None:
        """`at` is aware; None shows nothing."""
        super().__init__()
        with self._props.suspend_updates():
            self._props.update({"mode": mode, "at": at.isoformat() if at else "", "prefix": prefix})

    def point(self, at: datetime | None, prefix: str | None = None) -> None:
        """Sets the moment, and the word before it, where they are others."""
        if prefix is not None and self._props["prefix"] != prefix:
            self._props["prefix"] = prefix
        text = at.isoformat() if at else ""
        if self._props["at"] != text:
            self._props["at"] = text

    def set_mode(self, mode: Mode) -> None:
        """Sets how it is said, if that differs."""
        if self._props["mode"] != mode:
            self._props["mode"] = mode

    def _displayed_contents(self, *, only_visible: bool) -> list[Any]:  # noqa: ARG002 - NiceGUI's signature
        return [f"{self._props['prefix']}{self._props['at']}"]
