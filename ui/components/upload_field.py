"""A field for one file, sent to the API by the browser itself, with progress."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments


class UploadField(Element, component="upload_field.js"):
    """`upload_id` is the upload's id once it is there."""

    def __init__(self, url: str, field: str, on_change: Callable[[], Any]) -> None:
        """`url` is where to; `field` the id of the input, for its label. `on_change` may be async."""
        super().__init__()
        self.upload_id: str | None = None
        self.busy = False
        self._on_change = on_change
        with self._props.suspend_updates():
            self._props.update({"url": url, "field": field})
        self.on("begun", self._begun)
        self.on("uploaded", self._uploaded)
        self.on("cleared", self._cleared)

    def _begun(self) -> Any:
        self.busy, self.upload_id = True, None
        return self._on_change()

    def _uploaded(self, event: GenericEventArguments) -> Any:
        self.busy, self.upload_id = False, str(event.args["id"])
        return self._on_change()

    def _cleared(self) -> Any:
        self.busy, self.upload_id = False, None
        return self._on_change()
