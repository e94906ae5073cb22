"""What people say of failures: groups out of the way until they are not, notes, jobs that need no attention."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.audit import entries
from services.desk import Desk
from services.errors import Forbidden, Invalid, JobNotFound, NotFailed, NotFound
from services.failures import groups, marks
from services.failures.groups import FailureGroup, failure_groups
from services.failures.lately import Retried
from services.failures.marks import Mute
from services.failures.tables import Dismissal, FailureMark
from services.jobs.deletion import delete
from services.jobs.dismissal import dismiss, restore
from services.jobs.job_list import JobQuery, list_jobs
from services.jobs.jobs import job_detail
from services.models import Job, now
from services.people.access import Actor
from services.retry.retrying import plan_retry, retry
from services.vocabulary import Role
from tests.services.test_failure_groups import end, failed
from tests.support.desks import a_person, open_desk
from tests.support.history import fold_all


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def fails(desk: Desk, dana: Actor, *words: str) -> tuple[list[Job], str]:
    """Jobs that fail with these words, and the fingerprint of the last."""
    jobs = [await failed(desk, dana, said) for said in words]
    fingerprint = (await job_detail(desk, dana, jobs[-1].id)).job.fingerprint
    assert fingerprint
    return jobs, fingerprint


async def messages(desk: Desk, actor: Actor, *, muted: bool | None = False) -> list[str]:
    return [group.message for group in await failure_groups(desk, actor, muted=muted)]


async def only(desk: Desk, actor: Actor) -> FailureGroup:
    (group,) = await failure_groups(desk, actor, muted=None)
    return group


class TestMuting:
    async def test_failed_jobs_are_read_once_where_nothing_is_muted(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        _, fingerprint = await fails(desk, dana, "The disk is full", "No answer")
        grouped: list[str] = []
        engine = desk.db.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", lambda *a: grouped.append(a[2]))
        for times in (1, 2):
            grouped.clear()
            assert len(await failure_groups(desk, dana, muted=None)) == 2
            assert (
                len([one for one in grouped if "min(job.finished_at)" in one and "GROUP BY job.kind" in one])
                == times
            )
            await marks.mute(desk, dana, fingerprint, Mute())

    async def test_a_muted_group_is_out_of_the_way_until_it_is_unmuted(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        _, fingerprint = await fails(desk, dana, "The disk is full", "No answer")
        await marks.mute(desk, dana, fingerprint, Mute())
        assert await messages(desk, dana) == ["The disk is full"]
        assert await messages(desk, dana, muted=True) == ["No answer"]
        async with desk.db.read() as session:
            assert await marks.muted_among(session, dana.workspace_id, [fingerprint, "0"]) == {fingerprint}
        await marks.mute(desk, dana, fingerprint, None)
        assert len(await messages(desk, dana)) == 2
        said, _ = await entries(desk, dana, limit=2)
        assert [entry.action for entry in said] == ["failure.unmute", "failure.mute"]

    async def test_it_is_seen_again_when_it_has_grown(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        _, fingerprint = await fails(desk, dana, "No answer")
        await marks.mute(desk, dana, fingerprint, Mute(above=1))
        assert await messages(desk, dana) == []
        async with desk.db.read() as session:
            assert await marks.muted_among(session, dana.workspace_id, [fingerprint]) == {fingerprint}
        await fails(desk, dana, "No answer")
        assert await messages(desk, dana) == ["No answer"]
        async with desk.db.read() as session:
            assert await marks.muted_among(session, dana.workspace_id, [fingerprint]) == set()

    async def test_it_is_seen_again_when_its_time_is_over(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        _, fingerprint = await fails(desk, dana, "No answer")
        await marks.mute(desk, dana, fingerprint, Mute(until=now() + timedelta(hours=1)))
        assert await messages(desk, dana) == []
        async with desk.db.write() as session:
            await session.execute(sa.update(FailureMark).values(muted_until=now()))
        assert await messages(desk, dana) == ["No answer"]
        with pytest.raises(Invalid):
            await marks.mute(desk, dana, fingerprint, Mute(until=now()))

    async def test_it_is_for_who_looks_after_the_workspace_and_for_its_own_failures(self, desk: Desk) -> None:
        dana, eve = await a_person(desk, credits=9), await a_person(desk, workspace="elsewhere")
        _, fingerprint = await fails(desk, dana, "No answer")
        for role in (Role.MEMBER, Role.VIEWER):
            with pytest.raises(Forbidden):
                await marks.mute(desk, await a_person(desk, role), fingerprint, Mute())
        with pytest.raises(NotFound):
            await marks.note(desk, eve, fingerprint, "mine?")

    async def test_an_outgrown_group_is_seen_by_who_has_a_few_of_its_jobs(self, desk: Desk) -> None:
        dana, mia = await a_person(desk, credits=9), await a_person(desk, Role.MEMBER, name="mia")
        _, fingerprint = await fails(desk, dana, "No answer")
        await failed(desk, mia, "No answer")
        await marks.mute(desk, dana, fingerprint, Mute(above=2))
        assert (await messages(desk, dana), await messages(desk, mia)) == ([], [])
        assert (await only(desk, mia)).muted
        await fails(desk, dana, "No answer")
        assert [(group.jobs, group.muted) for group in await failure_groups(desk, mia)] == [(1, False)]
        assert await messages(desk, mia, muted=True) == []

    async def test_however_many_are_muted_they_hide_no_other(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(groups, "_MOST_GROUPS", 2)
        dana = await a_person(desk, credits=9)
        for words in ("One is down", "Two is down", "Three is down"):
            _, fingerprint = await fails(desk, dana, words, words)
            await marks.mute(desk, dana, fingerprint, Mute())
        (job,), _ = await fails(desk, dana, "The disk is full")
        assert await messages(desk, dana) == ["The disk is full"]
        assert [group.muted for group in await failure_groups(desk, dana, muted=None)] == [False, True, True]
        await retry(desk, dana, job.id)  # being retried: no job is left in the group, which is still seen
        assert await messages(desk, dana) == ["The disk is full"]
        assert len(await messages(desk, dana, muted=True)) == 2


class TestNotes:
    async def test_a_note_stands_on_the_group_and_in_the_plan(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        (job,), fingerprint = await fails(desk, dana, "No answer")
        assert (await plan_retry(desk, dana, job.id)).note is None
        await marks.note(desk, dana, fingerprint, "  Their host is down until Monday. ")
        for mark in ((await only(desk, dana)).mark, (await plan_retry(desk, dana, job.id)).note):
            assert mark is not None
            assert (mark.note, mark.note_by) == ("Their host is down until Monday.", dana.name)
        await marks.note(desk, dana, fingerprint, "")
        assert (await plan_retry(desk, dana, job.id)).note is None
        with pytest.raises(Invalid):
            await marks.note(desk, dana, fingerprint, "x" * 2_001)


class TestDismissing:
    async def test_a_dismissed_job_stays_failed_and_is_not_counted(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        (one, _), _ = await fails(desk, dana, "No answer", "No answer")
        await dismiss(desk, dana, one.id, "the customer does not need it any more")
        assert (await only(desk, dana)).jobs == 1
        for q, found in (("dismissed:yes", 1), ("dismissed:no", 1), ("-dismissed:no status:failed", 1)):
            assert (await list_jobs(desk, dana, JobQuery(q=q))).total == found
        detail = await job_detail(desk, dana, one.id)
        assert detail.dismissal
        assert (detail.dismissal.reason, detail.dismissal.by) == (
            "the customer does not need it any more", dana.name,
        )  # fmt: skip
        await restore(desk, dana, one.id)
        assert (await only(desk, dana)).jobs == 2

    async def test_a_retry_ends_it(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        (job,), _ = await fails(desk, dana, "No answer")
        await dismiss(desk, dana, job.id, "not worth it")
        await end(desk, (await retry(desk, dana, job.id)).job, "No answer")
        assert (await only(desk, dana)).jobs == 1
        assert (await job_detail(desk, dana, job.id)).dismissal is None

    async def test_only_failures_of_ones_own_with_a_reason(self, desk: Desk) -> None:
        dana, mia = await a_person(desk, credits=9), await a_person(desk, Role.MEMBER)
        (job,), _ = await fails(desk, dana, "No answer")
        own = await failed(desk, mia, "No answer")
        with pytest.raises(JobNotFound):
            await dismiss(desk, mia, job.id, "not mine")
        with pytest.raises(Forbidden):
            await dismiss(desk, await a_person(desk, Role.VIEWER), job.id, "only looking")
        with pytest.raises(Invalid):
            await dismiss(desk, mia, own.id, "  ")
        await dismiss(desk, mia, own.id, "mine")
        retried = (await retry(desk, dana, job.id)).job
        with pytest.raises(NotFailed):
            await dismiss(desk, dana, retried.id, "too early")

    async def test_the_reason_goes_with_the_job(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=9)
        (job,), _ = await fails(desk, dana, "No answer")
        await dismiss(desk, dana, job.id, "private words")
        await delete(desk, dana, job.id)
        async with desk.db.read() as session:
            assert not (await session.scalars(sa.select(Dismissal))).all()


async def test_a_group_that_is_retried_says_what_becomes_of_it(desk: Desk) -> None:
    dana, eve = await a_person(desk, credits=9), await a_person(desk, workspace="elsewhere")
    jobs, _ = await fails(desk, dana, "No answer from port 1", "No answer from port 2")
    retried = [(await retry(desk, dana, job.id)).job for job in jobs]
    group = await only(desk, dana)
    assert (group.jobs, group.now, group.message) == (0, Retried(2, 0), "No answer from port <n>")
    for job in retried:
        await end(desk, job, None)
    for _ in range(2):
        group = await only(desk, dana)
        assert (group.jobs, group.now, group.odds.succeeded) == (0, Retried(0, 2), 2)
        await fold_all(desk)
    assert await messages(desk, eve) == []
    assert await messages(desk, await a_person(desk, Role.MEMBER)) == []
