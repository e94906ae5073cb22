"""How often retries may be asked for: sliding windows over accepted ones, per person and per job."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services import lifecycle, rate_limit
from services.desk import Desk
from services.errors import Conflict, InsufficientCredits, QueueUnavailable, RateLimited
from services.jobs import submission
from services.lifecycle import Claim, Outcome
from services.models import Job
from services.people.access import Actor
from services.policy import RetryPolicy
from services.rate_limit import Window
from services.retry.retrying import plan_retry, retry
from services.settings import Rate, SettingsError, load_settings
from services.vocabulary import RetryMode, Role, Status
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

# The counting is Redis's; which database stands beside it makes no difference.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind("test.free", policy=RetryPolicy()),
        a_kind("test.replaced", policy=RetryPolicy(mode=RetryMode.REPLACE)),
        a_kind("test.priced", policy=RetryPolicy(cost=1)),
    )
    limits = {"retries_per_job": "3/1h", "retries_per_person": "5/1h"}
    async with open_desk(database_url, redis_url, tmp_path, *kinds, **limits) as desk:
        yield desk


async def end(desk: Desk, job: Job) -> Job:
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, job.attempt)], "w1", 30)
        assert await lifecycle.finish(session, [Outcome(job.id, job.attempt, Status.FAILED)], "w1")
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def failed_job(desk: Desk, owner: Actor, kind: str = "test.free") -> Job:
    return await end(desk, await submission.submit(desk, owner, kind, {}))


@on_one_database
class TestOfAJob:
    @pytest.mark.parametrize("kind", ["test.free", "test.replaced"])
    async def test_one_too_many_is_refused_and_the_plan_says_so_in_time(self, desk: Desk, kind: str) -> None:
        dana, olaf = await a_person(desk), await a_person(desk, Role.OPERATOR)
        job = await failed_job(desk, dana, kind)
        assert not [c for c in (await plan_retry(desk, dana, job.id)).checks if c.code == "rate_limited"]
        for person in (dana, olaf, dana):
            job = await end(desk, (await retry(desk, person, job.id)).job)
        with pytest.raises(RateLimited, match="At most 3 retries of this job within an hour") as refused:
            await retry(desk, olaf, job.id)
        assert 3590 <= refused.value.data["retry_after"] <= 3600
        plan = await plan_retry(desk, olaf, job.id)
        assert (plan.allowed, plan.error and plan.error.code) == (False, "rate_limited")
        # Another job is another matter.
        await retry(desk, olaf, (await failed_job(desk, dana, kind)).id)

    async def test_fifty_at_once_are_one_accepted_and_forty_nine_conflicts(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana)
        answers = await asyncio.gather(
            *(retry(desk, dana, job.id, version=job.version) for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 49
        # And the one is counted: of three, two are left.
        job = await end(desk, await end_of(desk, job))
        for _ in range(2):
            job = await end(desk, (await retry(desk, dana, job.id)).job)
        with pytest.raises(RateLimited):
            await retry(desk, dana, job.id)


async def end_of(desk: Desk, job: Job) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


@on_one_database
class TestOfAPerson:
    async def test_it_is_each_person_s_own(self, desk: Desk) -> None:
        dana, olaf = await a_person(desk), await a_person(desk, Role.OPERATOR)
        failed = [await failed_job(desk, dana) for _ in range(6)]
        for n, job in enumerate(failed[:5]):
            near = [
                c.message for c in (await plan_retry(desk, dana, job.id)).checks if c.code == "rate_limited"
            ]
            assert near == (["4 of 5 retries by you within an hour"] if n == 4 else [])
            await retry(desk, dana, job.id)
        with pytest.raises(RateLimited, match="by you"):
            await retry(desk, dana, failed[5].id)
        await retry(desk, olaf, failed[5].id)


@on_one_database
class TestOnlyAccepted:
    async def test_what_was_refused_or_taken_back_is_not_counted(
        self, desk: Desk, valkey: ValkeyServer
    ) -> None:
        dana = await a_person(desk, credits=0)
        priced = await failed_job(desk, dana, "test.priced")
        for _ in range(6):
            with pytest.raises(InsufficientCredits):
                await retry(desk, dana, priced.id)
        job = await failed_job(desk, dana)
        valkey.stop()
        try:
            with pytest.raises(QueueUnavailable):
                await retry(desk, dana, job.id)
        finally:
            valkey.start()
        for _ in range(3):
            job = await end(desk, (await retry(desk, dana, job.id)).job)

    async def test_the_window_slides(self, desk: Desk) -> None:
        window = Window("test:slides", "dana", Rate(2, 1))
        redis = desk.feed.redis
        for member in ("a", "b"):
            assert (await rate_limit.take(redis, [window], member, "t"))[0].wait == 0
        (full,) = await rate_limit.take(redis, [window], "c", "t")
        assert (full.count, full.wait) == (2, 1)

        async def let_in() -> bool:
            return (await rate_limit.take(redis, [window], "c", "t"))[0].wait == 0

        await eventually(let_in, expect="the first two have left the window")

    async def test_of_several_windows_a_full_one_keeps_the_others_as_they_are(self, desk: Desk) -> None:
        redis, who = desk.feed.redis, str(uuid4())
        tight, wide = Window("test:tight", who, Rate(1, 60)), Window("test:wide", who, Rate(5, 60))
        await rate_limit.take(redis, [tight, wide], "a", "t")
        await rate_limit.take(redis, [tight, wide], "b", "t")
        assert [use.count for use in await rate_limit.take(redis, [tight, wide], "c")] == [1, 1]
        await rate_limit.give_back(redis, [tight, wide], "a", "t")
        assert [use.count for use in await rate_limit.take(redis, [tight, wide], "c")] == [0, 0]


class TestSettings:
    def test_a_rate_is_a_number_in_a_time(self) -> None:
        settings = load_settings(retries_per_person="120/1m", retries_per_job="10/h")
        assert (settings.rate_per_person, settings.rate_per_job) == (Rate(120, 60), Rate(10, 3600))
        assert load_settings(retries_per_job="").rate_per_job is None

    @pytest.mark.parametrize("wrong", ["10", "0/1m", "10/1d", "ten/1m", "10/1m/1m"])
    def test_nonsense_is_one_clear_line(self, wrong: str) -> None:
        with pytest.raises(SettingsError, match="MULLIGAN_RETRIES_PER_JOB: expected a number of retries"):
            load_settings(retries_per_job=wrong)
