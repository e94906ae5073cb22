"""Asking a tracker who has a torrent: over HTTP (BEP 3, 7 and 23) and UDP (BEP 15), to guarded addresses only."""

import asyncio
import secrets
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Self, cast
from urllib.parse import parse_qs

import httpx

from services.guard.addresses import AddressGuard, AddressRefused, IPAddress, parse_address
from tasks.kinds.aria2.bencode import decode

_MOST_BYTES = 256 * 1024
_MOST_PEERS = 500
_PROTOCOL = 0x41727101980  # BEP 15's own number
_EVENTS = {"completed": 1, "started": 2, "stopped": 3}


class NoAnswer(Exception):
    """A tracker refused, or said something that makes no sense."""


@dataclass(frozen=True)
class Peer:
    """Somebody who has a part of it."""

    ip: IPAddress
    port: int

    @classmethod
    def packed(cls, content: bytes, ip_bytes: int) -> list[Self]:
        """Peers one after another, addresses of so many bytes and a port each."""
        step = ip_bytes + 2
        whole = len(content) // step * step
        parts = [content[at : at + step] for at in range(0, min(whole, step * _MOST_PEERS), step)]
        return [cls(ip_address(part[:-2]), int.from_bytes(part[-2:])) for part in parts]

    def pack(self) -> bytes:
        """As above."""
        return self.ip.packed + self.port.to_bytes(2)


@dataclass(frozen=True)
class Told:
    """What a tracker said."""

    interval: int = 0
    """After how many seconds it wants to be asked again."""
    peers: list[Peer] = field(default_factory=list)


async def ask_http(http: httpx.AsyncClient, tracker: str, query: str) -> Told:
    """Passes an announce on; `query` is the one that aria2 sent, as it stood.

    Raises:
        AddressRefused, httpx.HTTPError, NoAnswer: nothing came of it.
    """
    joined = f"{tracker}{'&' if '?' in tracker else '?'}{query}"
    async with http.stream("GET", joined, headers={"Accept-Encoding": "identity"}) as answer:
        content = bytearray()
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise NoAnswer("the tracker's answer has no end")
    try:
        said, _ = decode(bytes(content))
        if b"failure reason" in said:
            raise NoAnswer(said[b"failure reason"].decode("utf-8", "replace"))
        peers = _peers(said.get(b"peers", b"")) + Peer.packed(said.get(b"peers6", b""), 16)
        return Told(int(said.get(b"interval", 0)), peers)
    except (ValueError, TypeError, AttributeError) as error:
        raise NoAnswer("the tracker's answer makes no sense") from error


async def ask_udp(guard: AddressGuard, tracker: str, query: str) -> Told:
    """The same over UDP. Nothing is asked twice: aria2 announces again.

    Raises:
        AddressRefused, OSError, NoAnswer: nothing came of it.
    """
    address = parse_address(tracker, schemes=("udp",))
    ip, *_ = await guard.addresses(address.host, address.port)
    loop = asyncio.get_running_loop()
    transport, conversation = await loop.create_datagram_endpoint(
        _Conversation, remote_addr=(str(ip), address.port)
    )
    try:
        here = await conversation.ask(struct.pack(">QI", _PROTOCOL, 0))
        (connection,) = struct.unpack_from(">Q", here)
        said = await conversation.ask(struct.pack(">QI", connection, 1), _announcement(query))
        interval, _, _ = struct.unpack_from(">III", said)
    except (struct.error, KeyError, ValueError) as error:
        raise NoAnswer("the tracker's answer makes no sense") from error
    finally:
        transport.close()
    return Told(interval, Peer.packed(said[12:], len(ip.packed)))


async def public_only(guard: AddressGuard, peers: list[Peer]) -> list[Peer]:
    """Those that may be connected to."""
    fine = []
    for peer in dict.fromkeys(peers):
        try:
            await guard.addresses(str(peer.ip), peer.port)
        except AddressRefused:
            continue
        if peer.port:
            fine.append(peer)
    return fine[:_MOST_PEERS]


def _peers(said: Any) -> list[Peer]:
    """Packed, or one dictionary each. A peer that has a name instead of an address is left out."""
    if isinstance(said, bytes):
        return Peer.packed(said, 4)
    found = []
    for one in said[:_MOST_PEERS]:
        try:
            found.append(Peer(ip_address(one[b"ip"].decode("ascii")), int(one[b"port"])))
        except (ValueError, KeyError):
            continue
    return [peer for peer in found if 0 < peer.port < 2**16]


def _announcement(query: str) -> bytes:
    """What aria2 says by a query, as BEP 15 has it."""
    given = {name: values[-1] for name, values in parse_qs(query, encoding="latin-1").items()}
    numbers = [int(given.get(name, 0)) for name in ("downloaded", "left", "uploaded")]
    ids = [given[name].encode("latin-1") for name in ("info_hash", "peer_id")]
    event = _EVENTS.get(given.get("event", ""), 0)
    key = secrets.randbits(32)
    return struct.pack(">20s20sQQQIIIiH", *ids, *numbers, event, 0, key, -1, int(given["port"]))


class _Conversation(asyncio.DatagramProtocol):
    """Questions to one tracker, one at a time."""

    _transport: asyncio.DatagramTransport
    _answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc)

    async def ask(self, head: bytes, rest: bytes = b"") -> bytes:
        """What follows the action and the number of the question in the answer."""
        action, number = head[-4:], secrets.token_bytes(4)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.sendto(head + number + rest)
        said = await self._answer
        if said[:8] != action + number:
            raise NoAnswer("the tracker's answer makes no sense")
        return said[8:]
