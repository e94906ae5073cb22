"""Sending a request to somebody else's endpoint, and noting what it answered, however it behaves."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from services.failures.failures import clean
from services.scrubbing import scrub

# So much of the body is kept, and so much is read to see how long it is.
_BODY_KEPT = 1024
_BODY_READ = 64 * 1024
# The answer is there with its status: its body gets this long, no longer.
_BODY_SECONDS = 5.0
_MOST_HEADERS = 40
_HEADER_KEPT = 200
_NOT_KEPT = {"set-cookie", "set-cookie2"}


@dataclass(frozen=True)
class Answer:
    """What came back. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    body_bytes: int
    """How many were read."""
    complete: bool
    """Whether that was all of it."""
    seconds: float

    def as_json(self, secrets: Sequence[str]) -> dict[str, Any]:
        """What is kept of it: no cookies, nothing long, none of the `secrets` if it repeats them."""

        def safe(text: str) -> str:
            return clean(scrub(text, secrets))

        kept = [(name, value) for name, value in self.headers.items() if name not in _NOT_KEPT]
        return {
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "headers": {
                safe(name)[:_HEADER_KEPT]: safe(value)[:_HEADER_KEPT] for name, value in kept[:_MOST_HEADERS]
            },
            "body": safe(_text(self.body, self.headers.get("content-encoding", ""))),
            "body_bytes": self.body_bytes,
            "body_complete": self.complete,
        }


async def deliver(client: httpx.AsyncClient, request: httpx.Request, seconds: float) -> Answer:
    """Sends the request once. An answer counts from its head on: a body that breaks off, or has no end, is cut.

    Raises:
        TimeoutError: no answer within `seconds`.
        AddressRefused, httpx.TransportError: it could not be sent, or what came is no answer.
    """
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        response = await client.send(request, stream=True)
    body, complete = bytearray(), False
    size = 0
    try:
        with suppress(TimeoutError, httpx.TransportError):
            async with asyncio.timeout(_BODY_SECONDS):
                # Raw: decompressing a stranger's body may make gigabytes of a few bytes.
                async for chunk in response.aiter_raw():
                    body += chunk[: _BODY_KEPT - len(body)]
                    size += len(chunk)
                    if size >= _BODY_READ:
                        break
                else:
                    complete = True
    finally:
        await response.aclose()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, bytes(body), size, complete, time.monotonic() - began)


def _text(body: bytes, encoding: str) -> str:
    if encoding and encoding.lower() != "identity":
        return f"({encoding}, not decoded)"
    text = body.decode("utf-8", "replace")
    if body and text.count("\N{REPLACEMENT CHARACTER}") > len(text) // 10 + 1:
        return "(not text)"
    return text
