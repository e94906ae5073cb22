"""A job's arguments as a form, before a retry with others. It ends in the plan, which says what would be changed."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from services.errors import Invalid
from ui.components.args_form import ArgsForm, WrongInput, by_field
from ui.components.args_schema import ArgField
from ui.components.element import Tag

Then = Callable[[dict[str, Any]], Awaitable[None]]
"""Gets all arguments. May raise Invalid."""


class EditDialog:
    """One a page, filled for each job."""

    def __init__(self, upload_url: str) -> None:
        self._upload_url = upload_url
        self._form: ArgsForm | None = None
        self._rest: dict[str, Any] = {}
        self._then: Then | None = None
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=edit-title") as self._dialog,
            Tag("div", classes="sheet info wide"),
        ):
            with Tag("div", classes="sheet-head", data_icon="edit"), Tag("div"):
                Tag("h2", "Edit and retry", id="edit-title")
                self._sub = Tag("div", classes="sub")
            self._body = Tag("div")
            self._problem = Tag("p", "", "alert hidden", role="alert")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                self._go_on = Tag("button", "Continue", "btn primary", type="button")
        cancel.on("click", self.close, args=[])
        self._go_on.on("click", self._continue, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is editing."""
        return bool(self._dialog.value)

    def ask(self, title: str, fields: list[ArgField], args: dict[str, Any], then: Then) -> None:
        """Opens with fields that are filled in; `args` are all that the job has, also those without a field."""
        names = {field.name for field in fields}
        self._rest = {name: value for name, value in args.items() if name not in names}
        self._then = then
        self._sub.say(title)
        self._say_problem("")
        self._wait(busy=False)
        self._body.clear()
        with self._body:
            self._form = ArgsForm(fields, self._upload_url)
        self._dialog.value = True

    def close(self) -> None:
        """Closes; nothing of what was put in is kept."""
        self._dialog.value = False

    async def _continue(self) -> None:
        form, then = self._form, self._then
        if form is None or then is None:
            return
        try:
            values = form.values()
        except WrongInput as error:
            self._say_problem(form.complain(error.wrong) or "")
            return
        self._say_problem(form.complain({}) or "")
        self._wait(busy=True)
        try:
            await then(self._rest | values)
        except Invalid as error:
            self._say_problem(form.complain(by_field(error)) or "")
        finally:
            self._wait(busy=False)

    def _say_problem(self, words: str) -> None:
        self._problem.say(words)
        self._problem.dress("alert" if words else "alert hidden")

    def _wait(self, *, busy: bool) -> None:
        self._go_on.say("Looking\N{HORIZONTAL ELLIPSIS}" if busy else "Continue")
        self._go_on.dress("btn primary busy" if busy else "btn primary")
        self._go_on.put(disabled=True if busy else None)
