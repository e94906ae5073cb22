"""Secrets in a job's arguments and results, hidden wherever these are shown."""

from collections.abc import Iterator
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr

from services.kinds import JobKind
from services.scrubbing import HIDDEN, is_secret_name, scrub

__all__ = ["HIDDEN", "redact_args", "redact_result", "secret_values"]

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
