"""The worker's side: claiming, renewing, ending. Guarded by `attempt` and `worker`, set-based, for many at once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import rows_json
from services.failures.failures import Failure
from services.feed import Change
from services.models import Attempt, AuditEntry, Job
from services.models import is_now as _is
from services.transitions.parts import Claim, change_of, interrupt, note_ends, texts_of
from services.vocabulary import (
    FailureType,
    Priority,
    Status,
    Trigger,
)


class Claimed(NamedTuple):
    """What a worker needs of a job it has claimed."""

    change: Change
    attempt: int
    kind: str
    title: str
    args: dict[str, Any]
    upload_id: UUID | None
    output_attempt: int | None
    auto_retries: int
    """Automatic retries that the job has had."""
    is_paused: bool = False
    """It begins by holding on: paused while it was queued, or before its worker was lost."""
    trigger: Trigger = Trigger.FIRST
    trace: str | None = None
    """W3C `traceparent` of what asked for the attempt."""
    priority: Priority = Priority.NORMAL


class Outcome(NamedTuple):
    """How an attempt ended, as its worker saw it."""

    job_id: UUID
    attempt: int
    status: Status
    failure: Failure | None = None
    result: dict[str, Any] | None = None
    has_output: bool = False
    retry_in: float | None = None
    """Seconds until an automatic retry; None: there is none."""

    def row(self) -> dict[str, Any]:
        """The outcome as a row of the statement's parameter."""
        failure = self.failure
        return {
            "id": self.job_id,
            "attempt": self.attempt,
            "status": self.status,
            "error": failure and failure.message,
            "failure_type": failure and failure.type,
            "advice": failure and failure.advice,
            "fingerprint": failure and failure.fingerprint,
            "traceback": failure and failure.traceback,
            "result": self.result,
            "output_attempt": self.attempt if self.has_output else None,
        }


class Wish(NamedTuple):
    """What people want of a running attempt, and the job's version that says so."""

    version: int
    cancelled: bool = False
    cancelled_by: str | None = None
    paused: bool = False


class Progress(NamedTuple):
    """How far a running attempt is: 0 to 100, and what it does."""

    job_id: UUID
    attempt: int
    percent: float
    step: str | None


async def claim(
    session: AsyncSession, claims: Sequence[Claim], worker: str, lease_seconds: float
) -> dict[Claim, Claimed]:
    """Gives each attempt that is still queued to `worker`; the others are left out of the answer."""
    texts = texts_of(session)
    pairs = {"rows": rows_json({"id": c.job_id, "attempt": c.attempt} for c in claims)}
    rows = (await session.execute(texts.claim, pairs | {"worker": worker, "lease": lease_seconds})).all()
    why: dict[UUID, Any] = {}
    if rows:
        won = {"rows": rows_json({"id": r.id, "attempt": r.attempt} for r in rows)}
        begun = await session.execute(texts.claim_attempt, won | {"worker": worker})
        why = {attempt.job_id: attempt for attempt in begun}
    return {
        Claim(r.id, r.attempt): Claimed(
            change_of(r),
            r.attempt,
            r.kind,
            r.title,
            r.args or {},
            r.upload_id,
            r.output_attempt,
            r.auto_retry_count,
            r.paused_at is not None,
            why[r.id].trigger,
            why[r.id].trace,
            r.priority,
        )
        for r in rows
    }


async def finish(session: AsyncSession, outcomes: Sequence[Outcome], worker: str) -> dict[Claim, Change]:
    """Ends attempts that `worker` still holds; those that were taken from it are left out of the answer."""
    texts = texts_of(session)
    by_key = {Claim(o.job_id, o.attempt): o for o in outcomes}
    rows_param = {"rows": rows_json(o.row() for o in by_key.values())}
    rows = (await session.execute(texts.finish, rows_param | {"worker": worker})).all()
    ended = {Claim(r.id, r.attempt): change_of(r) for r in rows}
    if ended:
        await session.execute(texts.finish_attempt, {"rows": rows_json(by_key[key].row() for key in ended)})
    waits = {key: wait for key in ended if (wait := by_key[key].retry_in) is not None}
    if waits:
        ended |= await retry_later(session, waits)
    if ended:
        await note_ends(session, ended)
    return ended


