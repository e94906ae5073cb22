"""Another chance: what the plan says, and that it is given exactly once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.desk import Desk
from services.errors import (
    Conflict,
    Forbidden,
    InsufficientCredits,
    Invalid,
    JobNotFound,
    MulliganError,
    NotRetryable,
    QueueUnavailable,
    RetriesDisabled,
    RetryLimitReached,
)
from services.failures.failures import failure
from services.jobs import jobs, submission
from services.lifecycle import Claim, Outcome
from services.models import Attempt, AuditEntry, CreditEntry, Job, Step
from services.people.access import Actor
from services.policy import RetryPolicy
from services.queue import Doorbell
from services.retry.retrying import plan_retry, retry
from services.vocabulary import FailureType, Role, Status, StepStatus, Trigger
from tests.support.desks import a_check, a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

WORKER = "worker-1"
BROKEN = failure("test.priced", FailureType.PERMANENT, "Invalid data found", "Upload it again.")


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind(),
        a_kind("test.limited", policy=RetryPolicy(limit=2)),
        a_kind(
            "test.uncounted",
            policy=RetryPolicy(statuses=frozenset({Status.FAILED, Status.COMPLETED}), counts=False),
        ),
        a_kind("test.blocked", policy=RetryPolicy(checks=(a_check("input_missing", passed=False),))),
        a_kind(
            "test.warned", policy=RetryPolicy(checks=(a_check("no_worker", passed=False, blocking=False),))
        ),
        a_kind("test.steps", steps=("probe", "encode", "upload"), policy=RetryPolicy()),
    )
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        yield desk


async def end(desk: Desk, job: Job, status: Status = Status.FAILED) -> Job:
    """Runs the latest attempt of a queued job to its end, as a worker would."""
    key = Claim(job.id, job.attempt)
    said = BROKEN if status is Status.FAILED else None
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], WORKER, 30)
        assert await lifecycle.finish(session, [Outcome(job.id, job.attempt, status, said)], WORKER)
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def failed_job(desk: Desk, owner: Actor, kind: str = "test.priced", **more: object) -> Job:
    return await end(desk, await submission.submit(desk, owner, kind, {}, **more))  # type: ignore[arg-type]


async def attempts(desk: Desk, job_id: UUID) -> list[Attempt]:
    async with desk.db.read() as session:
        query = sa.select(Attempt).where(col(Attempt.job_id) == job_id).order_by(col(Attempt.number))
        return list((await session.scalars(query)).all())


async def ledger_sum(desk: Desk, actor: Actor) -> int:
    async with desk.db.read() as session:
        query = sa.select(sa.func.sum(col(CreditEntry.amount))).where(
            col(CreditEntry.workspace_id) == actor.workspace_id
        )
        return (await session.scalars(query)).one() or 0


class TestPlan:
    async def test_it_says_what_a_retry_costs_resets_and_keeps(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        plan = await plan_retry(desk, dana, job.id)
        assert plan.allowed
        assert plan.error is None
        assert (plan.cost, plan.balance, plan.balance_after) == (1, 5, 4)
        assert plan.previous_error == "Invalid data found"
        assert plan.advice == "Upload it again."
        assert plan.retries_left is None
        assert plan.version == job.version
        assert "1 earlier attempt" in plan.keeps
        assert [check.message for check in plan.checks] == [
            "No retry limit · 0 retries so far",
            "1 credit · 4 left after this retry",
            "This sort of failure comes back as long as nothing has changed",
        ]

    async def test_it_changes_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        await plan_retry(desk, dana, job.id)
        again = await jobs.get_job(desk, dana, job.id)
        assert again.version == job.version
        assert await ledger.balance(desk, dana) == 5

    async def test_odds_count_the_retries_that_followed_the_same_failure(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        first, second, third = [await failed_job(desk, dana) for _ in range(3)]
        assert (await plan_retry(desk, dana, third.id)).odds is None
        await end(desk, (await retry(desk, dana, first.id)).job, Status.COMPLETED)
        await end(desk, (await retry(desk, dana, second.id)).job, Status.FAILED)
        odds = (await plan_retry(desk, dana, third.id)).odds
        assert odds is not None
        assert (odds.succeeded, odds.tried) == (1, 2)

    async def test_a_check_that_does_not_block_is_a_warning(self, desk: Desk) -> None:
        dana = await a_person(desk)
        plan = await plan_retry(desk, dana, (await failed_job(desk, dana, "test.warned")).id)
        assert plan.allowed
        assert [check.code for check in plan.checks if not check.passed] == ["permanent_failure", "no_worker"]


class TestRetry:
    async def test_it_makes_one_new_attempt_and_one_charge(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        done = await retry(desk, dana, job.id, version=job.version)
        now = await jobs.get_job(desk, dana, job.id)
        assert now.status is Status.QUEUED
        assert (now.attempt, now.retry_count, now.version) == (2, 1, job.version + 1)
        assert (now.error, now.failure_type, now.finished_at, now.result) == (None, None, None, None)
        assert now.created_at == job.created_at
        assert done.cost == 1
        assert await ledger.balance(desk, dana) == 4 == await ledger_sum(desk, dana)
        first, second = await attempts(desk, job.id)
        assert (first.status, first.error) == (Status.FAILED, "Invalid data found")
        assert (second.status, second.trigger, second.requested_by, second.cost) == (
            Status.QUEUED, Trigger.MANUAL, dana.name, 1,
        )  # fmt: skip
        assert await desk.queue.backlog() == 2  # the first submission's doorbell, and this one

    async def test_it_is_audited(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        await retry(desk, dana, job.id)
        async with desk.db.read() as session:
            query = sa.select(AuditEntry).where(col(AuditEntry.action) == "job.retry")
            entry = (await session.scalars(query)).one()
        assert (entry.actor, entry.job_id, entry.data["attempt"]) == (dana.email, job.id, 2)

    async def test_a_uncounted_policy_leaves_the_count_alone(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await end(desk, await submission.submit(desk, dana, "test.uncounted", {}), Status.COMPLETED)
        assert (await retry(desk, dana, job.id)).job.retry_count == 0
        assert len(await attempts(desk, job.id)) == 2

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.COMPLETED])
    async def test_other_statuses_are_refused_in_the_words_of_the_product(
        self, desk: Desk, status: Status
    ) -> None:
        dana = await a_person(desk, credits=5)
        job = await submission.submit(desk, dana, "test.priced", {})
        if status is not Status.QUEUED:
            job = await end(desk, job, status)
        with pytest.raises(NotRetryable) as refusal:
            await retry(desk, dana, job.id)
        assert (
            refusal.value.message == f"Only failed or timeout jobs can be retried, current status: {status}"
        )
        assert await ledger.balance(desk, dana) == 5

    async def test_without_credits_it_is_refused_and_nothing_changes(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana)
        with pytest.raises(InsufficientCredits, match="Please purchase more credits to retry"):
            await retry(desk, dana, job.id)
        again = await jobs.get_job(desk, dana, job.id)
        assert (again.status, again.version, again.attempt) == (Status.FAILED, job.version, 1)
        assert len(await attempts(desk, job.id)) == 1

    async def test_the_limit_of_the_policy_and_of_the_job(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.limited")
        for _ in range(2):
            job = await end(desk, (await retry(desk, dana, job.id)).job)
        with pytest.raises(RetryLimitReached, match=r"Max retries \(2\) reached"):
            await retry(desk, dana, job.id)
        own = await failed_job(desk, dana, "test.limited", max_retries=0)
        with pytest.raises(RetryLimitReached, match=r"Max retries \(0\) reached"):
            await retry(desk, dana, own.id)

    async def test_a_stale_version_is_a_conflict(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        with pytest.raises(Conflict) as conflict:
            await retry(desk, dana, job.id, version=job.version - 1)
        assert conflict.value.data["current"] is Status.FAILED

    async def test_a_failing_check_refuses(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.blocked")
        with pytest.raises(MulliganError, match="input_missing"):
            await retry(desk, dana, job.id)
        assert len(await attempts(desk, job.id)) == 1

    async def test_fifty_at_once_give_one_attempt_and_one_charge(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        job = await failed_job(desk, dana)
        answers = await asyncio.gather(
            *(retry(desk, dana, job.id, version=job.version) for _ in range(50)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict"] * 49 + ["Retried"]
        assert len(await attempts(desk, job.id)) == 2
        assert await ledger.balance(desk, dana) == 49 == await ledger_sum(desk, dana)

    async def test_many_jobs_at_once_never_overdraw(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=3)
        failed = [await failed_job(desk, dana) for _ in range(8)]
        answers = await asyncio.gather(*(retry(desk, dana, job.id) for job in failed), return_exceptions=True)
        assert sum(isinstance(answer, InsufficientCredits) for answer in answers) == 5
        assert await ledger.balance(desk, dana) == 0 == await ledger_sum(desk, dana)


class TestCancelledBeforeItRan:
    async def test_the_charge_is_given_back_once(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        queued = await retry(desk, dana, job.id)
        assert await ledger.balance(desk, dana) == 4
        await jobs.cancel(desk, dana, job.id, version=queued.job.version)
        assert await ledger.balance(desk, dana) == 5 == await ledger_sum(desk, dana)
        assert [attempt.cost for attempt in await attempts(desk, job.id)] == [0, 0]

    async def test_what_ran_is_not_given_back(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        key = Claim(job.id, (await retry(desk, dana, job.id)).job.attempt)
        async with desk.db.write() as session:
            await lifecycle.claim(session, [key], WORKER, 30)
        await jobs.cancel(desk, dana, job.id)
        assert await ledger.balance(desk, dana) == 4


class TestRights:
    async def test_a_viewer_is_forbidden_and_a_stranger_finds_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        viewer = await a_person(desk, Role.VIEWER)
        with pytest.raises(Forbidden):
            await retry(desk, viewer, job.id)
        assert (await plan_retry(desk, viewer, job.id)).allowed is False
        for stranger in (
            await a_person(desk, Role.MEMBER),
            await a_person(desk, workspace="elsewhere", credits=5),
        ):
            with pytest.raises(JobNotFound):
                await retry(desk, stranger, job.id)
            with pytest.raises(JobNotFound):
                await plan_retry(desk, stranger, job.id)

    async def test_the_flag_switches_retries_off(
        self, database_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        async with open_desk(database_url, redis_url, tmp_path, a_kind(), retries_enabled=False) as desk:
            dana = await a_person(desk, credits=5)
            job = await failed_job(desk, dana)
            with pytest.raises(RetriesDisabled):
                await retry(desk, dana, job.id)


class TestQueueDown:
    async def test_everything_is_taken_back(self, desk: Desk, valkey: ValkeyServer) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        valkey.stop()
        try:
            with pytest.raises(QueueUnavailable, match=r"Failed to re-queue task\."):
                await retry(desk, dana, job.id)
        finally:
            valkey.start()
        after = await jobs.get_job(desk, dana, job.id)
        assert (after.status, after.error) == (Status.FAILED, "Failed to re-queue task.")
        assert (after.failure_type, after.retry_count) == (FailureType.QUEUE_UNAVAILABLE, 0)
        assert after.finished_at == job.finished_at
        assert await ledger.balance(desk, dana) == 5 == await ledger_sum(desk, dana)
        first, void = await attempts(desk, job.id)
        assert first.error == "Invalid data found"
        assert (void.void, void.cost) == (True, 0)

    async def test_it_works_again_when_the_queue_is_back(self, desk: Desk, valkey: ValkeyServer) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        valkey.stop()
        with pytest.raises(QueueUnavailable):
            await retry(desk, dana, job.id)
        valkey.start()
        again = await retry(desk, dana, job.id)
        assert again.job.attempt == 3  # the number of the void attempt is never used again
        assert await ledger.balance(desk, dana) == 4
        # The void attempt does not count for the odds of the next one.
        await end(desk, again.job)
        odds = (await plan_retry(desk, dana, job.id)).odds
        assert odds is not None
        assert odds.tried == 1

    async def test_a_message_that_arrived_after_all_stands(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)

        class Late:
            """Rings, lets a worker claim, and only then says that it could not."""

            async def kick(self, doorbells: Sequence[Doorbell]) -> None:
                async with desk.db.write() as session:
                    keys = [Claim(bell.job_id, bell.attempt) for bell in doorbells]
                    assert await lifecycle.claim(session, keys, WORKER, 30)
                raise QueueUnavailable

            async def depths(self) -> dict[str, int]:
                return {}

            async def backlog(self) -> int:
                return 0

        done = await retry(replace(desk, queue=Late()), dana, job.id)
        assert done.cost == 1
        assert (await jobs.get_job(desk, dana, job.id)).status is Status.RUNNING
        assert await ledger.balance(desk, dana) == 4


class TestFromAStep:
    async def test_earlier_results_are_kept_and_later_ones_are_not(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.steps")
        async with desk.db.write() as session:
            for position, name in enumerate(("probe", "encode")):
                session.add(
                    Step(
                        job_id=job.id, attempt=1, name=name, position=position,
                        status=StepStatus.COMPLETED, result={"value": name},
                    )
                )  # fmt: skip
        plan = await plan_retry(desk, dana, job.id, "encode")
        assert [(choice.name, choice.available) for choice in plan.steps] == [
            ("probe", True), ("encode", True), ("upload", True),
        ]  # fmt: skip
        assert "Results of probe" in plan.keeps
        await retry(desk, dana, job.id, from_step="encode")
        steps = (await jobs.job_detail(desk, dana, job.id)).steps
        assert [(step.name, step.status, step.attempt) for step in steps] == [("probe", StepStatus.KEPT, 2)]

    async def test_a_step_without_what_it_builds_on_is_refused(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.steps")
        with pytest.raises(Invalid, match="no result of probe was kept"):
            await retry(desk, dana, job.id, from_step="encode")
        with pytest.raises(Invalid, match="has no step"):
            await plan_retry(desk, dana, job.id, "nonsense")
