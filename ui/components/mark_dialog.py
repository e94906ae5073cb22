"""Muting a group of failures and writing a note on it. One a page, filled for each group."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from nicegui import ui

from services.failures.groups import FailureGroup
from services.failures.marks import NOTE_LIMIT, Mute
from services.models import now
from ui.components.element import Tag
from ui.components.failure_card import said_by

_SEEN, _AS_IS, _OPEN, _DAY, _WEEK, _GROWN = "seen", "as it is", "open", "day", "week", "grown"


@dataclass(frozen=True)
class MarkWish:
    """What somebody wants of a group; None: nothing changes."""

    fingerprint: str
    note: str | None = None
    mute: Mute | None = None
    unmute: bool = False


class MarkDialog:
    """Shows what is said of a group. Esc closes, the focus goes in and comes back."""

    def __init__(self, on_save: Callable[[MarkWish], Awaitable[bool]]) -> None:
        self._on_save = on_save
        self._group: FailureGroup | None = None
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=mark-title") as self._dialog,
            Tag("div", classes="sheet info"),
        ):
            with Tag("div", classes="sheet-head", data_icon="sticky_note_2"), Tag("div"):
                Tag("h2", "About this failure", id="mark-title")
                self._what = Tag("div", classes="sub mono")
            self._note = ui.textarea("Note, shown to whoever would retry").props(
                f"outlined autogrow autofocus maxlength={NOTE_LIMIT} input-style='min-height:84px'"
            )
            self._mute = ui.select({}, label="In the list and in notifications").props(
                "outlined dense options-dense"
            )
            self._mute.classes("mark-mute")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                save = Tag("button", "Save", "btn primary", type="button")
        cancel.on("click", self._dialog.close, args=[])
        save.on("click", self._save, args=[])

    def show(self, group: FailureGroup) -> None:
        """Fills in what is said of the group, and opens."""
        self._group = group
        self._what.say(said_by(group))
        self._note.set_value((group.mark and group.mark.note) or "")
        choices = {_SEEN: "Shown"}
        if group.muted:
            choices[_AS_IS] = "Muted, as it is now"
        grown = _grown(group)
        choices |= {
            _OPEN: "Muted until somebody unmutes it", _DAY: "Muted for a day", _WEEK: "Muted for a week",
            _GROWN: f"Muted until it has more than {grown:,} jobs",
        }  # fmt: skip
        self._mute.set_options(choices, value=_AS_IS if group.muted else _SEEN)
        self._dialog.value = True

    async def _save(self) -> None:
        group = self._group
        if group is None:
            return
        text = (self._note.value or "").strip()
        known = (group.mark and group.mark.note) or ""
        wish = MarkWish(
            group.fingerprint, text if text != known else None, self._wished(group),
            unmute=group.muted and self._mute.value == _SEEN,
        )  # fmt: skip
        if await self._on_save(wish):
            self._dialog.value = False

    def _wished(self, group: FailureGroup) -> Mute | None:
        match self._mute.value:
            case "open":
                return Mute()
            case "day":
                return Mute(until=now() + timedelta(days=1))
            case "week":
                return Mute(until=now() + timedelta(weeks=1))
            case "grown":
                return Mute(above=_grown(group))
            case _:
                return None


def _grown(group: FailureGroup) -> int:
    """Twice as many jobs as now are worth another look."""
    return max(2 * group.jobs, 1)
