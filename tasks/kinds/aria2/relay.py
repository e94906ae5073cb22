"""A tracker of the run's own, between aria2 and the torrent's: it passes on only peers of the public internet.

aria2 connects to every peer that it hears of and cannot be told which to leave out. With this as its only tracker, and
without DHT and the exchange of peers, it hears of none that the guard has not seen.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from services.guard.addresses import AddressGuard, AddressRefused
from services.guard.http import guarded_client
from services.settings import Settings
from tasks.kinds.aria2.announce import NoAnswer, Peer, Told, ask_http, ask_udp, public_only
from tasks.kinds.aria2.bencode import encode

_SECONDS = 5.0
"""So long all trackers together have for an answer."""
_SOONEST, _LATEST = 10, 1800
_MOST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Relay:
    """One that listens. `url` holds its secret; `host` and `port` are for who must let aria2 through to it."""

    url: str
    host: str
    port: int


@asynccontextmanager
async def relayed(settings: Settings, trackers: Sequence[str]) -> AsyncIterator[Relay]:
    """Asks `trackers` whenever aria2 asks it."""
    path = f"/{secrets.token_urlsafe(24)}/announce"
    async with guarded_client(settings, timeout=_SECONDS, follow_redirects=True) as http:
        asking = _Asking(AddressGuard.of(settings), http, trackers, path)
        server = await asyncio.start_server(asking.serve, "127.0.0.1", 0, limit=_MOST_HEAD)
        host, port = server.sockets[0].getsockname()[:2]
        try:
            yield Relay(f"http://{host}:{port}{path}", host, port)
        finally:
            server.close()
            await asking.close()


class _Asking:
    """Answers announces."""

    def __init__(
        self, guard: AddressGuard, http: httpx.AsyncClient, trackers: Sequence[str], path: str
    ) -> None:
        self._guard = guard
        self._http = http
        self._trackers = trackers
        self._path = path
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one announce."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - start_server made one
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Whoever goes away, or sends too much, gets no answer.
        with suppress(OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(3 * _SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.decode("latin-1")))
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Ends all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _answer(self, head: str) -> bytes:
        _, _, target = head.partition("\r\n")[0].rpartition(" ")[0].partition(" ")
        path, _, query = target.partition("?")
        if not secrets.compare_digest(path.encode(), self._path.encode()):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        body = _said(await self._ask_all(query))
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{length}".encode() + body

    async def _ask_all(self, query: str) -> list[Told]:
        tasks = [asyncio.create_task(self._ask(tracker, query)) for tracker in self._trackers]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [told for task in tasks if not task.cancelled() and (told := task.result())]

    async def _ask(self, tracker: str, query: str) -> Told | None:
        try:
            if tracker.startswith("udp:"):
                told = await ask_udp(self._guard, tracker, query)
            else:
                told = await ask_http(self._http, tracker, query)
            return Told(told.interval, await public_only(self._guard, told.peers))
        except (AddressRefused, OSError, NoAnswer, httpx.HTTPError, httpx.InvalidURL):
            return None


def _said(answers: list[Told]) -> bytes:
    """One answer made of all."""
    if not answers:
        return encode({b"failure reason": b"no tracker has answered"})
    peers: dict[Peer, None] = dict.fromkeys(peer for told in answers for peer in told.peers)
    wanted = min((told.interval for told in answers if told.interval > 0), default=_LATEST)
    return encode(
        {
            b"interval": max(_SOONEST, min(wanted, _LATEST)),
            b"peers": b"".join(peer.pack() for peer in peers if peer.ip.version == 4),
            b"peers6": b"".join(peer.pack() for peer in peers if peer.ip.version == 6),
        }
    )
