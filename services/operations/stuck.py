"""Jobs that stay queued for too long (`MULLIGAN_STUCK_SECONDS`): found, rung for again, or failed with the reason.

What is held back because its kind is paused waits on purpose, and is none of them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.database.database import db_now
from services.desk import Desk
from services.durations import human_duration
from services.errors import Conflict
from services.failures.failures import Failure, failure
from services.feed import Change
from services.models import Job, is_held_back, is_now, now
from services.operations.waiting import Waiting, waiting_reasons
from services.people.access import Actor
from services.vocabulary import FailureType, Status

_CHUNK = 200
# Each is a handful of statements: the write transaction stays under some 50 ms.
_FAILED_TOGETHER = 20
_ADVICE = {
    "no_worker": "Start a worker, then retry.",
    "no_engine": "Install what is missing on a worker, or start one that has it, then retry.",
    "no_slot": "Other jobs of the kind hold all its slots: raise MULLIGAN_CONCURRENCY, or cancel some, then retry.",
}
_ELSE = "Look at the workers and their queues, then retry."


@dataclass(frozen=True)
class Stuck:
    """A job that stays queued, and why."""

    job: Job
    waiting: Waiting


async def list_stuck(
    desk: Desk, actor: Actor, cursor: UUID | None = None, limit: int = 50
) -> tuple[list[Stuck], UUID | None]:
    """The workspace's stuck jobs, oldest first, and where the next page starts.

    Raises:
        Forbidden: a member, who sees only their own.
    """
    actor.require_overview()
    found = await _read(desk, actor, cursor, limit + 1)
    reasons = await waiting_reasons(desk, found[:limit])
    page = [Stuck(job, reasons[job.id]) for job in found[:limit]]
    return page, found[limit - 1].rank if len(found) > limit else None


async def count_stuck(desk: Desk, actor: Actor) -> int:
    """How many there are."""
    query = sa.select(sa.func.count()).select_from(Job).where(*_conditions(desk, actor))
    async with desk.db.read() as session:
        return (await session.scalars(query)).one()


async def ring_again(desk: Desk, actor: Actor, ids: Sequence[UUID] | None = None) -> int:
    """Rings for stuck jobs, these or all, at once and not when housekeeping would. Returns for how many.

    Raises:
        Forbidden: neither operator nor admin.
        QueueUnavailable: the queue does not answer.
    """
    actor.require_operator()
    rung = 0
    async for jobs in _chunks(desk, actor, ids):
        await desk.queue.kick(lifecycle.doorbells(jobs))
        rung += len(jobs)
    if rung:
        async with desk.db.write() as session:
            audit.record(session, actor, "stuck.ring", jobs=rung)
    return rung


async def fail(desk: Desk, actor: Actor, ids: Sequence[UUID] | None = None) -> int:
    """Fails stuck jobs, these or all, with why they were stuck; what their attempts cost is given back.

    A job that a worker takes at this moment goes on, and is not counted.

    Raises:
        Forbidden: neither operator nor admin.
    """
    actor.require_operator()
    failed = 0
    async for jobs in _chunks(desk, actor, ids):
        reasons = await waiting_reasons(desk, jobs)
        for start in range(0, len(jobs), _FAILED_TOGETHER):
            failed += await _fail_together(desk, actor, jobs[start : start + _FAILED_TOGETHER], reasons)
    return failed


async def _fail_together(
    desk: Desk, actor: Actor, jobs: Sequence[Job], reasons: Mapping[UUID, Waiting]
) -> int:
    async def work(session: AsyncSession) -> list[Job]:
        ended = [job for each in jobs if (job := await _fail(session, actor, each, reasons[each.id]))]
        for job in ended:
            audit.record(session, actor, "stuck.fail", job.id, error=job.error)
        return ended

    ended = await desk.db.transact(work)
    await desk.feed.publish([Change.of(job) for job in ended])
    return len(ended)


async def _fail(session: AsyncSession, actor: Actor, job: Job, waiting: Waiting) -> Job | None:
    try:
        ended = await lifecycle.fail_stuck(session, job, _words(job, waiting))
    except Conflict:
        return None  # a worker, or somebody else, was first
    await ledger.refund_unused(session, ended, actor.email, "It never ran.")
    return ended


def _words(job: Job, waiting: Waiting) -> Failure:
    """How long is in the message alone, so that the same trouble is one group of failures."""
    why = "no worker took it"
    seconds = (now() - job.queued_at).total_seconds() if job.queued_at else 0
    advice = f"{waiting.message}. {_ADVICE.get(waiting.code, _ELSE)}"
    told = failure(job.kind, FailureType.ENVIRONMENT, f"Stayed queued: {why}", advice)
    return Failure(
        told.type, f"Stayed queued for {human_duration(seconds)}: {why}", told.advice, told.fingerprint
    )


async def _chunks(desk: Desk, actor: Actor, ids: Sequence[UUID] | None) -> AsyncIterator[list[Job]]:
    cursor: UUID | None = None
    while jobs := await _read(desk, actor, cursor, _CHUNK, ids):
        cursor = jobs[-1].rank
        yield jobs


async def _read(
    desk: Desk, actor: Actor, cursor: UUID | None, limit: int, ids: Sequence[UUID] | None = None
) -> list[Job]:
    query = sa.select(Job).where(*_conditions(desk, actor))
    if ids is not None:
        query = query.where(col(Job.id).in_(ids))
    if cursor is not None:
        query = query.where(col(Job.rank) > cursor)
    async with desk.db.read() as session:
        return list((await session.scalars(query.order_by(col(Job.rank)).limit(limit))).all())


def _conditions(desk: Desk, actor: Actor) -> list[sa.ColumnElement[bool]]:
    since = db_now(-desk.settings.stuck_seconds)
    return [*actor.visible(), is_now(Status.QUEUED), col(Job.queued_at) < since, ~is_held_back()]
