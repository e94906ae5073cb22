"""Queues by engine, lanes by priority, and limits over several workers in the test's loop; on both databases."""

from pathlib import Path

import pytest

from services.kinds import load_kinds
from services.operations import workers
from services.queue import Doorbell
from services.settings import Settings
from services.vocabulary import Priority, Status
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker
from tests.tasks.conftest import Bench


@pytest.fixture(autouse=True)
def _known_kinds(bench: Bench) -> None:
    load_kinds([KINDS])


@pytest.fixture
def settings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MULLIGAN_DATA_DIR", str(bench.folder))
    return bench.desk.settings.model_copy(update={"kinds": KINDS})


class TestQueues:
    async def test_a_job_waits_for_its_engine_and_runs_once_it_is_there(
        self, bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.worker._LOOK_AT_ENGINES_SECONDS", 0.2)
        async with a_worker(settings):
            job = await bench.submit("engine")
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            assert (await bench.job(job.id)).status is Status.QUEUED
            assert (await bench.desk.queue.depths())["steam"] == 1
            (bench.folder / "steam").touch()
            assert (await bench.ended(job.id)).status is Status.COMPLETED
            await eventually(lambda: _listens(bench, "steam", 1), 15)
            (bench.folder / "steam").unlink()
            await eventually(lambda: _listens(bench, "steam", 0), 15)
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            await bench.submit("engine")
            assert (await bench.desk.queue.depths())["steam"] == 1

    async def test_a_doorbell_in_the_wrong_queue_is_passed_on(self, bench: Bench, settings: Settings) -> None:
        job = await bench.submit("engine")
        await bench.desk.queue.kick([Doorbell(job.id, 1)])  # as one rung before the kind named its engine
        async with a_worker(settings):
            await eventually(lambda: _depths_are(bench, default=0, steam=2), 10)
            assert (await bench.job(job.id)).status is Status.QUEUED
        (bench.folder / "steam").touch()
        async with a_worker(settings):
            assert (await bench.ended(job.id)).status is Status.COMPLETED
        assert len(bench.marked("began")) == 1


class TestLanes:
    async def test_the_urgent_go_first_also_past_what_was_read_already(
        self, bench: Bench, settings: Settings
    ) -> None:
        async with a_worker(settings, most=1):
            first = await bench.submit("sleep", seconds=0.5)
            await bench.marked_within("began")
            names = {}
            for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
                for _ in range(3):
                    names[str((await bench.submit_as(priority, "sleep", seconds=0.3)).id)] = priority
            await eventually(lambda: len(bench.marked("ended")) == 10, 30)
        order = [line.split()[1] for line in bench.marked("began")]
        assert order[0] == str(first.id)
        # One of each may have been on its way to the only slot when a more urgent one came.
        late = [names[job_id] for job_id in order[1:]][-4:]
        assert late.count(Priority.HIGH) == 0
        assert late[-2:] == [Priority.LOW, Priority.LOW]


class TestLimits:
    async def test_never_more_than_so_many_over_all_workers_and_all_end(
        self, bench: Bench, settings: Settings
    ) -> None:
        async with a_worker(settings), a_worker(settings):
            made = [await bench.submit("limited", seconds=0.2) for _ in range(8)]
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            for job in made:
                assert (await bench.ended(job.id)).status is Status.COMPLETED
        assert most_at_once(bench) == 2
        assert len(bench.marked("began")) == 8

    async def test_a_cancelled_one_makes_room_for_the_next(self, bench: Bench, settings: Settings) -> None:
        from services.jobs import jobs

        async with a_worker(settings), a_worker(settings):
            long = [await bench.submit("limited", seconds=60) for _ in range(2)]
            await eventually(lambda: len(bench.marked("began")) == 2)
            waits = await bench.submit("limited")
            await eventually(lambda: _depths_are(bench, default=0), 10, expect="its doorbell is forgotten")
            assert (await bench.job(waits.id)).status is Status.QUEUED
            await jobs.cancel(bench.desk, bench.me, long[0].id)
            assert (await bench.ended(waits.id)).status is Status.COMPLETED


def most_at_once(bench: Bench) -> int:
    """How many runs there were at the same time, by what they wrote themselves."""
    running, most = 0, 0
    for line in Path(bench.marks).read_text().splitlines():
        running += 1 if line.startswith("began") else -1
        most = max(most, running)
    return most


async def _listens(bench: Bench, queue: str, count: int) -> bool:
    return sum(queue in worker.queues for worker in await workers.online(bench.desk)) == count


async def _depths_are(bench: Bench, **wanted: int) -> bool:
    depths = await bench.desk.queue.depths()
    return {queue: depths[queue] for queue in wanted} == wanted
