"""The change feed on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from services.feed import STREAM, Batch, Change, Feed, connect
from services.ids import new_id
from services.vocabulary import Status
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


def a_change() -> Change:
    return Change(new_id(), new_id(), new_id(), Status.RUNNING, 3, 42.5, "encode")


@pytest.fixture
async def feed(redis_url: str) -> AsyncIterator[Feed]:
    redis = connect(redis_url)
    yield Feed(redis)
    await redis.aclose()


class Follower:
    """Follows a feed and keeps what it hears."""

    def __init__(self, feed: Feed, after: str | None) -> None:
        self.heard: list[Batch] = []
        self._task = asyncio.create_task(self._follow(feed, after))

    async def _follow(self, feed: Feed, after: str | None) -> None:
        async for batch in feed.follow(after):
            self.heard.append(batch)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def follow(feed: Feed) -> AsyncIterator[Callable[[str | None], Follower]]:
    followers: list[Follower] = []

    def start(after: str | None) -> Follower:
        followers.append(Follower(feed, after))
        return followers[-1]

    yield start
    for follower in followers:
        await follower.stop()


class TestFollow:
    async def test_a_change_comes_as_it_was_published(self, feed: Feed, follow) -> None:
        follower = follow(await feed.last_id())
        changes = (a_change(), a_change())
        await feed.publish(changes)
        await eventually(lambda: follower.heard)
        assert [batch.changes for batch in follower.heard] == [changes]

    async def test_it_goes_on_after_an_entry(self, feed: Feed, follow) -> None:
        await feed.publish([a_change()])
        first = await feed.last_id()
        second = a_change()
        await feed.publish([second])
        follower = follow(first)
        await eventually(lambda: follower.heard)
        assert [batch.changes for batch in follower.heard] == [(second,)]

    async def test_what_was_trimmed_away_is_a_reset(self, feed: Feed, follow) -> None:
        await feed.publish([a_change()])
        first = await feed.last_id()
        await feed.publish([a_change()])
        await feed.redis.xtrim(STREAM, maxlen=1, approximate=False)
        follower = follow(first)
        await eventually(lambda: follower.heard)
        assert follower.heard == [Batch(await feed.last_id(), reset=True)]

    @pytest.mark.slow
    async def test_an_idle_feed_is_not_lost(self, feed: Feed, follow) -> None:
        follower = follow(None)
        # Longer than one blocking read and every timeout around it.
        with pytest.raises(AssertionError, match="not within"):
            await eventually(lambda: follower.heard, timeout=8, interval=0.2)
        await feed.publish([a_change()])
        await eventually(lambda: follower.heard)
        assert follower.heard[0].connected
        assert not follower.heard[0].reset

    async def test_a_restart_is_told_and_then_read_anew(
        self, feed: Feed, follow, valkey: ValkeyServer
    ) -> None:
        follower = follow(await feed.last_id())
        await feed.publish([a_change()])
        await eventually(lambda: follower.heard)
        valkey.restart()
        await eventually(lambda: len(follower.heard) == 3)
        assert [(batch.connected, batch.reset) for batch in follower.heard[1:]] == [
            (False, False),
            (True, True),
        ]
        await feed.publish([a_change()])
        await eventually(lambda: len(follower.heard) == 4)

    async def test_a_hanging_server_holds_up_nobody(self, feed: Feed, valkey: ValkeyServer) -> None:
        await feed.last_id()
        valkey.pause()
        async with asyncio.timeout(5):
            await feed.publish([a_change()])


class TestSince:
    async def test_what_came_after(self, feed: Feed) -> None:
        changes = [a_change() for _ in range(3)]
        for change in changes:
            await feed.publish([change])
        batches = await feed.since("0-0")
        assert batches is not None
        assert [batch.changes for batch in batches] == [(change,) for change in changes]
        assert [b.changes for b in await feed.since(batches[0].id) or []] == [
            (change,) for change in changes[1:]
        ]
        assert await feed.since(batches[-1].id) == []

    async def test_what_may_be_gone(self, feed: Feed) -> None:
        for _ in range(3):
            await feed.publish([a_change()])
        await feed.redis.xtrim(STREAM, maxlen=1, approximate=False)
        assert await feed.since("0-0") is None
        assert await feed.since("1-1") is None
