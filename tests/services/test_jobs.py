"""Submitting, reading, listing, cancelling and deleting jobs."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, SecretStr
from sqlmodel import col

from services import lifecycle
from services.desk import Desk
from services.errors import Conflict, Forbidden, Invalid, JobNotFound, ServiceUnavailable, StillActive
from services.ids import new_id
from services.jobs import deletion, job_list, jobs, submission
from services.jobs.job_list import JobQuery
from services.lifecycle import Claim, Outcome
from services.models import Artifact, Attempt, Job, now
from services.stats import stats
from services.storage.storage import Storage, artifact_key
from services.vocabulary import TERMINAL, Role, Status
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

KIND = "test.priced"


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


class TestSubmit:
    async def test_a_job_is_queued_with_its_first_attempt_and_a_doorbell(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {"n": 3}, title="  A\x00 title\n")
        detail = await jobs.job_detail(desk, dana, job.id)
        assert (detail.job.status, detail.job.args, detail.job.attempt) == (Status.QUEUED, {"n": 3}, 1)
        assert detail.job.title == "A� title"
        assert [attempt.number for attempt in detail.attempts] == [1]
        assert await desk.queue.backlog() == 1

    async def test_what_does_not_fit_is_refused(self, desk: Desk) -> None:
        dana = await a_person(desk)
        with pytest.raises(Invalid, match=r"args\.n"):
            await submission.submit(desk, dana, KIND, {"n": -1})
        with pytest.raises(Invalid, match="There is no kind"):
            await submission.submit(desk, dana, "no.such", {})
        with pytest.raises(Invalid, match="max_retries"):
            await submission.submit(desk, dana, KIND, {}, max_retries=-1)
        with pytest.raises(Forbidden):
            await submission.submit(desk, await a_person(desk, Role.VIEWER), KIND, {})

    async def test_a_secret_reaches_the_worker(
        self, database_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        class Secretive(BaseModel):
            password: SecretStr
            tags: list[SecretStr] = []

        kind = a_kind("test.secret", args_model=Secretive)
        async with open_desk(database_url, redis_url, tmp_path, kind) as desk:
            dana = await a_person(desk)
            args = {"password": "hunter2", "tags": ["a"]}
            job = await submission.submit(desk, dana, "test.secret", args)
            async with desk.db.write() as session:
                won = await lifecycle.claim(session, [Claim(job.id, 1)], "w", 30)
        parsed = kind.parse_args(won[Claim(job.id, 1)].args)
        assert isinstance(parsed, Secretive)
        assert parsed.password.get_secret_value() == "hunter2"

    async def test_what_no_database_keeps_is_refused(self, desk: Desk) -> None:
        dana = await a_person(desk)
        for args in ({"x": "a\x00b"}, {"x": "\ud800"}, {"x": float("nan")}, {"n": 2**70}):
            with pytest.raises(Invalid, match="The JSON holds"):
                await submission.submit(desk, dana, KIND, args)

    async def test_one_key_gives_one_job(self, desk: Desk) -> None:
        dana = await a_person(desk)
        made = await asyncio.gather(
            *(submission.submit(desk, dana, KIND, {}, idempotency_key="k") for _ in range(10))
        )
        assert len({job.id for job in made}) == 1
        other = await submission.submit(
            desk, await a_person(desk, name="other"), KIND, {}, idempotency_key="k"
        )
        assert other.id != made[0].id

    async def test_a_job_for_later_waits_as_scheduled(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {}, run_at=now() + timedelta(hours=1))
        assert (await jobs.get_job(desk, dana, job.id)).status is Status.SCHEDULED
        assert await desk.queue.backlog() == 0
        async with desk.db.write() as session:
            assert await lifecycle.queue_due(session) == []
            await session.execute(sa.update(Job).values(due_at=now() - timedelta(seconds=1)))
        async with desk.db.write() as session:
            (due,) = await lifecycle.queue_due(session)
        assert (due.id, due.status) == (job.id, Status.QUEUED)

    async def test_a_queue_that_is_down_loses_nothing(self, desk: Desk, valkey: ValkeyServer) -> None:
        dana = await a_person(desk)
        valkey.stop()
        try:
            job = await submission.submit(desk, dana, KIND, {})
        finally:
            valkey.start()
        async with desk.db.write() as session:
            assert await lifecycle.unclaimed(session, [KIND]) == []
            await session.execute(sa.update(Job).values(kick_due_at=now() - timedelta(seconds=1)))
        async with desk.db.write() as session:
            assert [found.id for found in await lifecycle.unclaimed(session, [KIND])] == [job.id]
            assert await lifecycle.unclaimed(session, [KIND]) == [], (
                "it was rung just now: the next ring comes later"
            )


class TestList:
    async def test_pages_follow_one_another_in_both_directions(self, desk: Desk) -> None:
        dana = await a_person(desk)
        made = [(await submission.submit(desk, dana, KIND, {"n": n})).id for n in range(7)]
        newest = list(reversed(made))
        first = await job_list.list_jobs(desk, dana, JobQuery(limit=3))
        assert ([j.id for j in first.items], first.total, first.prev_cursor) == (newest[:3], 7, None)
        second = await job_list.list_jobs(desk, dana, JobQuery(limit=3, cursor=first.next_cursor))
        assert [j.id for j in second.items] == newest[3:6]
        third = await job_list.list_jobs(desk, dana, JobQuery(limit=3, cursor=second.next_cursor))
        assert ([j.id for j in third.items], third.next_cursor) == (newest[6:], None)
        back = await job_list.list_jobs(desk, dana, JobQuery(limit=3, cursor=third.prev_cursor))
        assert [j.id for j in back.items] == newest[3:6]
        oldest = await job_list.list_jobs(desk, dana, JobQuery(limit=3, sort="oldest"))
        assert [j.id for j in oldest.items] == made[:3]

    async def test_filters_and_counters(self, desk: Desk) -> None:
        dana = await a_person(desk)
        first = await submission.submit(desk, dana, KIND, {})
        await submission.submit(desk, dana, KIND, {})
        await jobs.cancel(desk, dana, first.id)
        page = await job_list.list_jobs(desk, dana, JobQuery(statuses=(Status.CANCELLED,)))
        assert [job.id for job in page.items] == [first.id]
        counts = (
            await job_list.count_by_status(desk, dana, JobQuery(statuses=(Status.CANCELLED,)))
        ).by_status
        assert (counts[Status.CANCELLED], counts[Status.QUEUED], counts[Status.FAILED]) == (1, 1, 0)

    async def test_a_member_sees_their_own_and_a_stranger_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk)
        member = await a_person(desk, Role.MEMBER)
        theirs = await submission.submit(desk, dana, KIND, {})
        own = await submission.submit(desk, member, KIND, {})
        assert [job.id for job in (await job_list.list_jobs(desk, member, JobQuery())).items] == [own.id]
        assert [job.id for job in await jobs.read_jobs(desk, member, [theirs.id, own.id])] == [own.id]
        stranger = await a_person(desk, workspace="elsewhere")
        assert (await job_list.list_jobs(desk, stranger, JobQuery())).total == 0
        for call in (jobs.get_job, jobs.job_detail, jobs.cancel, deletion.delete, jobs.logs):
            with pytest.raises(JobNotFound):
                await call(desk, stranger, own.id)

    async def test_nonsense_is_explained(self, desk: Desk) -> None:
        dana = await a_person(desk)
        for query in (
            JobQuery(cursor="x"),
            JobQuery(cursor="a-1"),
            JobQuery(limit=0),
            JobQuery(q="status:nonsense"),
        ):
            with pytest.raises(Invalid):
                await job_list.list_jobs(desk, dana, query)

    @pytest.mark.parametrize(
        "query",
        [
            JobQuery(),
            JobQuery(sort="oldest"),
            JobQuery(statuses=(Status.FAILED,)),
            JobQuery(statuses=tuple(sorted(TERMINAL))),
            JobQuery(q="status:failed,timeout"),
            JobQuery(q="kind:test.priced"),
            JobQuery(kinds=(KIND,), statuses=(Status.FAILED,)),
            JobQuery(owner="me"),
        ],
        ids=repr,
    )
    async def test_a_page_walks_along_an_index(self, desk: Desk, query: JobQuery) -> None:
        dana = await a_person(desk)
        await submission.submit(desk, dana, KIND, {})
        for actor in (dana, await a_person(desk, Role.MEMBER)):
            for after in (None, new_id()):
                plan = await plan_of(
                    desk, job_list.page_query(actor, query, after, ascending=query.sort == "oldest")
                )
                assert "ix_job_grid" in plan
                assert not re.search(r"SCAN job\b|Seq Scan", plan), plan
                # Each walk is in order already; only the few rows of several walks together are sorted.
                outer = plan.count("TEMP B-TREE FOR ORDER BY") + plan.count("Sort Key")
                assert outer <= ("UNION" in plan or "Append" in plan), plan


async def plan_of(desk: Desk, query: sa.Select[Any]) -> str:
    """How the database would read it, if the table were large."""
    sql = query.compile(desk.db.engine.sync_engine, compile_kwargs={"literal_binds": True})
    how = "EXPLAIN QUERY PLAN" if desk.db.is_sqlite else "EXPLAIN"
    async with desk.db.read() as session:
        if not desk.db.is_sqlite:
            for way in ("seqscan", "bitmapscan", "sort"):
                await session.execute(sa.text(f"SET enable_{way} = off"))
        return "\n".join(str(row) for row in await session.execute(sa.text(f"{how} {sql}")))


class TestCancel:
    async def test_a_waiting_job_is_cancelled_at_once(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {})
        done = await jobs.cancel(desk, dana, job.id, version=job.version)
        assert (done.status, done.error) == (Status.CANCELLED, f"Cancelled by {dana.name}")
        async with desk.db.write() as session:
            assert not await lifecycle.claim(session, [Claim(job.id, 1)], "w", 30)
        with pytest.raises(Conflict):
            await jobs.cancel(desk, dana, job.id)

    async def test_a_running_job_stays_running_until_its_worker_has_stopped(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {})
        key = Claim(job.id, 1)
        async with desk.db.write() as session:
            await lifecycle.claim(session, [key], "w", 30)
        asked = await jobs.cancel(desk, dana, job.id)
        assert asked.status is Status.RUNNING
        assert asked.cancel_requested_at is not None
        assert not jobs.actions(desk, dana, asked).cancel
        again = await jobs.cancel(desk, dana, job.id)
        assert again.version == asked.version
        async with desk.db.write() as session:
            assert (await lifecycle.renew(session, [key], "w", 30))[key] is True
            ended = Outcome(job.id, 1, Status.CANCELLED, lifecycle.cancelled(dana.name))
            await lifecycle.finish(session, [ended], "w")
        assert (await jobs.get_job(desk, dana, job.id)).status is Status.CANCELLED


class Away(Storage):
    """Storage that does not answer."""

    async def delete(self, keys: Iterable[str]) -> None:
        raise ServiceUnavailable(service="Storage")


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


class TestDelete:
    async def test_files_go_when_storage_answers_and_figures_stay(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {})
        key = artifact_key(job.id, 1)
        await desk.storage.put_stream(key, once(b"film"))
        async with desk.db.write() as session:
            await lifecycle.claim(session, [Claim(job.id, 1)], "w", 30)
            session.add(
                Artifact(job_id=job.id, attempt=1, name="a", size=4, content_type="x/y", storage_key=key)
            )
            await lifecycle.finish(session, [Outcome(job.id, 1, Status.COMPLETED, has_output=True)], "w")
        away = Away.from_settings(desk.settings)
        await deletion.delete(replace(desk, storage=away), dana, job.id)
        with pytest.raises(JobNotFound):
            await jobs.get_job(desk, dana, job.id)
        assert await desk.storage.exists(key)
        assert await deletion.purge_deleted(desk) == 1
        assert not await desk.storage.exists(key)
        assert await deletion.purge_deleted(desk) == 0
        assert (await stats(desk, dana)).last_day.completed == 1

    async def test_the_feed_tells_it_with_a_version_of_its_own(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {})
        cancelled = await jobs.cancel(desk, dana, job.id)
        start = await desk.feed.last_id()
        await deletion.delete(desk, dana, job.id)
        batch = await anext(desk.feed.follow(start))
        assert batch.changes[0].version == cancelled.version + 1

    async def test_content_goes_and_history_of_figures_stays(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, KIND, {"n": 1}, title="secret.mov")
        with pytest.raises(StillActive):
            await deletion.delete(desk, dana, job.id)
        await jobs.cancel(desk, dana, job.id)
        await deletion.delete(desk, dana, job.id)
        with pytest.raises(JobNotFound):
            await jobs.get_job(desk, dana, job.id)
        async with desk.db.read() as session:
            tombstone = await session.get_one(Job, job.id)
            kept = (await session.scalars(sa.select(Attempt).where(col(Attempt.job_id) == job.id))).all()
        assert (tombstone.title, tombstone.args) == ("", {})
        assert [attempt.status for attempt in kept] == [Status.CANCELLED]
