"""An endpoint on loopback that answers by script, one entry a request, and then goes on with the last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """A request that came in; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """`url` is where it listens; `script` what it answers."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    hung_up: int = 0
    """How many callers went away before they had an answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split(" ")
            self.calls.append(Call(method, path, headers, body))
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                gone = asyncio.ensure_future(reader.read(1))
                answering = asyncio.ensure_future(reply(writer))
                await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
                self.hung_up += gone.done()
                gone.cancel()
                answering.cancel()
                await asyncio.gather(gone, answering, return_exceptions=True)
        except (OSError, EOFError):
            self.hung_up += 1
        finally:
            writer.close()


@asynccontextmanager
async def an_endpoint(*script: Reply) -> AsyncIterator[Endpoint]:
    """One that listens."""
    endpoint = Endpoint(script=list(script))
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        server.close()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; underscores in header names become dashes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def hang(writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Sends a head, byte by byte, that does not end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(writer: asyncio.StreamWriter) -> None:
    """Accepts, and then sends a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Accepts, and then sends a body that takes for ever."""
    writer.write(b"HTTP/1.1 202 Accepted\r\n\r\nthank you")
    await writer.drain()
    await hang(writer)


async def huge_head(writer: asyncio.StreamWriter) -> None:
    """Sends headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 60_000 + b"\r\n")
        await writer.drain()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Goes away without an answer."""
    writer.close()


async def rubbish(writer: asyncio.StreamWriter) -> None:
    """Speaks something else."""
    writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
    await writer.drain()
