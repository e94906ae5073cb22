"""How dense the grid is and which columns it shows, as each browser keeps it."""

from nicegui.element import Element


class GridDisplay(Element, component="grid_display.js"):
    """A button with a small panel. The server has no part in it: the choice is a cookie, and the rest is style."""
