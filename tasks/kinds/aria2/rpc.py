"""aria2's JSON-RPC, over HTTP: https://aria2.github.io/manual/en/html/aria2c.html#rpc-interface"""

import asyncio
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import httpx

from services.errors import ServiceUnavailable
from services.settings import Settings

_SECONDS = 5.0


class Aria2Error(Exception):
    """aria2 answered, and said no."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def is_unknown(self) -> bool:
        """Whether it does not know the download that it was asked about."""
        return "is not found" in self.message.lower() or "No such download" in self.message


def gid_of(job_id: UUID, attempt: int) -> str:
    """The id of an attempt's download at aria2, which wants 16 hex digits: the same whoever asks."""
    return sha256(f"{job_id}:{attempt}".encode()).hexdigest()[:16]


class Aria2:
    """A client. A call raises `ServiceUnavailable` where nobody answers, and `Aria2Error` where the answer is no."""

    def __init__(self, settings: Settings) -> None:
        if settings.aria2_rpc_url is None:
            raise ServiceUnavailable("aria2 is not set up here: MULLIGAN_ARIA2_RPC_URL names none.")
        self._url = settings.aria2_rpc_url
        self._token = [f"token:{settings.aria2_rpc_secret}"] if settings.aria2_rpc_secret else []
        # Never by a proxy of the environment: it is a neighbour.
        self._http = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(self, method: str, *params: Any) -> Any:
        """What aria2 answers to `aria2.METHOD`."""
        body = {
            "jsonrpc": "2.0", "id": "mulligan", "method": f"aria2.{method}", "params": [*self._token, *params],
        }  # fmt: skip
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._http.post(self._url, json=body)
            said = answer.json()
        except (httpx.HTTPError, TimeoutError, ValueError):
            raise ServiceUnavailable(service="aria2") from None
        if error := said.get("error"):
            message = str(error.get("message", ""))
            if message == "Unauthorized":
                raise ServiceUnavailable("aria2 does not take our secret: set MULLIGAN_ARIA2_RPC_SECRET.")
            raise Aria2Error(message)
        return said["result"]

    async def version(self) -> str:
        """Of the daemon."""
        return str((await self.call("getVersion"))["version"])

    async def forget(self, gid: str) -> None:
        """Ends a download and removes its entry; its files stay. One that is not there is no error."""
        for method in ("forceRemove", "removeDownloadResult"):
            try:
                await self.call(method, gid)
            except Aria2Error:
                continue
