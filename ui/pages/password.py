"""The dialog that sets one's own password."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from services.people import passwords
from ui.components.element import Tag

_RULE = f"At least {passwords.SHORTEST} characters. Other browsers are signed out."


class PasswordDialog:
    """Asks for the new password and, where it is wanted, for the current one. `on_set` gives what is wrong, or None."""

    def __init__(self, on_set: Callable[[str, str], Awaitable[str | None]]) -> None:
        self._on_set = on_set
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=password-title") as self._dialog,
            Tag("div", classes="sheet info"),
        ):
            with Tag("div", classes="sheet-head", data_icon="key"):
                Tag("h2", "Set password", id="password-title")
            self._current = ui.input("Current password", password=True, password_toggle_button=True).props(
                "outlined dense autocomplete=current-password"
            )
            self._new = ui.input("New password", password=True, password_toggle_button=True).props(
                f'outlined dense autocomplete=new-password hint="{_RULE}"'
            )
            self._new.style("margin-top:14px")
            self._wrong = Tag("p", "", "alert hidden", role="alert", style="margin-top:26px")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                confirm = Tag("button", "Set password", "btn primary", type="button")
        cancel.on("click", self._dialog.close, args=[])
        confirm.on("click", self._confirm, args=[])
        self._new.on("keydown.enter", self._confirm, args=[])

    def open(self, *, asks_current: bool) -> None:
        """Opens with empty fields."""
        self._current.set_visibility(asks_current)
        self._current.value = self._new.value = ""
        self._wrong.dress("alert hidden")
        self._dialog.value = True
        (self._current if asks_current else self._new).props(add="autofocus")
        (self._new if asks_current else self._current).props(remove="autofocus")

    async def _confirm(self) -> None:
        wrong = await self._on_set(self._current.value or "", self._new.value or "")
        if wrong is None:
            self._current.value = self._new.value = ""
            self._dialog.value = False
            return
        self._wrong.say(wrong)
        self._wrong.dress("alert")
