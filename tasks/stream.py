"""The broker: taskiq-redis' stream broker with a `listen` that survives Redis, and acks that go out together.

What is different from the stock one, and why, is told in `docs/features/worker.md`.
"""

import asyncio
import json
import logging
import os
import secrets
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from taskiq import AckableMessage
from taskiq.abc.formatter import TaskiqFormatter
from taskiq.message import BrokerMessage, TaskiqMessage
from taskiq_redis import RedisStreamBroker

from services.queue import DEFAULT_QUEUE
from services.vocabulary import Priority
from tasks.outage import Outage

logger = logging.getLogger(__name__)

STREAM = "mulligan:jobs"
GROUP = "workers"
LANES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
"""In the order in which they are answered."""

_BLOCK_MS = 2_000
_CALL_SECONDS = 5.0  # more than the block time: a connection that is silent for longer is dead
_RECONNECT_SECONDS = 0.25
_REGROUP_SECONDS = 0.02
_ACK_LINGER_SECONDS = 0.005
_CLAIM_EVERY_SECONDS = 5.0
_CLAIM_IDLE_MS = 15_000
_CLAIM_COUNT = 100
_TIDY_EVERY_SECONDS = 60.0
_GONE_MS = 600_000
_LEAVE_SECONDS = 2.0
_FEWEST, _MOST = 4, 128
_QUICK_SECONDS = 0.1
# How long entries of a lane are handed out before a look whether something more urgent has come.
_LOOK_AGAIN_SECONDS = {Priority.NORMAL: 0.1, Priority.LOW: 0.02}
# Names from before there were queues: what was rung then is still heard.
_STREAMS = {Priority.HIGH: f"{{{STREAM}}}:high", Priority.NORMAL: STREAM, Priority.LOW: f"{{{STREAM}}}:bulk"}


class Entry(NamedTuple):
    """A stream's entry: where it lies, its id, and the message in it."""

    stream: str
    id: bytes
    data: bytes


def stream_of(queue: str, lane: Priority) -> str:
    """The stream's name. The braces put all into one slot of a Redis Cluster, so that one command can read them."""
    return _STREAMS[lane] if queue == DEFAULT_QUEUE else f"{{{STREAM}}}:{queue}:{lane}"


