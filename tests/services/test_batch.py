"""Another chance for many: the preview, the walk, and that each job is retried at most once, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.batch import chunk as batch_chunk
from services.batch import walk as batch_walk
from services.batch.actions import ACTIONS
from services.batch.batch import preview, start
from services.batch.chunk import read_chunk
from services.batch.match import Selection
from services.batch.report import read_batch
from services.batch.walk import NotHeld, advance, tell, write_chunk
from services.database.database import Database
from services.desk import Desk
from services.errors import Forbidden, Invalid, MulliganError, RetriesDisabled
from services.ids import new_id
from services.jobs import deletion
from services.jobs.jobs import actions, get_job
from services.models import Attempt, AuditEntry, Batch, BatchSkip, Job, Membership
from services.operations import switches
from services.people.access import Actor
from services.policy import Check, CheckResult, RetryPolicy
from services.retry.retrying import Wish, retry
from services.vocabulary import BatchAction, Role, Status, Trigger
from tests.support.batches import claim_batch, ended_jobs, money, new_attempts, walk, walk_on
from tests.support.desks import a_kind, a_person, open_desk

KIND = ACTIONS[BatchAction.RETRY].kind
FAILED = Selection(status=[Status.FAILED])


def odd_check() -> Check:
    """Against jobs titled so; breaks at one."""

    async def check(desk: Desk, job: Any, actor: Actor) -> CheckResult:
        if job.title == "broken":
            raise ValueError("https://dana:hunter22@example.org is wrong")
        return CheckResult("input_missing", passed=job.title != "gone", message="The input is gone")

    return check


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind(KIND, policy=RetryPolicy(statuses=frozenset({Status.FAILED}), counts=False, rescues=5)),
        a_kind(),
        a_kind("test.free", policy=RetryPolicy()),
        a_kind("test.limited", policy=RetryPolicy(limit=2)),
        a_kind("test.left", policy=RetryPolicy(is_left=lambda job: job.title != "done")),
        a_kind("test.checked", policy=RetryPolicy(checks=(odd_check(),))),
    )
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        yield desk


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_chunk, "CHUNK", 7)


async def read(desk: Desk, job_id: UUID) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job_id)


async def reasons(desk: Desk, batch: Batch) -> dict[UUID, str]:
    async with desk.db.read() as session:
        query = sa.select(BatchSkip).where(col(BatchSkip.batch_id) == batch.job_id)
        return {skip.job_id: skip.code for skip in (await session.scalars(query)).all()}


class TestPreview:
    async def test_it_counts_per_reason_and_costs_as_the_batch_then_does(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        await ended_jobs(desk, dana, 7)
        await ended_jobs(desk, dana, 3, status=Status.COMPLETED)
        await ended_jobs(desk, dana, 2, "test.limited", retry_count=2)
        await ended_jobs(desk, dana, 1, "test.limited", retry_count=2, max_retries=3)
        await ended_jobs(desk, dana, 4, "test.unheard_of")
        everything = Selection(q="clip")
        seen = await preview(desk, dana, everything)
        assert (seen.matched, seen.allowed, seen.cost, seen.balance_after) == (17, 6, 5, 0)
        assert seen.skipped == {
            "not_retryable": 3, "retry_limit_reached": 2, "invalid": 4, "insufficient_credits": 2,
        }  # fmt: skip
        done = await walk(desk, await start(desk, dana, everything))
        assert (done.matched, done.retried, done.skipped, done.spent) == (17, 6, seen.skipped, 5)

    async def test_it_changes_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        ids = await ended_jobs(desk, dana, 3)
        await preview(desk, dana, FAILED)
        assert (await read(desk, ids[0])).version == 3
        assert await money(desk, dana) == (5, 5, 0)

    async def test_of_few_jobs_it_makes_the_checks_with_io_too(self, desk: Desk) -> None:
        dana = await a_person(desk)
        await ended_jobs(desk, dana, 2, "test.checked")
        await ended_jobs(desk, dana, 3, "test.checked", title="gone")
        seen = await preview(desk, dana, FAILED)
        assert (seen.allowed, seen.skipped, seen.unchecked) == (2, {"input_missing": 3}, 0)
        await ended_jobs(desk, dana, 60, "test.checked", title="gone")
        seen = await preview(desk, dana, FAILED)
        assert (seen.allowed, seen.skipped, seen.unchecked) == (65, {}, 65)

    @pytest.mark.parametrize(
        "selection", [Selection(), Selection(ids=[]), Selection(q="  "), Selection(ids=[new_id()], q="x")]
    )
    async def test_choosing_nothing_does_not_mean_everything(self, desk: Desk, selection: Selection) -> None:
        dana = await a_person(desk)
        for wish in (preview, start):
            with pytest.raises(Invalid):
                await wish(desk, dana, selection)

    async def test_who_may_not_change_anything_is_refused(self, desk: Desk) -> None:
        viewer = await a_person(desk, Role.VIEWER)
        for wish in (preview, start):
            with pytest.raises(Forbidden):
                await wish(desk, viewer, FAILED)

    async def test_switched_off_retries(self, database_url: str, redis_url: str, tmp_path: Path) -> None:
        async with open_desk(database_url, redis_url, tmp_path, retries_enabled=False) as desk:
            dana = await a_person(desk)
            await ended_jobs(desk, dana, 2)
            assert (await preview(desk, dana, FAILED)).skipped == {"retries_disabled": 2}
            with pytest.raises(RetriesDisabled):
                await start(desk, dana, FAILED)


class TestWalk:
    async def test_each_job_is_retried_as_a_single_retry_would(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        one, *others = await ended_jobs(desk, dana, 20, worker="w", step="encode", progress=40, advice="Wait")
        single = (await retry(desk, dana, one)).job
        done = await walk(desk, await start(desk, dana, FAILED))
        assert (done.retried, done.skipped, done.failed) == (19, {}, 0)
        assert await new_attempts(desk, others) == dict.fromkeys(others, 1)
        assert await money(desk, dana) == (30, 30, 20)
        batched = await read(desk, others[0])
        own = {"id", "rank", "updated_at", "queued_at", "kick_due_at", "created_at", "priority"}
        assert batched.model_dump(exclude=own) == (await read(desk, single.id)).model_dump(exclude=own)
        assert batched.updated_at > batched.created_at
        async with desk.db.read() as session:
            runs = [await session.get_one(Attempt, (job_id, 2)) for job_id in (one, others[0])]
        assert [run.trigger for run in runs] == [Trigger.MANUAL, Trigger.BATCH]
        assert [run.batch_id for run in runs] == [None, done.job_id]
        own = {"job_id", "trigger", "queued_at", "batch_id"}
        assert runs[0].model_dump(exclude=own) == runs[1].model_dump(exclude=own)

    async def test_it_rings_for_each(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        await ended_jobs(desk, dana, 20)
        before = await desk.queue.backlog()
        await walk(desk, await start(desk, dana, FAILED))
        assert await desk.queue.backlog() == before + 21

    async def test_without_a_queue_housekeeping_rings_later(self, desk: Desk, valkey: Any) -> None:
        dana = await a_person(desk, credits=50)
        ids = await ended_jobs(desk, dana, 10)
        batch = await start(desk, dana, FAILED)
        valkey.stop()
        assert (await walk(desk, batch)).retried == 10
        job = await read(desk, ids[0])
        assert job.status is Status.QUEUED
        assert job.kick_due_at

    async def test_credits_run_out(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=10)
        ids = await ended_jobs(desk, dana, 20)
        await ended_jobs(desk, dana, 3, "test.free")
        done = await walk(desk, await start(desk, dana, FAILED))
        assert (done.retried, done.skipped, done.spent) == (13, {"insufficient_credits": 10}, 10)
        assert await money(desk, dana) == (0, 0, 10)
        assert set(await reasons(desk, done)) == set(ids[10:])

    async def test_it_uses_no_more_than_was_said_at_its_start(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=4)
        await ended_jobs(desk, dana, 20)
        batch = await start(desk, dana, FAILED)
        await ledger.grant(desk, dana, 100, "a present")
        done = await walk(desk, batch)
        assert (done.retried, done.skipped) == (4, {"insufficient_credits": 16})
        assert await money(desk, dana) == (100, 100, 4)

    async def test_somebody_spends_credits_in_between(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dana = await a_person(desk, credits=7)
        await ended_jobs(desk, dana, 7)
        batch = await start(desk, dana, FAILED)
        stale = iter([99])

        async def balance_of(session: Any, workspace_id: UUID) -> int:
            return next(stale)

        monkeypatch.setattr(ledger, "balance_of", balance_of)
        await ledger.grant(desk, dana, -3, "spent elsewhere")
        held = await claim_batch(desk, batch)
        done = await walk_on(desk, held, "batcher", FAILED)
        assert (done.retried, done.skipped) == (4, {"insufficient_credits": 3})
        monkeypatch.undo()
        assert await money(desk, dana) == (0, 0, 4)

    @pytest.mark.parametrize("kind", [None, "test.priced"])
    async def test_switched_off_while_a_chunk_is_checked(self, desk: Desk, kind: str | None) -> None:
        dana = await a_person(desk, credits=50)
        ids = await ended_jobs(desk, dana, 3)
        others = await ended_jobs(desk, dana, 2, "test.checked")
        job = await start(desk, dana, FAILED)
        held = await claim_batch(desk, job)
        batch = await read_batch(desk, job.id)
        chunk = await read_chunk(desk, batch, FAILED, None)
        await switches.switch_off(desk, dana, kind, "storage moves")
        done = (await write_chunk(desk, batch, chunk, held, "batcher")).batch
        assert done.skipped == {"retries_disabled": 5 if kind is None else 3}
        assert sum((await new_attempts(desk, ids)).values()) == 0
        assert sum((await new_attempts(desk, others)).values()) == (0 if kind is None else 2)
        assert done.matched == done.retried + sum(done.skipped.values()) == 5

    async def test_what_fails_or_appears_later_does_not_belong(self, desk: Desk) -> None:
        dana = await a_person(desk)
        early = await ended_jobs(desk, dana, 10, "test.free")
        batch = await start(desk, dana, FAILED)
        late = await ended_jobs(desk, dana, 5, "test.free")
        again = (await retry(desk, dana, early[0])).job
        async with desk.db.write() as session:
            await session.execute(sa.update(Job).where(col(Job.id) == again.id).values(status=Status.FAILED))
        done = await walk(desk, batch)
        assert (done.matched, done.retried, done.skipped) == (10, 9, {"conflict": 1})
        assert await new_attempts(desk, early) == dict.fromkeys(early, 1)
        assert await new_attempts(desk, late) == dict.fromkeys(late, 0)

    async def test_chosen_jobs_are_accounted_for_one_by_one(self, desk: Desk) -> None:
        dana = await a_person(desk)
        tom = await a_person(desk, workspace="elsewhere")
        fine = await ended_jobs(desk, dana, 9, "test.free")
        completed = await ended_jobs(desk, dana, 1, "test.free", Status.COMPLETED)
        hers = await ended_jobs(desk, tom, 1, "test.free")
        unheard_of = new_id()
        selection = Selection(ids=[*fine, *completed, *hers, unheard_of, fine[0]])
        assert (await preview(desk, dana, selection)).skipped == {"job_not_found": 2, "not_retryable": 1}
        batch = await start(desk, dana, selection)
        await retry(desk, dana, fine[3])
        done = await walk(desk, batch)
        assert (done.matched, done.retried) == (12, 8)
        assert await reasons(desk, done) == {
            completed[0]: "not_retryable", hers[0]: "job_not_found", unheard_of: "job_not_found", fine[3]: "conflict",
        }  # fmt: skip
        assert await new_attempts(desk, hers) == {hers[0]: 0}

    async def test_a_member_reaches_only_their_own(self, desk: Desk) -> None:
        dana = await a_person(desk)
        member = await a_person(desk, Role.MEMBER, name="mia")
        others = await ended_jobs(desk, dana, 9, "test.free")
        own = await ended_jobs(desk, member, 9, "test.free")
        assert (await preview(desk, member, FAILED)).matched == 9
        assert (await walk(desk, await start(desk, member, FAILED))).retried == 9
        assert await new_attempts(desk, [*own, *others]) == dict.fromkeys(own, 1) | dict.fromkeys(others, 0)

    async def test_mulligans_own_jobs_are_left_out(self, desk: Desk) -> None:
        dana = await a_person(desk)
        system = await ended_jobs(desk, dana, 3, KIND)
        await ended_jobs(desk, dana, 2, "test.free")
        assert (await preview(desk, dana, FAILED)).matched == 2
        done = await walk(desk, await start(desk, dana, Selection(ids=system)))
        assert (done.retried, done.skipped) == (0, {"job_not_found": 3})

    async def test_checks_with_io(self, desk: Desk) -> None:
        dana = await a_person(desk)
        gone = await ended_jobs(desk, dana, 10, "test.checked", title="gone")
        broken = await ended_jobs(desk, dana, 1, "test.checked", title="broken")
        await ended_jobs(desk, dana, 10, "test.checked")
        done = await walk(desk, await start(desk, dana, FAILED))
        assert (done.matched, done.retried, done.skipped, done.failed) == (21, 10, {"input_missing": 10}, 1)
        assert await reasons(desk, done) == dict.fromkeys(gone, "input_missing") | {broken[0]: "error"}
        async with desk.db.read() as session:
            said = await session.get_one(BatchSkip, (done.job_id, broken[0]))
        assert said.message == "A check failed: ValueError: https://••••••@example.org is wrong"

    async def test_where_nothing_is_left_to_do_it_is_left_alone(self, desk: Desk) -> None:
        dana = await a_person(desk)
        over = await ended_jobs(desk, dana, 2, "test.left", title="done")
        await ended_jobs(desk, dana, 3, "test.left")
        assert (await preview(desk, dana, FAILED)).skipped == {"not_retryable": 2}
        done = await walk(desk, await start(desk, dana, FAILED))
        assert (done.retried, await reasons(desk, done)) == (3, dict.fromkeys(over, "not_retryable"))

    async def test_who_lost_their_role_meanwhile_retries_nothing_more(self, desk: Desk) -> None:
        dana = await a_person(desk)
        await ended_jobs(desk, dana, 20, "test.free")
        batch = await start(desk, dana, FAILED)
        held = await claim_batch(desk, batch)
        assert (await walk_on(desk, held, "batcher", FAILED)).retried == 7
        async with desk.db.write() as session:
            await session.execute(
                sa.update(Membership).where(col(Membership.user_id) == dana.user_id).values(role=Role.VIEWER)
            )
        with pytest.raises(Forbidden):
            await walk_on(desk, held, "batcher", FAILED)

    async def test_it_is_audited(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=2)
        await ended_jobs(desk, dana, 3)
        batch = await start(desk, dana, FAILED)
        async with desk.db.read() as session:
            entry = (
                await session.scalars(sa.select(AuditEntry).where(col(AuditEntry.job_id) == batch.id))
            ).one()
        assert (entry.action, entry.actor) == ("batch.retry", dana.email)
        assert entry.data == {"matched": 3, "allowed": 2, "cost": 2}


class TestOnce:
    @pytest.mark.parametrize("crash_at", range(6))
    async def test_a_crash_anywhere_and_going_on(
        self, desk: Desk, crash_at: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before a chunk's commit (even) or between it and the ring (odd); another worker goes on."""
        dana = await a_person(desk, credits=15)
        ids = await ended_jobs(desk, dana, 20)
        await ended_jobs(desk, dana, 3, "test.limited", retry_count=2)
        batch = await start(desk, dana, FAILED)
        held = await claim_batch(desk, batch)
        committed = 0
        commit = batch_walk._commit

        class Killed(Exception):
            pass

        async def commit_or_die(session: Any, *args: Any, **more: Any) -> Any:
            done = await commit(session, *args, **more)
            if committed == crash_at // 2:
                raise Killed
            return done

        async def walk_all() -> None:
            nonlocal committed
            while True:
                chunk = await advance(desk, held, "batcher", FAILED)
                committed += 1
                if crash_at % 2 and committed == crash_at // 2 + 1:
                    raise Killed
                await tell(desk, chunk)

        if crash_at % 2 == 0:
            monkeypatch.setattr(batch_walk, "_commit", commit_or_die)
        with pytest.raises(Killed):
            await walk_all()
        monkeypatch.setattr(batch_walk, "_commit", commit)
        async with desk.db.write() as session:
            await lifecycle.hand_back(session, [held], "batcher")
        done = await walk(desk, batch, "another")
        assert (done.matched, done.retried, done.spent) == (23, 15, 15)
        assert done.skipped == {"insufficient_credits": 5, "retry_limit_reached": 3}
        assert await new_attempts(desk, ids) == dict.fromkeys(ids[:15], 1) | dict.fromkeys(ids[15:], 0)
        assert await money(desk, dana) == (0, 0, 15)
        assert len(await reasons(desk, done)) == 8

    async def test_a_worker_that_lost_the_batch_writes_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 20, "test.free")
        batch = await start(desk, dana, FAILED)
        held = await claim_batch(desk, batch)
        async with desk.db.write() as session:
            await lifecycle.hand_back(session, [held], "batcher")
        with pytest.raises(NotHeld):
            await walk_on(desk, held, "batcher", FAILED)
        assert sum((await new_attempts(desk, ids)).values()) == 0

    async def test_many_batches_and_single_retries_of_the_same_jobs(
        self, desk: Desk, database_url: str
    ) -> None:
        dana = await a_person(desk, credits=100)
        ids = await ended_jobs(desk, dana, 40)
        batches = [await start(desk, dana, FAILED) for _ in range(2)]
        batches.append(await start(desk, dana, Selection(ids=ids)))
        # As in another process: with a connection pool, and on SQLite a writer's queue, of its own.
        other = Database(database_url)
        elsewhere = Desk(desk.settings, other, desk.queue, desk.feed, desk.storage, desk.kinds)

        async def one(job_id: UUID) -> int:
            try:
                await retry(elsewhere, dana, job_id)
            except MulliganError:
                return 0
            return 1

        walks = asyncio.gather(
            *(walk(desk if n % 2 else elsewhere, batch, f"w{n}") for n, batch in enumerate(batches))
        )
        done, singles = await asyncio.gather(walks, asyncio.gather(*(one(job_id) for job_id in ids[::3])))
        await other.close()
        assert await new_attempts(desk, ids) == dict.fromkeys(ids, 1)
        assert sum(singles) + sum(batch.retried for batch in done) == 40
        assert all(batch.matched == 40 for batch in done)
        assert all(batch.retried + sum(batch.skipped.values()) == 40 for batch in done)
        assert await money(desk, dana) == (60, 60, 40)

    async def test_going_on_with_a_batch_that_is_done_does_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 5, "test.free")
        batch = await start(desk, dana, FAILED)
        await walk(desk, batch)
        held = await claim_batch_again(desk, batch)
        assert (await walk_on(desk, held, "again", FAILED)).retried == 5
        assert await new_attempts(desk, ids) == dict.fromkeys(ids, 1)


