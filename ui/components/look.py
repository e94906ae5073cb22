"""What an element says and how it is dressed, as a value that all elements which look the same share.

A hundred pages show the same frame and the same jobs. A look is made once for all of them, and its JSON too; an element
changes by pointing at another one, so that "does it differ?" is a question of identity.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from nicegui import json

Value = str | bool
_Key = tuple[str, str | None, str, tuple[tuple[str, Value], ...], tuple[tuple[str, str], ...]]


class Attributes(dict[str, Value]):
    """HTML attributes, as NiceGUI's `Element.on` wants its props to be."""

    __slots__ = ()
    _suspend_count = 0


class Look:
    """Immutable. Made by `look_of` or from another look, so that two that are equal are one object."""

    __slots__ = ("__weakref__", "_encoded", "_key", "props", "style", "tag", "text")

    def __init__(self, key: _Key) -> None:
        self._key = key
        self.tag, self.text = key[:2]
        self.props = Attributes(key[3])
        self.style = dict(key[4])
        self._encoded: bytes | None = None

    @property
    def classes(self) -> list[str]:
        """One by one. Shared: not to be changed."""
        return _split(self._key[2])

    @property
    def parts(self) -> dict[str, Any]:
        """As NiceGUI sends it to the browser."""
        parts: dict[str, Any] = {"tag": self.tag}
        if self.text is not None:
            parts["text"] = self.text
        wanted = {"class": self.classes, "style": self.style, "props": self.props}
        return parts | {name: value for name, value in wanted.items() if value}

    @property
    def encoded(self) -> bytes:
        """The same as JSON: made once, however many elements are sent so."""
        if self._encoded is None:
            self._encoded = json.dumps(self.parts).encode()
        return self._encoded

    def saying(self, text: str | None) -> "Look":
        """The same with another text."""
        if text == self.text:
            return self
        tag, _, classes, props, style = self._key
        return _shared((tag, text, classes, props, style))

    def dressed(self, classes: str) -> "Look":
        """The same with other classes, all of them."""
        if classes == self._key[2]:
            return self
        tag, text, _, props, style = self._key
        return _shared((tag, text, classes, props, style))

    def having(self, attributes: Mapping[str, Any]) -> "Look":
        """The same with these attributes; None takes one away."""
        # Most differ in nothing, on a hundred pages many times a second.
        if all(self.props.get(name) == value for name, value in attributes.items()):
            return self
        tag, text, classes, _, style = self._key
        return _shared((tag, text, classes, _props({**self.props, **attributes}), style))

    def varied(self, name: str, value: str | None) -> "Look":
        """The same with another value of a custom property of CSS; None takes it away."""
        if self.style.get(name) == value:
            return self
        tag, text, classes, props, _ = self._key
        style = tuple((n, v) for n, v in {**self.style, name: value}.items() if v is not None)
        return _shared((tag, text, classes, props, style))


def look_of(tag: str, text: str | None = None, classes: str = "", **attributes: Any) -> Look:
    """The look of a tag. `attributes` are HTML attributes; None leaves one out."""
    return _shared((tag, text, classes, _props({attribute(n): v for n, v in attributes.items()}), ()))


@lru_cache(1_000)
def attribute(given: str) -> str:
    """The attribute that a keyword stands for: an underscore in it stands for a dash."""
    return given.strip("_").replace("_", "-")


_known: WeakValueDictionary[_Key, Look] = WeakValueDictionary()


def _shared(key: _Key) -> Look:
    look = _known.get(key)
    if look is None:
        look = _known[key] = Look(key)
    return look


def _props(attributes: Mapping[str, Any]) -> tuple[tuple[str, Value], ...]:
    # Numbers as words: to Python, 1 and True would be the same look.
    return tuple(
        (name, value if isinstance(value, bool) else str(value))
        for name, value in attributes.items()
        if value is not None
    )


@lru_cache(1_000)
def _split(classes: str) -> list[str]:
    return classes.split()
