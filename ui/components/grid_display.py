"""How dense the grid is and which columns it shows, as each browser keeps it."""

from collections.abc import Awaitable, Callable

from nicegui.element import Element


class GridDisplay(Element, component="grid_display.js"):
    """A button with a small panel. The choice is a cookie, the rest is style; the server hears of a choice."""

    def __init__(self, on_keep: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.on("kept", on_keep, args=[])
