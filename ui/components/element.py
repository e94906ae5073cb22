"""A lean element: a native tag with text, classes and attributes. A cell of the grid is one of these.

NiceGUI gives each element dictionaries of its own that tell it of every change, slots, markers, a place in the registry
of bindings: 3.4 KB, and 28 objects for the garbage collector to visit. A lean one has a look, which it shares, and
makes the rest where it needs it. Dialogs, menus and fields stay NiceGUI's.

What a person typed only ever becomes `text` or the value of an attribute, which the browser shows and never parses.
"""

import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self, cast

import orjson
from nicegui import json
from nicegui.context import context
from nicegui.element import Element
from nicegui.event_listener import EventListener
from nicegui.slot import Slot

from ui.components.look import Look, attribute, look_of

_NONE: Mapping[Any, Any] = MappingProxyType({})


class Lean(Element):
    """An element that wears a look. As NiceGUI's own, but that `classes`, `props` and `style` only tell."""

    # What NiceGUI sets in each element, and is the same in all of these.
    _markers = ()  # type: ignore[assignment]
    _update_method = None
    _deleted = False
    _event_listeners = cast("dict[str, EventListener]", _NONE)
    _parent_slot = None
    _slot: Slot | None = None
    _events: bytes | None = None
    ignores_events_when_hidden = True

    def __init__(self, look: Look) -> None:
        # Not NiceGUI's own `__init__`, which makes what this class does without. tests/ui/test_elements.py compares.
        slot = context.slot
        client = slot.parent.client
        self._client = weakref.ref(client)
        self.id = client.next_element_id
        client.next_element_id += 1
        self.look = look
        self._parent_slot = weakref.ref(slot)
        slot.children.append(self)
        client.elements[self.id] = self
        client.outbox.enqueue_update(self)
        client.outbox.enqueue_update(slot.parent)

    def wear(self, look: Look) -> None:
        """Looks like this from now on; tells the browser, if that is something else."""
        if self.look is not look:
            self.look = look
            self.update()

    def vary(self, name: str, value: str | None) -> None:
        """Sets a custom property of CSS, if it is another; None takes it away."""
        self.wear(self.look.varied(name, value))

    def put(self, **attributes: Any) -> None:
        """Sets attributes where they differ; None takes one away."""
        self.wear(self.look.having({attribute(given): value for given, value in attributes.items()}))

    def update(self) -> None:
        """Has it sent to the browser."""
        client = self._client()
        if client is None or client.is_deleted or self._deleted:
            super().update()  # which says what is wrong
        else:
            client.outbox.enqueue_update(self)

    # --- what NiceGUI asks of an element ------------------------------------------------------------------------------

    @property
    def tag(self) -> str:  # type: ignore[override]
        """The HTML tag."""
        return self.look.tag

    @property
    def _text(self) -> str | None:  # type: ignore[override]
        return self.look.text

    @property
    def _classes(self) -> Any:  # type: ignore[override]
        return self.look.classes

    @property
    def _props(self) -> Any:  # type: ignore[override]
        return self.look.props

    @property
    def _style(self) -> Any:  # type: ignore[override]
        return self.look.style

    @property
    def slots(self) -> dict[str, Slot]:  # type: ignore[override]
        """The one slot, if anything is in it. To have more is for components."""
        return {"default": self._slot} if self._slot else {}

    @property
    def default_slot(self) -> Slot:  # type: ignore[override]
        """Where children go; made by the first."""
        if self._slot is None:
            self._slot = Slot(self, "default")
        return self._slot

    def on(self, *args: Any, **options: Any) -> Self:
        """As NiceGUI's own."""
        if self._event_listeners is _NONE:
            self._event_listeners = {}
        self._events = None
        return super().on(*args, **options)

    def _handle_visibility_change(self, visible: str) -> None:
        raise NotImplementedError("a lean element is hidden by its classes")

    def _handle_delete(self) -> None:
        if self._slot:
            self._slot.children.clear()
        self._event_listeners = cast("dict[str, EventListener]", _NONE)

    def _to_dict(self) -> Any:
        """What goes to the browser, as JSON that is made already but for what is this very element's."""
        slot = self._slot
        if slot is None and not self._event_listeners:
            return orjson.Fragment(self.look.encoded)
        parts = self.look.encoded[:-1]
        if slot and slot.children:
            parts += b',"children":' + orjson.dumps([child.id for child in slot.children])
        if self._event_listeners:
            if self._events is None:
                heard = [listener.to_dict() for listener in self._event_listeners.values()]
                self._events = json.dumps(heard).encode()
            parts += b',"events":' + self._events
        return orjson.Fragment(parts + b"}")


# Visible: NiceGUI keeps that in a property of each element that others may bind to, under this name.
setattr(Lean, "___visible", True)


class Tag(Lean):
    """A native HTML element. Cheaper by far than a stock widget, and set only where it differs."""

    def __init__(self, tag: str, text: str | None = None, classes: str = "", **attributes: Any) -> None:
        """`attributes` are HTML attributes; an underscore in a name stands for a dash, None leaves one out."""
        super().__init__(look_of(tag, text, classes, **attributes))

    @property
    def text(self) -> str:
        """What the element says."""
        return self.look.text or ""

    def say(self, text: str) -> None:
        """Sets the text, if it is another."""
        self.wear(self.look.saying(text))

    def dress(self, classes: str) -> None:
        """Sets the classes, all of them, if they are others."""
        self.wear(self.look.dressed(classes))

    def toggle(self, class_: str, *, on: bool) -> None:
        """Adds or removes one class."""
        classes = self.look.classes
        if (class_ in classes) != on:
            self.dress(" ".join([*classes, class_] if on else [one for one in classes if one != class_]))

    def _displayed_contents(self, *, only_visible: bool) -> list[Any]:
        return [
            self.look.text,
            self.look.props.get("aria-label"),
            *super()._displayed_contents(only_visible=only_visible),
        ]
