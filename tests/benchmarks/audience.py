"""Open dashboards without a browser, in a process of their own: `python -m tests.benchmarks.audience URL COOKIE`.

Each opens the grid and keeps its websocket as a browser does: it answers pings, and acknowledges every three seconds
what it was told, so that the server forgets it. Every tenth notes when it is told of which step. Commands come as
lines: a number opens so many more, `heard` gives what they were told since the last time, as JSON; the end of input
ends it.
"""

import ast
import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

_QUERY = re.compile(r"query: (\{.*?\}),\n")
_NUMBER = re.compile(r'"_id":(\d+)')
STEP = re.compile(r"step-\d{6}")
ACK_SECONDS = 3.0
NOTES = 10
"""Of so many dashboards one notes steps: all of them would take more of the machine than they measure."""


@dataclass
class Dashboard:
    """An open page."""

    url: str
    cookie: str
    notes: bool
    messages: int = 0
    size: int = 0
    steps: dict[str, float] = field(default_factory=dict)
    _next: int = 0
    _id: str = ""

    async def open(self) -> None:
        """Loads the page and connects; follows until the process ends."""
        headers = {"Cookie": self.cookie, "Origin": self.url}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60) as client:
            text = (await client.get("/")).text
        found = _QUERY.search(text)
        assert found, "the page says how to connect"
        query = ast.literal_eval(found[1]) | {"tab_id": uuid4(), "document_id": uuid4()}
        self._id = query["client_id"]
        # As JavaScript says them: `True` would be a socket that never shakes hands, and is told nothing.
        words = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in query.items()}
        address = self.url.replace("http", "ws", 1) + "/_nicegui_ws/socket.io/?"
        socket = await connect(
            address + urlencode({**words, "EIO": "4", "transport": "websocket"}),
            additional_headers={"Cookie": self.cookie},
            origin=Origin(self.url),
            compression=None,
            max_size=None,
        )
        assert str(await socket.recv()).startswith("0")
        await socket.send("40")
        while not (said := str(await socket.recv())).startswith("40"):
            assert not said.startswith("44"), f"refused: {said}"
        self._tasks = [
            asyncio.create_task(self._follow(socket)),
            asyncio.create_task(self._acknowledge(socket)),
        ]

    async def _follow(self, socket: ClientConnection) -> None:
        async for message in socket:
            said = str(message)
            if said == "2":
                await socket.send("3")
                continue
            self.messages += 1
            self.size += len(said)
            if numbers := _NUMBER.findall(said, max(0, len(said) - 40)):
                self._next = int(numbers[-1]) + 1
            if self.notes:
                now = time.time()
                for step in STEP.findall(said):
                    self.steps.setdefault(step, now)

    async def _acknowledge(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(ACK_SECONDS)
            await socket.send(
                "42" + json.dumps(["ack", {"client_id": self._id, "next_message_id": self._next}])
            )


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield line.decode().strip()


async def main(url: str, cookie: str) -> None:
    """Does as it is told."""
    dashboards: list[Dashboard] = []
    async for line in _lines():
        if line == "heard":
            heard = {
                "messages": sum(one.messages for one in dashboards),
                "bytes": sum(one.size for one in dashboards),
                "steps": [one.steps for one in dashboards if one.notes],
            }
            print(json.dumps(heard), flush=True)
            for one in dashboards:
                one.messages, one.size, one.steps = 0, 0, {}
            continue
        for _ in range(int(line)):
            one = Dashboard(url, cookie, notes=len(dashboards) % NOTES == 0)
            await one.open()
            dashboards.append(one)
        print(len(dashboards), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
