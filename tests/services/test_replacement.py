"""A retry that puts a new record in the old one's place, with what a policy prepares outside, and takes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.batch.batch import start
from services.batch.chunk import read_chunk
from services.batch.match import Selection
from services.batch.report import read_batch
from services.batch.walk import NotHeld, advance, write_chunk
from services.database.database import Database
from services.desk import Desk
from services.errors import (
    Conflict,
    InsufficientCredits,
    JobNotFound,
    JobReplaced,
    QueueUnavailable,
    ServiceUnavailable,
)
from services.failures.failures import failure
from services.jobs import deletion, job_list, jobs, submission
from services.jobs.job_list import JobQuery
from services.lifecycle import Claim, Outcome
from services.models import Artifact, Attempt, AuditEntry, Job, Step
from services.people.access import Actor
from services.policy import Preparing, RetryPolicy, Undo
from services.queue import Doorbell
from services.retry.retrying import plan_retry, retry
from services.stats import stats
from services.vocabulary import FailureType, RetryMode, Role, Status, StepStatus, Trigger
from tasks.output import purge_earlier
from tests.support.batches import claim_batch, ended_jobs, money, walk
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

WORKER = "worker-1"
BROKEN = failure("test.replaced", FailureType.TRANSIENT, "Connection reset", "Try again.")


@dataclass
class Outside:
    """What a policy prepares: a marker file for each attempt."""

    folder: Path
    away: bool = False

    async def prepare(self, desk: Desk, job: Job, coming: Preparing) -> Undo:
        if self.away or job.title == "refused":
            raise ServiceUnavailable("Failed to create aria2 task: it does not answer.")
        marker = self.folder / f"{coming.job_id}-{coming.attempt}"
        marker.touch()

        async def undo() -> None:
            marker.unlink(missing_ok=True)

        return undo

    def markers(self) -> list[str]:
        """What stands prepared."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    folder = tmp_path / "outside"
    folder.mkdir()
    return Outside(folder)


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path, outside: Outside) -> AsyncIterator[Desk]:
    policy = RetryPolicy(mode=RetryMode.REPLACE, cost=1, limit=5, prepare=outside.prepare)
    kinds = (
        a_kind("test.replaced", policy=policy, steps=("fetch", "check")),
        a_kind("test.prepared", policy=RetryPolicy(prepare=outside.prepare)),
        a_kind("test.priced"),
        a_kind("system.batch_retry", policy=RetryPolicy(counts=False, rescues=5)),
    )
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        yield desk


@pytest.fixture
def bells_refused(desk: Desk) -> Desk:
    """The desk while its queue does not answer."""

    class Away:
        async def kick(self, doorbells: Sequence[Doorbell]) -> None:
            raise QueueUnavailable

        async def depths(self) -> dict[str, int]:
            raise QueueUnavailable

        async def backlog(self) -> int:
            raise QueueUnavailable

    return replace(desk, queue=Away())


async def read(desk: Desk, job_id: UUID) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job_id)


async def end(desk: Desk, job: Job, status: Status = Status.FAILED) -> Job:
    said = BROKEN if status is Status.FAILED else None
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, job.attempt)], WORKER, 30)
        assert await lifecycle.finish(session, [Outcome(job.id, job.attempt, status, said)], WORKER)
    return await read(desk, job.id)


async def failed_job(desk: Desk, owner: Actor, kind: str = "test.replaced", **more: object) -> Job:
    return await end(desk, await submission.submit(desk, owner, kind, {"n": 7}, **more))  # type: ignore[arg-type]


async def attempts_of(desk: Desk, *ids: UUID) -> list[Attempt]:
    query = sa.select(Attempt).where(col(Attempt.job_id).in_(ids)).order_by(col(Attempt.number))
    async with desk.db.read() as session:
        return list((await session.scalars(query)).all())


