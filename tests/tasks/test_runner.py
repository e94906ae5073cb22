"""From doorbell to outcome, on both databases, with a worker in the test's loop."""

import asyncio
import time
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.feed import connect
from services.jobs import jobs
from services.kinds import load_kinds
from services.models import Artifact, Attempt, Job
from services.queue import Doorbell
from services.retry.retrying import retry
from services.settings import Settings
from services.vocabulary import FailureType, Priority, Status, StepStatus, Trigger
from tasks.stream import stream_of
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker
from tests.tasks.conftest import Bench
from ui.api.schemas import JobOut


@pytest.fixture(autouse=True)
def _known_kinds(bench: Bench) -> None:
    load_kinds([KINDS])


@pytest.fixture
def settings(bench: Bench) -> Settings:
    return bench.desk.settings


class TestOutcomes:
    @pytest.mark.parametrize(
        ("how", "status", "failure_type", "words"),
        [
            ("well", Status.COMPLETED, None, None),
            ("nul", Status.COMPLETED, None, None),
            ("job_error", Status.FAILED, FailureType.ENVIRONMENT, "The moon is wrong"),
            ("exit", Status.FAILED, FailureType.UNKNOWN, "tried to end its worker: SystemExit"),
            ("interrupt", Status.FAILED, FailureType.UNKNOWN, "tried to end its worker: KeyboardInterrupt"),
            ("cancelled", Status.FAILED, FailureType.UNKNOWN, "cancelled itself"),
            ("timeout_inside", Status.FAILED, FailureType.TRANSIENT, "TimeoutError"),
            ("not_a_dict", Status.FAILED, FailureType.UNKNOWN, "not list"),
            ("not_json", Status.FAILED, FailureType.UNKNOWN, "not JSON"),
            ("nan", Status.FAILED, FailureType.UNKNOWN, "not JSON"),
            ("nul_error", Status.FAILED, FailureType.UNKNOWN, "zero"),
        ],
    )
    async def test_each_way_to_end_is_told(
        self,
        bench: Bench,
        settings: Settings,
        how: str,
        status: Status,
        failure_type: str | None,
        words: str | None,
    ):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("ends", how=how)).id)
        assert (job.status, job.failure_type) == (status, failure_type)
        assert (words in (job.error or "")) if words else job.error is None
        detail = await jobs.job_detail(bench.desk, bench.me, job.id)
        assert detail.attempts[0].status is status
        if how == "nul":
            assert job.result == {"text": "a\ufffdb", "kept": "\\u0000"}

    async def test_a_run_out_of_time_is_a_timeout(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("slow")).id)
        assert (job.status, job.failure_type) == (Status.TIMEOUT, FailureType.TIMEOUT)
        assert job.error == "Exceeded 0.3 s limit"

    async def test_a_kind_that_the_worker_does_not_know(self, bench: Bench, settings: Settings):
        job = await bench.submit("noop")
        await _set(bench, job, kind="mystery.kind")
        async with a_worker(settings):
            job = await bench.ended(job.id)
        assert (job.status, job.failure_type) == (Status.FAILED, FailureType.ENVIRONMENT)
        assert "MULLIGAN_KINDS" in (job.advice or "")

    async def test_arguments_that_do_not_fit_any_more(self, bench: Bench, settings: Settings):
        job = await bench.submit("ends", how="well")
        await _set(bench, job, args={"how": [1]})
        async with a_worker(settings):
            job = await bench.ended(job.id)
        assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT)


class TestDoorbells:
    async def test_a_doubled_one_runs_once(self, bench: Bench, settings: Settings):
        job = await bench.submit("sleep", seconds=0.2)
        await bench.desk.queue.kick([Doorbell(job.id, 1)] * 30)
        async with a_worker(settings), a_worker(settings):
            await bench.ended(job.id)
            await bench.desk.queue.kick([Doorbell(job.id, 1)] * 30)
            await eventually(lambda: _is_empty(bench), 5)
        assert len(bench.marked("began")) == 1

    async def test_one_of_an_old_attempt_is_ignored(self, bench: Bench, settings: Settings):
        job = await bench.submit("ends", how="job_error")
        async with a_worker(settings):
            await bench.ended(job.id)
            await bench.desk.queue.kick([Doorbell(job.id, 1), Doorbell(job.id, 7)])
            await eventually(lambda: _is_empty(bench), 5)
        assert (await bench.job(job.id)).attempt == 1

    async def test_many_jobs_all_end_once(self, bench: Bench, settings: Settings):
        ids = [(await bench.submit("sleep")).id for _ in range(60)]
        await bench.desk.queue.kick([Doorbell(job_id, 1) for job_id in ids])
        async with a_worker(settings):
            for job_id in ids:
                assert (await bench.ended(job_id)).status is Status.COMPLETED
        assert len(bench.marked("began")) == 60