async def claim_batch_again(desk: Desk, batch: Job) -> lifecycle.Claim:
    fresh = await read(desk, batch.id)
    async with desk.db.write() as session:
        await lifecycle.hand_back(session, [lifecycle.Claim(batch.id, fresh.attempt)], "batcher")
    return await claim_batch(desk, batch, "again")


async def test_deleting_a_batch_deletes_its_reasons(desk: Desk) -> None:
    dana = await a_person(desk)
    await ended_jobs(desk, dana, 5, "test.limited", retry_count=2)
    batch = await start(desk, dana, FAILED)
    held = await claim_batch(desk, batch)
    done = await walk_on(desk, held, "batcher", FAILED)
    assert len(await reasons(desk, done)) == 5
    async with desk.db.write() as session:
        await lifecycle.finish(
            session, [lifecycle.Outcome(batch.id, held.attempt, Status.COMPLETED)], "batcher"
        )
    await deletion.delete(desk, dana, batch.id)
    assert await reasons(desk, done) == {}


async def test_a_batch_goes_on_as_it_was_asked_for(desk: Desk) -> None:
    dana = await a_person(desk, credits=5)
    ids = await ended_jobs(desk, dana, 2)
    asked = Selection(ids=ids[:1])
    (batch_id,) = await ended_jobs(
        desk, dana, 1, KIND, args=asked.model_dump(mode="json", exclude_defaults=True)
    )
    may = actions(desk, dana, await get_job(desk, dana, batch_id))
    assert (may.retry, may.edit, may.copy) == (True, False, False)
    with pytest.raises(Invalid, match="made by Mulligan itself"):
        await retry(desk, dana, batch_id, wish=Wish(args={"ids": [str(ids[1])]}))
    assert (await retry(desk, dana, batch_id)).job.args == {"ids": [str(ids[0])]}
