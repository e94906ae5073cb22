"""Trackers that a torrent or a magnet link names."""

from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from services.guard.addresses import AddressRefused, parse_address
from tasks.kinds.aria2.bencode import decode

_MOST = 50
_SCHEMES = ("http", "https", "udp")


class NotATorrent(ValueError):
    """Bytes that are no torrent file."""


def of_magnet(link: str) -> list[str]:
    """The trackers that a magnet link names and that can be read."""
    return _readable(parse_qs(urlsplit(link).query).get("tr", []))


def of_torrent(content: bytes) -> list[str]:
    """The trackers that a torrent file names and that can be read.

    Raises:
        NotATorrent: it is none.
    """
    try:
        whole, _ = decode(content)
        announced = [
            whole.get(b"announce"),
            *(url for tier in whole.get(b"announce-list", []) for url in tier),
        ]
        if not isinstance(whole[b"info"], dict):
            raise NotATorrent
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise NotATorrent from error
    return _readable(url.decode("utf-8", "replace") for url in announced if isinstance(url, bytes))


def _readable(trackers: Iterable[str]) -> list[str]:
    fine = []
    for tracker in list(dict.fromkeys(trackers))[:_MOST]:
        try:
            address = parse_address(tracker, schemes=_SCHEMES)
        except AddressRefused:
            continue
        if "," not in address.url:  # it parts them in aria2's option
            fine.append(address.url)
    return fine
