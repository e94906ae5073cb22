"""Asks for a reason in one line. One a page, filled for each question."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from services.jobs.dismissal import REASON_LIMIT
from ui.components.confirm_dialog import Question
from ui.components.element import Tag


class ReasonDialog:
    """Enter confirms, Esc closes; without a reason it says that one is wanted."""

    def __init__(self) -> None:
        self._then: Callable[[str], Awaitable[None]] | None = None
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=reason-title") as self._dialog,
            Tag("div", classes="sheet info"),
        ):
            with Tag("div", classes="sheet-head", data_icon="help_outline") as self._head:
                self._title = Tag("h2", id="reason-title")
            self._text = Tag("p")
            self._reason = ui.input("Reason").props(f"outlined dense autofocus maxlength={REASON_LIMIT}")
            self._reason.classes("reason-field")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                self._yes = Tag("button", "", "btn primary", type="button")
        self._reason.on("keydown.enter", self._confirm, args=[])
        cancel.on("click", self._dialog.close, args=[])
        self._yes.on("click", self._confirm, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is being asked."""
        return bool(self._dialog.value)

    def ask(self, question: Question, then: Callable[[str], Awaitable[None]]) -> None:
        """Asks; `then` is given the reason, once."""
        self._then = then
        self._head.put(data_icon=question.icon)
        self._title.say(question.title)
        self._text.say(question.text)
        self._yes.say(question.yes)
        self._reason.set_value("")
        self._reason.props(remove="error error-message")
        self._dialog.value = True

    async def _confirm(self) -> None:
        reason = (self._reason.value or "").strip()
        if not reason:
            self._reason.props("error error-message='Say why.'")
            return
        then, self._then = self._then, None
        self._dialog.value = False
        if then is not None:
            await then(reason)
