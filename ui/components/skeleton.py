"""What stands where something is being read for the first time, in about its size."""

from collections.abc import Sequence

from ui.components.element import Tag


class Skeleton:
    """Grey blocks, hidden until `show()`."""

    def __init__(self, heights: Sequence[int]) -> None:
        with Tag("div", classes="hidden", aria_hidden="true") as self.element:
            for height in heights:
                Tag("div", classes="card skeleton-line", style=f"height:{height}px")

    def show(self) -> None:
        """It takes a while."""
        self.element.dress("skeleton-lines")

    def hide(self) -> None:
        """It is read."""
        self.element.dress("hidden")
