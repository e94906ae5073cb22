"""A file of one job's output as the input of another: who may name it, and what happens when it is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from services import lifecycle
from services.checks import input_in_storage
from services.desk import Desk
from services.errors import NotFound
from services.jobs import deletion, jobs, submission
from services.lifecycle import Claim, Outcome
from services.models import Artifact, Job
from services.people.access import Actor
from services.policy import RetryPolicy
from services.retry.retrying import plan_retry, retry
from services.storage.artifact_input import stored_artifact
from services.vocabulary import Role, Status
from tests.support.desks import a_kind, a_person, open_desk


class Cut(BaseModel):
    """Works on an artifact."""

    artifact: str | None = None


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    cut = a_kind(
        "test.cut", args_model=Cut, artifact_field="artifact", policy=RetryPolicy(checks=(input_in_storage,))
    )
    async with open_desk(database_url, redis_url, tmp_path, a_kind(), cut) as desk:
        yield desk


async def end(desk: Desk, job: Job, status: Status, *, output: bool = False) -> None:
    key = Claim(job.id, job.attempt)
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], "w", 30)
        assert await lifecycle.finish(session, [Outcome(*key, status, has_output=output)], "w")


async def made(desk: Desk, owner: Actor, name: str = "film.mp4") -> Job:
    """A completed job with a file."""
    job = await submission.submit(desk, owner, "test.priced", {})
    key = f"artifacts/{job.id}"

    async def once() -> AsyncIterator[bytes]:
        yield b"film"

    await desk.storage.put_stream(key, once())
    async with desk.db.write() as session:
        session.add(
            Artifact(job_id=job.id, attempt=1, name=name, size=4, content_type="video/mp4", storage_key=key)
        )
    await end(desk, job, Status.COMPLETED, output=True)
    return job


async def test_it_names_its_job_from_then_on(desk: Desk) -> None:
    dana = await a_person(desk)
    first = await made(desk, dana)
    second = await submission.submit(desk, dana, "test.cut", {"artifact": f"{first.id}/film.mp4"})
    assert (second.made_from, second.title) == (first.id, "film.mp4")
    found = await stored_artifact(desk, second, desk.kinds["test.cut"])
    assert found is not None
    assert found.job_id == first.id


@pytest.mark.parametrize("name", ["other.mp4", "film.mp4/../film.mp4", ""])
async def test_what_is_not_there_is_not_found(desk: Desk, name: str) -> None:
    dana = await a_person(desk)
    first = await made(desk, dana)
    with pytest.raises(NotFound):
        await submission.submit(desk, dana, "test.cut", {"artifact": f"{first.id}/{name}"})
    with pytest.raises(NotFound):
        await submission.submit(desk, dana, "test.cut", {"artifact": "no id/film.mp4"})


async def test_others_files_are_not_found(desk: Desk) -> None:
    dana = await a_person(desk)
    first = await made(desk, dana)
    for stranger in (await a_person(desk, workspace="elsewhere"), await a_person(desk, Role.MEMBER)):
        with pytest.raises(NotFound):
            await submission.submit(desk, stranger, "test.cut", {"artifact": f"{first.id}/film.mp4"})


async def test_a_retry_says_whether_it_is_still_there(desk: Desk) -> None:
    dana = await a_person(desk)
    first = await made(desk, dana)
    second = await submission.submit(desk, dana, "test.cut", {"artifact": f"{first.id}/film.mp4"})
    await end(desk, second, Status.FAILED)
    plan = await plan_retry(desk, dana, second.id)
    assert plan.allowed
    assert "Input film.mp4 (4 B) is still in storage" in [check.message for check in plan.checks]

    await deletion.delete(desk, dana, first.id)
    plan = await plan_retry(desk, dana, second.id)
    assert plan.error is not None
    assert plan.error.code == "input_missing"
    with pytest.raises(type(plan.error)):
        await retry(desk, dana, second.id)
    assert (await jobs.get_job(desk, dana, second.id)).status is Status.FAILED
