"""People's other orders: make, cancel, pause, resume, fail what is stuck, bury."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.failures.failures import Failure
from services.models import Attempt, Job
from services.transitions.parts import (
    EMPTIED,
    Claim,
    cancelled,
    conflict_of,
    kick_values,
    moved_on,
    note_ends,
    one_changed,
    set_attempt,
)
from services.vocabulary import (
    PAUSABLE,
    WAITING,
    Status,
    Trigger,
)


async def create(session: AsyncSession, job: Job, requested_by: str) -> None:
    """A new job with its first attempt: `scheduled` where `due_at` is set, else `queued`."""
    job.rank = job.id
    job.status = Status.SCHEDULED if job.due_at else Status.QUEUED
    session.add(job)
    await session.flush()
    if job.status is Status.QUEUED:
        job.queued_at = job.created_at
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**kick_values()))
    session.add(
        Attempt(
            job_id=job.id,
            number=1,
            trigger=Trigger.FIRST,
            kind=job.kind,
            requested_by=requested_by,
            status=job.status,
        )
    )


async def cancel(session: AsyncSession, job: Job, by: str) -> Job:
    """Cancels a waiting job, or asks the worker of a running one to stop; until it has, the job is still running.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    guard = (col(Job.id) == job.id, col(Job.version) == job.version)
    failure = cancelled(by)
    waiting = (
        sa.update(Job)
        .where(*guard, col(Job.status).in_(WAITING))
        .values(
            status=Status.CANCELLED, error=failure.message, failure_type=failure.type, fingerprint=None,
            finished_at=db_now(),
            due_at=None, kick_due_at=None, paused_at=None, **moved_on(),
        )
        .returning(Job)
    )  # fmt: skip
    changed = await one_changed(session, waiting)
    if changed is not None:
        await set_attempt(
            session, job.id, job.attempt, status=Status.CANCELLED, finished_at=db_now(),
            error=failure.message, failure_type=failure.type,
        )  # fmt: skip
        return changed
    running = (
        sa.update(Job)
        .where(*guard, col(Job.status) == Status.RUNNING)
        .values(cancel_requested_at=db_now(), cancel_requested_by=by, **moved_on())
        .returning(Job)
    )
    changed = await one_changed(session, running)
    if changed is None:
        raise await conflict_of(session, job.id)
    return changed


async def pause(session: AsyncSession, job: Job) -> Job:
    """Asks the run of a job to hold on, the one that is under way or the one that is to come. Its status stays.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    return await _flag_pause(session, job, col(Job.paused_at).is_(None), db_now())


async def resume(session: AsyncSession, job: Job) -> Job:
    """Lets a paused job go on.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    return await _flag_pause(session, job, col(Job.paused_at).is_not(None), None)


async def _flag_pause(session: AsyncSession, job: Job, guard: sa.ColumnElement[bool], since: Any) -> Job:
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status).in_(PAUSABLE), guard)
        .values(paused_at=since, **moved_on())
        .returning(Job)
    )
    changed = await one_changed(session, change)
    if changed is None:
        raise await conflict_of(session, job.id)
    return changed


async def fail_stuck(session: AsyncSession, job: Job, failure: Failure) -> Job:
    """Ends an attempt that no worker has taken.

    Raises:
        Conflict: the job is no longer as it was read; a worker may have it by now.
    """
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    said |= {"fingerprint": failure.fingerprint}
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == job.id,
            col(Job.version) == job.version,
            col(Job.attempt) == job.attempt,
            col(Job.status) == Status.QUEUED,
        )
        .values(
            status=Status.FAILED, finished_at=db_now(), kick_due_at=None, paused_at=None, **said, **moved_on()
        )
        .returning(Job)
    )
    ended = await one_changed(session, change)
    if ended is None:
        raise await conflict_of(session, job.id)
    await set_attempt(session, job.id, job.attempt, status=Status.FAILED, finished_at=db_now(), **said)
    await note_ends(session, [Claim(job.id, job.attempt)])
    return ended


async def bury(session: AsyncSession, job: Job, allowed: frozenset[Status]) -> Job:
    """Turns a job that has ended into a tombstone: nothing of its content is left, its history of figures is.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == job.id,
            col(Job.version) == job.version,
            col(Job.status).in_(allowed),
            col(Job.deleted_at).is_(None),
        )
        .values(deleted_at=db_now(), **EMPTIED, **moved_on())
        .returning(Job)
    )
    buried = await one_changed(session, change)
    if buried is None:
        raise await conflict_of(session, job.id)
    return buried


async def bury_forebears(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Empties records that are hidden already, since another took their place."""
    hidden = col(Job.id).in_(ids), col(Job.replaced_by).is_not(None)
    await session.execute(
        sa.update(Job).where(*hidden).values(**EMPTIED), execution_options={"synchronize_session": False}
    )
