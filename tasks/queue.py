"""The doorbell of the workers, rung through the broker's stream: what services know as `JobQueue`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self

from redis.exceptions import RedisError
from taskiq.message import TaskiqMessage

from services.errors import QueueUnavailable
from services.kinds import KindRegistry, registry
from services.queue import Doorbell
from services.settings import Settings
from tasks.stream import LANES, StreamBroker, stream_of

TASK = "mulligan.run_job"

# Placeholders in the encoded message, the id twice; no real value looks like these.
_ID, _ATTEMPT = "@job@", 987_654_321
_CHUNK = 1_000
# From so many on, one script rings for them all: twice as fast as a pipeline, and a third of its bytes.
_MANY = 16

# The message in four parts with id, id and attempt between them, and all ids with attempts as one text, which costs
# the client next to nothing. The stream's name is a key, as Redis Cluster wants it.
_RING_MANY = """
for id, attempt in string.gmatch(ARGV[5], '(%x+):(%d+)') do
  redis.call('XADD', KEYS[1], '*', 'data', ARGV[1] .. id .. ARGV[2] .. id .. ARGV[3] .. attempt .. ARGV[4])
end
"""


class TaskiqQueue:
    """Rings doorbells within a time limit. Works in any process; listening is the workers' business."""

    def __init__(self, broker: StreamBroker, timeout: float, kinds: KindRegistry) -> None:
        self._broker = broker
        self._timeout = timeout
        self._kinds = kinds
        message = TaskiqMessage(
            task_id=_ID, task_name=TASK, labels={"ack_type": "manual"}, args=[_ID, _ATTEMPT], kwargs={}
        )
        # Encoded once: ringing for 100,000 jobs is then a matter of filling in.
        template = broker.formatter.dumps(message).message
        before, between, rest = template.split(_ID.encode())
        self._parts = (before, between, *rest.split(str(_ATTEMPT).encode()))
        self._ring_many = broker.redis.register_script(_RING_MANY)

    @classmethod
    def connect(cls, settings: Settings, kinds: KindRegistry = registry) -> Self:
        """A queue with a connection pool of its own, for the web process and the shell."""
        return cls(StreamBroker(settings.effective_redis_url), settings.kick_timeout_seconds, kinds)

    async def close(self) -> None:
        """Closes the connections."""
        await self._broker.connection_pool.disconnect()

    async def kick(self, doorbells: Sequence[Doorbell]) -> None:
        """Rings for each, many in one round trip.

        Raises:
            QueueUnavailable: the queue did not answer in time. Some of the messages may have arrived all the same.
        """
        streams: dict[str, list[Doorbell]] = {}
        for bell in doorbells:
            stream = stream_of(self._kinds.queue_of(bell.kind), bell.priority)
            streams.setdefault(stream, []).append(bell)
        for stream, bells in streams.items():
            for start in range(0, len(bells), _CHUNK):
                async with self._in_time():
                    await self._ring(stream, bells[start : start + _CHUNK])

    async def _ring(self, stream: str, bells: Sequence[Doorbell]) -> None:
        if len(bells) >= _MANY:
            filling = " ".join(f"{bell.job_id.hex}:{bell.attempt}" for bell in bells)
            await self._ring_many(keys=[stream], args=[*self._parts, filling])
            return
        pipe = self._broker.redis.pipeline(transaction=False)
        for bell in bells:
            pipe.execute_command("XADD", stream, "*", b"data", self._encode(bell))
        await pipe.execute()

    async def depths(self) -> Mapping[str, int]:
        """How many doorbells no worker has answered yet, for each queue of the kinds known here.

        Raises:
            QueueUnavailable: the queue did not answer in time.
        """
        queues = sorted(self._kinds.queues)
        async with self._in_time():
            pipe = self._broker.redis.pipeline(transaction=False)
            for queue in queues:
                for lane in LANES:
                    pipe.execute_command("XLEN", stream_of(queue, lane))
            lengths = await pipe.execute()
        lanes = len(LANES)
        return {queue: sum(lengths[n * lanes : (n + 1) * lanes]) for n, queue in enumerate(queues)}

    async def backlog(self) -> int:
        """How many doorbells no worker has answered yet.

        Raises:
            QueueUnavailable: the queue did not answer in time.
        """
        return sum((await self.depths()).values())

    def _encode(self, doorbell: Doorbell) -> bytes:
        job_id, attempt = doorbell.job_id.hex.encode(), str(doorbell.attempt).encode()
        before, between, after, end = self._parts
        return before + job_id + between + job_id + after + attempt + end

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailable from error