def worker_name() -> str:
    """A name that no worker process had before: a restarted one must not pass for its forebear."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"


class StreamBroker(RedisStreamBroker):
    """A stream for each lane of each queue that this process listens to, all read by one command.

    An entry is deleted once it is acked, so the streams' lengths are the backlog.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            queue_name=STREAM,
            consumer_group_name=GROUP,
            consumer_name=worker_name(),
            consumer_id="0",  # with "$", what was queued before the group existed would be lost
            # Every call here has a timeout of its own. The client's uses `asyncio.wait_for`, which on Python 3.11 can
            # swallow a cancellation: a worker that was told to stop would go on listening.
            socket_timeout=None,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 1),  # once, since a pooled connection may be of a server that is gone
        )
        self.streams: dict[str, Priority] = {}
        """What is listened to, and which lane it is; the urgent ones first."""
        self._left: list[str] = []
        self.listen_to({DEFAULT_QUEUE})
        self.formatter = DoorbellFormatter()
        self.redis: Redis = Redis(connection_pool=self.connection_pool)
        self.before_leaving: Callable[[], Awaitable[None]] | None = None
        """Called when taskiq stops listening: the time to bring running jobs to an end."""
        self._outage = Outage("the queue (Redis)", logger)
        self._appetite = _Appetite()
        self._acked: list[Entry] = []
        self._ack_task: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._claim_at = 0.0
        self._tidy_at = 0.0

    def listen_to(self, queues: Iterable[str]) -> None:
        """Which queues are read from now on, within two seconds; also while listening."""
        wanted = sorted(queues)
        streams = {stream_of(queue, lane): lane for lane in LANES for queue in wanted}
        self._left += self.streams.keys() - streams.keys()
        self.streams = streams

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Deliveries, for ever, whatever happens to Redis. Closing it hands back what was not delivered."""
        try:
            while True:
                for entry in await self._next():
                    if self._may_be_overtaken(entry):
                        for urgent in await self._overtaking(entry):
                            yield self._delivery(urgent)
                    yield self._delivery(entry)
        finally:
            if self.before_leaving:
                await self.before_leaving()
            await self._leave()

    def _delivery(self, entry: Entry) -> AckableMessage:
        # Not validated: both are ours, and this is the hot path.
        return AckableMessage.model_construct(data=entry.data, ack=partial(self._ack, entry))

    async def shutdown(self) -> None:
        """Sends the last acks and closes the connections."""
        await self._send_acks()
        await super().shutdown()

    async def _declare_consumer_group(self) -> None:
        """Called by taskiq at start. Redis may be away then: `listen` declares the group when it is back."""
        for stream in self.streams:
            with suppress(RedisError, OSError, TimeoutError):  # also where another worker was first
                async with asyncio.timeout(_CALL_SECONDS):
                    await self.redis.xgroup_create(stream, self.consumer_group_name, id="0", mkstream=True)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _next(self) -> Sequence[Entry]:
        while True:
            try:
                async with asyncio.timeout(_CALL_SECONDS):
                    await self._let_go()
                    entries = await self._take_over() or await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                if "NOGROUP" in str(error) or "no such key" in str(error):  # Redis came back empty
                    await self._declare_consumer_group()
                    await asyncio.sleep(_REGROUP_SECONDS)
                    continue
                self._outage.note(error)
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                self._outage.over()
                self._looked_at = asyncio.get_running_loop().time()
                if entries:
                    self._appetite.fed(max(Counter(entry.stream for entry in entries).values()))
                    return entries

    async def _read(self) -> list[Entry]:
        """What is there, or comes within a while; what is urgent comes first, as the streams do."""
        answer = await self.redis.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            dict.fromkeys(self.streams, ">"),
            count=self._appetite.count(),
            block=_BLOCK_MS,
        )
        return _entries(answer)

    def _may_be_overtaken(self, entry: Entry) -> bool:
        """Whether it is time for a look: where jobs are slow, what was read long ago waits for its turn here."""
        patience = _LOOK_AGAIN_SECONDS.get(self.streams.get(entry.stream, Priority.HIGH))
        return patience is not None and asyncio.get_running_loop().time() - self._looked_at >= patience

    async def _overtaking(self, entry: Entry) -> list[Entry]:
        """What came since the last look and is more urgent."""
        self._looked_at = asyncio.get_running_loop().time()
        turn = LANES.index(self.streams[entry.stream])
        urgent = [stream for stream, lane in self.streams.items() if LANES.index(lane) < turn]
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                answer = await self.redis.xreadgroup(
                    self.consumer_group_name, self.consumer_name, dict.fromkeys(urgent, ">"), count=_FEWEST
                )
        except (RedisError, OSError, TimeoutError):  # the next read says so
            return []
        return _entries(answer)

    async def _let_go(self) -> None:
        """Rings anew for what was read of queues that are not listened to any more."""
        while self._left:
            if (stream := self._left.pop()) not in self.streams:
                await self._hand_back(stream)

    async def _take_over(self) -> list[Entry]:
        """What some worker got and has not answered for a while; on a timer, not bound to new messages."""
        now = asyncio.get_running_loop().time()
        if now < self._claim_at:
            return []
        self._claim_at = now + _CLAIM_EVERY_SECONDS
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_EVERY_SECONDS
            await self._forget_dead_consumers()
        found: list[Entry] = []
        for stream in self.streams:
            answer: Any = await self.redis.xautoclaim(
                stream,
                self.consumer_group_name,
                self.consumer_name,
                min_idle_time=_CLAIM_IDLE_MS,
                count=_CLAIM_COUNT,
            )
            if answer[0] not in {b"0-0", "0-0"}:
                self._claim_at = now  # there is more
            found += [Entry(stream, entry_id, fields[b"data"]) for entry_id, fields in answer[1] if fields]
        return found

    async def _forget_dead_consumers(self) -> None:
        for stream in self.streams:
            for consumer in await self.redis.xinfo_consumers(stream, self.consumer_group_name):
                name = consumer["name"].decode()
                if consumer["pending"] == 0 and consumer["idle"] > _GONE_MS and name != self.consumer_name:
                    await self.redis.xgroup_delconsumer(stream, self.consumer_group_name, name)

    # --- answering --------------------------------------------------------------------------------------------------

    def _ack(self, entry: Entry) -> None:
        self._acked.append(entry)
        if self._ack_task is None or self._ack_task.done():
            self._ack_task = asyncio.create_task(self._ack_soon(), name="acks")

    async def _ack_soon(self) -> None:
        while self._acked:
            await asyncio.sleep(_ACK_LINGER_SECONDS)
            await self._send_acks()

    async def _send_acks(self) -> None:
        """A lost ack means a second delivery, which the claim rejects; so a failure is no trouble."""
        acked, self._acked = self._acked, []
        if not acked:
            return
        try:
            pipe = self.redis.pipeline(transaction=False)
            for stream in {entry.stream for entry in acked}:
                ids = [entry.id for entry in acked if entry.stream == stream]
                pipe.execute_command("XACK", stream, self.consumer_group_name, *ids)
                pipe.execute_command("XDEL", stream, *ids)
            async with asyncio.timeout(_CALL_SECONDS):
                await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            logger.debug("%d acks were lost (%s)", len(acked), type(error).__name__)

    async def _leave(self) -> None:
        """Rings anew for what was delivered here and not answered, so that nobody waits until it counts as stale."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._send_acks()
                for stream in self.streams:
                    await self._hand_back(stream)
        except (RedisError, OSError, TimeoutError) as error:
            logger.info("left without a word to the queue (%s)", type(error).__name__)

    async def _hand_back(self, stream: str) -> None:
        while entries := _entries(await self._own_pending(stream)):
            pipe = self.redis.pipeline(transaction=True)
            for entry in entries:
                if entry.data:
                    pipe.execute_command("XADD", stream, "*", b"data", entry.data)
                pipe.execute_command("XACK", stream, self.consumer_group_name, entry.id)
                pipe.execute_command("XDEL", stream, entry.id)
            await pipe.execute()
        await self.redis.xgroup_delconsumer(stream, self.consumer_group_name, self.consumer_name)

    async def _own_pending(self, stream: str) -> Any:
        return await self.redis.xreadgroup(
            self.consumer_group_name, self.consumer_name, {stream: "0"}, count=_CLAIM_COUNT
        )


