"""Retries that begin later: at a time, or as soon as what they need is back. Taken back, nothing has happened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.checks.state import not_running
from services.desk import Desk
from services.errors import Conflict, InputMissing, Invalid, MulliganError, ServiceUnavailable
from services.failures.failures import failure
from services.jobs import jobs, submission
from services.lifecycle import Claim, Outcome
from services.models import Attempt, CreditEntry, Job, Membership, now
from services.operations import switches
from services.people.access import Actor
from services.policy import CheckResult, RetryPolicy
from services.retry.awaited import look_again
from services.retry.retrying import Wish, plan_retry, retry
from services.vocabulary import FailureType, Status, Trigger
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

WORKER = "worker-1"
BROKEN = failure("test.outside", FailureType.ENVIRONMENT, "It broke")


@dataclass
class Outside:
    """What the kind's check finds."""

    trouble: list[MulliganError] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[object]] | None = None
    """What somebody does while it is asked."""

    async def check(self, desk: Desk, job: Job, actor: Actor) -> CheckResult:
        if self.meanwhile:
            await self.meanwhile()
        if self.trouble:
            raise self.trouble[-1]
        return CheckResult("outside", passed=True, message="It is there")


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path, outside: Outside) -> AsyncIterator[Desk]:
    kind = a_kind(
        "test.outside",
        policy=RetryPolicy(
            statuses=frozenset({Status.FAILED, Status.COMPLETED}),
            cost=1,
            checks=(outside.check, not_running()),
        ),
    )
    async with open_desk(database_url, redis_url, tmp_path, kind) as desk:
        yield desk


async def end(desk: Desk, job: Job, status: Status = Status.FAILED) -> Job:
    key = Claim(job.id, job.attempt)
    outcome = Outcome(*key, status, BROKEN if status is Status.FAILED else None, {"n": 1}, has_output=True)
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], WORKER, 30)
        assert await lifecycle.finish(session, [outcome], WORKER)
    return await read(desk, job)


async def read(desk: Desk, job: Job) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def an_ended_job(desk: Desk, owner: Actor, status: Status = Status.FAILED) -> Job:
    return await end(desk, await submission.submit(desk, owner, "test.outside", {}), status)


async def latest(desk: Desk, job: Job) -> Attempt:
    async with desk.db.read() as session:
        query = sa.select(Attempt).where(col(Attempt.job_id) == job.id).order_by(col(Attempt.number).desc())
        return (await session.scalars(query.limit(1))).one()


async def entries(desk: Desk, job: Job) -> list[int]:
    async with desk.db.read() as session:
        query = sa.select(col(CreditEntry.amount)).where(col(CreditEntry.job_id) == job.id)
        return list((await session.scalars(query.order_by(col(CreditEntry.id)))).all())


def how_it_ended(job: Job) -> dict[str, object]:
    """Everything of it that people see, but for what moves with every change."""
    moving = {
        "version",
        "updated_at",
        "attempt",
        "finished_at",
        "cancel_requested_at",
        "kick_due_at",
        "kicks",
    }
    return {name: value for name, value in job.model_dump().items() if name not in moving}


def in_an_hour() -> Wish:
    return Wish(at=now() + timedelta(hours=1))


async def make_due(desk: Desk) -> None:
    async with desk.db.write() as session:
        await session.execute(sa.update(Job).values(due_at=now() - timedelta(seconds=1)))


