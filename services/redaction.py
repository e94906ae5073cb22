"""Secrets in a job's arguments, hidden wherever arguments are shown."""

import re
from typing import Any, get_args
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, SecretBytes, SecretStr

from services.kinds import JobKind

HIDDEN = "••••••"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|api_?key|access_?key|private_?key|authorization|cookie|credential|signature|"
    r"^auth$|^bearer$|^sig$|^pwd$",
    re.IGNORECASE,
)


def redact_args(kind: JobKind | None, args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they may be shown: no passwords, tokens, keys, nor what the kind's model calls a secret."""
    declared = _secret_fields(kind.args_model) if kind else frozenset()
    return {
        name: HIDDEN if name in declared and value else _redact(name, value) for name, value in args.items()
    }


def _redact(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool) and _SECRET_NAME.search(name.replace("-", "_")):
        return HIDDEN
    match value:
        case dict():
            return {str(key): _redact(str(key), inner) for key, inner in value.items()}
        case list():
            return [_redact("", inner) for inner in value]
        case str() if "://" in value:
            return _without_secrets(value)
        case _:
            return value


def _without_secrets(address: str) -> str:
    """An address without the password and the signatures that it may carry."""
    try:
        parts = urlsplit(address)
        netloc = parts.netloc
        if "@" in netloc and ":" in netloc.rpartition("@")[0]:
            netloc = f"{netloc.partition(':')[0]}:{HIDDEN}@{netloc.rpartition('@')[2]}"
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return address
    if netloc == parts.netloc and not any(_is_secret_parameter(name) for name, _ in query):
        return address
    shown = urlencode([(n, HIDDEN if _is_secret_parameter(n) else v) for n, v in query])
    return urlunsplit(parts._replace(netloc=netloc, query=shown.replace(quote(HIDDEN), HIDDEN)))


def _is_secret_parameter(name: str) -> bool:
    return bool(_SECRET_NAME.search(name.replace("-", "_")))


def _secret_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if _is_secret(field.annotation))


def _is_secret(annotation: Any) -> bool:
    if annotation in {SecretStr, SecretBytes}:
        return True
    return any(_is_secret(part) for part in get_args(annotation) if part is not type(None))
