"""Retries that happen by themselves: when, how often, and how people step in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.desk import Desk
from services.errors import Conflict, Forbidden
from services.failures.failures import failure
from services.jobs import jobs, submission
from services.lifecycle import Claim, Outcome
from services.models import Attempt, Job, Step, now
from services.people.access import Actor
from services.policy import AutoRetry, RetryPolicy
from services.retry.retrying import plan_retry, retry
from services.vocabulary import FailureType, Role, Status, StepStatus, Trigger
from tests.support.desks import a_kind, a_person, open_desk

WORKER = "worker-1"
FLAKY = failure("test.flaky", FailureType.TRANSIENT, "The other side is busy")


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kind = a_kind("test.flaky", policy=RetryPolicy(cost=1, auto=AutoRetry(limit=2)))
    async with open_desk(database_url, redis_url, tmp_path, kind) as desk:
        yield desk


async def read(desk: Desk, job: Job) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def fail(desk: Desk, job: Job, retry_in: float | None = 60) -> Job:
    """Fails the queued attempt, as a worker would whose kind retries by itself."""
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, job.attempt)], WORKER, 30)
        session.add(
            Step(
                job_id=job.id,
                attempt=job.attempt,
                name="a",
                position=0,
                status=StepStatus.COMPLETED,
                result={"value": 1},
            )
        )
        outcome = Outcome(job.id, job.attempt, Status.FAILED, FLAKY, retry_in=retry_in)
        assert await lifecycle.finish(session, [outcome], WORKER)
    return await read(desk, job)


async def a_waiting_job(desk: Desk, owner: Actor) -> Job:
    return await fail(desk, await submission.submit(desk, owner, "test.flaky", {}))


async def attempts(desk: Desk, job: Job) -> list[tuple[int, Trigger, Status, bool]]:
    async with desk.db.read() as session:
        query = sa.select(Attempt).where(col(Attempt.job_id) == job.id).order_by(col(Attempt.number))
        found = (await session.scalars(query)).all()
    return [(a.number, a.trigger, a.status, a.void) for a in found]


async def test_it_waits_with_its_error_and_is_free(desk: Desk) -> None:
    dana = await a_person(desk, credits=5)
    job = await a_waiting_job(desk, dana)
    assert (job.status, job.attempt, job.auto_retry_count, job.retry_count) == (Status.SCHEDULED, 2, 1, 0)
    assert job.error == FLAKY.message
    assert job.due_at is not None
    assert job.finished_at is None
    assert timedelta(seconds=50) < job.due_at - now() < timedelta(seconds=70)
    assert await ledger.balance(desk, dana) == 5
    assert await attempts(desk, job) == [
        (1, Trigger.FIRST, Status.FAILED, False),
        (2, Trigger.AUTO, Status.SCHEDULED, False),
    ]


async def test_when_its_time_comes_it_is_queued_with_what_was_kept(desk: Desk) -> None:
    job = await a_waiting_job(desk, await a_person(desk))
    async with desk.db.write() as session:
        await session.execute(sa.update(Job).values(due_at=now() - timedelta(seconds=1)))
    async with desk.db.write() as session:
        (due,) = await lifecycle.queue_due(session)
    assert (due.status, due.attempt, due.error, due.due_at) == (Status.QUEUED, 2, None, None)
    async with desk.db.read() as session:
        kept = await session.get_one(Step, (job.id, 2, "a"))
    assert kept.status is StepStatus.KEPT
    async with desk.db.write() as session:
        won = await lifecycle.claim(session, [Claim(job.id, 2)], WORKER, 30)
    assert won[Claim(job.id, 2)].auto_retries == 1


async def test_a_person_starts_it_now(desk: Desk) -> None:
    dana = await a_person(desk)
    job = await a_waiting_job(desk, dana)
    assert jobs.actions(desk, dana, job).start
    with pytest.raises(Forbidden):
        await jobs.start_now(desk, await a_person(desk, Role.VIEWER), job.id)
    with pytest.raises(Conflict):
        await jobs.start_now(desk, dana, job.id, version=job.version - 1)
    started = await jobs.start_now(desk, dana, job.id, version=job.version)
    assert (started.status, started.attempt, started.error) == (Status.QUEUED, 2, None)
    with pytest.raises(Conflict):
        await jobs.start_now(desk, dana, job.id)


async def test_a_person_stops_it_and_the_job_has_failed_as_it_had(desk: Desk) -> None:
    dana = await a_person(desk, credits=5)
    job = await a_waiting_job(desk, dana)
    stopped = await jobs.cancel(desk, dana, job.id, version=job.version)
    assert (stopped.status, stopped.error, stopped.auto_retry_count) == (Status.FAILED, FLAKY.message, 0)
    assert stopped.finished_at is not None
    assert (await attempts(desk, job))[-1] == (2, Trigger.AUTO, Status.CANCELLED, True)
    async with desk.db.write() as session:
        assert await lifecycle.queue_due(session) == []
    again = await retry(desk, dana, job.id)
    assert (again.job.attempt, again.cost) == (3, 1)


async def test_it_counts_for_the_odds(desk: Desk) -> None:
    dana = await a_person(desk, credits=5)
    other = await fail(desk, await submission.submit(desk, dana, "test.flaky", {}), retry_in=None)
    job = await a_waiting_job(desk, dana)
    started = await jobs.start_now(desk, dana, job.id)
    async with desk.db.write() as session:
        await lifecycle.claim(session, [Claim(job.id, started.attempt)], WORKER, 30)
        await lifecycle.finish(session, [Outcome(job.id, started.attempt, Status.COMPLETED)], WORKER)
    odds = (await plan_retry(desk, dana, other.id)).odds
    assert odds is not None
    assert (odds.succeeded, odds.tried) == (1, 1)


async def test_a_cancelled_scheduled_job_that_never_failed_is_cancelled(desk: Desk) -> None:
    dana = await a_person(desk)
    job = await submission.submit(desk, dana, "test.flaky", {}, run_at=now() + timedelta(hours=1))
    assert (await jobs.cancel(desk, dana, job.id)).status is Status.CANCELLED


async def test_a_wish_to_cancel_that_came_too_late_still_stops_the_next_run(desk: Desk) -> None:
    dana = await a_person(desk)
    job = await submission.submit(desk, dana, "test.flaky", {})
    async with desk.db.write() as session:
        await lifecycle.claim(session, [Claim(job.id, 1)], WORKER, 30)
    await jobs.cancel(desk, dana, job.id)
    async with desk.db.write() as session:
        await lifecycle.finish(session, [Outcome(job.id, 1, Status.FAILED, FLAKY, retry_in=0)], WORKER)
    assert (await read(desk, job)).status is Status.FAILED
    assert await attempts(desk, job) == [(1, Trigger.FIRST, Status.FAILED, False)]


async def test_many_at_once_are_a_handful_of_statements(desk: Desk) -> None:
    dana = await a_person(desk)
    made = [await submission.submit(desk, dana, "test.flaky", {}) for _ in range(40)]
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    keys = [Claim(job.id, 1) for job in made]
    async with desk.db.write() as session:
        await lifecycle.claim(session, keys, WORKER, 30)
    sa.event.listen(desk.db.engine.sync_engine, "before_cursor_execute", count)
    async with desk.db.write() as session:
        outcomes = [Outcome(job.id, 1, Status.FAILED, FLAKY, retry_in=0) for job in made]
        assert len(await lifecycle.finish(session, outcomes, WORKER)) == 40
    async with desk.db.write() as session:
        assert len(await lifecycle.queue_due(session)) == 40
    assert statements < 15
