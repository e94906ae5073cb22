"""The way between a browser and a server, which can be cut, and can go dead without a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """Passes bytes on between its own port and another. Made by `wire_to()`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._cut = False
        self._alive = asyncio.Event()
        self._alive.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address of its near end."""
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1")

    def cut(self) -> None:
        """Every connection breaks, and no new one is taken."""
        self._cut = True
        self._break()

    def go_dead(self) -> None:
        """Connections stand and are taken, and nothing comes through."""
        self._alive.clear()

    def mend(self) -> None:
        """As new. What stood while it was dead is broken."""
        if not self._alive.is_set():
            self._break()
        self._cut = False
        self._alive.set()

    async def close(self) -> None:
        """Ends it."""
        assert self._server
        self._server.close()
        self.mend()
        self._break()

    def _break(self) -> None:
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            await self._alive.wait()
            if self._cut or writer not in self._ends:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._ends.add(far_writer)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
            self._ends.discard(far_writer)
        except OSError:
            pass  # nobody listens there: the browser is told by the end of its connection
        finally:
            self._ends.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._alive.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """A way to a port of this machine."""
    wire = Wire(port)
    await wire.start()
    try:
        yield wire
    finally:
        await wire.close()
