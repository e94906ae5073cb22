"""The live bridge on a real feed and database: what pages are told, by how many queries, and what they are spared."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.desk import Desk
from services.feed import Change
from services.jobs import submission
from services.models import Job
from services.people.access import Actor
from services.vocabulary import Role
from tests.support.desks import a_person, open_desk
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from ui import live as live_module
from ui.live import LiveBridge, SharedReads
from ui.pages.grid_address import GridAddress
from ui.pages.retrying import Optimism
from ui.visit import local_path


@dataclass
class Witness:
    """A page that notes what it is told."""

    actor: Actor
    versions: dict[UUID, int]
    seen: list[Job] = field(default_factory=list)
    went_on: list[float] = field(default_factory=list)
    gone: set[UUID] = field(default_factory=set)
    swapped: dict[UUID, Job] = field(default_factory=dict)
    stirs: int = 0
    settled: int = 0
    ticks: int = 0
    rereads_every: float = 60.0
    pause: asyncio.Event = field(default_factory=asyncio.Event)
    rereads: int = 0
    states: list[bool] = field(default_factory=list)
    breaks: bool = False

    def shown(self) -> Mapping[UUID, int]:
        if self.breaks:
            raise RuntimeError("this page is broken")
        return self.versions

    def progressed(self, change: Change) -> None:
        self.went_on.append(change.progress)

    def changed(self, jobs: Sequence[Job], gone: Collection[UUID]) -> None:
        self.seen += jobs
        self.gone |= set(gone)
        self.versions |= {job.id: job.version for job in jobs}

    def replaced(self, old: UUID, job: Job) -> None:
        self.swapped[old] = job

    def stirred(self) -> None:
        self.stirs += 1

    def connected(self, *, live: bool) -> None:
        self.states.append(live)

    async def settle(self) -> None:
        self.settled += 1
        await self.pause.wait()

    async def tick(self) -> None:
        self.ticks += 1

    async def reread(self) -> None:
        self.rereads += 1


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def bridge(desk: Desk) -> AsyncIterator[LiveBridge]:
    bridge = LiveBridge(desk)
    await bridge.start()
    await eventually(lambda: bridge.live)
    yield bridge
    await bridge.stop()


@pytest.fixture
async def dana(desk: Desk) -> Actor:
    return await a_person(desk, credits=10)


async def a_job(desk: Desk, actor: Actor) -> Job:
    return await submission.submit(desk, actor, "test.priced", {})


class TestTelling:
    async def test_a_change_reaches_every_page_that_shows_the_job_by_one_query(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        job = await a_job(desk, dana)
        pages = [Witness(dana, {job.id: job.version}) for _ in range(5)]
        for page in pages:
            bridge.subscribe(page)
        statements: list[str] = []
        sa.event.listen(
            desk.db.engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2])
        )
        await desk.feed.publish(
            [Change(job.id, job.workspace_id, job.owner_id, job.status, job.version + 1, 0, None)]
        )
        await eventually(lambda: all(page.seen for page in pages))
        assert len([s for s in statements if "SELECT" in s]) == 1
        assert all(page.stirs == 1 for page in pages)

    async def test_progress_alone_asks_the_database_nothing(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        job = await a_job(desk, dana)
        page = Witness(dana, {job.id: job.version})
        bridge.subscribe(page)
        statements: list[str] = []
        sa.event.listen(
            desk.db.engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2])
        )
        for percent in (10, 20, 30):
            await desk.feed.publish(
                [Change(job.id, job.workspace_id, job.owner_id, job.status, job.version, percent, "Encoding")]
            )
        await eventually(lambda: page.went_on and page.went_on[-1] == 30)
        assert not statements
        assert not page.seen

    async def test_progress_that_comes_with_a_change_is_not_lost(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        job = await a_job(desk, dana)
        page = Witness(dana, {job.id: job.version - 1})
        bridge.subscribe(page)
        await desk.feed.publish(
            [
                Change(job.id, job.workspace_id, job.owner_id, job.status, job.version, percent, step)
                for percent, step in ((0, None), (10, "Waiting"))
            ]
        )
        await eventually(lambda: page.went_on == [10])
        assert [seen.progress for seen in page.seen] == [0], "the database has not heard of it yet"

    async def test_another_workspace_is_told_nothing(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        eve = await a_person(desk, workspace="elsewhere")
        job = await a_job(desk, dana)
        hers, ours = Witness(eve, {job.id: 0}), Witness(dana, {job.id: 0})
        bridge.subscribe(hers)
        bridge.subscribe(ours)
        await desk.feed.publish([Change.of(job)])
        await eventually(lambda: ours.seen)
        assert not hers.seen
        assert hers.stirs == 0

    async def test_a_member_is_told_of_no_job_of_others(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        member = await a_person(desk, Role.MEMBER)
        job = await a_job(desk, dana)
        page = Witness(member, {job.id: 0})
        bridge.subscribe(page)
        await desk.feed.publish([Change.of(job)])
        await eventually(lambda: page.gone == {job.id})
        assert not page.seen

    async def test_a_broken_page_does_not_hold_up_the_others(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        job = await a_job(desk, dana)
        broken, sound = Witness(dana, {job.id: 0}, breaks=True), Witness(dana, {job.id: 0})
        bridge.subscribe(broken)
        bridge.subscribe(sound)
        await desk.feed.publish([Change.of(job)])
        await eventually(lambda: sound.seen)

    async def test_a_page_that_has_gone_is_told_no_more(
        self, desk: Desk, bridge: LiveBridge, dana: Actor
    ) -> None:
        job = await a_job(desk, dana)
        gone, there = Witness(dana, {job.id: 0}), Witness(dana, {job.id: 0})
        bridge.subscribe(gone)
        bridge.subscribe(there)
        bridge.unsubscribe(gone)
        await desk.feed.publish([Change.of(job)])
        await eventually(lambda: there.seen)
        assert not gone.seen
        assert bridge.views == 1


class TestSettling:
    """Lists and counters are read a moment after a change, by all pages that were told of it at once."""

    async def test_all_that_ask_meanwhile_settle_together_and_once(
        self, bridge: LiveBridge, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "SETTLE_SECONDS", 0.05)
        pages = [Witness(dana, {}) for _ in range(3)]
        for page in pages * 4:
            page.pause.set()
            bridge.settle(page)
        assert bridge.settling == 3
        await eventually(lambda: not bridge.settling)
        assert [page.settled for page in pages] == [1, 1, 1]

    async def test_one_that_takes_its_time_holds_up_no_other_and_is_not_begun_twice(
        self, bridge: LiveBridge, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "SETTLE_SECONDS", 0.02)
        slow, quick = Witness(dana, {}), Witness(dana, {})
        quick.pause.set()
        for page in (slow, quick):
            bridge.settle(page)
        await eventually(lambda: quick.settled == 1)
        for page in (slow, quick):
            bridge.settle(page)
        await eventually(lambda: quick.settled == 2)
        assert slow.settled == 1
        slow.pause.set()
        await eventually(lambda: slow.settled == 2, expect="what stirred it meanwhile is read, too")

    async def test_a_page_that_has_gone_does_not_settle(
        self, bridge: LiveBridge, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "SETTLE_SECONDS", 0.02)
        gone, there = Witness(dana, {}), Witness(dana, {})
        there.pause.set()
        for page in (gone, there):
            bridge.subscribe(page)
            bridge.settle(page)
        bridge.unsubscribe(gone)
        await eventually(lambda: there.settled == 1)
        assert gone.settled == 0


class TestMissing:
    async def test_a_lost_feed_is_told_and_followed_by_a_rereading(
        self, bridge: LiveBridge, dana: Actor, valkey: ValkeyServer
    ) -> None:
        page = Witness(dana, {})
        bridge.subscribe(page)
        valkey.stop()
        await eventually(lambda: page.states == [False])
        valkey.start()
        await eventually(lambda: page.states == [False, True])
        await eventually(lambda: page.rereads > 0)

    async def test_a_page_that_misses_every_event_rereads_by_itself(
        self, bridge: LiveBridge, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "REREAD_SECONDS", 0.2)
        page = Witness(dana, {})
        bridge.subscribe(page)
        await eventually(lambda: page.rereads >= 2)

    async def test_a_page_does_what_is_due_while_it_is_there(
        self, bridge: LiveBridge, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "TICK_SECONDS", 0.2)
        gone, page = Witness(dana, {}), Witness(dana, {})
        for each in (gone, page):
            bridge.subscribe(each)
        bridge.unsubscribe(gone)
        await eventually(lambda: page.ticks >= 2)
        assert gone.ticks == 0


class TestSharedReads:
    async def test_pages_that_ask_the_same_share_the_answer(self) -> None:
        shared, reads = SharedReads(), 0

        async def load() -> int:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0.01)
            return reads

        assert await asyncio.gather(*(shared.get("k", 10, load) for _ in range(5))) == [1] * 5
        assert await shared.get("other", 10, load) == 2

    async def test_an_old_answer_is_not_given_again(self) -> None:
        shared, reads = SharedReads(), iter(range(10))

        async def load() -> int:
            return next(reads)

        assert [await shared.get("k", 0, load), await shared.get("k", 0, load)] == [0, 1]

    async def test_what_was_read_before_a_change_is_not_given_after_it(self) -> None:
        shared, reads, release = SharedReads(), iter(range(10)), asyncio.Event()

        async def load() -> int:
            read = next(reads)
            await release.wait()
            return read

        before = asyncio.ensure_future(shared.get("k", 60, load))
        await asyncio.sleep(0)
        change = time.monotonic()
        after = [asyncio.ensure_future(shared.get("k", 60, load, not_before=change)) for _ in range(2)]
        await asyncio.sleep(0)
        release.set()
        assert (await before, [await read for read in after]) == (0, [1, 1])

    async def test_what_was_read_before_the_feed_was_lost_is_not_given_after_it(
        self, bridge: LiveBridge, valkey: ValkeyServer
    ) -> None:
        reads = iter(range(10))

        async def load() -> int:
            return next(reads)

        await bridge.shared.get("k", 60, load)
        valkey.stop()
        await eventually(lambda: not bridge.live)
        valkey.start()
        await eventually(lambda: bridge.live)
        assert await bridge.shared.get("k", 60, load) == 1

    async def test_one_that_goes_away_does_not_take_the_answer_with_it(self) -> None:
        shared, release = SharedReads(), asyncio.Event()

        async def load() -> str:
            await release.wait()
            return "there"

        first = asyncio.ensure_future(shared.get("k", 10, load))
        second = asyncio.ensure_future(shared.get("k", 10, load))
        await asyncio.sleep(0)
        first.cancel()
        release.set()
        assert await second == "there"


class TestOptimism:
    def test_news_of_the_version_that_was_retried_waits(self) -> None:
        hopes, job_id = Optimism(), UUID(int=1)
        hopes.begin(job_id, 4)
        assert hopes.hides(job_id, 3)
        assert hopes.hides(job_id, 4)
        assert hopes.holds(job_id)

    def test_a_greater_version_ends_the_hope(self) -> None:
        hopes, job_id = Optimism(), UUID(int=1)
        hopes.begin(job_id, 4)
        assert not hopes.hides(job_id, 5)
        assert not hopes.holds(job_id)

    def test_the_deadline_of_an_old_hope_does_not_end_a_new_one(self) -> None:
        hopes, job_id = Optimism(), UUID(int=1)
        is_first = hopes.begin(job_id, 4)
        hopes.end(job_id)
        is_second = hopes.begin(job_id, 6)
        assert not is_first()
        assert is_second()


class TestAddresses:
    def test_a_view_survives_its_address(self) -> None:
        address = GridAddress.of(
            {"status": "failed", "q": 'error:"a b"', "sort": "oldest", "cursor": "ab"}, "north"
        )
        assert address.path == "/?status=failed&q=error%3A%22a+b%22&sort=oldest&cursor=ab&w=north"

    def test_another_view_starts_at_its_first_page(self) -> None:
        assert GridAddress(cursor="abc").change(q="x").path == "/?q=x"

    def test_words_that_mean_nothing_are_left_out(self) -> None:
        nonsense = {"status": "broken", "sort": "sideways", "show": "no-thing.<b>"}
        assert GridAddress.of(nonsense, None).path == "/"

    def test_how_it_is_drawn_is_in_the_address(self) -> None:
        address = GridAddress.of({"show": "no-created.compact.no-kind"}, None)
        assert address.change(q="x").path == "/?q=x&show=compact.no-kind.no-created"

    @pytest.mark.parametrize(
        "target", [None, "", "https://evil", "//evil", "/\\evil", "/a\\b", "/\tevil", "javascript:x"]
    )
    def test_nobody_is_sent_elsewhere(self, target: str | None) -> None:
        assert local_path(target) == "/"

    def test_a_path_of_ours_is_kept(self) -> None:
        assert local_path("/jobs/1?w=north") == "/jobs/1?w=north"