class TestRoom:
    async def test_a_worker_runs_only_so_many_of_a_kind_and_others_pass(
        self, bench: Bench, settings: Settings
    ):
        async with a_worker(settings):
            ids = [(await bench.submit("narrow", seconds=0.5)).id for _ in range(6)]
            await bench.marked_within("began")
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            for job_id in ids:
                assert (await bench.ended(job_id)).status is Status.COMPLETED
            await eventually(lambda: _is_empty(bench), 10)
        words = [line.split() for line in Path(bench.marks).read_text().splitlines()]
        running = [0]
        for word, *_ in words:
            running.append(running[-1] + (1 if word == "began" else -1))
        assert (max(running), len(bench.marked("began"))) == (2, 6)

    async def test_who_waits_is_queued_and_no_time_runs_out(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            for _ in range(2):
                await bench.submit("narrow", seconds=30)
            await eventually(lambda: len(bench.marked("began")) == 2)
            job = await bench.submit("narrow")
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            job = await bench.job(job.id)
            assert (job.status, job.worker, job.started_at) == (Status.QUEUED, None, None)
        assert len(bench.marked("began")) == 2

    async def test_what_waits_reaches_a_worker_with_room(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            for _ in range(2):
                await bench.submit("narrow", seconds=30)
            await eventually(lambda: len(bench.marked("began")) == 2)
            waiting = await bench.submit("narrow")
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            async with a_worker(settings):
                # Not by housekeeping, which rings first after 10 s, nor as a stale entry, which is one after 15 s.
                ended = await bench.ended(waiting.id, within=9)
        assert ended.status is Status.COMPLETED
        assert len(bench.marked("began")) == 3

    async def test_what_people_wait_for_passes_a_batch_that_waits_for_room(
        self, bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("tasks.room._MOST_WAITING", 5)
        async with a_worker(settings):
            long = [(await bench.submit_as(Priority.LOW, "narrow", seconds=60)).id for _ in range(2)]
            await eventually(lambda: len(bench.marked("began")) == 2)
            for _ in range(10):
                await bench.submit_as(Priority.LOW, "narrow", seconds=1)
            clicked = await bench.submit("narrow")
            assert (await bench.ended((await bench.submit("noop")).id)).status is Status.COMPLETED
            await jobs.cancel(bench.desk, bench.me, long[0])
            await bench.ended(clicked.id)
            order = [line.split()[1] for line in bench.marked("began")]
            # Perhaps its doorbell was just handed to others when the place became free.
            assert order.index(str(clicked.id)) <= 4, "a click waits for a place, never for a batch"
            assert await eventually(lambda: _lane_is_empty(settings, Priority.NORMAL), 10)
            assert not await _lane_is_empty(settings, Priority.LOW), "a batch's doorbells stay in their lane"


class TestCancel:
    async def test_a_running_program_is_gone_soon(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.submit("child", seconds=60)
            pid = int((await bench.marked_within("pid")).split()[1])
            asked = time.monotonic()
            await jobs.cancel(bench.desk, bench.me, job.id)
            job = await bench.ended(job.id)
            took = time.monotonic() - asked
        assert (job.status, job.error) == (Status.CANCELLED, f"Cancelled by {bench.me.name}")
        assert took < 12
        assert not psutil.pid_exists(pid)

    @pytest.mark.parametrize("kind", ["stubborn", "thread"])
    async def test_a_run_that_does_not_listen_is_given_up(self, bench: Bench, settings: Settings, kind: str):
        async with a_worker(settings):
            job = await bench.submit(kind, seconds=6)
            await bench.marked_within("began")
            await jobs.cancel(bench.desk, bench.me, job.id)
            assert (await bench.ended(job.id, within=8)).status is Status.CANCELLED


class TestSteps:
    async def test_a_retry_that_starts_later_keeps_results(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("steps")).id)
            assert (job.status, job.step) == (Status.FAILED, "second")
            steps = (await jobs.job_detail(bench.desk, bench.me, job.id)).steps
            assert [(s.name, s.status, s.position) for s in steps] == [
                ("first", StepStatus.COMPLETED, 0),
                ("second", StepStatus.FAILED, 1),
            ]
            await retry(bench.desk, bench.me, job.id, from_step="second")
            job = await bench.ended(job.id)
        assert (job.status, job.result) == (Status.COMPLETED, {"first": {"tuple": [1, 2]}, "second": 2})
        assert len(bench.marked("first")) == 1
        steps = (await jobs.job_detail(bench.desk, bench.me, job.id)).steps
        assert [s.status for s in steps] == [StepStatus.KEPT, StepStatus.COMPLETED]


class TestWhatAJobSays:
    async def test_progress_and_lines_and_files(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("talks")).id)
        assert (job.status, job.progress) == (Status.COMPLETED, 100)
        lines, _ = await jobs.logs(bench.desk, bench.me, job.id)
        assert [line.message for line in lines] == ["one", "two", "three"]
        files = (await jobs.job_detail(bench.desk, bench.me, job.id)).artifacts
        assert [(f.name, f.size) for f in files] == [("file.bin", 1000), ("pass\ufffdwd.txt", 5)]
        assert not list((bench.folder / "work").glob("*")), "the folder of the run is removed"

    async def test_the_feed_is_told_once_more_of_what_is_stored(self, bench: Bench, settings: Settings):
        told: list[float] = []

        async def listen() -> None:
            async for batch in bench.desk.feed.follow("0-0"):
                told.extend(change.progress for change in batch.changes)

        listening = asyncio.create_task(listen())
        async with a_worker(settings):
            job = await bench.submit("sleep", seconds=60)
            # At once, and when a page that was opened since reads the same.
            await eventually(lambda: told.count(30) == 2, 10, expect="told twice")
            assert (await bench.job(job.id)).progress == 30
            await jobs.cancel(bench.desk, bench.me, job.id)
            await bench.ended(job.id)
        listening.cancel()

    async def test_secrets_are_not_kept_in_what_it_says(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("tells", api_key="key-123456")).id)
        lines, _ = await jobs.logs(bench.desk, bench.me, job.id)
        assert [line.message for line in lines] == ["GET https://••••••@h/?token=•••••• with ••••••"]
        shown = JobOut.of(bench.desk, bench.me, job, "me").model_dump_json()
        assert not any(word in shown for word in ("s3cret", "abc", "key-123456"))

    async def test_the_last_progress_of_a_failed_run_stays(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.submit("talks", seconds=0.1)
            job = await bench.ended(job.id)
        assert (job.status, job.progress, job.step) == (Status.FAILED, 42, "the end")
        detail = await jobs.job_detail(bench.desk, bench.me, job.id)
        assert detail.artifacts == [], "a failed run's files are no output"

    async def test_files_of_an_earlier_attempt_are_purged(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.ended((await bench.submit("talks", seconds=0.1)).id)
            old = await _artifacts(bench, job)
            assert len(old) == 2
            await retry(bench.desk, bench.me, job.id)
            await bench.ended(job.id)
            await eventually(lambda: _has_only(bench, job, attempt=2), 5)
        for artifact in old:
            assert not await bench.desk.storage.exists(artifact.storage_key)


class TestStop:
    async def test_a_stopped_worker_hands_back_and_another_goes_on(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.submit("rescued", seconds=30)
            await bench.marked_within("began")
        job = await bench.job(job.id)
        assert (job.status, job.attempt, job.retry_count) == (Status.QUEUED, 2, 0)
        assert await bench.desk.queue.backlog() == 1
        async with a_worker(settings):
            assert (await bench.ended(job.id)).status is Status.COMPLETED
        async with bench.desk.db.read() as session:
            attempts = (await session.scalars(sa.select(Attempt).order_by(col(Attempt.number)))).all()
        assert [(a.trigger, a.status) for a in attempts] == [
            (Trigger.FIRST, Status.FAILED),
            (Trigger.RESCUE, Status.COMPLETED),
        ]

    async def test_a_wish_to_cancel_wins_over_handing_back(self, bench: Bench, settings: Settings):
        async with a_worker(settings):
            job = await bench.submit("sleep", seconds=30)
            await bench.marked_within("began")
            await jobs.cancel(bench.desk, bench.me, job.id)
        assert (await bench.job(job.id)).status is Status.CANCELLED


class TestLease:
    async def test_it_is_renewed_for_as_long_as_the_run_lasts(self, bench: Bench, settings: Settings):
        async with a_worker(settings), a_worker(settings):
            job = await bench.submit("sleep", seconds=settings.lease_seconds * 1.7)
            job = await bench.ended(job.id, within=20)
        assert (job.status, job.attempt) == (Status.COMPLETED, 1)

    async def test_a_run_whose_job_was_taken_away_stops_and_writes_nothing(
        self, bench: Bench, settings: Settings
    ):
        async with a_worker(settings):
            job = await bench.submit("child", seconds=60)
            pid = int((await bench.marked_within("pid")).split()[1])
            await _set(bench, job, worker="another")
            await eventually(lambda: not psutil.pid_exists(pid), settings.lease_seconds + 2)
            job = await bench.job(job.id)
            assert (job.status, job.worker, job.error) == (Status.RUNNING, "another", None)


async def _is_empty(bench: Bench) -> bool:
    return await bench.desk.queue.backlog() == 0


async def _artifacts(bench: Bench, job: Job) -> list[Artifact]:
    async with bench.desk.db.read() as session:
        return list((await session.scalars(sa.select(Artifact).where(col(Artifact.job_id) == job.id))).all())


async def _has_only(bench: Bench, job: Job, attempt: int) -> bool:
    return {artifact.attempt for artifact in await _artifacts(bench, job)} == {attempt}


async def _set(bench: Bench, job: Job, **values: object) -> None:
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**values))


async def _lane_is_empty(settings: Settings, lane: Priority) -> bool:
    async with connect(settings.effective_redis_url) as redis:
        return not await redis.xlen(stream_of("default", lane))
