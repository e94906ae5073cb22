"""Whether the web answers, asked with nothing but a socket."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit


async def is_up(address: str) -> bool:
    """Whether `GET /healthz` is answered with 200."""
    parts = urlsplit(address)
    request = f"GET /healthz HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            # Asked here, since the loop would start a thread for it (see `_stay_single_threaded`).
            where = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)[0][4]
            reader, writer = await asyncio.open_connection(str(where[0]), int(where[1]))
            try:
                writer.write(request.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    return False
