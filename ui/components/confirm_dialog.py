"""A small question before something that cannot be taken back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from ui.components.element import Tag


@dataclass(frozen=True)
class Question:
    """What is asked, and what the buttons say."""

    title: str
    text: str
    yes: str
    no: str = "Cancel"
    icon: str = "help_outline"
    is_harmless: bool = False
    """Whether the button may look like any other."""


class ConfirmDialog:
    """One a page, filled for each question. Enter confirms, Esc closes, the focus goes in and comes back."""

    def __init__(self) -> None:
        self._then: Callable[[], Awaitable[None]] | None = None
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=confirm-title") as self._dialog,
            Tag("div", classes="sheet") as self._sheet,
        ):
            with Tag("div", classes="sheet-head", data_icon="help_outline") as self._head:
                self._title = Tag("h2", id="confirm-title")
            self._text = Tag("p")
            with Tag("div", classes="sheet-foot"):
                self._no = Tag("button", "Cancel", "btn plain", type="button")
                self._yes = Tag("button", "Yes", "btn danger-solid", type="button", autofocus=True)
        self._no.on("click", self._dialog.close, args=[])
        self._yes.on("click", self._confirm, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is being asked."""
        return bool(self._dialog.value)

    def ask(self, question: Question, then: Callable[[], Awaitable[None]]) -> None:
        """Asks; `then` runs on yes, once."""
        self._then = then
        self._head.put(data_icon=question.icon)
        self._title.say(question.title)
        self._text.say(question.text)
        self._yes.say(question.yes)
        self._sheet.dress("sheet info" if question.is_harmless else "sheet danger")
        self._yes.dress("btn primary" if question.is_harmless else "btn danger-solid")
        self._no.say(question.no)
        self._dialog.value = True

    async def _confirm(self) -> None:
        then, self._then = self._then, None
        self._dialog.value = False
        if then is not None:
            await then()