class TestReplace:
    async def test_a_new_record_takes_over_and_the_old_one_goes(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        older, old, newer = [
            await failed_job(desk, dana, title=title, max_retries=3) for title in ("A", "B", "C")
        ]
        done = await retry(desk, dana, old.id, version=old.version)
        new = done.job
        assert (done.replaced, done.cost) == (old.id, 1)
        assert new.id != old.id
        kept = ("rank", "workspace_id", "owner_id", "kind", "title", "args", "max_retries", "priority")
        assert [getattr(new, name) for name in kept] == [getattr(old, name) for name in kept]
        assert (new.status, new.attempt, new.retry_count, new.replaces) == (Status.QUEUED, 2, 1, old.id)
        assert new.version > old.version
        assert new.created_at > old.created_at
        assert (new.error, new.fingerprint, new.finished_at) == (None, None, None)
        gone = await read(desk, old.id)
        assert gone.deleted_at
        assert (gone.status, gone.replaced_by, gone.error) == (Status.FAILED, new.id, old.error)
        page = await job_list.list_jobs(desk, dana, JobQuery())
        assert [job.id for job in page.items] == [newer.id, new.id, older.id]
        assert outside.markers() == [f"{new.id}-2"]
        assert await ledger.balance(desk, dana) == 4

    async def test_its_attempt_is_charged_counts_for_the_odds_and_is_audited(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old, other = await failed_job(desk, dana), await failed_job(desk, dana)
        new = (await retry(desk, dana, old.id)).job
        (attempt,) = await attempts_of(desk, new.id)
        assert (attempt.number, attempt.trigger, attempt.requested_by, attempt.cost) == (
            2, Trigger.MANUAL, dana.name, 1,
        )  # fmt: skip
        assert attempt.after_fingerprint == BROKEN.fingerprint
        await end(desk, new, Status.COMPLETED)
        odds = (await plan_retry(desk, dana, other.id)).odds
        assert odds
        assert (odds.succeeded, odds.tried) == (1, 1)
        async with desk.db.read() as session:
            query = sa.select(AuditEntry).where(col(AuditEntry.action) == "job.retry")
            entry = (await session.scalars(query)).one()
        assert (entry.job_id, entry.data["replaced"]) == (new.id, str(old.id))

    async def test_a_line_of_records_reads_as_one_history(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        first = await failed_job(desk, dana, idempotency_key="once")
        second = await end(desk, (await retry(desk, dana, first.id)).job)
        third = await end(desk, (await retry(desk, dana, second.id)).job)
        detail = await jobs.job_detail(desk, dana, third.id)
        assert [(a.number, a.job_id) for a in detail.attempts] == [
            (3, third.id), (2, second.id), (1, first.id),
        ]  # fmt: skip
        plan = await plan_retry(desk, dana, third.id)
        assert "3 earlier attempts" in plan.keeps
        assert (plan.retries_used, plan.retries_left, plan.replaces) == (2, 3, True)
        # Old addresses lead to the newest, also over several steps; the key is still good for the same job.
        for old in (first, second):
            with pytest.raises(JobReplaced) as led:
                await jobs.get_job(desk, dana, old.id)
            assert led.value.data["replaced_by"] == third.id
            with pytest.raises(Conflict):
                await retry(desk, dana, old.id)
        assert set(await jobs.replacements(desk, dana, [first.id, second.id, third.id])) == {
            first.id,
            second.id,
        }
        again = await submission.submit(desk, dana, "test.replaced", {"n": 7}, idempotency_key="once")
        assert again.id == third.id
        figures = await stats(desk, dana)
        assert (figures.last_day.created, figures.last_day.failed) == (1, 3), "one job, three runs"

    async def test_whoever_may_not_see_it_is_led_nowhere(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        await retry(desk, dana, old.id)
        for stranger in (await a_person(desk, Role.MEMBER), await a_person(desk, workspace="elsewhere")):
            with pytest.raises(JobNotFound):
                await jobs.get_job(desk, stranger, old.id)
            assert await jobs.replacements(desk, stranger, [old.id]) == {}

    async def test_from_a_step_the_new_record_has_what_the_old_one_kept(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        step = Step(
            job_id=old.id,
            attempt=1,
            name="fetch",
            position=0,
            status=StepStatus.COMPLETED,
            result={"value": 1},
        )
        async with desk.db.write() as session:
            session.add(step)
        new = (await retry(desk, dana, old.id, from_step="check")).job
        steps = (await jobs.job_detail(desk, dana, new.id)).steps
        assert [(s.job_id, s.name, s.status, s.attempt) for s in steps] == [
            (new.id, "fetch", StepStatus.KEPT, 2)
        ]

    async def test_deleting_it_leaves_nothing_of_the_forebears_content(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        new = await end(desk, (await retry(desk, dana, old.id)).job)
        await deletion.delete(desk, dana, new.id)
        for job in (await read(desk, old.id), await read(desk, new.id)):
            assert (job.title, job.args, job.error) == ("", {}, None)
        assert [attempt.error for attempt in await attempts_of(desk, old.id, new.id)] == [None, None]
        with pytest.raises(JobNotFound):
            await jobs.get_job(desk, dana, old.id)

    async def test_the_old_output_stays_until_a_worker_has_the_new_attempt(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        async with desk.db.write() as session:
            session.add(
                Artifact(
                    job_id=old.id,
                    attempt=1,
                    name="a",
                    size=1,
                    content_type="text/plain",
                    storage_key="artifacts/a",
                )
            )
        new = (await retry(desk, dana, old.id)).job
        assert await deletion.purge_deleted(desk) == 0
        async with desk.db.write() as session:
            claimed = await lifecycle.claim(session, [Claim(new.id, 2)], WORKER, 30)
        await purge_earlier(desk, claimed[Claim(new.id, 2)])
        async with desk.db.read() as session:
            assert (await session.scalars(sa.select(Artifact))).all() == []


class TestExactlyOnce:
    async def test_fifty_at_once_give_one_new_record_and_leave_one_marker(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk, credits=50)
        old = await failed_job(desk, dana)
        answers = await asyncio.gather(
            *(retry(desk, dana, old.id, version=old.version) for _ in range(50)), return_exceptions=True
        )
        won = [answer for answer in answers if not isinstance(answer, BaseException)]
        lost = [answer for answer in answers if isinstance(answer, Conflict)]
        assert (len(won), len(lost)) == (1, 49)
        assert any(answer.data.get("replaced_by") == won[0].job.id for answer in lost)
        assert outside.markers() == [f"{won[0].job.id}-2"]
        assert (await job_list.list_jobs(desk, dana, JobQuery())).total == 1
        assert await ledger.balance(desk, dana) == 49

    async def test_who_loses_in_place_leaves_what_the_winner_counts_on(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.prepared")
        answers = await asyncio.gather(
            *(retry(desk, dana, job.id, version=job.version) for _ in range(10)), return_exceptions=True
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
        assert outside.markers() == [f"{job.id}-2"]

    async def test_a_commit_whose_answer_is_lost_leaves_it_too(
        self, desk: Desk, outside: Outside, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)

        async def transact(self: Database, work: Callable[[AsyncSession], Awaitable[object]]) -> None:
            async with self.write() as session:
                await work(session)
            raise ConnectionResetError

        with monkeypatch.context() as patched:
            patched.setattr(Database, "transact", transact)
            with pytest.raises(ConnectionResetError):
                await retry(desk, dana, job.id)
        (new,) = (await jobs.replacements(desk, dana, [job.id])).values()
        assert outside.markers() == [f"{new.id}-2"]


class TestTakenBack:
    async def test_without_a_queue_the_old_record_is_there_again(
        self, desk: Desk, outside: Outside, valkey: ValkeyServer
    ) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        valkey.stop()
        try:
            with pytest.raises(QueueUnavailable):
                await retry(desk, dana, old.id)
        finally:
            valkey.start()
        again = await jobs.get_job(desk, dana, old.id)
        assert (again.status, again.error) == (Status.FAILED, "Failed to re-queue task.")
        assert (again.replaced_by, again.retry_count, again.finished_at) == (None, 0, old.finished_at)
        assert (await job_list.list_jobs(desk, dana, JobQuery())).total == 1
        assert await ledger.balance(desk, dana) == 5
        void, first = (await jobs.job_detail(desk, dana, old.id)).attempts
        assert (first.error, void.number, void.void, void.cost) == (BROKEN.message, 2, True, 0)
        assert outside.markers() == []
        # The void attempt's number is used.
        new = (await retry(desk, dana, old.id)).job
        assert (new.attempt, outside.markers()) == (3, [f"{new.id}-3"])
        assert await ledger.balance(desk, dana) == 4

    async def test_the_record_that_gave_its_place_back_keeps_its_attempt_for_the_ledger(
        self, desk: Desk, bells_refused: Desk
    ) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)
        for _ in range(2):
            with pytest.raises(QueueUnavailable):
                await retry(bells_refused, dana, old.id)
        again = await jobs.get_job(desk, dana, old.id)
        newest, older, _ = (await jobs.job_detail(desk, dana, old.id)).attempts
        lines, _ = await ledger.ledger(desk, dana)
        assert [(line.job_id, line.attempt, line.amount) for line in lines[:4]] == [
            (newest.job_id, 3, 1), (newest.job_id, 3, -1), (older.job_id, 2, 1), (older.job_id, 2, -1),
        ]  # fmt: skip
        gone = await read(desk, newest.job_id)
        assert (gone.status, gone.title, gone.args, gone.version) == (Status.FAILED, "", {}, again.version)
        # Whoever came across it while it was there is led back, and on to what takes the place for good.
        with pytest.raises(JobReplaced) as led:
            await jobs.get_job(desk, dana, gone.id)
        assert led.value.data["replaced_by"] == old.id
        new = await end(desk, (await retry(desk, dana, old.id)).job)
        assert await jobs.replacements(desk, dana, [gone.id, old.id]) == {gone.id: new, old.id: new}
        detail = await jobs.job_detail(desk, dana, new.id)
        assert [(a.number, a.void) for a in detail.attempts] == [(4, False), (3, True), (2, True), (1, False)]
        assert (await stats(desk, dana)).last_day.created == 1
        await deletion.delete(desk, dana, new.id)
        assert {attempt.error for attempt in await attempts_of(desk, gone.id, old.id, new.id)} == {None}

    async def test_a_message_that_arrived_after_all_stands(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana)

        class Late:
            """Rings, lets a worker claim, and only then says that it could not."""

            async def kick(self, doorbells: list[object]) -> None:
                async with desk.db.write() as session:
                    keys = [Claim(bell.job_id, bell.attempt) for bell in doorbells]  # type: ignore[attr-defined]
                    assert await lifecycle.claim(session, keys, WORKER, 30)
                raise QueueUnavailable

            async def backlog(self) -> int:
                return 0

        new = (await retry(replace(desk, queue=Late()), dana, old.id)).job  # type: ignore[arg-type]
        assert (await jobs.get_job(desk, dana, new.id)).status is Status.RUNNING
        assert outside.markers() == [f"{new.id}-2"]

    @pytest.mark.parametrize("kind", ["test.replaced", "test.prepared"])
    async def test_what_cannot_be_prepared_changes_nothing(
        self, desk: Desk, outside: Outside, kind: str
    ) -> None:
        dana = await a_person(desk, credits=5)
        old = await failed_job(desk, dana, kind)
        outside.away = True
        with pytest.raises(ServiceUnavailable, match="Failed to create aria2 task"):
            await retry(desk, dana, old.id)
        assert await jobs.get_job(desk, dana, old.id) == old
        assert len(await attempts_of(desk, old.id)) == 1

    async def test_a_transaction_that_fails_takes_the_preparation_back(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk, credits=1)
        first, second = await failed_job(desk, dana), await failed_job(desk, dana)
        answers = await asyncio.gather(
            *(retry(desk, dana, job.id) for job in (first, second)), return_exceptions=True
        )
        assert sum(isinstance(answer, InsufficientCredits) for answer in answers) == 1
        assert len(outside.markers()) == 1
        assert (await job_list.list_jobs(desk, dana, JobQuery())).total == 2

    async def test_in_place_it_is_prepared_under_the_job_s_own_id(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.prepared")
        done = await retry(desk, dana, job.id)
        assert (done.job.id, done.replaced) == (job.id, None)
        assert outside.markers() == [f"{job.id}-2"]


class TestInABatch:
    async def test_each_gets_a_new_record_a_charge_and_a_doorbell(self, desk: Desk, outside: Outside) -> None:
        dana = await a_person(desk, credits=6)
        replaced = await ended_jobs(desk, dana, 4, "test.replaced")
        refused = await ended_jobs(desk, dana, 1, "test.replaced", title="refused")
        in_place = await ended_jobs(desk, dana, 1, "test.prepared")
        plain = await ended_jobs(desk, dana, 1, "test.priced")
        unpaid = await ended_jobs(desk, dana, 2, "test.replaced")
        before = await desk.queue.backlog()
        batch = await walk(desk, await start(desk, dana, Selection(status=[Status.FAILED])))
        assert (batch.matched, batch.retried, batch.spent) == (9, 7, 6)
        assert batch.skipped == {"service_unavailable": 1, "insufficient_credits": 1}
        successors = await jobs.replacements(desk, dana, [*replaced, *unpaid])
        assert set(successors) == {*replaced, unpaid[0]}
        for old, new in successors.items():
            (attempt,) = await attempts_of(desk, new.id)
            assert (attempt.number, attempt.trigger, attempt.batch_id) == (2, Trigger.BATCH, batch.job_id)
            assert (attempt.cost, attempt.after_fingerprint) == (1, "f" * 16)
            assert (new.replaces, new.rank, new.retry_count) == (old, old, 1)
        assert outside.markers() == sorted(
            [*(f"{new.id}-2" for new in successors.values()), f"{in_place[0]}-2"]
        )
        for kept in (refused[0], unpaid[1]):
            assert (await jobs.get_job(desk, dana, kept)).status is Status.FAILED
        assert (await jobs.get_job(desk, dana, plain[0])).attempt == 2
        assert await desk.queue.backlog() == before + 8  # the batch's own, and seven
        assert await money(desk, dana) == (0, 0, 6)

    async def test_who_was_quicker_leaves_nothing_prepared_and_no_second_record(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk, credits=6)
        first, second = await ended_jobs(desk, dana, 2, "test.replaced")
        selection = Selection(ids=[first, second])
        job = await start(desk, dana, selection)
        held = await claim_batch(desk, job)
        await retry(desk, dana, first)  # before the batch reads
        batch = await read_batch(desk, job.id)
        chunk = await read_chunk(desk, batch, selection, None)
        quick = (await retry(desk, dana, second)).job  # between its reading and its writing
        done = await write_chunk(desk, batch, chunk, held, "batcher")
        assert (done.batch.retried, done.batch.skipped) == (0, {"conflict": 2})
        assert len(outside.markers()) == 2
        assert f"{quick.id}-2" in outside.markers()
        assert await money(desk, dana) == (4, 4, 2)

    async def test_a_batch_that_is_another_worker_s_leaves_nothing_prepared(
        self, desk: Desk, outside: Outside
    ) -> None:
        dana = await a_person(desk, credits=6)
        selection = Selection(ids=await ended_jobs(desk, dana, 3, "test.replaced"))
        held = await claim_batch(desk, await start(desk, dana, selection))
        with pytest.raises(NotHeld):
            await advance(desk, held, "somebody-else", selection)
        assert outside.markers() == []
        assert (await job_list.list_jobs(desk, dana, JobQuery(kinds=("test.replaced",)))).total == 3
