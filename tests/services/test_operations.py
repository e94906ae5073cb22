"""Who is next, why a job waits, what an operator switches off, and jobs that stay queued; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.batch import batch
from services.batch.batch import Selection
from services.database.database import db_now
from services.desk import Desk
from services.errors import Conflict, Forbidden, Invalid, RetriesDisabled
from services.failures.failures import Failure
from services.jobs import jobs, submission
from services.lifecycle import Claim, Outcome
from services.models import Job, Worker
from services.operations import pauses, slots, stuck, switches, workers
from services.operations import queues as operations
from services.operations.waiting import waiting_reasons, would_wait
from services.people.access import Actor
from services.policy import AutoRetry, RetryPolicy
from services.retry.retrying import plan_retry, retry
from services.settings import SettingsError
from services.vocabulary import FailureType, Priority, Role, Status
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.waiting import eventually

KIND, LIMITED, ENGINE, AUTO = "test.priced", "test.limited", "test.engine", "test.auto"


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind(),
        a_kind(LIMITED, concurrency=9),
        a_kind(ENGINE, needs=("steam", "coal")),
        a_kind(AUTO, policy=RetryPolicy(auto=AutoRetry(limit=3))),
    )
    async with open_desk(
        database_url, redis_url, tmp_path, *kinds, concurrency=f"{LIMITED}=2", stuck_seconds=60
    ) as desk:
        yield desk


async def make(desk: Desk, me: Actor, kind: str = KIND, **more: Any) -> Job:
    return await submission.submit(desk, me, kind, {}, **more)


async def start(desk: Desk, *made: Job) -> None:
    async with desk.db.write() as session:
        claims = [Claim(job.id, job.attempt) for job in made]
        assert len(await lifecycle.claim(session, claims, "w1", 60)) == len(made)


async def fail(desk: Desk, job: Job, **more: Any) -> None:
    await start(desk, job)
    why = Failure(FailureType.TRANSIENT, "It broke", fingerprint="f")
    outcome = Outcome(job.id, job.attempt, Status.FAILED, why, **more)
    async with desk.db.write() as session:
        assert await lifecycle.finish(session, [outcome], "w1")


async def put(desk: Desk, job: Job, **values: Any) -> None:
    async with desk.db.write() as session:
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**values))


async def a_worker_row(desk: Desk, *queues: str) -> None:
    row = Worker(name="-".join(queues), host="h", pid=1, version="1", queues=list(queues))
    await desk.db.transact(lambda session: workers.beat(session, row))


async def why(desk: Desk, me: Actor, job: Job) -> tuple[str, str]:
    now = await jobs.get_job(desk, me, job.id)
    waiting = (await waiting_reasons(desk, [now]))[job.id]
    return waiting.code, waiting.message


class TestSlots:
    async def test_the_setting_outweighs_the_kind_and_must_name_one(
        self, desk: Desk, database_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        assert desk.limits == {LIMITED: 2}
        with pytest.raises(SettingsError, match=r"MULLIGAN_CONCURRENCY: there is no kind 'no\.such'"):
            async with open_desk(database_url, redis_url, tmp_path, a_kind(), concurrency="no.such=3"):
                pass

    async def test_a_claim_beyond_the_limit_is_counted_in_its_own_transaction(self, desk: Desk) -> None:
        me = await a_person(desk)
        made = [await make(desk, me, LIMITED) for _ in range(4)]
        await start(desk, made[0])
        async with desk.db.write() as session:
            await lifecycle.claim(session, [Claim(job.id, 1) for job in made[1:]], "w2", 60)
            assert await slots.overdrawn(session, desk.limits) == {LIMITED: 2}
            await session.rollback()

    async def test_next_are_the_most_urgent_and_then_the_oldest_as_many_as_have_a_slot(
        self, desk: Desk
    ) -> None:
        me = await a_person(desk)
        low, first, second, high = [
            await make(desk, me, LIMITED, priority=priority)
            for priority in (Priority.LOW, Priority.NORMAL, Priority.NORMAL, Priority.HIGH)
        ]
        assert [bell.job_id for bell in await slots.next_in_line(desk, [LIMITED])] == [high.id, first.id]
        await start(desk, high)
        assert [bell.job_id for bell in await slots.next_in_line(desk, [LIMITED])] == [first.id]
        await start(desk, second)
        assert await slots.next_in_line(desk, [LIMITED]) == []
        assert low.id != first.id


class TestPriority:
    async def test_high_is_for_who_operates(self, desk: Desk) -> None:
        member = await a_person(desk, Role.MEMBER)
        with pytest.raises(Forbidden):
            await make(desk, member, priority=Priority.HIGH)
        assert (await make(desk, member, priority=Priority.LOW)).priority is Priority.LOW

    async def test_a_batch_makes_it_low_and_a_single_retry_normal_again(self, desk: Desk) -> None:
        me = await a_person(desk, credits=9)
        job = await make(desk, me)
        await fail(desk, job)
        seen = await jobs.get_job(desk, me, job.id)
        chosen = lifecycle.Candidate(job.id, seen.version, Status.FAILED, None, counts=True, cost=0)
        await desk.db.transact(lambda session: lifecycle.requeue_many(session, [chosen], "me", job.id))
        job = await jobs.get_job(desk, me, job.id)
        assert job.priority is Priority.LOW
        await fail(desk, job)
        assert (await retry(desk, me, job.id)).job.priority is Priority.NORMAL


class TestWaiting:
    async def test_each_reason_is_told(self, desk: Desk) -> None:
        me = await a_person(desk, credits=9)
        job, engine = await make(desk, me), await make(desk, me, ENGINE)
        assert await why(desk, me, job) == ("no_worker", "No worker is online")
        await a_worker_row(desk, "default")
        assert await why(desk, me, engine) == ("no_engine", "No worker with coal and steam is online")
        assert await why(desk, me, job) == ("in_line", "Next in the queue")
        behind = [await make(desk, me) for _ in range(3)]
        urgent = await make(desk, me, priority=Priority.HIGH)
        assert await why(desk, me, behind[1]) == ("in_line", "4th in the queue")
        assert await why(desk, me, urgent) == ("in_line", "Next in the queue")
        limited = [await make(desk, me, LIMITED) for _ in range(4)]
        await start(desk, *limited[:2])
        words = f"All 2 slots for {LIMITED} are taken · 2nd in line"
        assert await why(desk, me, limited[3]) == ("no_slot", words)
        await a_worker_row(desk, "coal+steam")
        assert await why(desk, me, engine) == ("in_line", "Next in the queue")

    async def test_running_ones_do_not_wait(self, desk: Desk) -> None:
        me = await a_person(desk)
        job = await make(desk, me)
        await start(desk, job)
        assert await waiting_reasons(desk, [await jobs.get_job(desk, me, job.id)]) == {}

    async def test_queues_say_what_waits_and_who_listens(self, desk: Desk) -> None:
        me = await a_person(desk)
        await make(desk, me)
        running = await make(desk, me, LIMITED)
        await start(desk, running)
        await make(desk, me, ENGINE)
        await a_worker_row(desk, "default")
        found = {queue.name: queue for queue in await operations.queues(desk, me)}
        assert list(found) == ["default", "coal+steam"]
        default, engine = found.values()
        assert (default.waiting, default.doorbells, default.workers) == (1, 2, 1)
        assert [(s.kind, s.running, s.limit) for s in default.slots] == [(LIMITED, 1, 2)]
        assert (engine.kinds, engine.waiting, engine.workers) == ([ENGINE], 1, 0)
        assert engine.oldest
        with pytest.raises(Forbidden):
            await operations.queues(desk, await a_person(desk, Role.MEMBER))


class TestSwitches:
    @pytest.mark.parametrize("kind", [None, AUTO])
    async def test_no_retry_is_accepted_while_they_are_off(self, desk: Desk, kind: str | None) -> None:
        me = await a_person(desk, Role.OPERATOR, credits=9)
        job, other = await make(desk, me, AUTO), await make(desk, me)
        await fail(desk, job)
        await fail(desk, other)
        await switches.switch_off(desk, me, kind, "storage moves")
        plan = await plan_retry(desk, me, job.id)
        what = f"Retries of {kind}" if kind else "Retries"
        assert plan.error
        assert plan.error.message == f"{what} are switched off by {me.name}: storage moves"
        with pytest.raises(RetriesDisabled):
            await retry(desk, me, job.id)
        assert (await plan_retry(desk, me, other.id)).allowed is (kind is not None)
        seen = await batch.preview(desk, me, Selection(ids=[job.id, other.id]))
        assert seen.skipped == {"retries_disabled": 1 if kind else 2}
        if kind is None:
            with pytest.raises(RetriesDisabled):
                await batch.start(desk, me, Selection(ids=[job.id]))
        assert await switches.switch_on(desk, me, kind)
        assert not await switches.switch_on(desk, me, kind)
        assert (await retry(desk, me, job.id)).job.status is Status.QUEUED
        said = [entry.action for entry in (await audit.entries(desk, me))[0]]
        assert [word for word in said if word.startswith("retries")] == ["retries.on", "retries.off"]

    async def test_two_at_once_and_twice_the_same_do_no_harm(self, desk: Desk) -> None:
        me = await a_person(desk, Role.OPERATOR)
        for _ in range(4):
            await asyncio.gather(*(switches.switch_off(desk, me, None, f"{n}") for n in range(6)))
            (off,) = await switches.list_switches(desk, me)
            assert await switches.switch_on(desk, me)
        assert off.by == me.name
        await switches.switch_off(desk, me, None, "storage moves")
        await switches.switch_off(desk, me, None, "and is not there yet")
        assert [one.reason for one in await switches.list_switches(desk, me)] == ["and is not there yet"]

    async def test_nothing_is_retried_by_itself_and_what_waits_waits_on(self, desk: Desk) -> None:
        me = await a_person(desk, Role.OPERATOR)
        waits, fails = await make(desk, me, AUTO), await make(desk, me, AUTO)
        await fail(desk, waits, retry_in=0.0)
        await switches.switch_off(desk, me, AUTO, "storage moves")
        await fail(desk, fails, retry_in=0.0)
        assert (await jobs.get_job(desk, me, fails.id)).status is Status.FAILED
        assert await desk.db.transact(lifecycle.queue_due) == []
        async with desk.db.read() as session:
            assert not (await lifecycle.chores(session, [])).due
        words = f"Retries of {AUTO} are switched off by {me.name}: storage moves"
        assert await why(desk, me, waits) == ("retries_disabled", words)
        with pytest.raises(RetriesDisabled):
            await jobs.start_now(desk, me, waits.id)
        await switches.switch_on(desk, me, AUTO)
        everywhere = replace(desk, settings=desk.settings.model_copy(update={"retries_enabled": False}))
        with pytest.raises(RetriesDisabled):
            await jobs.start_now(everywhere, me, waits.id)
        assert (await why(everywhere, me, waits))[0] == "retries_disabled"
        assert await desk.db.transact(partial(lifecycle.queue_due, retries=False)) == []
        async with desk.db.read() as session:
            assert not (await lifecycle.chores(session, [], retries=False)).due
        (started,) = await desk.db.transact(lifecycle.queue_due)
        assert (started.id, started.attempt) == (waits.id, 2)

    async def test_another_workspace_goes_on(self, desk: Desk) -> None:
        me, other = await a_person(desk), await a_person(desk, workspace="other", credits=9)
        job = await make(desk, other)
        await fail(desk, job)
        await switches.switch_off(desk, me)
        assert (await plan_retry(desk, other, job.id)).allowed
        assert await switches.list_switches(desk, other) == []

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    async def test_only_who_operates_switches(self, desk: Desk, role: Role) -> None:
        person = await a_person(desk, role)
        for deed in (switches.switch_off, switches.switch_on, stuck.ring_again, stuck.fail):
            with pytest.raises(Forbidden):
                await deed(desk, person)
        with pytest.raises(Invalid):
            await switches.switch_off(desk, await a_person(desk), "no.such")


class TestStuck:
    async def test_it_is_found_failed_with_the_reason_and_refunded(self, desk: Desk) -> None:
        me = await a_person(desk, credits=5)
        job, fresh, others = (
            await make(desk, me),
            await make(desk, me),
            await a_person(desk, workspace="other"),
        )
        foreign = await make(desk, others)
        await fail(desk, job)
        await retry(desk, me, job.id)
        assert await stuck.list_stuck(desk, me) == ([], None)
        for each in (job, foreign):
            await put(desk, each, queued_at=db_now(-3900), paused_at=db_now(-60))
        ((found,), _) = await stuck.list_stuck(desk, me)
        assert (found.job.id, found.waiting.code) == (job.id, "no_worker")
        assert await stuck.fail(desk, me, [job.id, fresh.id, foreign.id]) == 1
        ended = await jobs.get_job(desk, me, job.id)
        assert (ended.status, ended.failure_type) == (Status.FAILED, FailureType.ENVIRONMENT)
        assert ended.error == "Stayed queued for 1 h 5 min: no worker took it"
        assert ended.advice == "No worker is online. Start a worker, then retry."
        assert ended.paused_at is None, "else its retry would begin by holding on"
        assert await ledger.balance(desk, me) == 5
        assert (await jobs.get_job(desk, others, foreign.id)).status is Status.QUEUED
        assert (await plan_retry(desk, me, job.id)).allowed

    async def test_who_was_claimed_meanwhile_runs_on(self, desk: Desk) -> None:
        me = await a_person(desk)
        job = await make(desk, me)
        await start(desk, job)
        why_not = Failure(FailureType.ENVIRONMENT, "x")
        with pytest.raises(Conflict):
            await desk.db.transact(lambda session: lifecycle.fail_stuck(session, job, why_not))
        assert (await jobs.get_job(desk, me, job.id)).status is Status.RUNNING

    async def test_all_are_rung_for_and_failed_page_by_page(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stuck, "_CHUNK", 3)
        monkeypatch.setattr(stuck, "_FAILED_TOGETHER", 2)
        me = await a_person(desk)
        made = [await make(desk, me) for _ in range(5)]
        for job in made:
            await put(desk, job, queued_at=db_now(-100))
        page, cursor = await stuck.list_stuck(desk, me, limit=3)
        rest, end = await stuck.list_stuck(desk, me, cursor, limit=3)
        assert [one.job.id for one in page + rest] == [job.id for job in made]
        assert end is None
        assert await stuck.ring_again(desk, me) == 5
        await eventually(lambda: _backlog_is(desk, 10))
        assert await stuck.count_stuck(desk, me) == 5
        assert await stuck.fail(desk, me) == 5
        assert await stuck.count_stuck(desk, me) == 0


async def _backlog_is(desk: Desk, count: int) -> bool:
    return await desk.queue.backlog() == count


class TestPausedKinds:
    async def claimed(self, desk: Desk, *made: Job) -> set[Any]:
        async with desk.db.write() as session:
            won = await lifecycle.claim(session, [Claim(job.id, job.attempt) for job in made], "w1", 60)
        return {claim.job_id for claim in won}

    async def test_nothing_of_it_begins_until_it_is_resumed(self, desk: Desk) -> None:
        dana, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
        await pauses.pause(desk, dana, KIND, "  the  store moves ")
        held, other, foreign = await make(desk, dana), await make(desk, dana, AUTO), await make(desk, eve)
        assert await self.claimed(desk, held, other, foreign) == {other.id, foreign.id}
        told = await waiting_reasons(desk, [held])
        assert (told[held.id].code, told[held.id].message) == (
            "paused", f"{KIND} is paused by {dana.name}: the store moves",
        )  # fmt: skip
        assert [(one.kind, one.reason) for one in await pauses.list_pauses(desk, dana)] == [
            (KIND, "the store moves")
        ]
        assert await pauses.list_pauses(desk, eve) == []
        assert await switches.list_switches(desk, dana) == [], "retries are another matter"
        assert await pauses.resume(desk, dana, KIND)
        assert not await pauses.resume(desk, dana, KIND)
        assert (await waiting_reasons(desk, [held]))[held.id].code != "paused"
        assert await self.claimed(desk, held) == {held.id}

    async def test_who_would_submit_one_is_told(self, desk: Desk) -> None:
        dana, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
        await pauses.pause(desk, dana, KIND, "the store moves")
        assert (await would_wait(desk, dana))[KIND] == f"{KIND} is paused by {dana.name}: the store moves"
        assert (await would_wait(desk, eve))[KIND] == "No worker is online"

    async def test_every_kind_is_but_mulligan_s_own(self, desk: Desk) -> None:
        dana = await a_person(desk)
        await pauses.pause(desk, dana)
        await pauses.pause(desk, dana, AUTO)
        one, two = await make(desk, dana), await make(desk, dana, AUTO)
        own = await make(desk, dana)
        async with desk.db.write() as session:
            await session.execute(
                sa.update(Job).where(col(Job.id) == own.id).values(kind="system.batch_retry")
            )
        own = await jobs.get_job(desk, dana, own.id)
        assert "paused" not in {one.code for one in (await waiting_reasons(desk, [own])).values()}
        assert await self.claimed(desk, one, two, own) == {own.id}
        await pauses.resume(desk, dana)
        assert await self.claimed(desk, one, two) == {one.id}, "that one was paused by itself"

    async def test_nobody_rings_for_it_and_it_is_not_stuck(self, desk: Desk) -> None:
        dana, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
        await pauses.pause(desk, dana)
        held, limited = await make(desk, dana), await make(desk, dana, LIMITED)
        foreign = await make(desk, eve, LIMITED)
        async with desk.db.write() as session:
            await session.execute(
                sa.update(Job).values(
                    kick_due_at=db_now(-10), queued_at=db_now(-desk.settings.stuck_seconds - 9)
                )
            )
            assert await lifecycle.unclaimed(session, [KIND]) == []
            look = await lifecycle.chores(session, [KIND])
        assert look.unclaimed == [], "not looked at again at every tick"
        assert [bell.job_id for bell in await slots.next_in_line(desk, [LIMITED])] == [foreign.id]
        assert await stuck.count_stuck(desk, dana) == 0
        before = await desk.queue.depths()
        await pauses.resume(desk, dana)
        after = await desk.queue.depths()
        assert sum(after.values()) - sum(before.values()) >= 2, "rung for at once"
        assert await stuck.count_stuck(desk, dana) == 2
        assert {held.id, limited.id} == await self.claimed(desk, held, limited)

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_however_much_waits_each_part_is_found_without_sorting_the_rest(self, desk: Desk) -> None:
        dana = await a_person(desk)
        for after in (None, dana.user_id):
            query = pauses.waiting_query(dana, [KIND, AUTO], after).limit(500)
            sql = query.compile(desk.db.engine.sync_engine, compile_kwargs={"literal_binds": True})
            async with desk.db.read() as session:
                plan = str((await session.execute(sa.text(f"EXPLAIN QUERY PLAN {sql}"))).all())
            assert "ix_job_grid" in plan
            assert "TEMP B-TREE" not in plan

    async def test_only_operators_do_it(self, desk: Desk) -> None:
        for role in (Role.MEMBER, Role.VIEWER):
            who = await a_person(desk, role)
            with pytest.raises(Forbidden):
                await pauses.pause(desk, who, KIND)
            with pytest.raises(Forbidden):
                await pauses.resume(desk, who, KIND)
        with pytest.raises(Invalid):
            await pauses.pause(desk, await a_person(desk), "no.such")
