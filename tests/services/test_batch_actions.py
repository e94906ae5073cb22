"""Batches that cancel and delete, on the same rails as those that retry."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import audit, lifecycle
from services.batch import chunk as batch_chunk
from services.batch.actions import ACTIONS
from services.batch.batch import Selection, Trial, preview, start
from services.batch.chunk import read_chunk
from services.batch.report import outcome, read_batch
from services.batch.walk import write_chunk
from services.desk import Desk
from services.errors import Forbidden, Invalid, JobNotFound
from services.failures.failures import Failure
from services.jobs import deletion, submission
from services.lifecycle import Claim, Outcome
from services.models import Artifact, Attempt, AuditEntry, Job, LogLine, Upload, now
from services.people.access import Actor
from services.policy import RetryPolicy
from services.retry.retrying import retry
from services.storage.uploads import save_upload
from services.vocabulary import TERMINAL, BatchAction, FailureType, Role, Status
from tests.support.batches import claim_batch, ended_jobs, money, walk
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.waiting import eventually

CANCEL, DELETE = BatchAction.CANCEL, BatchAction.DELETE
EVERYTHING = Selection(q="kind:test.*")


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    batches = (a_kind(rules.kind, policy=RetryPolicy(counts=False)) for rules in ACTIONS.values())
    async with open_desk(database_url, redis_url, tmp_path, *batches, a_kind()) as desk:
        yield desk


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_chunk, "CHUNK", 3)


async def read(desk: Desk, job_id: UUID) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job_id)


async def start_running(desk: Desk, job_id: UUID, attempt: int = 1) -> Claim:
    key = Claim(job_id, attempt)
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], "w", 60)
    return key


async def waits_to_retry_itself(desk: Desk, dana: Actor) -> UUID:
    """A job that has failed and is retried by itself in an hour."""
    job = await submission.submit(desk, dana, "test.priced", {})
    key = await start_running(desk, job.id)
    broke = Failure(FailureType.TRANSIENT, "It broke", None, "f1", None)
    async with desk.db.write() as session:
        await lifecycle.finish(session, [Outcome(*key, Status.FAILED, broke, retry_in=3600)], "w")
    assert (await read(desk, job.id)).status is Status.SCHEDULED
    return job.id


class TestCancel:
    async def test_each_job_is_cancelled_as_a_single_one_would_be(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=10)
        queued = [(await submission.submit(desk, dana, "test.priced", {})).id for _ in range(4)]
        later = await submission.submit(desk, dana, "test.priced", {}, run_at=now() + timedelta(hours=1))
        (paid,) = await ended_jobs(desk, dana, 1)
        await retry(desk, dana, paid)
        assert await money(desk, dana) == (9, 9, 1)
        running = (await submission.submit(desk, dana, "test.priced", {})).id
        await start_running(desk, running)
        coming = await waits_to_retry_itself(desk, dana)
        over = await ended_jobs(desk, dana, 2, status=Status.COMPLETED)
        seen = await preview(desk, dana, EVERYTHING, CANCEL)
        assert (seen.matched, seen.allowed, seen.skipped, seen.cost) == (10, 8, {"not_active": 2}, 0)
        done = await walk(desk, await start(desk, dana, EVERYTHING, CANCEL))
        assert outcome(done) == {
            "matched": 10, "cancelled": 8, "skipped": {"not_active": 2}, "failed": 0, "expected": 10, "cost": 0,
        }  # fmt: skip
        for job_id in (*queued, later.id, paid):
            job = await read(desk, job_id)
            assert (job.status, job.error, job.kick_due_at) == (
                Status.CANCELLED,
                f"Cancelled by {dana.name}",
                None,
            )
        asked = await read(desk, running)
        assert (asked.status, asked.cancel_requested_by) == (Status.RUNNING, dana.name)
        failed_again = await read(desk, coming)
        assert (failed_again.status, failed_again.error, failed_again.auto_retry_count) == (
            Status.FAILED,
            "It broke",
            0,
        )
        assert (await read(desk, over[0])).status is Status.COMPLETED
        assert await money(desk, dana) == (10, 10, 1), "the retry that never ran is refunded"
        async with desk.db.read() as session:
            unused = await session.get_one(Attempt, (paid, 2))
            void = await session.get_one(Attempt, (coming, 2))
        assert (unused.status, unused.cost) == (Status.CANCELLED, 0)
        assert (void.status, void.void) == (Status.CANCELLED, True)

    async def test_a_job_that_begins_meanwhile_is_asked_to_stop(self, desk: Desk) -> None:
        dana = await a_person(desk)
        jobs = [(await submission.submit(desk, dana, "test.priced", {})).id for _ in range(2)]
        batch = await start(desk, dana, EVERYTHING, CANCEL)
        await start_running(desk, jobs[0])
        assert (await walk(desk, batch)).retried == 2
        assert (await read(desk, jobs[0])).cancel_requested_at

    async def test_a_member_reaches_only_their_own_and_a_viewer_nothing(self, desk: Desk) -> None:
        dana, member = await a_person(desk), await a_person(desk, Role.MEMBER)
        hers = await submission.submit(desk, dana, "test.priced", {})
        own = await submission.submit(desk, member, "test.priced", {})
        assert (await walk(desk, await start(desk, member, EVERYTHING, CANCEL))).retried == 1
        assert [(await read(desk, job.id)).status for job in (hers, own)] == [Status.QUEUED, Status.CANCELLED]
        viewer = await a_person(desk, Role.VIEWER)
        for action in (CANCEL, DELETE):
            with pytest.raises(Forbidden):
                await start(desk, viewer, EVERYTHING, action)

    async def test_a_retry_that_begins_at_this_moment_is_cancelled_all_the_same(self, desk: Desk) -> None:
        dana = await a_person(desk)
        coming = await waits_to_retry_itself(desk, dana)
        held = await claim_batch(desk, await start(desk, dana, EVERYTHING, CANCEL))
        async with desk.db.write() as session:
            await session.execute(sa.update(Job).where(col(Job.id) == coming).values(due_at=now()))
            await session.commit()
        async with desk.db.write() as session:
            batch = await read_batch(desk, held.job_id)
            chunk = await read_chunk(desk, batch, EVERYTHING, None)
            assert len(await lifecycle.queue_due(session)) == 1
            cancelling = asyncio.create_task(write_chunk(desk, batch, chunk, held, "batcher"))
            if not desk.db.is_sqlite:
                await eventually(lambda: _somebody_waits(desk), 10)
        assert (await cancelling).batch.retried == 1
        assert (await read(desk, coming)).status is Status.CANCELLED


async def _somebody_waits(desk: Desk) -> bool:
    """For a row that a transaction holds."""
    async with desk.db.read() as session:
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        return bool(await session.scalar(waiting))


async def an_upload(desk: Desk, owner: Actor) -> Upload:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"cv"

    return await save_upload(desk, owner, "cv.pdf", None, chunks())


class TestDelete:
    async def test_rows_become_tombstones_and_files_go(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 7)
        active = await submission.submit(desk, dana, "test.priced", {})
        (tmp_path / "file").write_bytes(b"x")
        await desk.storage.put_file("artifacts/one", tmp_path / "file")
        async with desk.db.write() as session:
            session.add(
                Artifact(
                    job_id=ids[5],
                    attempt=1,
                    name="f",
                    size=1,
                    content_type="a/b",
                    storage_key="artifacts/one",
                )
            )
            session.add(LogLine(job_id=ids[5], attempt=1, message="secret"))
        seen = await preview(desk, dana, EVERYTHING, DELETE)
        assert (seen.matched, seen.allowed, seen.skipped) == (8, 7, {"still_active": 1})
        done = await walk(desk, await start(desk, dana, EVERYTHING, DELETE))
        assert (outcome(done)["deleted"], outcome(done)["skipped"]) == (7, {"still_active": 1})
        for job_id in ids:
            job = await read(desk, job_id)
            assert (bool(job.deleted_at), job.title, job.args, job.error) == (True, "", {}, None)
        async with desk.db.read() as session:
            for model in (Artifact, LogLine):
                assert await session.scalar(sa.select(sa.func.count()).select_from(model)) == 0
            assert (await session.get_one(Attempt, (ids[5], 1))).error is None
            audited = sa.select(col(AuditEntry.data)).where(col(AuditEntry.action) == "batch.delete")
            assert (await session.scalars(audited)).one()["matched"] == 8
        assert await desk.storage.size("artifacts/one") is None
        assert (await read(desk, active.id)).deleted_at is None

    async def test_as_the_single_one(self, desk: Desk) -> None:
        dana = await a_person(desk)
        files = [await an_upload(desk, dana) for _ in range(2)]
        one, other = [(await ended_jobs(desk, dana, 1, upload_id=file.id))[0] for file in files]
        async with desk.db.write() as session:
            for job_id in (one, other):
                audit.record(
                    session, dana, "job.retry", job_id, attempt=2, after="cv of Erika Muster.pdf is gone"
                )
        await deletion.delete(desk, dana, one)
        await walk(desk, await start(desk, dana, Selection(ids=[other]), DELETE))
        async with desk.db.read() as session:
            for job_id, file in zip((one, other), files, strict=True):
                said = sa.select(AuditEntry).where(col(AuditEntry.job_id) == job_id)
                told = {entry.action: entry.data for entry in (await session.scalars(said)).all()}
                assert told["job.retry"] == {"attempt": 2}
                assert await session.get(Upload, file.id) is None
                assert await desk.storage.size(file.storage_key) is None
        gone = await read(desk, one)
        with pytest.raises(JobNotFound):
            await desk.db.transact(lambda session: lifecycle.bury(session, gone, TERMINAL))
        own = {"id", "rank", "updated_at", "created_at", "finished_at", "deleted_at"}
        assert (await read(desk, one)).model_dump(exclude=own) == (await read(desk, other)).model_dump(
            exclude=own
        )


@pytest.mark.parametrize(
    ("action", "trial"),
    [
        (CANCEL, Trial(canary=5)),
        (DELETE, Trial(stop_at=0.5)),
        (BatchAction.RETRY, Trial(canary=1_001)),
        (BatchAction.RETRY, Trial(stop_at=1.5)),
    ],
)
async def test_a_trial_that_makes_no_sense(desk: Desk, action: BatchAction, trial: Trial) -> None:
    with pytest.raises(Invalid):
        await start(desk, await a_person(desk), EVERYTHING, action, trial)
