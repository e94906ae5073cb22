"""Whether the web answers, asked with nothing but a socket."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


async def is_up(address: str) -> bool:
    """Whether `GET /healthz` is answered with 200."""
    parts = urlsplit(address)
    request = f"GET /healthz HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(request.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    return False
