"""A job that is paused holds on with its lease and its place, and goes on; or is cancelled."""

import asyncio

import pytest

from services import lifecycle
from services.errors import Conflict, Forbidden, Invalid
from services.jobs import jobs, pausing
from services.kinds import load_kinds
from services.lifecycle import Claim
from services.models import Job
from services.settings import Settings
from services.vocabulary import Role, Status
from tests.support.desks import a_person
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker
from tests.tasks.conftest import Bench


@pytest.fixture(autouse=True)
def _known_kinds(bench: Bench) -> None:
    load_kinds([KINDS])


@pytest.fixture
def settings(bench: Bench) -> Settings:
    return bench.desk.settings


async def a_paused_run(bench: Bench, seconds: float) -> Job:
    """A job that has begun, and has been seen to hold on."""
    job = await bench.submit("holds", seconds=seconds)
    await bench.marked_within("step")
    paused = await pausing.pause(bench.desk, bench.me, job.id)
    assert paused.paused_at

    async def stands_still() -> bool:
        before = len(bench.marked("step"))
        await asyncio.sleep(0.5)
        return len(bench.marked("step")) == before

    await eventually(stands_still, 15, expect="it holds on")
    return paused


class TestRunning:
    async def test_it_holds_on_past_its_lease_and_its_time_and_goes_on(
        self, bench: Bench, settings: Settings
    ):
        async with a_worker(settings):
            job = await a_paused_run(bench, 2.5)
            before = len(bench.marked("step"))
            await asyncio.sleep(settings.lease_seconds + 0.5)
            held = await bench.job(job.id)
            assert (held.status, held.attempt, held.version) == (Status.RUNNING, 1, job.version)
            assert len(bench.marked("step")) == before
            may = jobs.actions(bench.desk, bench.me, held)
            assert (may.pause, may.resume, may.cancel) == (False, True, True)
            resumed = await pausing.resume(bench.desk, bench.me, job.id, version=held.version)
            assert resumed.version == held.version + 1
            ended = await bench.ended(job.id)
        assert (ended.status, ended.paused_at, len(bench.marked("began"))) == (Status.COMPLETED, None, 1)

    async def test_it_is_cancelled_while_it_holds_on(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await a_paused_run(bench, 2.5)
            await jobs.cancel(bench.desk, bench.me, job.id)
            ended = await bench.ended(job.id, within=10)
        assert (ended.status, ended.paused_at, bench.marked("ended")) == (Status.CANCELLED, None, [])

    async def test_another_worker_takes_it_over_paused(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await a_paused_run(bench, 2.5)
        assert (await bench.job(job.id)).attempt == 2, "handed back"
        before = len(bench.marked("step"))
        async with a_worker(settings):
            await eventually(lambda: len(bench.marked("began")) == 2, 15)
            await asyncio.sleep(0.3)
            assert len(bench.marked("step")) == before
            await pausing.resume(bench.desk, bench.me, job.id)
            assert (await bench.ended(job.id)).status is Status.COMPLETED


class TestRules:
    async def test_a_waiting_job_begins_by_holding_on(self, bench: Bench, settings: Settings):
        job = await bench.submit("holds", seconds=0.1)
        await pausing.pause(bench.desk, bench.me, job.id)
        async with a_worker(settings):
            await bench.marked_within("began")
            await asyncio.sleep(0.2)
            assert bench.marked("step") == []
            await pausing.resume(bench.desk, bench.me, job.id)
            assert (await bench.ended(job.id)).status is Status.COMPLETED

    async def test_twice_is_once(self, bench: Bench):
        job = await bench.submit("holds")
        once = await pausing.pause(bench.desk, bench.me, job.id)
        assert await pausing.pause(bench.desk, bench.me, job.id) == once
        assert (await pausing.resume(bench.desk, bench.me, job.id)).paused_at is None

    async def test_who_may_not_and_what_cannot(self, bench: Bench):
        desk = bench.desk
        job, other = await bench.submit("holds"), await bench.submit("sleep")
        viewer = await a_person(desk, Role.VIEWER)
        with pytest.raises(Forbidden):
            await pausing.pause(desk, viewer, job.id)
        assert not jobs.actions(desk, viewer, job).pause
        with pytest.raises(Invalid, match="cannot be paused"):
            await pausing.pause(desk, bench.me, other.id)
        assert not jobs.actions(desk, bench.me, other).pause
        with pytest.raises(Conflict):
            await pausing.pause(desk, bench.me, job.id, version=job.version + 1)
        claim = Claim(job.id, 1)
        await desk.db.transact(lambda session: lifecycle.claim(session, [claim], "w1", 60))
        asked = await jobs.cancel(desk, bench.me, job.id)
        with pytest.raises(Conflict):
            await pausing.pause(desk, bench.me, job.id)
        assert (asked.status, jobs.actions(desk, bench.me, asked).pause) == (Status.RUNNING, False)
        await desk.db.transact(lambda session: lifecycle.hand_back(session, [claim], "w1"))
        with pytest.raises(Conflict):
            await pausing.pause(desk, bench.me, job.id)
