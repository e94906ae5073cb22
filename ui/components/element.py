"""A lean element: a native tag with text, classes and attributes. A cell of the grid is one of these.

What a person typed only ever becomes `text` or the value of an attribute, which the browser shows and never parses.
"""

from functools import cache, lru_cache
from typing import Any

from nicegui.element import Element


@cache
def _name(given: str) -> str:
    """The attribute that a keyword stands for."""
    return given.strip("_").replace("_", "-")


@lru_cache(1_000)
def _split(classes: str) -> list[str]:
    """The classes one by one. Shared by all that have them: not to be changed."""
    return classes.split()


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
                self._props.update({_name(given): v for given, v in attributes.items() if v is not None})

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
        wanted = _split(classes)
        if self._classes != wanted:
            with self._classes.suspend_updates():
                self._classes[:] = wanted
            self.update()

    def put(self, **attributes: Any) -> None:
        """Sets attributes where they differ; None takes one away."""
        props = self._props
        # Most differ in nothing, on a hundred pages many times a second.
        others = [(name, v) for given, v in attributes.items() if props.get(name := _name(given)) != v]
        if not others:
            return
        # As a plain dict: what observes these props only calls `update`, and that is done once, below.
        for name, value in others:
            if value is None:
                dict.pop(props, name)
            else:
                dict.__setitem__(props, name, value)
        self.update()

    def vary(self, name: str, value: str | None) -> None:
        """Sets a custom property of CSS, if it is another; None takes it away."""
        if self._style.get(name) == value:
            return
        if value is None:
            dict.pop(self._style, name, None)
        else:
            dict.__setitem__(self._style, name, value)
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
