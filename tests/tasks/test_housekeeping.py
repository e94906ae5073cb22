"""Due jobs, lost leases, lost doorbells, leftovers; on both databases."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.database.database import db_now
from services.errors import JobNotFound
from services.jobs import deletion, jobs, submission
from services.lifecycle import Claim
from services.models import Attempt, Job, Upload
from services.people import workspaces
from services.storage.uploads import save_upload
from services.vocabulary import FailureType, Status
from tasks.housekeeping import Housekeeping
from tasks.reporter import Announcer
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.workers import a_worker
from tests.tasks.conftest import Bench


@pytest.fixture
def keeper(bench: Bench) -> Housekeeping:
    return Housekeeping(bench.desk, Announcer(bench.desk.feed))


class TestDue:
    async def test_a_scheduled_job_is_queued_and_rung_when_its_time_has_come(
        self, bench: Bench, keeper: Housekeeping
    ):
        later = datetime.now(UTC) + timedelta(hours=1)
        job = await submission.submit(bench.desk, bench.me, "test.noop", {}, run_at=later)
        await keeper.tick()
        assert (await bench.job(job.id)).status is Status.SCHEDULED
        await _set(bench, job, due_at=db_now(-1))
        await keeper.tick()
        assert (await bench.job(job.id)).status is Status.QUEUED
        assert await bench.desk.queue.backlog() == 1


class TestRetention:
    async def test_what_was_kept_long_enough_goes(self, bench: Bench, keeper: Housekeeping):
        job = await submission.submit(bench.desk, bench.me, "test.noop", {})
        long_ago = datetime.now(UTC) - timedelta(days=40)
        rank = UUID(int=int(long_ago.timestamp() * 1000) << 80)
        ended = {"status": Status.COMPLETED, "finished_at": long_ago, "rank": rank}
        await _set(bench, job, **ended)
        await workspaces.keep_for(bench.desk, bench.me, 30)
        await keeper.tick()
        with pytest.raises(JobNotFound):
            await bench.job(job.id)


class TestLostWorkers:
    async def test_a_lost_lease_fails_the_job(self, bench: Bench, keeper: Housekeeping):
        job = await _running(bench, "sleep")
        await keeper.tick()
        assert (await bench.job(job.id)).status is Status.RUNNING
        await _set(bench, job, lease_expires_at=db_now(-1))
        await keeper.tick()
        job = await bench.job(job.id)
        assert (job.status, job.failure_type) == (Status.FAILED, FailureType.WORKER_LOST)
        assert job.error == "Worker lost: w1 stopped answering"
        assert job.advice

    async def test_two_workers_lost_are_one_mistake(self, bench: Bench, keeper: Housekeeping):
        lost = [await _running(bench, "sleep", worker=worker) for worker in ("w1", "host-2-ab12")]
        for job in lost:
            await _set(bench, job, lease_expires_at=db_now(-1))
        await keeper.tick()
        assert len({(await bench.job(job.id)).fingerprint for job in lost}) == 1

    async def test_a_rescue_goes_on_as_often_as_the_policy_says(self, bench: Bench, keeper: Housekeeping):
        job = await _running(bench, "rescued")
        for attempt in (2, 3):
            await _set(bench, job, lease_expires_at=db_now(-1))
            await keeper.tick()
            job = await bench.job(job.id)
            assert (job.status, job.attempt, job.retry_count) == (Status.QUEUED, attempt, 0)
            await _claim(bench, job)
        await _set(bench, job, lease_expires_at=db_now(-1))
        await keeper.tick()
        assert (await bench.job(job.id)).status is Status.FAILED

    async def test_a_wish_to_cancel_wins_over_a_rescue(self, bench: Bench, keeper: Housekeeping):
        job = await _running(bench, "rescued")
        await jobs.cancel(bench.desk, bench.me, job.id)
        await _set(bench, job, lease_expires_at=db_now(-1))
        await keeper.tick()
        assert (await bench.job(job.id)).status is Status.CANCELLED


class TestRetriesByThemselves:
    @pytest.mark.parametrize("on", [True, False])
    async def test_none_follows_where_they_are_switched_off_everywhere(self, bench: Bench, on: bool):
        settings = bench.desk.settings.model_copy(update={"retries_enabled": on})
        keeper = Housekeeping(replace(bench.desk, settings=settings), Announcer(bench.desk.feed))
        lost = await _running(bench, "again")
        await _set(bench, lost, lease_expires_at=db_now(-1))
        await keeper.tick()
        failed = await bench.submit("again")
        async with a_worker(settings):
            await eventually(lambda: _attempts_ended(bench), 15)
        status = Status.SCHEDULED if on else Status.FAILED
        assert [(await bench.job(job.id)).status for job in (lost, failed)] == [status, status]

    async def test_what_waits_goes_on_waiting_while_they_are(self, bench: Bench):
        settings = bench.desk.settings.model_copy(update={"retries_enabled": False})
        job = await _running(bench, "again")
        await _set(bench, job, lease_expires_at=db_now(-1))
        on = Housekeeping(bench.desk, Announcer(bench.desk.feed))
        await on.tick()
        await _set(bench, job, due_at=db_now(-1))
        await Housekeeping(replace(bench.desk, settings=settings), Announcer(bench.desk.feed)).tick()
        assert (await bench.job(job.id)).status is Status.SCHEDULED
        await on.tick()
        assert (await bench.job(job.id)).status is Status.QUEUED


class TestLostDoorbells:
    async def test_a_job_whose_doorbell_was_lost_is_rung_again(
        self, bench: Bench, keeper: Housekeeping, valkey: ValkeyServer
    ):
        job = await bench.submit("noop")
        valkey.flush()
        await keeper.tick()
        assert await bench.desk.queue.backlog() == 0, "not before its time"
        await _set(bench, job, kick_due_at=db_now(-1))
        await keeper.tick()
        assert await bench.desk.queue.backlog() == 1
        valkey.flush()
        await keeper.tick()
        assert await bench.desk.queue.backlog() == 0, "twice as long until the next time"

    async def test_a_true_backlog_is_not_flooded(self, bench: Bench, keeper: Housekeeping):
        job = await bench.submit("noop")
        await _set(bench, job, kick_due_at=db_now(-1))
        await keeper.tick()
        assert await bench.desk.queue.backlog() == 1
        keeper._trickle_at = 0  # a minute later
        await keeper.tick()
        assert await bench.desk.queue.backlog() == 2

    async def test_a_queue_that_is_away_is_waited_for(
        self, bench: Bench, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("tasks.housekeeping._EVERY_SECONDS", (0.05, 0.1))
        valkey.stop()
        job = await bench.submit("noop")
        await _set(bench, job, kick_due_at=db_now(-1))
        async with a_worker(bench.desk.settings):
            valkey.start()
            assert (await bench.ended(job.id)).status is Status.COMPLETED


class TestLeftovers:
    async def test_folders_of_dead_runs_go_and_those_of_live_ones_stay(
        self, bench: Bench, keeper: Housekeeping
    ):
        live = await _running(bench, "sleep")
        work = bench.desk.settings.data_path / "work"
        old = time.time() - 3600
        for name in (f"{live.id.hex}-1", f"{live.id.hex}-9", "0" * 32 + "-1", "something else"):
            (work / name).mkdir(parents=True)
            os.utime(work / name, (old, old))
        (work / f"{'1' * 32}-1").mkdir()
        await keeper.tick()
        left = {folder.name for folder in work.iterdir()}
        assert left == {f"{live.id.hex}-1", "something else", f"{'1' * 32}-1"}


class TestUploads:
    async def test_old_ones_that_no_job_names_go(self, bench: Bench, keeper: Housekeeping):
        desk = bench.desk
        saved = {
            name: await save_upload(desk, bench.me, name, None, _bytes())
            for name in ("old", "used", "deleted", "new")
        }
        jobs_of = {}
        for name in ("used", "deleted"):
            jobs_of[name] = await bench.submit("noop")
            await _set(bench, jobs_of[name], upload_id=saved[name].id, status=Status.COMPLETED)
        await deletion.delete(desk, bench.me, jobs_of["deleted"].id)
        old = sa.update(Upload).where(col(Upload.filename) != "new").values(created_at=db_now(-90_000))
        await desk.db.transact(lambda session: session.execute(old))
        await keeper.tick()
        async with desk.db.read() as session:
            left = set((await session.scalars(sa.select(col(Upload.filename)))).all())
        assert left == {"used", "new"}
        there = {name for name, upload in saved.items() if await desk.storage.exists(upload.storage_key)}
        assert there == {"used", "new"}


async def _bytes() -> AsyncIterator[bytes]:
    yield b"x"


class TestIndexes:
    # PostgreSQL chooses by statistics, which an empty table has none of.
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_a_look_goes_by_the_small_indexes(self, bench: Bench):
        """A bound status would make SQLite go through the whole table every second."""
        seen: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
            seen.append(statement)

        engine = bench.desk.db.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", note)
        async with bench.desk.db.read() as session:
            await lifecycle.chores(session, ["test.noop", "test.sleep"], {"test.sleep"})
            await lifecycle.wishes(session, "w")
        sa.event.remove(engine, "before_cursor_execute", note)
        plans = []
        async with bench.desk.db.engine.connect() as connection:
            for statement in seen:
                if statement.startswith("SELECT"):
                    rows = await connection.exec_driver_sql(
                        f"EXPLAIN QUERY PLAN {statement}", ("x",) * statement.count("?")
                    )
                    plans += [str(row.detail) for row in rows]
        used = {part for plan in plans for part in plan.split() if part.startswith("ix_job_")}
        assert {"ix_job_due", "ix_job_lease", "ix_job_unclaimed"} <= used


async def _attempts_ended(bench: Bench) -> bool:
    async with bench.desk.db.read() as session:
        ended = sa.select(sa.func.count()).where(col(Attempt.finished_at).is_not(None))
        return (await session.scalars(ended)).one() == 2


async def _claim(bench: Bench, job: Job, worker: str = "w1") -> None:
    async with bench.desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, job.attempt)], worker, 60)


async def _running(bench: Bench, kind: str, worker: str = "w1") -> Job:
    job = await bench.submit(kind)
    await _claim(bench, job, worker)
    return job


async def _set(bench: Bench, job: Job, **values: object) -> None:
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**values))
