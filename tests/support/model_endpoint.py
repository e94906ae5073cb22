"""An OpenAI-compatible endpoint on loopback that answers as a test says: the outside of the model analyser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.support.house import serving


@dataclass
class Answer:
    """What the endpoint says next."""

    text: str = "{}"
    status: int = 200
    body: Any = None
    """Instead of a completion with `text`."""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0
    until: asyncio.Event | None = None
    """It comes when this is set."""
    finish_reason: str = "stop"
    refusal: str | None = None


@dataclass
class Endpoint:
    """Gives its answers one after the other, the last one again and again, and keeps what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """One request."""
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(said.wait)
        if said.until:
            await said.until.wait()
        message = {"role": "assistant", "content": said.text, "refusal": said.refusal}
        usage = {"prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500}
        choice = {"index": 0, "message": message, "finish_reason": said.finish_reason}
        completion = {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}
        body = completion if said.body is None else said.body
        return JSONResponse(body, status_code=said.status, headers=said.headers)


@asynccontextmanager
async def an_endpoint() -> AsyncIterator[Endpoint]:
    """A served one."""
    endpoint = Endpoint()
    app = FastAPI()
    app.post("/v1/chat/completions", response_model=None)(endpoint.answer)
    async with serving(app) as url:
        endpoint.url = f"{url}/v1"
        yield endpoint