async def retry_later(session: AsyncSession, waits: Mapping[Claim, float]) -> dict[Claim, Change]:
    """Schedules automatic retries, so many seconds from now, of attempts that have just failed, with their checkpoints.

    The error stays on the job until the retry begins, so that people see what it waits for. A job that somebody
    wanted cancelled, or whose retries are switched off, stays as it ended, and is left out of the answer.
    """
    texts = texts_of(session)
    rows = rows_json({"id": c.job_id, "attempt": c.attempt, "wait": wait} for c, wait in waits.items())
    scheduled = (await session.execute(texts.schedule, {"rows": rows})).all()
    if scheduled:
        ended = rows_json({"id": r.id, "attempt": r.attempt - 1} for r in scheduled)
        await session.execute(texts.schedule_steps, {"rows": ended})
        traces = await _traces(session, [Claim(r.id, r.attempt - 1) for r in scheduled])
        session.add_all(
            Attempt(
                job_id=r.id, number=r.attempt, trigger=Trigger.AUTO, kind=r.kind, status=Status.SCHEDULED,
                after_fingerprint=r.fingerprint, trace=traces.get(Claim(r.id, r.attempt - 1)),
            )
            for r in scheduled
        )  # fmt: skip
        session.add_all(
            AuditEntry(
                workspace_id=r.workspace_id, actor="Mulligan", action="job.auto_retry", job_id=r.id,
                data={"attempt": r.attempt},
            )
            for r in scheduled
        )  # fmt: skip
    return {Claim(r.id, r.attempt - 1): change_of(r) for r in scheduled}


async def renew(
    session: AsyncSession, held: Sequence[Claim], worker: str, lease_seconds: float
) -> dict[Claim, bool]:
    """Extends the leases that `worker` still holds. The answer says of each whether somebody wants it cancelled."""
    pairs = rows_json({"id": c.job_id, "attempt": c.attempt} for c in held)
    rows = await session.execute(
        texts_of(session).renew, {"rows": pairs, "worker": worker, "lease": lease_seconds}
    )
    return {Claim(r.id, r.attempt): r.cancel_requested_at is not None for r in rows}


async def progress(session: AsyncSession, moved: Sequence[Progress], worker: str) -> list[Change]:
    """Notes progress of attempts that `worker` still holds. Does not raise their version."""
    rows = rows_json(
        {"id": p.job_id, "attempt": p.attempt, "progress": p.percent, "step": p.step} for p in moved
    )
    return [
        change_of(r)
        for r in await session.execute(texts_of(session).progress, {"rows": rows, "worker": worker})
    ]


async def hand_back(session: AsyncSession, held: Sequence[Claim], worker: str) -> list[Job]:
    """Queues what an orderly stopped worker could not finish, as free and uncounted `rescue` attempts."""
    failure = Failure(FailureType.WORKER_LOST, "Interrupted: the worker was stopped while the job ran")
    return [
        job
        for key in held
        if (job := await interrupt(session, key, col(Job.worker) == worker, failure, rescue=True))
    ]


async def wishes(session: AsyncSession, worker: str) -> dict[Claim, Wish]:
    """What people want of each attempt that `worker` holds."""
    query = sa.select(
        col(Job.id), col(Job.attempt), col(Job.version),
        col(Job.cancel_requested_at).is_not(None), col(Job.cancel_requested_by), col(Job.paused_at).is_not(None),
    ).where(_is(Status.RUNNING), col(Job.worker) == worker)  # fmt: skip
    return {Claim(row[0], row[1]): Wish(*row[2:]) for row in await session.execute(query)}


async def is_held(session: AsyncSession, claim: Claim, worker: str) -> bool:
    """Whether `worker` still has the attempt; on PostgreSQL it keeps it until the transaction ends."""
    query = sa.select(col(Job.id)).where(
        col(Job.id) == claim.job_id,
        col(Job.attempt) == claim.attempt,
        col(Job.worker) == worker,
        col(Job.status) == Status.RUNNING,
    )
    return (await session.execute(query.with_for_update())).one_or_none() is not None


async def _traces(session: AsyncSession, claims: Sequence[Claim]) -> dict[Claim, str]:
    """In which trace these attempts were asked for; a retry that follows by itself goes on with it."""
    query = sa.select(col(Attempt.job_id), col(Attempt.number), col(Attempt.trace)).where(
        col(Attempt.job_id).in_([claim.job_id for claim in claims]), col(Attempt.trace).is_not(None)
    )
    return {Claim(row[0], row[1]): str(row[2]) for row in await session.execute(query)}
