"""The dialog that sets one's own password."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from ui.components.element import Tag


class PasswordDialog:
    """Asks for the current password, which somebody who came in by a link leaves empty, and the new one."""

    def __init__(self, on_set: Callable[[str, str], Awaitable[str | None]]) -> None:
        self._on_set = on_set
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=password-title") as self._dialog,
            Tag("div", classes="sheet"),
        ):
            with Tag("div", classes="sheet-head", data_icon="key"):
                Tag("h2", "Set password", id="password-title")
            self._current = ui.input("Current password", password=True).props(
                'outlined dense autocomplete=current-password hint="Empty, if you have none or have just signed in"'
            )
            self._new = ui.input("New password", password=True).props(
                "outlined dense autocomplete=new-password"
            )
            self._new.style("margin-top:22px")
            self._wrong = Tag("p", "", "alert hidden", role="alert", style="margin-top:12px")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                confirm = Tag("button", "Set password", "btn primary", type="button")
        cancel.on("click", self._dialog.close, args=[])
        confirm.on("click", self._confirm, args=[])
        self._new.on("keydown.enter", self._confirm, args=[])

    def open(self) -> None:
        """Opens with empty fields."""
        self._current.value = self._new.value = ""
        self._wrong.dress("alert hidden")
        self._dialog.value = True

    async def _confirm(self) -> None:
        wrong = await self._on_set(self._current.value or "", self._new.value or "")
        self._current.value = self._new.value = ""
        if wrong is None:
            self._dialog.value = False
            return
        self._wrong.say(wrong)
        self._wrong.dress("alert")
