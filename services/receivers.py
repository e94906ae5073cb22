"""Who gets a job's secrets: what is shown hidden goes on to where it already went, and nowhere else.

Who may edit a job need not know its secrets. With the address changed and the rest left as it was shown, they would be
sent to whoever the editor likes.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, JsonValue

from services.errors import Invalid
from services.kinds import JobKind
from services.redaction import hidden_in, restore_hidden

_WORDS = "The address leads elsewhere now, and what is hidden is not sent there: write it out again, or leave it away"
_PORTS = {"http": 80, "https": 443}
# Addresses by the path of the argument that holds them. Items of a list may move: they share one.
_Receivers = set[tuple[tuple[str, ...], str]]


def edited_args(kind: JobKind, stored: dict[str, Any], given: dict[str, Any]) -> BaseModel:
    """Arguments as they were edited, with what is shown hidden, and was sent back so, put back in.

    Raises:
        Invalid: they do not fit the kind; something hidden stands where it did not stand, or would be sent to an
            address that did not have it.
    """
    parsed = kind.parse_args(restore_hidden(kind, stored, given))
    hidden = next(hidden_in(given, []), None)
    if hidden and _receivers(kind, kind.dump_args(parsed)) - _receivers(kind, stored):
        where = ".".join(["args", *hidden])
        raise Invalid(f"{where}: {_WORDS}", errors=[{"loc": hidden, "msg": _WORDS}])
    return parsed


def _receivers(kind: JobKind, args: dict[str, Any]) -> _Receivers:
    """Where the arguments lead. Free JSON is what is sent, not where to."""
    fields = kind.args_model.model_fields
    named = {name: args[name] for name in args if name not in fields or fields[name].annotation != JsonValue}
    return set(_of(named, ()))


def _of(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    match value:
        case str() if "://" in value:
            yield path, _origin(value)
        case dict():
            for key, inner in value.items():
                yield from _of(inner, (*path, str(key)))
        case list():
            for inner in value:
                yield from _of(inner, path)


def _origin(address: str) -> str:
    """Scheme, host and port; an address that nobody can read is one of its own."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return address
    return f"{parts.scheme}://{parts.hostname}:{port}"
