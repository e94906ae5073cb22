"""A field for a file, or for several, sent to the API by the browser itself, with progress."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments


class UploadField(Element, component="upload_field.js"):
    """`upload_ids` are the uploads that are there, in the order in which the files were chosen."""

    def __init__(self, url: str, field: str, on_change: Callable[[], Any], *, several: bool = False) -> None:
        """`url` is where to; `field` the id of the input, for its label. `on_change` may be async."""
        super().__init__()
        self.upload_ids: tuple[str, ...] = ()
        self.busy = False
        self.failed = 0
        """How many could not be uploaded, and are still shown with the reason."""
        self._on_change = on_change
        with self._props.suspend_updates():
            self._props.update({"url": url, "field": field, "several": several})
        self.on("changed", self._changed)

    @property
    def upload_id(self) -> str | None:
        """The upload of a field for one file; None while there is none."""
        return self.upload_ids[0] if self.upload_ids else None

    def forget(self, upload_ids: Sequence[str]) -> None:
        """Takes away files that something has been made of."""
        self.upload_ids = tuple(known for known in self.upload_ids if known not in upload_ids)
        _ = self.run_method("forget", list(upload_ids))

    def _changed(self, event: GenericEventArguments) -> Any:
        said = event.args
        self.busy, self.failed = bool(said["busy"]), int(said["failed"])
        self.upload_ids = tuple(str(upload_id) for upload_id in said["ids"])
        return self._on_change()
