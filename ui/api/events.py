"""Server-sent events: which jobs changed, as they change."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from redis.exceptions import RedisError

from services.errors import MulliganError
from services.feed import Batch, Change
from services.people.access import Actor
from ui.api.caller import Caller
from ui.api.gate import Resolve
from ui.api.hub import Hub, Listener

router = APIRouter(prefix="/api", tags=["events"])

HEARTBEAT_SECONDS = 15.0
ASK_AGAIN_SECONDS = 30.0
_RECONNECT_MS = 2_000
_ENTRY_ID = re.compile(r"(\d{1,19})-(\d{1,19})")


class EventStreamResponse(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get(
    "/events",
    response_class=EventStreamResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The stream."}
    },
)
async def get_events(
    request: Request,
    actor: Caller,
    last_event_id: Annotated[str | None, Header(max_length=64, description="Go on after this one.")] = None,
) -> EventStreamResponse:
    """Changes of the jobs that the caller sees: event `job` with `{id, status, version, progress, step}`.

    `replaced_by` where another took the job's place. Event `reset`: some may have been missed, read anew.
    """
    stream = EventStream(request.app.state.hub, actor, request.state.resolve)
    return EventStreamResponse(
        stream.run(last_event_id), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )


class EventStream:
    """One client's stream. Who it is, is found out again and again: a stream must not outlive a right to see."""

    def __init__(self, hub: Hub, actor: Actor, resolve: Resolve) -> None:
        self._hub = hub
        self._actor = actor
        self._resolve = resolve
        self._asked_at = time.monotonic()
        self._sent_at = time.monotonic()
        self._position = ""

    async def run(self, last_event_id: str | None) -> AsyncIterator[str]:
        """The stream's text, for as long as the caller may see it."""
        async with self._hub.listen() as listener:
            self._position = self._hub.position
            yield f"retry: {_RECONNECT_MS}\n\n"
            if last_event_id:
                async for missed in self._missed(last_event_id):
                    yield missed
            yield _block(id=self._position)
            while True:
                text = await self._next(listener)
                if text is None:
                    return
                if text:
                    self._sent_at = time.monotonic()
                    yield text

    async def _next(self, listener: Listener) -> str | None:
        """What to send next: nothing yet (empty), or no more (None)."""
        now = time.monotonic()
        wait = min(self._sent_at + HEARTBEAT_SECONDS, self._asked_at + ASK_AGAIN_SECONDS) - now
        try:
            async with asyncio.timeout(max(wait, 0)):
                batch = await listener.get()
        except TimeoutError:
            batch = None
        if time.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS and not await self._is_still_let_in():
            return None
        if batch is not None:
            return self._text(batch)
        is_quiet = time.monotonic() - self._sent_at >= HEARTBEAT_SECONDS
        # The heartbeat tells how far the client is, though nothing came that concerns it.
        return f": heartbeat\n{_block(id=self._position)}" if is_quiet else ""

    async def _is_still_let_in(self) -> bool:
        try:
            self._actor = await self._resolve()
        except MulliganError:
            return False
        self._asked_at = time.monotonic()
        return True

    async def _missed(self, last_event_id: str) -> AsyncIterator[str]:
        """What came between that event and now, or a reset."""
        try:
            batches = (
                await self._hub.feed.since(last_event_id) if _ENTRY_ID.fullmatch(last_event_id) else None
            )
        except (RedisError, OSError, TimeoutError):
            batches = None
        if batches is None:
            yield _block(event="reset", data="{}", id=self._position)
            return
        # The listener has some of these too: `_text` lets pass only what is later than the position.
        self._position = last_event_id
        for batch in batches:
            if text := self._text(batch):
                yield text

    def _text(self, batch: Batch) -> str:
        if not batch.connected:
            return ": feed lost, waiting for it to come back\n\n"
        if batch.reset:
            self._position = batch.id
            return _block(event="reset", data="{}", id=batch.id)
        if _order(batch.id) <= _order(self._position):
            return ""
        self._position = batch.id
        seen = [change for change in batch.changes if self._actor.sees(change.workspace_id, change.owner_id)]
        # Only the last event of an entry carries its id: whoever is cut off in the middle gets the whole entry again.
        texts = [_block(event="job", data=_data(change)) for change in seen[:-1]]
        texts += [_block(event="job", data=_data(change), id=batch.id) for change in seen[-1:]]
        return "".join(texts)


def _data(change: Change) -> str:
    data: dict[str, Any] = {
        "id": str(change.id),
        "status": change.status,
        "version": change.version,
        "progress": change.progress,
        "step": change.step,
    }
    if change.replaced_by:
        data["replaced_by"] = str(change.replaced_by)
    return json.dumps(data)


def _block(**fields: str) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


def _order(entry_id: str) -> tuple[int, int]:
    found = _ENTRY_ID.fullmatch(entry_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)
