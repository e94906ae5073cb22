"""File names that came from people: what is kept of them, and how they go into a header."""

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from services.failures.failures import clean

_MAX_BYTES = 255
# Control and formatting characters (a right-to-left override can turn an ending round), surrogates, line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe_filename(name: str, default: str = "file") -> str:
    """The base name of what a client sent, without invisible characters, at most 255 bytes, its ending kept."""
    name = clean(name).replace("\\", "/").rsplit("/", 1)[-1]
    name = unicodedata.normalize("NFC", name)
    name = "".join(c for c in name if unicodedata.category(c) not in _INVISIBLE).strip()
    if not name.strip(". "):
        return default
    return _shortened(name)


def content_disposition(filename: str) -> str:
    """The header that makes a browser save the answer under this name (RFC 6266, RFC 8187)."""
    name = safe_filename(filename)
    ascii_name = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


def _shortened(name: str) -> str:
    if len(name.encode()) <= _MAX_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= 32 else ""
    stem = name[: len(name) - len(suffix)].encode()[: _MAX_BYTES - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix
