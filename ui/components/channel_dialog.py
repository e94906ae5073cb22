"""The dialog that makes a channel or changes one. The address is written, never shown again."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from services.notifications.channels import DEFAULT_EVENTS, Wanted
from services.notifications.tables import Channel
from services.vocabulary import NoticeEvent
from ui.components.channel_list import EVENTS
from ui.components.element import Tag

_SERVICES = "https://appriseit.com"
_EXAMPLES = (
    "mailtos://user:password@example.org · slack://token/token/token · tgram://token/chat · ntfys://topic"
)

Save = Callable[[Wanted], Awaitable[str | None]]
"""Does it; the answer is what is wrong, or None."""


class ChannelDialog:
    """One a page, filled for each channel."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._save: Save | None = None
        self._busy = False
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=channel-title") as self._dialog,
            Tag("div", classes="sheet info wide channel-sheet"),
        ):
            with Tag("div", classes="sheet-head", data_icon="notifications"):
                self._title = Tag("h2", id="channel-title")
            self._name = ui.input("Name").props("outlined dense maxlength=100 autofocus")
            self._place = Tag("div", classes="channel-address")
            self._forget_address()
            with Tag("p", classes="muted hint"):
                self._hint = Tag("span")
                Tag("a", "All services", "link", href=_SERVICES, target="_blank", rel="noopener noreferrer")
            with Tag("fieldset", classes="channel-events"):
                Tag("legend", "What goes there")
                self._events = {event: ui.checkbox(words).props("dense") for event, words in EVENTS.items()}
            self._kinds = ui.select(
                list(kinds), multiple=True, label="Only jobs of these kinds (none: of all)"
            ).props("outlined dense options-dense use-chips")
            self._only_own = ui.checkbox("Only my own jobs").props("dense")
            self._wrong = Tag("p", "", "alert hidden", role="alert")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                self._confirm_button = Tag("button", "Save", "btn primary", type="button")
        cancel.on("click", self._dialog.close, args=[])
        self._confirm_button.on("click", self._confirm, args=[])

    def ask(self, channel: Channel | None, save: Save, *, own: bool) -> None:
        """Opens for a new channel, or with what one is."""
        self._save = save
        self._show_busy(busy=False)
        self._title.say(
            f"Edit {channel.name}" if channel else "Add your own channel" if own else "Add a channel"
        )
        self._name.value = channel.name if channel else ""
        self._forget_address()
        kept = "Leave the address empty to keep it: it is a secret, and not shown again. "
        self._hint.say(
            kept if channel else f"An Apprise URL: {_EXAMPLES}. It is kept encrypted, and not shown again. "
        )
        chosen = set(channel.events) if channel else set(DEFAULT_EVENTS)
        for event, box in self._events.items():
            box.value = event in chosen
        self._kinds.value = list(channel.kinds) if channel else []
        self._only_own.value = channel.only_own if channel else False
        self._only_own.set_visibility(own)
        self._wrong.dress("alert hidden")
        self._dialog.value = True

    async def _confirm(self) -> None:
        if self._busy or self._save is None:
            return
        self._show_busy(busy=True)
        try:
            wrong = await self._save(self._wanted())
        finally:
            self._show_busy(busy=False)
        self._wrong.say(wrong or "")
        self._wrong.dress("alert" if wrong else "alert hidden")
        if wrong is None:
            self._forget_address()
            self._dialog.value = False

    def _forget_address(self) -> None:
        """An empty field, and a new one: what was typed into it stays in the browser otherwise."""
        self._place.clear()
        with self._place:
            self._address = ui.input("Address", password=True, password_toggle_button=True).props(
                "outlined dense maxlength=2000 autocomplete=off spellcheck=false"
            )

    def _wanted(self) -> Wanted:
        events: list[NoticeEvent] = [event for event, box in self._events.items() if box.value]
        only_own = bool(self._only_own.value) if self._only_own.visible else None
        return Wanted(
            name=self._name.value or "", address=(self._address.value or "").strip() or None, events=events,
            kinds=list(self._kinds.value or []), only_own=only_own,
        )  # fmt: skip

    def _show_busy(self, *, busy: bool) -> None:
        self._busy = busy
        self._confirm_button.say("Looking at the address…" if busy else "Save")
        self._confirm_button.put(disabled=True if busy else None)
