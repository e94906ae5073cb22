"""Secrets in a job's arguments and results, hidden wherever these are shown."""

from collections.abc import Iterator
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr

from services.errors import Invalid
from services.kinds import JobKind
from services.scrubbing import HIDDEN, is_secret_name, scrub

__all__ = [
    "HIDDEN",
    "differences",
    "hidden_in",
    "redact_args",
    "redact_result",
    "restore_hidden",
    "secret_values",
]

# Shorter ones stand in other words by chance.
_SHORTEST_SECRET = 6


def redact_args(kind: JobKind | None, args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they may be shown: no passwords, tokens, keys, nor what the kind's model calls a secret."""
    declared = _secret_fields(kind.args_model) if kind else frozenset()
    return {
        name: HIDDEN if name in declared and value else _redact(name, value) for name, value in args.items()
    }


def redact_result(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """A result as it may be shown."""
    return None if result is None else redact_args(None, result)


def restore_hidden(kind: JobKind, stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The given arguments with what is shown hidden, and was sent back as it was shown, put back in.

    Raises:
        Invalid: what is hidden stands where it did not stand, so that nobody knows what is meant.
    """
    restored: dict[str, Any] = _restored(given, redact_args(kind, stored), stored)
    if left := next(hidden_in(restored, []), None):
        where = ".".join(["args", *left])
        words = f"What is hidden ({HIDDEN}) is known only where it stood: write it out, or leave it as it was"
        raise Invalid(f"{where}: {words}", errors=[{"loc": left, "msg": words}])
    return restored


def differences(kind: JobKind, before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """What differs between arguments, as `{"path", "before", "after"}` each, without the secrets."""
    shown = redact_args(kind, before), redact_args(kind, after)
    return list(_differences([], (before, after), shown))


def secret_values(kind: JobKind | None, args: dict[str, Any]) -> tuple[str, ...]:
    """What `redact_args` hides, longest first: to be kept out of messages and log lines."""
    declared = _secret_fields(kind.args_model) if kind else frozenset()
    found = {
        secret
        for name, value in args.items()
        for secret in (_texts(value) if name in declared else _secrets(name, value))
        if len(secret) >= _SHORTEST_SECRET
    }
    return tuple(sorted(found, key=len, reverse=True))


def _restored(given: Any, shown: Any, stored: Any) -> Any:
    if given == shown:
        return stored
    match given, shown:
        case dict(), dict() if not _is_named_secret(shown):
            return {
                key: _restored(value, shown[key], stored[key]) if key in shown else value
                for key, value in given.items()
            }
        case list(), list() if not _is_named_secret(shown):
            return [_item(value, n, shown, stored) for n, value in enumerate(given)]
        case _:
            return given


def _item(given: Any, n: int, shown: list[Any], stored: list[Any]) -> Any:
    """An item of a list, which may have moved."""
    meant = [stored[at] for at, item in enumerate(shown) if item == given]
    if n < len(shown) and given == shown[n]:
        return stored[n]
    if meant and all(one == meant[0] for one in meant):
        return meant[0]
    return _restored(given, shown[n], stored[n]) if n < len(shown) and not meant else given


def _is_named_secret(shown: Any) -> bool:
    """Whether its name is what makes it a secret: under another name it would be shown."""
    match shown:
        case {"name": str(called), "value": str()}:
            return is_secret_name(called)
        case [str(called), str()]:
            return is_secret_name(called)
        case _:
            return False


def hidden_in(value: Any, path: list[str]) -> Iterator[list[str]]:
    """Where something stands that is hidden: each place as a path below `path`."""
    match value:
        case str() if HIDDEN in value:
            yield path
        case dict():
            for key, inner in value.items():
                yield from hidden_in(inner, [*path, str(key)])
        case list():
            for n, inner in enumerate(value):
                yield from hidden_in(inner, [*path, str(n)])


def _differences(
    path: list[str], values: tuple[Any, Any], shown: tuple[Any, Any]
) -> Iterator[dict[str, Any]]:
    before, after = values
    if before == after:
        return
    if all(isinstance(side, dict) for side in (*values, *shown)):
        for key in dict.fromkeys([*before, *after]):
            inner = before.get(key), after.get(key)
            yield from _differences([*path, key], inner, (shown[0].get(key), shown[1].get(key)))
        return
    yield {"path": ".".join(path), "before": shown[0], "after": shown[1]}


def _redact(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool) and is_secret_name(name):
        return HIDDEN
    match value:
        case {"name": str(called), "value": str()} if is_secret_name(called):
            return value | {"value": HIDDEN}
        case dict():
            return {str(key): _redact(str(key), inner) for key, inner in value.items()}
        case [str(called), str()] if is_secret_name(called):  # a header, as a pair
            return [called, HIDDEN]
        case list():
            return [_redact("", inner) for inner in value]
        case str():
            return scrub(value)
        case _:
            return value


def _secrets(name: str, value: Any) -> Iterator[str]:
    if is_secret_name(name):
        yield from _texts(value)
        return
    match value:
        case {"name": str(called), "value": str(text)} if is_secret_name(called):
            yield text
        case dict():
            for key, inner in value.items():
                yield from _secrets(str(key), inner)
        case [str(called), str(text)] if is_secret_name(called):
            yield text
        case list():
            for inner in value:
                yield from _secrets("", inner)
        case str() if "://" in value:
            yield from _of_address(value)


def _of_address(address: str) -> Iterator[str]:
    """The password of an address, or the name where it stands alone, as GitHub's tokens do."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    secret = parts.password or (parts.username if parts.password is None else None)
    if secret:
        yield from {secret, unquote(secret)}


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _secret_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if _is_secret(field.annotation))


def _is_secret(annotation: Any) -> bool:
    if annotation in {SecretStr, SecretBytes}:
        return True
    return any(_is_secret(part) for part in get_args(annotation) if part is not type(None))
