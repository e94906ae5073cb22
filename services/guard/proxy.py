"""A proxy on loopback for engines that connect by themselves (yt-dlp, aria2), but only to what the guard has checked.

Whatever they follow, redirects, playlists, a name that now means another address, is a request to this proxy.
"""

import asyncio
import base64
import hmac
import secrets
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from services.guard.addresses import (
    Address,
    AddressGuard,
    AddressRefused,
    IPAddress,
    Resolver,
    ask_system,
    parse_address,
)
from services.settings import Settings

_MAX_HEAD = 64 * 1024
_HEAD_SECONDS = 20.0
_CONNECT_SECONDS = 15.0
_IDLE_SECONDS = 300.0
_CHUNK = 64 * 1024
_MOST_LENGTH_DIGITS = 18
# Of one connection only: never passed on (RFC 9110, 7.6.1), and our token least of all.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"upgrade"}


@dataclass
class GuardedProxy:
    """A running proxy. `url` holds its secret: to be given to the engine alone, and not by its command line."""

    url: str
    refused: AddressRefused | None = None
    """The last refusal: engines only say that a proxy refused."""


@asynccontextmanager
async def guarded_proxy(
    settings: Settings, *, resolver: Resolver = ask_system, neighbours: Collection[tuple[str, int]] = ()
) -> AsyncIterator[GuardedProxy]:
    """A proxy for HTTP and CONNECT that only who has its address can use; its connections end with it.

    `neighbours` are services of ours, by address and port, that may be reached through it wherever they are. As
    anything that the engine follows may lead there, they must not answer without a secret of their own.
    """
    token = secrets.token_urlsafe(24)
    proxy = GuardedProxy("")
    server = _Server(AddressGuard.of(settings, resolver), token, proxy, frozenset(neighbours))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=_MAX_HEAD)
    proxy.url = f"http://mulligan:{token}@127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listening.close()
        await server.close()


class _Unable(Exception):
    """Why the proxy does not do what it was asked."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class _Head:
    """A request's or an answer's first line and its headers, as they came."""

    first: bytes
    headers: list[tuple[bytes, bytes]]

    def get(self, name: bytes) -> bytes | None:
        """A header's value; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def passed_on(self, first: bytes) -> bytes:
        """The head for the other side, which shall close when it is done: no later request comes by this way."""
        kept = [key + b": " + value for key, value in self.headers if key.lower() not in _HOP_BY_HOP]
        return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


