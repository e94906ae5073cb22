"""The form of a kind's arguments."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from services.errors import Invalid
from ui.components.args_schema import ArgField, Shape
from ui.components.element import Tag
from ui.components.upload_field import UploadField

_MANY_CHOICES = 8


class WrongInput(Exception):
    """Something cannot be sent as it is: field → what is wrong."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("; ".join(wrong.values()))
        self.wrong = dict(wrong)


class ArgsForm:
    """Draws the fields in the current slot, and reads what was put in."""

    def __init__(
        self, fields: list[ArgField], upload_url: str, *, several: bool = False,
        on_files: Callable[[int], Any] = lambda _: None,
    ) -> None:  # fmt: skip
        """`several`: more than one file may be chosen, for a job each; `on_files` is told how many there are."""
        self._upload_url = upload_url
        self._several = several
        self._on_files = on_files
        self._files: dict[str, UploadField] = {}
        self._readers: dict[str, Callable[[], Any]] = {}
        self._wrong: dict[str, Tag] = {}
        self._more: Tag | None = None
        for field in fields:
            if field.in_front:
                self._draw(field)
        rest = [field for field in fields if not field.in_front]
        if rest:
            with Tag("details", classes="more") as self._more:
                Tag("summary", "More options")
                for field in rest:
                    self._draw(field)

    def values(self) -> dict[str, Any]:
        """The arguments; what was left empty is left out.

        Raises:
            WrongInput: a field cannot be read.
        """
        values, wrong = {}, {}
        for name, read in self._readers.items():
            try:
                value = read()
            except ValueError as error:
                wrong[name] = str(error)
                continue
            if value is not None and value != "":
                values[name] = value
        if wrong:
            raise WrongInput(wrong)
        return values

    def orders(self) -> list[dict[str, Any]]:
        """As `values`, once for each of the files that were chosen.

        Raises:
            WrongInput: a field cannot be read.
        """
        values = self.values()
        for name, upload in self._files.items():
            if len(upload.upload_ids) > 1:
                return [values | {name: upload_id} for upload_id in upload.upload_ids]
        return [values]

    def forget(self, orders: Sequence[Mapping[str, Any]]) -> None:
        """Takes away the files of these orders: they are under way."""
        for name, upload in self._files.items():
            upload.forget([str(order[name]) for order in orders if name in order])

    def complain(self, wrong: Mapping[str, str]) -> str | None:
        """Shows what is wrong at each field, and takes away what is not. Returns what belongs to no field."""
        for name, line in self._wrong.items():
            line.say(wrong.get(name, ""))
            if name in wrong and self._more and line in self._more.descendants():
                self._more.put(open=True)
        rest = [words for name, words in wrong.items() if name not in self._wrong]
        return "; ".join(rest) or None

    # --- fields -------------------------------------------------------------------------------------------------------

    def _draw(self, field: ArgField) -> None:
        with Tag("div", classes="field"):
            match field.shape:
                case Shape.FILE:
                    self._file(field)
                case Shape.CHOICE if len(field.choices) <= _MANY_CHOICES:
                    self._radios(field)
                case Shape.CHOICE:
                    self._select(field)
                case Shape.YES_NO:
                    box = ui.checkbox(field.label, value=bool(field.default))
                    self._readers[field.name] = lambda: box.value
                case _:
                    self._text(field)
            if field.hint:
                Tag("div", field.hint, "hint", id=f"hint-{field.name}")
            self._wrong[field.name] = Tag("div", "", "wrong", role="alert", id=f"wrong-{field.name}")

    def _file(self, field: ArgField) -> None:
        Tag("div", field.label, "name")
        if field.default:
            Tag("div", "Leave this empty to keep the file that the job has.", "hint")

        def changed() -> None:
            self._wrong[field.name].say("")
            self._on_files(len(upload.upload_ids))

        upload = UploadField(self._upload_url, f"arg-{field.name}", changed, several=self._several)
        self._files[field.name] = upload

        def read() -> str | None:
            if upload.busy:
                raise ValueError("Wait until the upload is finished.")
            if upload.failed and (upload.failed > 1 or upload.upload_ids):
                raise ValueError("Not every file could be uploaded: remove those, or choose them again.")
            chosen = upload.upload_id or field.default
            if chosen is None and field.required:
                raise ValueError("Choose a file first.")
            return str(chosen) if chosen else None

        self._readers[field.name] = read

    def _radios(self, field: ArgField) -> None:
        chosen = {"value": field.default if field.default is not None else None}
        by_key = {str(choice.value): choice.value for choice in field.choices}
        with Tag("fieldset", classes="choices") as group:
            Tag("legend", field.label)
            for choice in field.choices:
                with Tag("label", classes="choice"):
                    Tag(
                        "input", type="radio", name=f"arg-{field.name}", value=str(choice.value),
                        checked=True if choice.value == field.default else None,
                    )  # fmt: skip
                    with Tag("span", choice.label):
                        if choice.words:
                            Tag("small", choice.words)
        group.on(
            "change",
            lambda e: chosen.update(value=by_key.get(str(e.args))),
            js_handler="(e) => emit(e.target.value)",
        )
        self._readers[field.name] = lambda: chosen["value"]

    def _select(self, field: ArgField) -> None:
        chosen = {"value": field.default}
        by_key = {str(choice.value): choice.value for choice in field.choices}
        Tag("label", field.label, "name", for_=f"arg-{field.name}")
        with Tag("select", classes="pick", id=f"arg-{field.name}", style="width:100%") as select:
            if not field.required:
                Tag("option", "", value="")
            for choice in field.choices:
                words = f"{choice.label} · {choice.words}" if choice.words else choice.label
                is_default = True if choice.value == field.default else None
                Tag("option", words, value=str(choice.value), selected=is_default)
        select.on(
            "change",
            lambda e: chosen.update(value=by_key.get(str(e.args))),
            js_handler="(e) => emit(e.target.value)",
        )
        self._readers[field.name] = lambda: chosen["value"]

    def _text(self, field: ArgField) -> None:
        label = field.label if field.required else f"{field.label} (optional)"
        described = f'aria-describedby="wrong-{field.name}"'
        match field.shape:
            case Shape.WHOLE_NUMBER | Shape.NUMBER:
                number = ui.number(label, value=field.default)
                number.props(f"outlined dense {described}")
                is_whole = field.shape is Shape.WHOLE_NUMBER
                self._readers[field.name] = lambda: _number(number.value, is_whole=is_whole)
            case Shape.LONG_TEXT | Shape.JSON:
                filled = isinstance(field.default, (dict, list)) and field.default
                shown = json.dumps(field.default, indent=2) if filled else field.default
                area = ui.textarea(label, value=str(shown or "")).props(
                    f"outlined dense autogrow {described}"
                )
                is_json = field.shape is Shape.JSON
                self._readers[field.name] = lambda: _json(area.value) if is_json else area.value
            case _:
                secret = field.shape is Shape.SECRET
                line = ui.input(label, value=str(field.default or ""), password=secret)
                line.props(f"outlined dense autocomplete=off {described}")
                self._readers[field.name] = lambda: line.value


def by_field(error: Invalid) -> dict[str, str]:
    """The first complaint about each field; what is about none stands under the empty name."""
    wrong: dict[str, str] = {}
    for item in error.data.get("errors", ()):
        where = item["loc"][0] if item["loc"] else ""
        wrong.setdefault(str(where), str(item["msg"]).removeprefix("Value error, "))
    return wrong or {"": error.message}


def _number(value: float | None, *, is_whole: bool) -> float | None:
    return int(value) if is_whole and value is not None and value == int(value) else value


def _json(text: str | None) -> Any:
    if not text or not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"This is not JSON: {error}") from None