class TestAtATime:
    async def test_it_is_charged_and_counted_now_and_keeps_what_it_ended_with_until_it_begins(
        self, desk: Desk
    ) -> None:
        dana = await a_person(desk, credits=5)
        before = await an_ended_job(desk, dana)
        wish = in_an_hour()
        done = await retry(desk, dana, before.id, version=before.version, wish=wish)
        job = await read(desk, before)
        assert done.message == "Job retry scheduled"
        assert (job.status, job.attempt, job.retry_count, job.due_at) == (Status.SCHEDULED, 2, 1, wish.at)
        assert (job.error, job.result, job.output_attempt) == ("It broke", {"n": 1}, 1)
        assert await ledger.balance(desk, dana) == 4
        waiting = await latest(desk, job)
        assert (waiting.trigger, waiting.status, waiting.cost) == (Trigger.MANUAL, Status.SCHEDULED, 1)
        assert not jobs.actions(desk, dana, job).retry
        async with desk.db.write() as session:
            assert await lifecycle.queue_due(session) == []
        await make_due(desk)
        async with desk.db.write() as session:
            (due,) = await lifecycle.queue_due(session)
        assert (due.status, due.attempt, due.error, due.result, due.output_attempt, due.due_at) == (
            Status.QUEUED, 2, None, None, None, None,
        )  # fmt: skip
        assert (await end(desk, due, Status.COMPLETED)).status is Status.COMPLETED
        assert await entries(desk, job) == [-1]

    @pytest.mark.parametrize("status", [Status.FAILED, Status.COMPLETED])
    async def test_taken_back_it_is_as_it_had_ended_and_paid_back_once(
        self, desk: Desk, status: Status
    ) -> None:
        dana = await a_person(desk, credits=5)
        before = await an_ended_job(desk, dana, status)
        for number in (2, 3):
            await retry(desk, dana, before.id, wish=in_an_hour())
            answers = await asyncio.gather(
                *(jobs.cancel(desk, dana, before.id) for _ in range(3)), return_exceptions=True
            )
            assert sum(isinstance(answer, Job) for answer in answers) == 1
            assert sum(isinstance(answer, Conflict) for answer in answers) == 2
            after = await read(desk, before)
            assert how_it_ended(after) == how_it_ended(before)
            assert after.finished_at is not None
            back = await latest(desk, before)
            assert (back.number, back.status, back.void, back.cost) == (number, Status.CANCELLED, True, 0)
            assert await ledger.balance(desk, dana) == 5
        assert await entries(desk, before) == [-1, 1, -1, 1]
        await make_due(desk)
        async with desk.db.write() as session:
            assert await lifecycle.queue_due(session) == []

    async def test_it_runs_now_or_is_taken_back_but_never_both(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        for _ in range(8):
            job = await an_ended_job(desk, dana)
            await retry(desk, dana, job.id, wish=in_an_hour())
            await asyncio.gather(
                jobs.start_now(desk, dana, job.id), jobs.cancel(desk, dana, job.id), return_exceptions=True
            )
            after, attempt = await read(desk, job), await latest(desk, job)
            paid = sum(await entries(desk, job))
            outcomes = {
                (Status.QUEUED, False, -1),  # runs
                (Status.FAILED, True, 0),  # taken back
                (Status.CANCELLED, False, 0),  # begun, then cancelled before any worker had it
            }
            assert (after.status, attempt.void, paid) in outcomes

    async def test_the_past_is_now_and_odd_times_are_refused(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        for odd in (datetime(2030, 1, 1), now() + timedelta(days=400)):  # noqa: DTZ001 - that is the point
            with pytest.raises(Invalid):
                await retry(desk, dana, job.id, wish=Wish(at=odd))
        done = await retry(desk, dana, job.id, wish=Wish(at=datetime(2020, 1, 1, tzinfo=UTC)))
        assert done.job.status is Status.QUEUED

    async def test_a_refusal_is_a_refusal_also_for_later(self, desk: Desk, outside: Outside) -> None:
        broke = await a_person(desk)
        job = await an_ended_job(desk, broke)
        with pytest.raises(MulliganError, match="Insufficient credits"):
            await retry(desk, broke, job.id, wish=in_an_hour())
        assert (await read(desk, job)).version == job.version


class TestWhenAvailable:
    async def test_it_begins_when_what_it_needs_is_back(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        outside.trouble.append(ServiceUnavailable(service="The archive"))
        plan = await plan_retry(desk, dana, job.id)
        assert (plan.allowed, plan.can_wait) == (False, True)
        with pytest.raises(ServiceUnavailable):
            await retry(desk, dana, job.id)
        wish = Wish(when_available=True)
        assert (await plan_retry(desk, dana, job.id, wish=wish)).allowed
        await retry(desk, dana, job.id, wish=wish)
        waiting = await read(desk, job)
        assert (waiting.status, waiting.waits_for) == (Status.SCHEDULED, "service_unavailable")
        assert (await latest(desk, job)).error == "The archive does not answer."
        assert await ledger.balance(desk, dana) == 4

        async with desk.db.read() as session:
            assert not await lifecycle.is_awaited(session)
        await make_due(desk)
        async with desk.db.read() as session:
            assert await lifecycle.is_awaited(session)
        async with desk.db.write() as session:
            assert await lifecycle.queue_due(session) == []
        assert await look_again(desk) == []  # it does not answer yet
        assert await look_again(desk) == []  # and is not asked again at once
        later = await read(desk, job)
        assert later.version == waiting.version
        assert later.due_at is not None
        assert timedelta(seconds=10) < later.due_at - now() < timedelta(seconds=30)

        outside.trouble.clear()
        looking = await jobs.start_now(desk, dana, job.id, version=later.version)
        assert looking.status is Status.SCHEDULED
        both = await asyncio.gather(look_again(desk), look_again(desk))
        (queued,) = [one for found in both for one in found]
        assert (queued.status, queued.attempt, queued.waits_for, queued.error) == (
            Status.QUEUED,
            2,
            None,
            None,
        )
        assert (await latest(desk, job)).error is None

    async def test_switched_off_during_the_look_it_waits_on(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        outside.trouble.append(ServiceUnavailable(service="The archive"))
        await retry(desk, dana, job.id, wish=Wish(when_available=True))
        outside.trouble.clear()
        outside.meanwhile = partial(switches.switch_off, desk, dana)
        await make_due(desk)
        assert await look_again(desk) == []
        assert (await read(desk, job)).status is Status.SCHEDULED
        outside.meanwhile = None
        await switches.switch_on(desk, dana)
        await make_due(desk)
        (queued,) = await look_again(desk)
        assert queued.status is Status.QUEUED

    async def test_it_is_taken_back_where_another_check_refuses(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        outside.trouble.append(ServiceUnavailable(service="The archive"))
        await retry(desk, dana, job.id, wish=Wish(when_available=True))
        outside.trouble.append(InputMissing(name="film.mp4"))
        await make_due(desk)
        (after,) = await look_again(desk)
        assert how_it_ended(after) == how_it_ended(job)
        assert await entries(desk, job) == [-1, 1]
        back = await latest(desk, job)
        assert back.void
        assert "film.mp4" in (back.error or "")

    async def test_it_is_looked_for_with_the_rights_that_its_owner_has_then(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        outside.trouble.append(ServiceUnavailable(service="The archive"))
        await retry(desk, dana, job.id, wish=Wish(when_available=True))
        outside.trouble.clear()
        async with desk.db.write() as session:
            await session.execute(sa.delete(Membership).where(col(Membership.user_id) == dana.user_id))
        await make_due(desk)
        (after,) = await look_again(desk)
        assert (after.status, await entries(desk, job)) == (Status.FAILED, [-1, 1])

    async def test_with_everything_there_it_is_a_plain_retry(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        done = await retry(desk, dana, job.id, wish=Wish(when_available=True))
        assert done.job.status is Status.QUEUED

    async def test_where_the_queue_is_away_it_waits_for_that(self, desk: Desk, valkey: ValkeyServer) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        valkey.pause()
        try:
            done = await retry(desk, dana, job.id, wish=Wish(when_available=True))
        finally:
            valkey.resume()
        assert done.job.status is Status.QUEUED
        assert (await read(desk, job)).kick_due_at is not None
        assert await entries(desk, job) == [-1]

    async def test_another_refusal_is_not_waited_for(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        job = await an_ended_job(desk, dana)
        outside.trouble.append(InputMissing(name="film.mp4"))
        assert not (await plan_retry(desk, dana, job.id)).can_wait
        with pytest.raises(InputMissing):
            await retry(desk, dana, job.id, wish=Wish(when_available=True))