class DoorbellFormatter(TaskiqFormatter):
    """The wire format of taskiq's own, read without validating: what comes is checked where the job is claimed."""

    def dumps(self, message: TaskiqMessage) -> BrokerMessage:
        """The message as JSON."""
        data = json.dumps(message.model_dump(mode="json"), separators=(",", ":")).encode()
        return BrokerMessage(
            task_id=message.task_id, task_name=message.task_name, message=data, labels=message.labels
        )

    def loads(self, message: bytes) -> TaskiqMessage:
        """Raises ValueError or KeyError for what is no message; taskiq skips it."""
        fields = json.loads(message)
        return TaskiqMessage.model_construct(
            task_id=fields["task_id"],
            task_name=fields["task_name"],
            labels=fields["labels"],
            labels_types=fields.get("labels_types"),
            args=fields["args"],
            kwargs=fields["kwargs"],
        )


class _Appetite:
    """How many entries to read at once: many while they are short work, few where one would only hoard them."""

    def __init__(self) -> None:
        self._count = _FEWEST
        self._fed_at = 0.0
        self._was_full = False

    def count(self) -> int:
        """How many to read now."""
        if self._was_full:
            quick = asyncio.get_running_loop().time() - self._fed_at < _QUICK_SECONDS
            self._count = min(self._count * 2, _MOST) if quick else _FEWEST
            self._was_full = False
        return self._count

    def fed(self, entries: int) -> None:
        """That many came."""
        self._fed_at = asyncio.get_running_loop().time()
        self._was_full = entries >= self._count


def _entries(answer: Any) -> list[Entry]:
    """RESP3 answers a mapping of stream to batches of entries, RESP2 a list of pairs."""
    found: list[Entry] = []
    streams = answer.items() if isinstance(answer, dict) else answer or []
    for name, batch in streams:
        stream = name.decode() if isinstance(name, bytes) else name
        for entry in batch:
            rows = entry if isinstance(entry, list) else [entry]
            found += [Entry(stream, entry_id, (fields or {}).get(b"data", b"")) for entry_id, fields in rows]
    return found
