"""Failures as groups: who is in which, and what retries after them came to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.database.database import db_now
from services.desk import Desk
from services.errors import QueueUnavailable
from services.failures.failures import failure
from services.failures.groups import failure_groups
from services.insights.odds import Odds
from services.jobs import submission
from services.lifecycle import Claim, Outcome
from services.models import Job
from services.people.access import Actor
from services.retry.retrying import retry
from services.vocabulary import FailureType, Role, Status
from tests.support.desks import a_person, open_desk
from tests.support.valkey import ValkeyServer

KIND = "test.priced"


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def end(desk: Desk, job: Job, words: str | None) -> Job:
    said = failure(KIND, FailureType.TRANSIENT, words, "Wait a little.") if words else None
    status = Status.FAILED if words else Status.COMPLETED
    async with desk.db.write() as session:
        await lifecycle.claim(session, [Claim(job.id, job.attempt)], "w", 30)
        await lifecycle.finish(session, [Outcome(job.id, job.attempt, status, said)], "w")
    return job


async def failed(desk: Desk, owner: Actor, words: str) -> Job:
    return await end(desk, await submission.submit(desk, owner, KIND, {}), words)


async def test_the_same_mistake_is_one_group_whatever_its_numbers(desk: Desk) -> None:
    dana = await a_person(desk, credits=9)
    for port in (80, 8080, 9000):
        await failed(desk, dana, f"No answer from port {port}")
    await failed(desk, dana, "The disk is full")
    busy, full = await failure_groups(desk, dana)
    assert (busy.message, busy.jobs, busy.type) == ("No answer from port <n>", 3, FailureType.TRANSIENT)
    assert busy.first_seen <= busy.last_seen
    assert (full.message, full.jobs, full.odds) == ("The disk is full", 1, Odds(0, 0))


async def test_a_group_knows_how_often_a_retry_has_helped(desk: Desk) -> None:
    dana = await a_person(desk, credits=9)
    first, second, _ = [await failed(desk, dana, f"No answer from port {n}") for n in range(3)]
    await end(desk, (await retry(desk, dana, first.id)).job, None)
    await end(desk, (await retry(desk, dana, second.id)).job, "No answer from port 7")
    (group,) = await failure_groups(desk, dana)
    assert (group.jobs, group.odds) == (2, Odds(1, 2))


async def test_a_retry_that_could_not_be_queued_does_not_speak_for_its_group(
    desk: Desk, valkey: ValkeyServer
) -> None:
    dana = await a_person(desk, credits=9)
    job = await failed(desk, dana, "No answer")
    valkey.stop()
    try:
        with pytest.raises(QueueUnavailable):
            await retry(desk, dana, job.id)
    finally:
        valkey.start()
    (group,) = await failure_groups(desk, dana)
    assert (group.message, group.type, group.advice) == ("No answer", FailureType.TRANSIENT, "Wait a little.")


async def test_others_failures_are_not_seen(desk: Desk) -> None:
    dana = await a_person(desk, credits=9)
    await failed(desk, dana, "No answer")
    assert await failure_groups(desk, await a_person(desk, workspace="elsewhere")) == []
    assert await failure_groups(desk, await a_person(desk, Role.MEMBER)) == []
    assert len(await failure_groups(desk, await a_person(desk, Role.VIEWER))) == 1


async def test_a_group_shows_when_its_jobs_failed(desk: Desk) -> None:
    dana = await a_person(desk, credits=9)
    jobs = [await failed(desk, dana, f"No answer from port {n}") for n in range(4)]
    async with desk.db.write() as session:
        for job, hours in zip(jobs, (0, 0.5, 5.1, 30), strict=True):
            then = sa.update(Job).where(col(Job.id) == job.id).values(finished_at=db_now(-hours * 3600 - 1))
            await session.execute(then)
    (group,) = await failure_groups(desk, dana)
    assert group.jobs == 4
    assert {hour: n for hour, n in enumerate(group.trend) if n} == {23: 2, 18: 1}
