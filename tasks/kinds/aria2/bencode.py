"""Bencoding, in which torrents and trackers speak (BEP 3)."""

from typing import Any

_DEEPEST = 20


def decode(content: bytes) -> tuple[Any, int]:
    """The first value, and where it ends.

    Raises:
        ValueError: it is none.
    """
    try:
        return _decode(content, 0, 0)
    except (IndexError, TypeError) as error:
        raise ValueError("no bencoding") from error


def encode(value: object) -> bytes:
    """A number, bytes, or a dictionary of them."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%s" % (len(value), value)
        case dict():
            return b"d" + b"".join(encode(name) + encode(value[name]) for name in sorted(value)) + b"e"
        case _:
            raise TypeError(type(value))


def _decode(content: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    match content[at : at + 1]:
        case b"i":
            end = content.index(b"e", at, at + 24)
            return int(content[at + 1 : end]), end + 1
        case b"l" | b"d" as kind:
            items, at = [], at + 1
            while content[at : at + 1] != b"e":
                item, at = _decode(content, at, depth + 1)
                items.append(item)
            if kind == b"l":
                return items, at + 1
            return dict(zip(items[::2], items[1::2], strict=True)), at + 1
        case _:
            colon = content.index(b":", at, at + 12)
            start = colon + 1
            end = start + int(content[at:colon])
            if not start <= end <= len(content):
                raise ValueError("it ends too early")
            return content[start:end], end
