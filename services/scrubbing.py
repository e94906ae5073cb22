"""Secrets in running text (messages, tracebacks, log lines) hidden, before the text is kept anywhere."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

HIDDEN = "••••••"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|api_?key|access_?key|private_?key|authorization|cookie|credential|signature|"
    r"^auth$|^bearer$|^sig$|^pwd$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^\s/?#'\"<>]+(?=@)")
_PARAMETER = re.compile(r"(?<=[?&;#])([^\s=&;#?'\"<>]{1,100})=([^\s&;#'\"<>]+)")
_HEADER = re.compile(
    r"\b((?:authorization['\"]?\s*[:=,]\s*['\"]?(?:bearer\s+|basic\s+|digest\s+|token\s+)?)|bearer\s+)[^\s'\",;]{6,}",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a password, a token, a key, a signature."""
    return bool(_SECRET_NAME.search(name.replace("-", "_")))


def scrub(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without who and with what password stands in an address, without its secret parameters, without the
    credentials of an `Authorization` header, and without these `secrets` wherever they stand."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _PARAMETER.sub(_without_value, _USERINFO.sub(HIDDEN, text))
    return _HEADER.sub(rf"\1{HIDDEN}", text)


def _without_value(parameter: re.Match[str]) -> str:
    name = parameter[1]
    return f"{name}={HIDDEN}" if is_secret_name(unquote(name)) else parameter[0]
