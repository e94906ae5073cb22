"""The change feed: a capped Redis stream that tells web processes and clients which jobs changed.

Live is a convenience: publishing never fails a caller, and a reader that was away too long is told to read anew.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.models import Job
from services.vocabulary import Status

logger = logging.getLogger(__name__)

STREAM = "mulligan:feed"
_KEPT_ENTRIES = 10_000
_PUBLISH_TIMEOUT = 1.0
_BLOCK_MS = 5_000
_MOST_AT_ONCE = 2_000
_RECONNECT_SECONDS = 0.5


class Change(NamedTuple):
    """A job as it is after a change: enough to route it, and to show progress without a query."""

    id: UUID
    workspace_id: UUID
    owner_id: UUID
    status: Status
    version: int
    progress: float
    step: str | None
    replaced_by: UUID | None = None
    """The job that took this one's place; this one is not to be seen any more."""

    @classmethod
    def of(cls, job: Job) -> "Change":
        """The change that left a job as it is."""
        return cls(job.id, job.workspace_id, job.owner_id, job.status, job.version, job.progress, job.step)

    @classmethod
    def replaced(cls, before: Job, by: Job) -> "Change":
        """What is told of a record whose place another took. Their versions are the same then."""
        return cls.of(before)._replace(version=by.version, replaced_by=by.id)


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were published together. `reset`: some were missed, read anew."""

    id: str
    changes: tuple[Change, ...] = ()
    reset: bool = False
    connected: bool = field(default=True)


class Feed:
    """Publishes changes and follows them. One per process; readers share nothing but the connection pool."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def publish(self, changes: Iterable[Change]) -> None:
        """Tells everybody. Failing to is logged, never raised: pages are right again at their next reading."""
        # Not by `asdict`, whose deep copies cost more than all the rest at thousands of changes a second.
        payload = json.dumps([_row(change) for change in changes], separators=(",", ":"))
        if payload == "[]":
            return
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT):
                await self.redis.xadd(STREAM, {"c": payload}, maxlen=_KEPT_ENTRIES, approximate=True)
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("change feed: not published (%s)", type(error).__name__)

    async def last_id(self) -> str:
        """Where the feed stands, to follow it from here. Raises RedisError, OSError or TimeoutError."""
        async with asyncio.timeout(_PUBLISH_TIMEOUT):
            last = await self.redis.xrevrange(STREAM, count=1)
        return _text(last[0][0] or "0-0") if last else "0-0"

    async def since(self, after: str) -> list[Batch] | None:
        """What was published after that entry; None where some of it may be gone, or it is too much to go through.

        Raises RedisError, OSError or TimeoutError.
        """
        if not await self._is_kept(after):
            return None
        async with asyncio.timeout(_PUBLISH_TIMEOUT):
            entries: Any = await self.redis.xrange(STREAM, min=f"({after}", count=_MOST_AT_ONCE + 1)
        if len(entries) > _MOST_AT_ONCE:
            return None
        return [Batch(_text(entry_id), _changes(fields)) for entry_id, fields in entries]

    async def follow(self, after: str | None = None) -> AsyncIterator[Batch]:
        """Changes as they come, for ever, from `after` (an entry's id) or from now on.

        Yields a batch with `connected=False` once when Redis is lost, and one with `reset=True` when entries may have
        been missed: `after` is older than what the stream keeps, or is unknown, or Redis came back changed.
        """
        while True:
            try:
                position = after
                if position is None or not await self._is_kept(position):
                    position = await self.last_id()
                    if after is not None:
                        yield Batch(position, reset=True)
                    after = position
                async for batch in self._read(position):
                    after = batch.id
                    yield batch
            except (RedisError, OSError, TimeoutError) as error:
                logger.info("change feed: lost (%s), reconnecting", type(error).__name__)
                after = after or "0-0"
                yield Batch(after, connected=False)
                await self._until_back()
                # What was published while Redis was away never reached the stream: nobody can tell, so read anew.
                after = ""

    async def _is_kept(self, position: str) -> bool:
        if not position:
            return False
        async with asyncio.timeout(_PUBLISH_TIMEOUT):
            if position == "0-0":
                return await self._is_whole()
            return bool(await self.redis.xrange(STREAM, min=position, max=position, count=1))

    async def _is_whole(self) -> bool:
        """Whether no entry has gone: who stands at the very beginning has missed nothing then."""
        if not await self.redis.exists(STREAM):
            return True
        info = await self.redis.xinfo_stream(STREAM)
        return bool(info["length"] == info.get("entries-added"))  # told since Redis 7

    async def _read(self, position: str) -> AsyncIterator[Batch]:
        async with self._reader() as reader:
            while True:
                # The server answers within the block time; a connection that is silent for longer is dead.
                async with asyncio.timeout(_BLOCK_MS / 1000 + 2):
                    entries: Any = await reader.xread({STREAM: position}, block=_BLOCK_MS, count=500)
                for entry_id, fields in _entries(entries):
                    position = entry_id
                    yield Batch(entry_id, _changes(fields))

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[Redis]:
        """A connection of its own that says when it breaks: connecting again in silence would hide a gap."""
        async with self.redis.client() as reader:
            connection: Any = reader.connection
            patience, connection.retry = connection.retry, Retry(NoBackoff(), 0)
            try:
                yield reader
            finally:
                connection.retry = patience

    async def _until_back(self) -> None:
        while True:
            await asyncio.sleep(_RECONNECT_SECONDS)
            try:
                async with asyncio.timeout(_PUBLISH_TIMEOUT):
                    await self.redis.ping()
                return
            except (RedisError, OSError, TimeoutError):
                continue


def connect(url: str) -> Redis:
    """A client that fails at once when the server is away; whoever uses it decides whether to try again."""
    return Redis.from_url(
        url,
        socket_connect_timeout=_PUBLISH_TIMEOUT,
        # Every call has a timeout of its own. The client's (5 s if not told) is shorter than a blocking read, and uses
        # `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation: who follows would not stop when told to.
        socket_timeout=None,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


def _entries(answer: Any) -> Sequence[tuple[str, dict[Any, Any]]]:
    if not answer:
        return []
    # RESP3 answers a mapping of stream to batches of entries, RESP2 a list of pairs.
    streams = answer.items() if isinstance(answer, dict) else answer
    found = []
    for _, entries in streams:
        batches = entries if isinstance(answer, list) else [e for batch in entries for e in batch]
        found += [(_text(entry_id), fields) for entry_id, fields in batches]
    return found


def _row(change: Change) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": change.id.hex,
        "workspace_id": change.workspace_id.hex,
        "owner_id": change.owner_id.hex,
        "status": change.status,
        "version": change.version,
        "progress": change.progress,
        "step": change.step,
    }
    if change.replaced_by:
        row["replaced_by"] = change.replaced_by.hex
    return row


def _changes(fields: dict[Any, Any]) -> tuple[Change, ...]:
    payload = fields.get(b"c") or fields.get("c") or "[]"
    return tuple(
        Change(
            UUID(c["id"]),
            UUID(c["workspace_id"]),
            UUID(c["owner_id"]),
            Status(c["status"]),
            c["version"],
            c["progress"],
            c["step"],
            UUID(c["replaced_by"]) if "replaced_by" in c else None,
        )
        for c in json.loads(payload)
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
