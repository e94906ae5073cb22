"""The doorbell and the stream, against a Valkey that hangs, dies, and comes back empty."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from services.errors import QueueUnavailable
from services.ids import new_id
from services.queue import Doorbell
from services.settings import Settings
from tasks import stream
from tasks.queue import TASK, TaskiqQueue
from tasks.stream import GROUP, STREAM, StreamBroker
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


@pytest.fixture
async def queue(redis_url: str):
    queue = TaskiqQueue.connect(Settings(redis_url=redis_url, kick_timeout_seconds=0.5, _env_file=None))
    yield queue
    await queue.close()


class Listener:
    """Takes deliveries off a broker, acking those it is told to."""

    def __init__(self, url: str, *, acks: bool = True) -> None:
        self.broker = StreamBroker(url)
        self.got: list[tuple[str, int]] = []
        self._acks = acks
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        deliveries = self.broker.listen()
        try:
            async for delivery in deliveries:
                message = self.broker.formatter.loads(delivery.data)
                assert message.task_name == TASK
                self.got.append((message.args[0], message.args[1]))
                if self._acks:
                    delivery.ack()
        finally:
            await deliveries.aclose()

    async def stop(self) -> None:
        """As taskiq stops one."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.broker.shutdown()

    async def vanish(self) -> None:
        """As kill -9: nothing is said to anybody, the connections break."""
        self.broker._leave = _nothing  # type: ignore[method-assign]
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.broker.connection_pool.disconnect()


async def _nothing() -> None:
    return None


def bells(count: int) -> list[Doorbell]:
    return [Doorbell(new_id(), n + 1) for n in range(count)]


def said(doorbells: list[Doorbell]) -> list[tuple[str, int]]:
    return [(bell.job_id.hex, bell.attempt) for bell in doorbells]


class TestKick:
    async def test_every_doorbell_arrives_once_and_in_order(self, queue: TaskiqQueue, redis_url: str):
        rung = bells(3_000)
        await queue.kick(rung)
        assert await queue.backlog() == 3_000
        listener = Listener(redis_url)
        await eventually(lambda: len(listener.got) >= 3_000)
        assert listener.got == said(rung)
        await eventually(lambda: _backlog_is(queue, 0), expect="acked entries are deleted")
        await listener.stop()

    async def test_nothing_to_ring_needs_no_queue(self, queue: TaskiqQueue, valkey: ValkeyServer):
        valkey.stop()
        await queue.kick([])

    async def test_a_hanging_queue_is_unavailable_in_time(self, queue: TaskiqQueue, valkey: ValkeyServer):
        await queue.kick(bells(1))
        valkey.pause()
        began = time.monotonic()
        with pytest.raises(QueueUnavailable):
            await queue.kick(bells(1))
        with pytest.raises(QueueUnavailable):
            await queue.backlog()
        assert time.monotonic() - began < 15, "a hanging server would keep it for ever"
        valkey.resume()
        await queue.kick(bells(1))
        assert await queue.backlog() in {2, 3}  # the one that was not answered may have arrived

    async def test_it_works_again_when_the_queue_is_back(self, queue: TaskiqQueue, valkey: ValkeyServer):
        await queue.kick(bells(1))
        valkey.kill9()
        with pytest.raises(QueueUnavailable):
            await queue.kick(bells(1))
        valkey.start()
        await queue.kick(bells(1))
        assert await queue.backlog() == 2


class TestListen:
    async def test_what_was_rung_before_anybody_listened_is_not_lost(
        self, queue: TaskiqQueue, redis_url: str
    ):
        rung = bells(2)
        await queue.kick(rung)
        listener = Listener(redis_url)
        await eventually(lambda: listener.got == said(rung))
        await listener.stop()

    @pytest.mark.parametrize("end", ["restart", "kill9", "empty"])
    async def test_it_goes_on_when_the_queue_comes_back(
        self, queue: TaskiqQueue, valkey: ValkeyServer, redis_url: str, end: str
    ):
        listener = Listener(redis_url)
        await queue.kick(bells(1))
        await eventually(lambda: len(listener.got) == 1)
        match end:
            case "restart":
                valkey.restart()
            case "kill9":
                valkey.kill9()
                await asyncio.sleep(0.3)  # it tries in vain meanwhile
                valkey.start()
            case "empty":
                valkey.flush()
        rung = bells(2)
        await queue.kick(rung)
        await eventually(lambda: listener.got[-2:] == said(rung))
        await listener.stop()

    async def test_it_starts_without_a_queue(self, queue: TaskiqQueue, valkey: ValkeyServer, redis_url: str):
        valkey.stop()
        listener = Listener(redis_url)
        await listener.broker.startup()
        valkey.start()
        rung = bells(1)
        await queue.kick(rung)
        await eventually(lambda: listener.got == said(rung))
        await listener.stop()

    async def test_what_a_dead_worker_had_is_taken_over_without_a_new_message(
        self, queue: TaskiqQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(stream, "_CLAIM_IDLE_MS", 200)
        monkeypatch.setattr(stream, "_CLAIM_EVERY_SECONDS", 0.2)
        monkeypatch.setattr(stream, "_BLOCK_MS", 100)
        dead = Listener(redis_url, acks=False)
        rung = bells(3)
        await queue.kick(rung)
        await eventually(lambda: len(dead.got) == 3)
        await dead.vanish()
        heir = Listener(redis_url)
        await eventually(lambda: sorted(heir.got) == sorted(said(rung)))
        await eventually(lambda: _backlog_is(queue, 0))
        await heir.stop()

    async def test_who_stops_rings_anew_for_what_is_unanswered(self, queue: TaskiqQueue, redis_url: str):
        first = Listener(redis_url, acks=False)
        rung = bells(2)
        await queue.kick(rung)
        await eventually(lambda: len(first.got) == 2)
        await first.stop()
        redis = Redis.from_url(redis_url)
        assert await redis.xinfo_consumers(STREAM, GROUP) == []
        await redis.aclose()
        second = Listener(redis_url)
        await eventually(lambda: second.got == said(rung))
        await second.stop()

    async def test_consumers_long_gone_are_forgotten(
        self, queue: TaskiqQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        dead = Listener(redis_url)
        await queue.kick(bells(1))
        await eventually(lambda: _backlog_is(queue, 0))
        await dead.vanish()
        monkeypatch.setattr(stream, "_GONE_MS", 50)
        await asyncio.sleep(0.1)
        live = Listener(redis_url)
        redis = Redis.from_url(redis_url)

        async def only_the_live_one() -> bool:
            names = [c["name"].decode() for c in await redis.xinfo_consumers(STREAM, GROUP)]
            return dead.broker.consumer_name not in names

        await eventually(only_the_live_one)
        await redis.aclose()
        await live.stop()


async def _backlog_is(queue: TaskiqQueue, count: int) -> bool:
    return await queue.backlog() == count
