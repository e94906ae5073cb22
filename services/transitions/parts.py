"""What the transitions share: the values that they set, the parts of their statements, how they tell of a conflict."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now, rows_json
from services.database.statements import Statements, statements
from services.errors import Conflict, JobNotFound
from services.failures.failures import Failure
from services.feed import Change
from services.models import Attempt, Job, Step
from services.queue import Doorbell
from services.retry import lineage
from services.vocabulary import (
    FailureType,
    Status,
    StepStatus,
    Trigger,
)

FIRST_KICK_AGAIN_SECONDS = 10
FIRST_LOOK_AGAIN_SECONDS = 10

# An update's answer is the row as it is now, also where the session has an older copy.
FRESH = {"populate_existing": True, "synchronize_session": False}

CLEARED: dict[str, Any] = {
    "progress": 0, "step": None, "error": None, "failure_type": None, "advice": None, "fingerprint": None,
    "result": None,
    "worker": None, "lease_expires_at": None, "cancel_requested_at": None, "cancel_requested_by": None,
    "started_at": None, "finished_at": None, "due_at": None, "waits_for": None,
}  # fmt: skip

# What nobody may read of a tombstone.
EMPTIED: dict[str, Any] = {
    "title": "", "args": {}, "result": None, "error": None, "advice": None, "upload_id": None,
    "idempotency_key": None, "output_attempt": None,
}  # fmt: skip


class Claim(NamedTuple):
    """A worker's wish to run an attempt."""

    job_id: UUID
    attempt: int


def cancelled(by: str | None) -> Failure:
    """What a cancelled attempt says."""
    return Failure(FailureType.CANCELLED, f"Cancelled by {by}" if by else "Cancelled")


def doorbells(jobs: Sequence[Job]) -> list[Doorbell]:
    """What to ring for queued jobs."""
    return [
        Doorbell(job.id, job.attempt, job.kind, job.priority) for job in jobs if job.status is Status.QUEUED
    ]


async def interrupt(
    session: AsyncSession, key: Claim, guard: sa.ColumnElement[bool], failure: Failure, *, rescue: bool
) -> Job | None:
    """Closes a running attempt. A wish to cancel wins over a rescue."""
    held = (
        col(Job.id) == key.job_id,
        col(Job.attempt) == key.attempt,
        col(Job.status) == Status.RUNNING,
        guard,
    )
    query = sa.select(col(Job.cancel_requested_at), col(Job.cancel_requested_by)).where(*held)
    row = (await session.execute(query.with_for_update())).one_or_none()
    if row is None:
        return None
    if row.cancel_requested_at is not None:
        failure, rescue = cancelled(row.cancel_requested_by), False
    ended = Status.CANCELLED if failure.type is FailureType.CANCELLED else Status.FAILED
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    if rescue:
        values = (
            {"status": Status.QUEUED, "attempt": key.attempt + 1, "queued_at": db_now()}
            | CLEARED
            | kick_values()
        )
    else:
        values = {
            "status": ended,
            "finished_at": db_now(),
            "lease_expires_at": None,
            "cancel_requested_at": None,
            "paused_at": None,
        }
        values |= said | {"fingerprint": failure.fingerprint}
    change = sa.update(Job).where(*held).values(**values, **moved_on()).returning(Job)
    job = await one_changed(session, change)
    if job is None:
        return None
    await set_attempt(
        session,
        key.job_id,
        key.attempt,
        status=ended,
        finished_at=db_now(),
        fingerprint=failure.fingerprint,
        **said,
    )
    await session.execute(
        sa.update(Step)
        .where(
            col(Step.job_id) == key.job_id,
            col(Step.attempt) == key.attempt,
            col(Step.status) == StepStatus.RUNNING,
        )
        .values(status=StepStatus.FAILED, finished_at=db_now()),
        execution_options={"synchronize_session": False},
    )
    if rescue:
        # What asked for the interrupted run asked for this one.
        batch = sa.select(col(Attempt.batch_id)).where(
            col(Attempt.job_id) == job.id, col(Attempt.number) == key.attempt
        )
        session.add(
            Attempt(
                job_id=job.id, number=job.attempt, trigger=Trigger.RESCUE, kind=job.kind,
                batch_id=(await session.scalars(batch)).one_or_none(),
            )
        )  # fmt: skip
        await keep_steps(session, key, Claim(job.id, job.attempt), before=None)
    else:
        await note_ends(session, [key])
    return job


