"""One follower of the change feed for all event streams of a process, however many clients listen."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import RedisError

from services.feed import Batch, Feed

logger = logging.getLogger(__name__)

_WAITING = 500
_RESTART_SECONDS = 1.0


class Listener:
    """One client's share of the feed. A client too slow for it is told to read anew, and holds up nobody."""

    def __init__(self) -> None:
        self._batches: asyncio.Queue[Batch] = asyncio.Queue(_WAITING)

    def put(self, batch: Batch) -> None:
        """Gives it a batch."""
        if self._batches.full():
            while not self._batches.empty():
                self._batches.get_nowait()
            batch = Batch(batch.id, reset=True)
        self._batches.put_nowait(batch)

    async def get(self) -> Batch:
        """The next batch, when it comes."""
        return await self._batches.get()


class Hub:
    """Follows the feed while somebody listens."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.position = "0-0"
        """The latest entry that was handed out."""
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """A listener that gets every batch after `position` as it is when the block begins."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            if self._task is None:
                self._started = asyncio.Event()
                self._task = asyncio.create_task(self._follow(self._started), name="event streams")
            await self._started.wait()
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _follow(self, started: asyncio.Event) -> None:
        while True:
            after = None
            with contextlib.suppress(RedisError, OSError, TimeoutError):  # follow() tells the listeners
                after = self.position = await self.feed.last_id()
            started.set()
            try:
                async for batch in self.feed.follow(after):
                    self._hand_out(batch)
            except Exception:
                logger.exception("event streams: following the feed failed and is started again")
                self._hand_out(Batch(self.position, reset=True))
                await asyncio.sleep(_RESTART_SECONDS)

    def _hand_out(self, batch: Batch) -> None:
        self.position = batch.id or self.position
        for listener in self._listeners:
            listener.put(batch)
