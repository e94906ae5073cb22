"""Workers that are killed or stopped, a queue and a database that go away, with real processes on both databases."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Iterator

import psutil
import pytest

from services.jobs import jobs
from services.operations import workers
from services.settings import Settings
from services.vocabulary import FailureType, Status
from tests.support.machines import Part
from tests.support.postgres import PostgresServer
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.workers import a_worker_process
from tests.tasks.conftest import Bench

pytestmark = pytest.mark.faults


@pytest.fixture
def settings(bench: Bench) -> Settings:
    return bench.desk.settings


@pytest.fixture
def worker(settings: Settings) -> Iterator[Part]:
    with a_worker_process(settings) as worker:
        yield worker


class TestKilled:
    async def test_the_job_is_lost_its_program_gone_and_the_worker_back(self, bench: Bench, worker: Part):
        job = await bench.submit("child", seconds=60)
        program = int((await bench.marked_within("pid")).split()[1])
        (pid,) = worker.pids()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not _runs(program), 20, expect="the program dies with its worker")
        job = await bench.ended(job.id, within=bench.desk.settings.lease_seconds + 20)
        assert (job.status, job.failure_type) == (Status.FAILED, FailureType.WORKER_LOST)
        assert (job.error or "").startswith("Worker lost: ")
        job = await bench.ended((await bench.submit("noop")).id)
        assert job.status is Status.COMPLETED

    async def test_a_rescue_goes_on_elsewhere_and_never_at_once(self, bench: Bench, settings: Settings):
        with a_worker_process(settings, "a", processes=2) as worker:
            await eventually(lambda: _online(bench, 2), 40, expect="both workers are online")
            job = await bench.submit("rescued", seconds=60)
            await bench.marked_within("began")
            running = {w.name: w.pid for w in await workers.online(bench.desk)}
            holder = (await bench.job(job.id)).worker
            os.kill(running[holder or ""], signal.SIGKILL)
            job = await bench.ended(job.id, within=settings.lease_seconds + 6)
            assert worker.process.poll() is None
        assert (job.status, job.attempt) == (Status.COMPLETED, 2)
        assert len(bench.marked("began")) == 2

    async def test_workers_end_with_their_manager(self, bench: Bench, worker: Part):
        job = await bench.submit("sleep", seconds=60)
        await bench.marked_within("began")
        (pid,) = worker.pids()
        os.kill(worker.process.pid, signal.SIGKILL)
        await eventually(lambda: not _runs(pid), 10)
        job = await bench.job(job.id)
        assert (job.status, job.attempt) == (Status.QUEUED, 2), "handed back"


class TestStopped:
    async def test_sigterm_hands_back_within_seconds_and_another_finishes(
        self, bench: Bench, settings: Settings
    ):
        with a_worker_process(settings, "first") as first:
            sleeping = await bench.submit("rescued", seconds=60)
            program = await bench.submit("child", seconds=60)
            await bench.marked_within("began")
            pid = int((await bench.marked_within("pid")).split()[1])
            began = time.monotonic()
            assert first.stop() == 0
            assert time.monotonic() - began < 11.5, "not the exit at last, after 12 s"
        assert not _runs(pid)
        for job in (sleeping, program):
            now = await bench.job(job.id)
            assert (now.status, now.attempt) == (Status.QUEUED, 2)
        assert await workers.online(bench.desk) == [], "it has said goodbye"
        with a_worker_process(settings, "second"):
            assert (await bench.ended(sleeping.id)).status is Status.COMPLETED

    async def test_a_thread_that_never_ends_keeps_no_worker(self, bench: Bench, worker: Part):
        await bench.submit("thread", seconds=120)
        await bench.marked_within("began")
        began = time.monotonic()
        worker.stop()
        assert time.monotonic() - began < 15


class TestQueueGone:
    @pytest.mark.parametrize("end", ["stop", "kill9"])
    async def test_jobs_run_on_and_waiting_ones_run_once(
        self, bench: Bench, worker: Part, valkey: ValkeyServer, end: str
    ):
        running = [await bench.submit("sleep", seconds=4) for _ in range(3)]
        await eventually(lambda: len(bench.marked("began")) == 3)
        getattr(valkey, end)()
        waiting = [await bench.submit("sleep", seconds=0.1) for _ in range(3)]
        await asyncio.sleep(1)  # the worker tries in vain meanwhile
        valkey.start()
        after = [await bench.submit("sleep", seconds=0.1) for _ in range(3)]
        for job in (*running, *after, *waiting):
            assert (await bench.ended(job.id, within=25)).status is Status.COMPLETED
        begun = bench.marked("began")
        assert len(begun) == len(set(begun)) == 9

    async def test_it_comes_back_empty(self, bench: Bench, worker: Part, valkey: ValkeyServer):
        await bench.ended((await bench.submit("noop")).id)
        valkey.flush()
        assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED


class TestDatabaseGone:
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_postgresql_is_restarted(self, bench: Bench, worker: Part, postgres: PostgresServer):
        running = [await bench.submit("sleep", seconds=2) for _ in range(2)]
        await eventually(lambda: len(bench.marked("began")) == 2)
        postgres.restart()
        for job in running:
            assert (await bench.ended(job.id)).status is Status.COMPLETED
        assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
        assert len(worker.pids()) == 1

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_sqlite_is_locked_for_a_while(self, bench: Bench):
        settings = bench.desk.settings.model_copy(update={"lease_seconds": 12.0})
        with a_worker_process(settings):
            job = await bench.submit("sleep", seconds=1)
            await bench.marked_within("began")
            waiting = await bench.submit("sleep")
            other = sqlite3.connect(bench.desk.db.url.database or "", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(6)  # longer than the driver waits
            assert (await bench.job(job.id)).status is Status.RUNNING
            other.execute("COMMIT")
            other.close()
            for each in (job, waiting):
                ended = await bench.ended(each.id, within=25)
                assert (ended.status, ended.attempt) == (Status.COMPLETED, 1)
        assert len(bench.marked("began")) == 2


class TestIdle:
    async def test_an_idle_worker_costs_next_to_nothing(self, bench: Bench, worker: Part):
        await bench.ended((await bench.submit("noop")).id)
        (pid,) = worker.pids()
        process = psutil.Process(pid)
        used, began = sum(process.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(5)
        share = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
        print(f"idle worker: {share:.1%} of a core, {process.memory_info().rss / 2**20:.0f} MB")
        assert share < 0.05


async def test_the_cancel_of_a_running_job_reaches_another_process(bench: Bench, worker: Part):
    job = await bench.submit("child", seconds=60)
    program = int((await bench.marked_within("pid")).split()[1])
    asked = time.monotonic()
    await jobs.cancel(bench.desk, bench.me, job.id)
    assert (await bench.ended(job.id)).status is Status.CANCELLED
    assert time.monotonic() - asked < 12
    assert not _runs(program)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _online(bench: Bench, count: int) -> bool:
    return len(await workers.online(bench.desk)) == count