@dataclass
class _Server:
    """The connections of one proxy."""

    guard: AddressGuard
    token: str
    proxy: GuardedProxy
    neighbours: frozenset[tuple[str, int]]
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its request to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - start_server made one
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        try:
            await self._answer(reader, writer)
        except _Unable as error:
            words = str(error).encode("utf-8", "replace")
            with suppress(OSError):
                writer.write(_refusal(error.status, words))
                await asyncio.wait_for(writer.drain(), _HEAD_SECONDS)
        except (OSError, EOFError):  # either side went away
            pass
        except asyncio.CancelledError:  # the proxy closes
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        """Ends all connections."""
        for task in self.connections:
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _read_head(reader, _HEAD_SECONDS)
        method, _, rest = head.first.partition(b" ")
        target = rest.rpartition(b" ")[0].decode("ascii", "replace")
        self._require_token(head)
        tunnel = method == b"CONNECT"
        there, out = (
            await self._connect(f"https://{target}/", "https")
            if tunnel
            else await self._connect(target, "http")
        )
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _until_one_ends(_pump(reader, out), _pump(there, writer))
            else:
                out.write(head.passed_on(method + b" " + _origin_form(target) + b" HTTP/1.1"))
                await _until_one_ends(_pass_body(reader, out, _length(head)), _pass_answer(there, writer))
        finally:
            out.close()

    def _require_token(self, head: _Head) -> None:
        given = head.get(b"proxy-authorization") or b""
        wanted = b"Basic " + base64.b64encode(f"mulligan:{self.token}".encode())
        if not hmac.compare_digest(given, wanted):
            raise _Unable("407 Proxy Authentication Required", "this proxy belongs to one program")

    async def _connect(self, url: str, scheme: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to an address of the host that was checked."""
        try:
            address = parse_address(url, schemes=(scheme,))
            found = await self._addresses(address)
        except AddressRefused as error:
            self.proxy.refused = error
            raise _Unable("403 Forbidden", error.message) from None
        except OSError as error:
            raise _Unable("502 Bad Gateway", str(error)) from None
        trouble: OSError = OSError("no address")
        for ip in found:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(str(ip), address.port, limit=_MAX_HEAD)
            except OSError as error:
                trouble = error
        status = "504 Gateway Timeout" if isinstance(trouble, TimeoutError) else "502 Bad Gateway"
        raise _Unable(status, f"{address.host} does not answer: {trouble}")

    async def _addresses(self, address: Address) -> list[IPAddress]:
        if (address.host, address.port) in self.neighbours:
            return [ip_address(address.host)]
        return await self.guard.addresses(address.host, address.port)


async def _read_head(reader: asyncio.StreamReader, seconds: float) -> _Head:
    try:
        async with asyncio.timeout(seconds):
            raw = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        raise _Unable("408 Request Timeout", "the head did not come in time") from None
    except asyncio.LimitOverrunError:
        raise _Unable("431 Request Header Fields Too Large", "the head is too large") from None
    first, *lines = raw[:-4].split(b"\r\n")
    pairs = [line.partition(b":") for line in lines]
    if any(not colon or not key or key != key.strip() or b"\n" in key + value for key, colon, value in pairs):
        raise _Unable("400 Bad Request", "a header makes no sense")
    return _Head(first, [(key, value.strip()) for key, _, value in pairs])


def _length(head: _Head) -> int:
    """How long a request's body is."""
    value = head.get(b"content-length") or b"0"
    if head.get(b"transfer-encoding") or not value.isdigit():
        raise _Unable("411 Length Required", "a body needs a Content-Length here")
    if len(value) > _MOST_LENGTH_DIGITS:  # Python itself refuses to read thousands of them
        raise _Unable("400 Bad Request", "nothing is that long")
    return int(value)


def _origin_form(url: str) -> bytes:
    """What a server is asked for: path and query."""
    parts = urlsplit(url)
    return ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode()


def _refusal(status: str, words: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(words)}"]
    if status.startswith("407"):
        lines.append('Proxy-Authenticate: Basic realm="mulligan"')
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + words


async def _until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    """Runs both ways of a connection until one of them is over."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Passes bytes on until the source ends, or both sides have been still for long."""
    while chunk := await asyncio.wait_for(source.read(_CHUNK), _IDLE_SECONDS):
        await _send(sink, chunk)


async def _send(sink: asyncio.StreamWriter, chunk: bytes) -> None:
    sink.write(chunk)
    await asyncio.wait_for(sink.drain(), _IDLE_SECONDS)


async def _pass_body(source: asyncio.StreamReader, sink: asyncio.StreamWriter, length: int) -> None:
    """Passes a request's body on, then waits for the client to go: a second request is not taken."""
    while length:
        chunk = await asyncio.wait_for(source.read(min(_CHUNK, length)), _IDLE_SECONDS)
        if not chunk:
            return
        length -= len(chunk)
        await _send(sink, chunk)
    await source.read(1)


async def _pass_answer(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Passes an answer on, interim ones too, telling the client that the connection ends with it."""
    try:
        while True:
            head = await _read_head(source, _IDLE_SECONDS)
            await _send(sink, head.passed_on(head.first))
            if head.first.split(b" ")[1:2] not in ([b"100"], [b"102"], [b"103"]):
                break
    except (_Unable, EOFError):
        raise _Unable("502 Bad Gateway", "the server's answer makes no sense, or none came") from None
    await _pump(source, sink)