async def begin(session: AsyncSession, *which: sa.ColumnElement[bool]) -> list[Job]:
    """Queues scheduled jobs; what a retry kept while it waited is cleared now."""
    values = (
        {"status": Status.QUEUED, "queued_at": db_now(), "output_attempt": None} | CLEARED | kick_values()
    )
    change = (
        sa.update(Job)
        .where(*which, col(Job.status) == Status.SCHEDULED)
        .values(**values, **moved_on())
        .returning(Job)
    )
    jobs = list((await session.scalars(change, execution_options=FRESH)).all())
    await session.execute(
        sa.update(Attempt)
        .where(col(Attempt.job_id).in_([job.id for job in jobs]), col(Attempt.status) == Status.SCHEDULED)
        .values(status=Status.QUEUED, queued_at=db_now(), error=None),
        execution_options={"synchronize_session": False},
    )
    return jobs


async def keep_steps(session: AsyncSession, old: Claim, new: Claim, before: str | None) -> list[Step]:
    """Gives attempt `new` the checkpoints of attempt `old`, those before the step `before` or all."""
    done = (StepStatus.COMPLETED, StepStatus.KEPT)
    query = (
        sa.select(Step)
        .where(col(Step.job_id) == old.job_id, col(Step.attempt) == old.attempt, col(Step.status).in_(done))
        .where(col(Step.result).is_not(None))
        .order_by(col(Step.position))
    )
    kept = []
    for step in (await session.scalars(query)).all():
        if step.name == before:
            break
        kept.append(
            Step(
                job_id=new.job_id, attempt=new.attempt, name=step.name, position=step.position, status=StepStatus.KEPT,
                result=step.result, started_at=step.started_at, finished_at=step.finished_at,
            )
        )  # fmt: skip
    session.add_all(kept)
    return kept


async def note_ends(session: AsyncSession, ended: Iterable[Claim]) -> None:
    """Notes attempts that have just ended for whoever wants to be told: with their end, or not at all."""
    rows = rows_json({"id": key.job_id, "attempt": key.attempt} for key in ended)
    await session.execute(texts_of(session).notice, {"rows": rows})


async def one_changed(session: AsyncSession, change: Any) -> Job | None:
    """The job as a guarded change left it; None where the guard was against it."""
    return (await session.scalars(change, execution_options=FRESH)).one_or_none()


async def set_attempt(session: AsyncSession, job_id: UUID, number: int, **values: Any) -> None:
    """Writes what came of an attempt."""
    await session.execute(
        sa.update(Attempt)
        .where(col(Attempt.job_id) == job_id, col(Attempt.number) == number)
        .values(**values),
        execution_options={"synchronize_session": False},
    )


async def conflict_of(session: AsyncSession, job_id: UUID) -> Conflict | JobNotFound:
    """Why a guarded change found no row."""
    query = sa.select(col(Job.status), col(Job.version)).where(
        col(Job.id) == job_id, col(Job.deleted_at).is_(None)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return await lineage.missing(session, job_id)
    return Conflict(current=row.status, version=row.version)


def moved_on() -> dict[str, Any]:
    """What every change but progress sets."""
    return {"version": col(Job.version) + 1, "updated_at": db_now()}


def kick_values() -> dict[str, Any]:
    """What a doorbell that is about to be rung sets."""
    return {"kick_due_at": db_now(FIRST_KICK_AGAIN_SECONDS), "kicks": 1}


def texts_of(session: AsyncSession) -> Statements:
    """The set-based statements of this database."""
    return statements(is_sqlite=session.get_bind().dialect.name == "sqlite")


def key_of(row: Any) -> dict[str, Any]:
    """A row as the key of an attempt."""
    return {"id": row.id, "attempt": row.attempt}


def change_of(row: Any) -> Change:
    """A row as what the feed is told."""
    return Change(row.id, row.workspace_id, row.owner_id, row.status, row.version, row.progress, row.step)
