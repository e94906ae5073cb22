"""What has become of the retries of a batch, and the search that finds their jobs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services import lifecycle
from services.batch.actions import ACTIONS
from services.batch.batch import start
from services.batch.fates import Fates
from services.batch.match import Selection
from services.desk import Desk
from services.failures.failures import Failure
from services.jobs.job_list import JobQuery, read_page
from services.jobs.jobs import job_detail
from services.lifecycle import Claim, Outcome
from services.models import Job
from services.people.access import Actor
from services.policy import RetryPolicy
from services.vocabulary import BatchAction, FailureType, Status
from tests.support.batches import ended_jobs, walk
from tests.support.desks import a_kind, a_person, open_desk

KIND = ACTIONS[BatchAction.RETRY].kind


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (a_kind(KIND, policy=RetryPolicy(counts=False)), a_kind("test.free", policy=RetryPolicy()))
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        yield desk


async def end(desk: Desk, claim: Claim, status: Status) -> None:
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [claim], "worker", 60)
        broken = Failure(FailureType.TRANSIENT, "Connection reset", None, "f" * 16)
        failure = None if status is Status.COMPLETED else broken
        assert await lifecycle.finish(session, [Outcome(*claim, status, failure)], "worker")


async def retried_by_a_batch(desk: Desk, dana: Actor) -> tuple[Job, list[Claim]]:
    """A batch of four jobs, and the claims by which a worker takes their retries."""
    ids = await ended_jobs(desk, dana, 4, "test.free")
    job = await start(desk, dana, Selection(ids=ids))
    await walk(desk, job)
    return job, [Claim(job_id, 2) for job_id in ids]


class TestFates:
    async def test_they_are_counted_as_the_retries_stand_now(self, desk: Desk) -> None:
        dana = await a_person(desk)
        batch, claims = await retried_by_a_batch(desk, dana)
        assert (await job_detail(desk, dana, batch.id)).fates == Fates(0, 0, 0, under_way=4)
        await end(desk, claims[0], Status.COMPLETED)
        await end(desk, claims[1], Status.FAILED)
        await end(desk, claims[2], Status.TIMEOUT)
        assert (await job_detail(desk, dana, batch.id)).fates == Fates(1, 2, 0, under_way=1)

    async def test_a_job_that_is_no_batch_has_none(self, desk: Desk) -> None:
        dana = await a_person(desk)
        [job_id] = await ended_jobs(desk, dana, 1)
        assert (await job_detail(desk, dana, job_id)).fates is None


class TestSearch:
    async def test_the_jobs_of_a_batch_are_found_by_its_id_or_its_beginning(self, desk: Desk) -> None:
        dana = await a_person(desk)
        batch, claims = await retried_by_a_batch(desk, dana)
        other, _ = await retried_by_a_batch(desk, dana)
        await end(desk, claims[0], Status.COMPLETED)

        async def found(q: str, who: Actor = dana) -> set[str]:
            rows = await read_page(desk, who, JobQuery(q=q))
            return {str(job.id) for job in rows.items}

        all_four = {str(claim.job_id) for claim in claims}
        assert await found(f"batch:{batch.id}") == all_four
        assert await found(f"batch:{batch.id.hex[:30]}") == all_four
        assert await found(f"batch:{batch.id} status:completed") == {str(claims[0].job_id)}
        assert await found(f"-batch:{batch.id} -batch:{other.id} kind:test.free") == set()
        stranger = await a_person(desk, workspace="elsewhere")
        assert await found(f"batch:{batch.id}", stranger) == set()
