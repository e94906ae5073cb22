"""The fields of a form, read from the JSON Schema of a kind's arguments."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

_LONG_TEXT = 400


class Shape(StrEnum):
    """How a field is asked for."""

    FILE = "file"
    CHOICE = "choice"
    YES_NO = "yes_no"
    WHOLE_NUMBER = "whole_number"
    NUMBER = "number"
    TEXT = "text"
    LONG_TEXT = "long_text"
    SECRET = "secret"  # noqa: S105 - the name of a shape
    JSON = "json"


@dataclass(frozen=True)
class Choice:
    """One of several values, with words for it."""

    value: Any
    label: str
    words: str = ""


@dataclass(frozen=True)
class ArgField:
    """An argument, as a form asks for it."""

    name: str
    label: str
    shape: Shape
    required: bool
    default: Any = None
    hint: str = ""
    choices: tuple[Choice, ...] = ()
    prominent: bool = False
    """The kind wants everybody to be asked: `in_front` in the schema."""

    @property
    def in_front(self) -> bool:
        """Whether everybody is asked; the rest waits under "More options"."""
        return self.required or self.prominent or self.shape in {Shape.FILE, Shape.CHOICE}


def arg_fields(schema: dict[str, Any], upload_field: str | None = None) -> list[ArgField]:
    """The fields: files and what the kind wants in front, then what everybody is asked, then the rest."""
    required = set(schema.get("required", ()))
    fields = [
        _field(name, _resolve(part, schema), required=name in required, is_file=name == upload_field)
        for name, part in schema.get("properties", {}).items()
    ]
    return sorted(fields, key=lambda f: (not f.in_front, f.shape is not Shape.FILE and not f.prominent))


def filled_in(fields: list[ArgField], values: dict[str, Any]) -> list[ArgField]:
    """The fields with what a job has, instead of the defaults."""
    return [replace(field, default=values.get(field.name, field.default)) for field in fields]


def _resolve(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The part with references followed, and `X or null` read as X."""
    options = [option for option in part.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        part = {**_resolve(options[0], schema), **{k: v for k, v in part.items() if k != "anyOf"}}
    for key in ("$ref", "allOf"):
        if key in part:
            target = part[key] if key == "$ref" else part[key][0].get("$ref", "")
            found = schema.get("$defs", {}).get(str(target).rsplit("/", 1)[-1], {})
            rest = {k: v for k, v in part.items() if k != key}
            part = {**_resolve(found, schema), **rest}
    return part


def _field(name: str, part: dict[str, Any], *, required: bool, is_file: bool) -> ArgField:
    choices = _choices(part)
    label = _label(name, part)
    return ArgField(
        name=name,
        label="File" if is_file and label == _plain(name) else label,
        shape=Shape.FILE if is_file else _shape(part, choices),
        required=required,
        default=part.get("default"),
        hint=str(part.get("description", "")).split("\n", 1)[0],
        choices=choices,
        prominent=part.get("in_front", False) is True,
    )


def _label(name: str, part: dict[str, Any]) -> str:
    title = str(part.get("title") or "")
    # Pydantic makes "Upload Id" of upload_id; the class's name stands where an enumeration is referred to.
    made_up = not title or title.lower() == _plain(name).lower() or "enum" in part
    return _plain(name) if made_up else title


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shape(part: dict[str, Any], choices: tuple[Choice, ...]) -> Shape:
    if choices:
        return Shape.CHOICE
    match part.get("type"):
        case "boolean":
            return Shape.YES_NO
        case "integer":
            return Shape.WHOLE_NUMBER
        case "number":
            return Shape.NUMBER
        case "string" if part.get("format") == "password" or part.get("writeOnly"):
            return Shape.SECRET
        case "string" if part.get("maxLength", 0) >= _LONG_TEXT and part.get("format") != "uri":
            return Shape.LONG_TEXT
        case "string":
            return Shape.TEXT
        case _:
            return Shape.JSON


def _choices(part: dict[str, Any]) -> tuple[Choice, ...]:
    """The values of an enumeration. `labels` in the schema gives words: `{"720p": "HD, for the web"}`."""
    words = part.get("labels") or {}
    values = part.get("enum") or ([part["const"]] if "const" in part else [])
    return tuple(Choice(value, str(value), str(words.get(str(value), ""))) for value in values)
