"""The list of keys, one a page, made when somebody asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from ui.components.element import Tag


@dataclass(frozen=True)
class KeyGroup:
    """Keys that belong together: each with what it does."""

    title: str
    keys: Sequence[tuple[str, str]]


JOBS = KeyGroup(
    "In the list of jobs",
    (
        ("/", "Search"),
        ("j k", "Next row, previous row"),
        ("Enter", "Open the job"),
        ("x", "Select it"),
        ("r", "Retry it"),
        ("c", "Cancel it"),
        ("m", "What else can be done with it"),
        ("Esc", "Select nothing"),
    ),
)
JOB = KeyGroup("On a job's page", (("r", "Retry it"), ("c", "Cancel it")))
DIALOGS = KeyGroup("In a dialog", (("Enter", "Confirm what is safe"), ("Esc", "Close")))


class ShortcutsDialog:
    """Shows the keys. Esc closes."""

    def __init__(self, groups: Sequence[KeyGroup]) -> None:
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=keys-title") as self._dialog,
            Tag("div", classes="sheet info keys"),
        ):
            with Tag("div", classes="sheet-head", data_icon="keyboard"):
                Tag("h2", "Keys", id="keys-title")
            for group in groups:
                Tag("h3", group.title)
                with Tag("dl"):
                    for keys, does in group.keys:
                        with Tag("dt"):
                            for key in keys.split():
                                Tag("kbd", key)
                        Tag("dd", does)
            with Tag("div", classes="sheet-foot"):
                close = Tag("button", "Close", "btn", type="button", autofocus=True)
        close.on("click", self._dialog.close, args=[])

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return bool(self._dialog.value)

    def open(self) -> None:
        """Shows it."""
        self._dialog.value = True
