"""Retries and jobs that wait for their time: begun before it, looked at again, taken back."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.models import Attempt, Job
from services.transitions.parts import begin, conflict_of, moved_on, one_changed, set_attempt
from services.vocabulary import (
    Status,
    Trigger,
)


async def start_now(session: AsyncSession, job: Job) -> Job:
    """Queues a scheduled job before its time.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    begun = await begin(session, col(Job.id) == job.id, col(Job.version) == job.version)
    if not begun:
        raise await conflict_of(session, job.id)
    return begun[0]


async def look_now(session: AsyncSession, job: Job) -> Job:
    """Has housekeeping look at once for what a retry waits for.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status) == Status.SCHEDULED)
        .values(due_at=db_now(), kicks=0, **moved_on())
        .returning(Job)
    )
    changed = await one_changed(session, change)
    if changed is None:
        raise await conflict_of(session, job.id)
    return changed


async def take_back_retry(session: AsyncSession, job: Job, *, counts: bool, why: str | None = None) -> Job:
    """Takes a retry back that has not begun: the job is again as it had ended, the attempt is void.

    Args:
        counts: whether it was counted among the retries that people asked for.
        why: what spoke against it, where it was no person's wish.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    retry = await session.get_one(Attempt, (job.id, job.attempt))
    ended = await ended_as(session, job)
    by_itself = retry.trigger is Trigger.AUTO
    before = (
        {"args": retry.args_before, "upload_id": retry.upload_before} if retry.args_before is not None else {}
    )
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status) == Status.SCHEDULED)
        .values(
            {
                "status": ended.status,
                "finished_at": ended.finished_at,
                "auto_retry_count": col(Job.auto_retry_count) - (1 if by_itself else 0),
                "retry_count": col(Job.retry_count) - (1 if counts and not by_itself else 0),
                "due_at": None,
                "waits_for": None,
                "kicks": 0,
            }
            | before
            | moved_on()
        )
        .returning(Job)
    )
    changed = await one_changed(session, change)
    if changed is None:
        raise await conflict_of(session, job.id)
    said = {"status": Status.CANCELLED, "void": True, "finished_at": db_now(), "error": why}
    await set_attempt(session, job.id, job.attempt, **said)
    return changed


async def ended_as(session: AsyncSession, job: Job) -> Attempt:
    """How a job had ended that waits for a retry: the attempt before the latest that was not void."""
    query = (
        sa.select(Attempt)
        .where(
            col(Attempt.job_id) == job.id,
            col(Attempt.number) < job.attempt,
            col(Attempt.void).is_(False),
        )
        .order_by(col(Attempt.number).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one()
