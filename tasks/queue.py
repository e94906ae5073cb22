"""The doorbell of the workers, rung through the broker's stream: what services know as `JobQueue`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from redis.exceptions import RedisError
from taskiq.message import TaskiqMessage

from services.errors import QueueUnavailable
from services.queue import Doorbell
from services.settings import Settings
from tasks.stream import StreamBroker

TASK = "mulligan.run_job"

# Placeholders in the encoded message; no real value looks like these.
_ID, _ATTEMPT = "@job@", 987_654_321
_CHUNK = 2_000


class TaskiqQueue:
    """Rings doorbells within a time limit. Works in any process; listening is the workers' business."""

    def __init__(self, broker: StreamBroker, timeout: float) -> None:
        self._broker = broker
        self._timeout = timeout
        message = TaskiqMessage(
            task_id=_ID, task_name=TASK, labels={"ack_type": "manual"}, args=[_ID, _ATTEMPT], kwargs={}
        )
        # Encoded once: ringing for 100,000 jobs is then a matter of filling in.
        self._template = broker.formatter.dumps(message).message

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """A queue with a connection pool of its own, for the web process and the shell."""
        return cls(StreamBroker(settings.effective_redis_url), settings.kick_timeout_seconds)

    async def close(self) -> None:
        """Closes the connections."""
        await self._broker.connection_pool.disconnect()

    async def kick(self, doorbells: Sequence[Doorbell]) -> None:
        """Rings for each, in one round trip.

        Raises:
            QueueUnavailable: the queue did not answer in time. Some of the messages may have arrived all the same.
        """
        for start in range(0, len(doorbells), _CHUNK):
            pipe = self._broker.redis.pipeline(transaction=False)
            for doorbell in doorbells[start : start + _CHUNK]:
                pipe.execute_command("XADD", self._broker.queue_name, "*", b"data", self._encode(doorbell))
            async with self._in_time():
                await pipe.execute()

    async def backlog(self) -> int:
        """How many doorbells no worker has answered yet.

        Raises:
            QueueUnavailable: the queue did not answer in time.
        """
        async with self._in_time():
            return int(await self._broker.redis.xlen(self._broker.queue_name))

    def _encode(self, doorbell: Doorbell) -> bytes:
        filled = self._template.replace(_ID.encode(), doorbell.job_id.hex.encode())
        return filled.replace(str(_ATTEMPT).encode(), str(doorbell.attempt).encode())

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailable from error
