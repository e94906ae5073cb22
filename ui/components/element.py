"""A lean element: a native tag with text, classes and attributes. A cell of the grid is one of these.

What a person typed only ever becomes `text` or the value of an attribute, which the browser shows and never parses.
"""

from typing import Any

from nicegui.element import Element


class Tag(Element):
    """A native HTML element. Cheaper by four times than a stock widget, and set only where it differs."""

    def __init__(self, tag: str, text: str | None = None, classes: str = "", **attributes: Any) -> None:
        """`attributes` are HTML attributes; an underscore in a name stands for a dash, None leaves one out."""
        super().__init__(tag)
        self._text = text
        if classes:
            with self._classes.suspend_updates():
                self._classes.extend(classes.split())
        if attributes:
            with self._props.suspend_updates():
                self._props.update(
                    {name.strip("_").replace("_", "-"): v for name, v in attributes.items() if v is not None}
                )

    @property
    def text(self) -> str:
        """What the element says."""
        return self._text or ""

    def say(self, text: str) -> None:
        """Sets the text, if it is another."""
        if self._text != text:
            self._text = text
            self.update()

    def dress(self, classes: str) -> None:
        """Sets the classes, all of them, if they are others."""
        wanted = classes.split()
        if list(self._classes) != wanted:
            with self._classes.suspend_updates():
                self._classes[:] = wanted
            self.update()

    def put(self, **attributes: Any) -> None:
        """Sets attributes where they differ; None takes one away."""
        changed = False
        with self._props.suspend_updates():
            for given, value in attributes.items():
                name = given.strip("_").replace("_", "-")
                if self._props.get(name) != value:
                    changed = True
                    if value is None:
                        del self._props[name]
                    else:
                        self._props[name] = value
        if changed:
            self.update()

    def vary(self, name: str, value: str | None) -> None:
        """Sets a custom property of CSS, if it is another; None takes it away."""
        if self._style.get(name) == value:
            return
        with self._style.suspend_updates():
            if value is None:
                self._style.pop(name, None)
            else:
                self._style[name] = value
        self.update()

    def toggle(self, class_: str, *, on: bool) -> None:
        """Adds or removes one class."""
        if (class_ in self._classes) != on:
            with self._classes.suspend_updates():
                if on:
                    self._classes.append(class_)
                else:
                    self._classes.remove(class_)
            self.update()

    def _displayed_contents(self, *, only_visible: bool) -> list[Any]:
        return [
            self._text,
            self._props.get("aria-label"),
            *super()._displayed_contents(only_visible=only_visible),
        ]
