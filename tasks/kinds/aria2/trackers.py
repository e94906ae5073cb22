"""Trackers that a torrent or a magnet link names, each looked at by the guard before aria2 hears of it."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from services.guard.addresses import AddressGuard, AddressRefused, parse_address

_MOST = 50
_SCHEMES = ("http", "https", "udp")


class NotATorrent(ValueError):
    """Bytes that are no torrent file."""


def of_magnet(link: str) -> list[str]:
    """The trackers that a magnet link names."""
    return parse_qs(urlsplit(link).query).get("tr", [])


def of_torrent(content: bytes) -> list[str]:
    """The trackers that a torrent file names.

    Raises:
        NotATorrent: it is none.
    """
    try:
        whole, _ = _decode(content, 0, 0)
        announced = [
            whole.get(b"announce"),
            *(url for tier in whole.get(b"announce-list", []) for url in tier),
        ]
        if not isinstance(whole[b"info"], dict):
            raise NotATorrent
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, RecursionError) as error:
        raise NotATorrent from error
    return [url.decode("utf-8", "replace") for url in announced if isinstance(url, bytes)]


async def allowed(guard: AddressGuard, trackers: Iterable[str]) -> list[str]:
    """Those that may be asked. HTTP ones go by the proxy besides, which looks again whenever it connects."""
    fine = []
    for tracker in list(dict.fromkeys(trackers))[:_MOST]:
        try:
            address = parse_address(tracker, schemes=_SCHEMES)
            await guard.addresses(address.host, address.port)
        except (AddressRefused, OSError):
            continue
        if "," not in address.url:  # it parts them in aria2's option
            fine.append(address.url)
    return fine


def _decode(content: bytes, at: int, depth: int) -> tuple[Any, int]:
    """A value of bencoding (BEP 3), and where the next one begins."""
    if depth > 20:
        raise NotATorrent
    match content[at : at + 1]:
        case b"i":
            end = content.index(b"e", at)
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
            if end > len(content):
                raise NotATorrent
            return content[start:end], end
