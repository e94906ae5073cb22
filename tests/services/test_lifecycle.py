"""Every guarded transition, on SQLite and on PostgreSQL: what it changes, and that it changes nothing otherwise."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.database.database import db_now
from services.desk import Desk
from services.errors import Conflict, JobNotFound
from services.failures.failures import Failure
from services.lifecycle import Claim, Outcome, Progress, Requeue, Wish
from services.models import Attempt, Job, Step
from services.people.access import Actor
from services.vocabulary import TERMINAL, FailureType, Status, StepStatus, Trigger
from tests.support.desks import a_person, open_desk

BROKEN = Failure(FailureType.TRANSIENT, "It broke", "Mend it", "f1", "Traceback …")
LOST = Failure(FailureType.WORKER_LOST, "Worker lost")
UNQUEUED = Failure(FailureType.QUEUE_UNAVAILABLE, "Failed to re-queue task.")


@dataclass
class Table:
    """Jobs on a desk, moved about by hand."""

    desk: Desk
    me: Actor

    async def make(self, status: Status = Status.QUEUED) -> Job:
        """A job that has come to `status` by the ways there are."""
        job = Job(workspace_id=self.me.workspace_id, owner_id=self.me.user_id, kind="test.priced", title="T")
        if status is Status.SCHEDULED:
            job.due_at = datetime.now(UTC) + timedelta(hours=1)
        async with self.desk.db.write() as session:
            await lifecycle.create(session, job, "Dana")
        if status is Status.RUNNING or status in TERMINAL:
            assert await self.claim(job)
        if status in TERMINAL:
            failure = None if status is Status.COMPLETED else BROKEN
            assert await self.finish(job, status, failure=failure, has_output=status is Status.COMPLETED)
        return await self.read(job.id)

    async def read(self, job_id: UUID) -> Job:
        async with self.desk.db.read() as session:
            return await session.get_one(Job, job_id)

    async def attempts(self, job: Job) -> list[Attempt]:
        async with self.desk.db.read() as session:
            query = sa.select(Attempt).where(col(Attempt.job_id) == job.id).order_by(col(Attempt.number))
            return list((await session.scalars(query)).all())

    async def steps(self, job: Job, attempt: int) -> dict[str, StepStatus]:
        async with self.desk.db.read() as session:
            query = sa.select(Step).where(col(Step.job_id) == job.id, col(Step.attempt) == attempt)
            return {step.name: step.status for step in (await session.scalars(query)).all()}

    async def set(self, job: Job, **values: Any) -> None:
        async with self.desk.db.write() as session:
            await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**values))

    async def claim(self, job: Job, worker: str = "w1", attempt: int | None = None) -> bool:
        key = Claim(job.id, attempt or job.attempt)
        won = await self.desk.db.transact(lambda s: lifecycle.claim(s, [key], worker, 60))
        return key in won

    async def finish(self, job: Job, status: Status, worker: str = "w1", **more: Any) -> bool:
        outcome = Outcome(job.id, job.attempt, status, **more)
        return bool(await self.desk.db.transact(lambda s: lifecycle.finish(s, [outcome], worker)))


@pytest.fixture
async def table(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Table]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield Table(desk, await a_person(desk))


OTHERS = {
    "claim": set(Status) - {Status.QUEUED},
    "finish": set(Status) - {Status.RUNNING},
}


class TestClaim:
    async def test_a_queued_attempt_goes_to_one_worker(self, table: Table):
        job = await table.make()
        won = await asyncio.gather(*(table.claim(job, f"w{n}") for n in range(8)))
        assert won.count(True) == 1
        job = await table.read(job.id)
        (attempt,) = await table.attempts(job)
        assert job.status is attempt.status is Status.RUNNING
        assert job.worker == attempt.worker == f"w{won.index(True)}"
        assert job.started_at
        assert job.lease_expires_at
        assert (job.version, job.kick_due_at) == (2, None)

    async def test_of_doubled_claims_in_one_batch_one_wins(self, table: Table):
        job = await table.make()
        key = Claim(job.id, 1)
        won = await table.desk.db.transact(lambda s: lifecycle.claim(s, [key, key], "w1", 60))
        assert list(won) == [key]
        assert (await table.read(job.id)).version == 2

    @pytest.mark.parametrize("status", sorted(OTHERS["claim"]))
    async def test_nothing_else_can_be_claimed(self, table: Table, status: Status):
        job = await table.make(status)
        assert not await table.claim(job, "w2")
        assert (await table.read(job.id)) == job

    async def test_neither_can_another_attempt_nor_a_deleted_job(self, table: Table):
        job = await table.make()
        assert not await table.claim(job, attempt=2)
        await table.set(job, deleted_at=db_now())
        assert not await table.claim(job)


class TestFinish:
    @pytest.mark.parametrize("status", sorted(TERMINAL))
    async def test_the_holder_ends_its_attempt(self, table: Table, status: Status):
        job = await table.make(Status.RUNNING)
        failure = None if status is Status.COMPLETED else BROKEN
        assert await table.finish(
            job, status, failure=failure, result={"n": [1, {"a": None}]}, has_output=True
        )
        job = await table.read(job.id)
        (attempt,) = await table.attempts(job)
        assert job.status is attempt.status is status
        assert job.result == {"n": [1, {"a": None}]}
        assert (job.output_attempt, job.lease_expires_at, job.version) == (1, None, 3)
        assert job.finished_at
        assert job.error == attempt.error == (failure and "It broke")
        assert job.fingerprint == attempt.fingerprint == (failure and "f1")
        assert attempt.traceback == (failure and "Traceback …")
        assert job.progress == (100 if status is Status.COMPLETED else 0)

    async def test_another_worker_cannot(self, table: Table):
        job = await table.make(Status.RUNNING)
        assert not await table.finish(job, Status.COMPLETED, worker="w2")
        assert (await table.read(job.id)) == job

    @pytest.mark.parametrize("status", sorted(OTHERS["finish"]))
    async def test_what_does_not_run_cannot_end(self, table: Table, status: Status):
        job = await table.make(status)
        assert not await table.finish(job, Status.COMPLETED)
        assert (await table.read(job.id)) == job

    async def test_a_late_outcome_of_an_old_attempt_is_refused(self, table: Table):
        job = await table.make(Status.RUNNING)
        await table.desk.db.transact(lambda s: lifecycle.hand_back(s, [Claim(job.id, 1)], "w1"))
        assert await table.claim(await table.read(job.id), "w1")
        assert not await table.finish(job, Status.COMPLETED)
        assert (await table.read(job.id)).status is Status.RUNNING


class TestWhileItRuns:
    async def test_only_the_holder_renews(self, table: Table):
        job = await table.make(Status.RUNNING)
        key = Claim(job.id, 1)

        async def renew(worker: str) -> dict[Claim, bool]:
            return await table.desk.db.transact(lambda s: lifecycle.renew(s, [key], worker, 600))

        assert await renew("w2") == {}
        assert await renew("w1") == {key: False}
        renewed = await table.read(job.id)
        assert renewed.lease_expires_at
        assert job.lease_expires_at
        assert renewed.lease_expires_at - job.lease_expires_at > timedelta(minutes=5)
        assert renewed.version == job.version

    async def test_progress_is_fenced_and_raises_no_version(self, table: Table):
        job = await table.make(Status.RUNNING)
        moved = [Progress(job.id, 1, 42.5, "encode")]
        assert await table.desk.db.transact(lambda s: lifecycle.progress(s, moved, "w2")) == []
        (change,) = await table.desk.db.transact(lambda s: lifecycle.progress(s, moved, "w1"))
        assert (change.progress, change.step, change.version) == (42.5, "encode", job.version)

    async def test_a_wish_to_cancel_is_seen_by_the_holder(self, table: Table):
        job = await table.make(Status.RUNNING)
        changed = await table.desk.db.transact(lambda s: lifecycle.cancel(s, job, "Dana"))
        assert changed.status is Status.RUNNING
        async with table.desk.db.read() as session:
            wish = Wish(changed.version, cancelled=True, cancelled_by="Dana")
            assert await lifecycle.wishes(session, "w1") == {Claim(job.id, 1): wish}
            assert await lifecycle.wishes(session, "w2") == {}

    async def test_held_is_who_has_it(self, table: Table):
        job = await table.make(Status.RUNNING)
        async with table.desk.db.write() as session:
            assert await lifecycle.is_held(session, Claim(job.id, 1), "w1")
            assert not await lifecycle.is_held(session, Claim(job.id, 1), "w2")
            assert not await lifecycle.is_held(session, Claim(job.id, 2), "w1")


class TestInterrupted:
    async def test_handing_back_queues_a_free_attempt_with_its_checkpoints(self, table: Table):
        job = await table.make(Status.RUNNING)
        async with table.desk.db.write() as session:
            session.add(
                Step(
                    job_id=job.id,
                    attempt=1,
                    name="probe",
                    position=0,
                    status=StepStatus.COMPLETED,
                    result={"value": 7},
                )
            )
            session.add(Step(job_id=job.id, attempt=1, name="encode", position=1, status=StepStatus.RUNNING))
        (back,) = await table.desk.db.transact(lambda s: lifecycle.hand_back(s, [Claim(job.id, 1)], "w1"))
        assert (back.status, back.attempt, back.retry_count, back.worker) == (Status.QUEUED, 2, 0, None)
        first, second = await table.attempts(job)
        assert (first.status, first.failure_type) == (Status.FAILED, FailureType.WORKER_LOST)
        assert (second.trigger, second.status, second.cost) == (Trigger.RESCUE, Status.QUEUED, 0)
        assert await table.steps(job, 1) == {"probe": StepStatus.COMPLETED, "encode": StepStatus.FAILED}
        assert await table.steps(job, 2) == {"probe": StepStatus.KEPT}

    async def test_another_worker_hands_nothing_back(self, table: Table):
        job = await table.make(Status.RUNNING)
        assert await table.desk.db.transact(lambda s: lifecycle.hand_back(s, [Claim(job.id, 1)], "w2")) == []
        assert (await table.read(job.id)) == job

    async def test_a_lease_that_was_renewed_does_not_expire(self, table: Table):
        job = await table.make(Status.RUNNING)
        assert await table.desk.db.transact(lambda s: lifecycle.expire(s, job, LOST, rescue=False)) is None
        assert (await table.read(job.id)) == job

    @pytest.mark.parametrize("rescue", [True, False])
    async def test_many_housekeepers_end_it_once(self, table: Table, rescue: bool):
        job = await table.make(Status.RUNNING)
        await table.set(job, lease_expires_at=db_now(-1))
        ends = await asyncio.gather(
            *(
                table.desk.db.transact(lambda s: lifecycle.expire(s, job, LOST, rescue=rescue))
                for _ in range(6)
            )
        )
        assert len([end for end in ends if end]) == 1
        job = await table.read(job.id)
        assert job.status is (Status.QUEUED if rescue else Status.FAILED)
        assert len(await table.attempts(job)) == (2 if rescue else 1)


class TestHousekeeping:
    async def test_what_is_due_is_queued_once(self, table: Table):
        job = await table.make(Status.SCHEDULED)
        assert await table.desk.db.transact(lifecycle.queue_due) == []
        await table.set(job, due_at=db_now(-1))
        found = await asyncio.gather(*(table.desk.db.transact(lifecycle.queue_due) for _ in range(4)))
        assert [j.id for batch in found for j in batch] == [job.id]
        assert (await table.read(job.id)).status is Status.QUEUED
        assert (await table.attempts(job))[0].status is Status.QUEUED

    async def test_an_unclaimed_one_is_rung_ever_more_seldom(self, table: Table):
        job = await table.make()

        async def unclaimed() -> list[Job]:
            return await table.desk.db.transact(lambda session: lifecycle.unclaimed(session, [job.kind]))

        assert await unclaimed() == []
        waits = []
        for _ in range(3):
            await table.set(job, kick_due_at=db_now(-1))
            (again,) = await unclaimed()
            assert again.id == job.id
            now = await table.read(job.id)
            assert now.kick_due_at
            waits.append(round((now.kick_due_at - datetime.now(UTC)).total_seconds() / 10))
        assert waits == [2, 4, 8]
        assert (await table.read(job.id)).version == job.version

    async def test_a_look_says_what_is_to_be_done(self, table: Table):
        due, lost, unclaimed = [
            await table.make(s) for s in (Status.SCHEDULED, Status.RUNNING, Status.QUEUED)
        ]
        async with table.desk.db.read() as session:
            nothing = await lifecycle.chores(session, ["other", unclaimed.kind])
            assert nothing == lifecycle.Chores(due=False, lost=False, unclaimed=[])
            limited = await lifecycle.chores(session, ["other", unclaimed.kind], {unclaimed.kind})
            assert limited.unclaimed == [unclaimed.kind], "whatever waits, also before its time"
        await table.set(due, due_at=db_now(-1))
        await table.set(lost, lease_expires_at=db_now(-1))
        await table.set(unclaimed, kick_due_at=db_now(-1))
        async with table.desk.db.read() as session:
            found = await lifecycle.chores(session, ["other", unclaimed.kind])
            assert found == lifecycle.Chores(due=True, lost=True, unclaimed=[unclaimed.kind])


class TestRequeue:
    @staticmethod
    def wish(job: Job, **more: Any) -> Requeue:
        return Requeue(
            job, frozenset({Status.FAILED, Status.TIMEOUT}), Trigger.MANUAL, "Dana", counts=True, **more
        )

    @pytest.mark.parametrize("status", [Status.FAILED, Status.TIMEOUT])
    async def test_what_the_policy_allows_is_queued_anew(self, table: Table, status: Status):
        job = await table.make(status)
        new = await table.desk.db.transact(lambda s: lifecycle.requeue(s, self.wish(job, cost=1)))
        assert (new.status, new.attempt, new.retry_count) == (Status.QUEUED, 2, 1)
        assert (new.error, new.finished_at, new.started_at, new.worker, new.progress) == (
            None,
            None,
            None,
            None,
            0,
        )
        second = (await table.attempts(job))[1]
        assert (second.trigger, second.cost, second.after_fingerprint) == (Trigger.MANUAL, 1, "f1")

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.FAILED, Status.TIMEOUT}))
    async def test_nothing_else_is(self, table: Table, status: Status):
        job = await table.make(status)
        with pytest.raises(Conflict) as refused:
            await table.desk.db.transact(lambda s: lifecycle.requeue(s, self.wish(job)))
        assert refused.value.data["current"] is status
        assert len(await table.attempts(job)) == 1
        assert (await table.read(job.id)).version == job.version

    async def test_twenty_at_once_make_one_attempt(self, table: Table):
        job = await table.make(Status.FAILED)

        async def one() -> Job:
            before = await table.read(job.id)
            before.version = job.version
            return await table.desk.db.transact(lambda s: lifecycle.requeue(s, self.wish(before)))

        ends = await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
        assert len([end for end in ends if isinstance(end, Job)]) == 1
        assert all(isinstance(end, (Job, Conflict)) for end in ends)
        assert len(await table.attempts(job)) == 2

    async def test_a_deleted_job_is_not_found(self, table: Table):
        job = await table.make(Status.FAILED)
        await table.set(job, deleted_at=db_now())
        with pytest.raises(JobNotFound):
            await table.desk.db.transact(lambda s: lifecycle.requeue(s, self.wish(job)))

    async def test_it_is_taken_back_where_it_could_not_be_rung(self, table: Table):
        job = await table.make(Status.FAILED)
        wish = self.wish(job, cost=1)
        new = await table.desk.db.transact(lambda s: lifecycle.requeue(s, wish))
        back = await table.desk.db.transact(lambda s: lifecycle.revert_requeue(s, wish, new, UNQUEUED))
        assert back
        assert (back.status, back.retry_count, back.error) == (Status.FAILED, 0, "Failed to re-queue task.")
        assert (back.attempt, back.version) == (2, job.version + 2)
        first, second = await table.attempts(job)
        assert (first.error, second.void, second.cost) == ("It broke", True, 0)

    async def test_not_where_a_worker_has_it_already(self, table: Table):
        job = await table.make(Status.FAILED)
        wish = self.wish(job)
        new = await table.desk.db.transact(lambda s: lifecycle.requeue(s, wish))
        assert await table.claim(new)
        assert (
            await table.desk.db.transact(lambda s: lifecycle.revert_requeue(s, wish, new, UNQUEUED)) is None
        )
        assert (await table.read(job.id)).status is Status.RUNNING


class TestCancel:
    @pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED])
    async def test_a_waiting_job_is_cancelled_at_once(self, table: Table, status: Status):
        job = await table.make(status)
        changed = await table.desk.db.transact(lambda s: lifecycle.cancel(s, job, "Dana"))
        assert (changed.status, changed.error) == (Status.CANCELLED, "Cancelled by Dana")
        assert (await table.attempts(job))[0].status is Status.CANCELLED
        assert not await table.claim(job)

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    async def test_what_is_over_is_not(self, table: Table, status: Status):
        job = await table.make(status)
        with pytest.raises(Conflict):
            await table.desk.db.transact(lambda s: lifecycle.cancel(s, job, "Dana"))
        assert (await table.read(job.id)) == job

    async def test_who_saw_an_older_version_is_told(self, table: Table):
        job = await table.make()
        await table.claim(job)
        with pytest.raises(Conflict) as refused:
            await table.desk.db.transact(lambda s: lifecycle.cancel(s, job, "Dana"))
        assert refused.value.data["current"] is Status.RUNNING


class TestBury:
    async def test_nothing_of_its_content_is_left(self, table: Table):
        job = await table.make(Status.FAILED)
        await table.desk.db.transact(lambda s: lifecycle.bury(s, job, TERMINAL))
        buried = await table.read(job.id)
        assert buried.deleted_at
        assert (buried.title, buried.args, buried.error, buried.result) == ("", {}, None, None)

    async def test_a_running_job_is_left_alone(self, table: Table):
        job = await table.make(Status.RUNNING)
        with pytest.raises(Conflict):
            await table.desk.db.transact(lambda s: lifecycle.bury(s, job, TERMINAL))
        assert (await table.read(job.id)) == job
