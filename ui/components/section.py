"""A card of a page that is drawn anew only when what it shows is another."""

from collections.abc import Callable, Hashable

from ui.components.element import Tag

_NEVER = object()


class Section:
    """Holds a card and the key of what it shows, so that open details and selections outlive the news of others."""

    def __init__(self, title: str | None = None, classes: str = "card") -> None:
        self._classes = classes
        self._key: object = _NEVER
        with Tag("section", classes=f"{classes} hidden") as self.element:
            if title:
                Tag("h2", title)
            self._body = Tag("div")

    def show(self, key: Hashable, draw: Callable[[], None], *, visible: bool = True) -> None:
        """Draws, if the key is not the one that stands there."""
        if key == self._key:
            return
        self._key = key
        self._body.clear()
        if visible:
            with self._body:
                draw()
        self.element.dress(self._classes if visible else f"{self._classes} hidden")
