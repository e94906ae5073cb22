"""Another chance, asked for by a person: in place, as a new record, or later; taken back where nobody could be told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.failures.failures import Failure
from services.models import Attempt, Job, Step
from services.transitions.parts import (
    CLEARED,
    EMPTIED,
    FIRST_LOOK_AGAIN_SECONDS,
    FRESH,
    conflict_of,
    kick_values,
    moved_on,
    one_changed,
    set_attempt,
)
from services.vocabulary import (
    RETRIES,
    Priority,
    Status,
    Trigger,
)

# What a record that takes another's place has of it; the rest is as with any new job.
_INHERITED = (
    "rank", "workspace_id", "owner_id", "kind", "title", "args", "upload_id", "version", "attempt", "retry_count",
    "auto_retry_count", "max_retries", "priority", "made_from",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """Arguments that a retry runs with instead of the job's own."""

    args: dict[str, Any]
    upload_id: UUID | None
    changes: list[dict[str, Any]]
    """What differs, `{"path", "before", "after"}` each, without secrets."""


@dataclass(frozen=True, slots=True)
class Later:
    """When a retry begins that does not begin at once."""

    at: datetime | None = None
    """None: as soon as what it waits for is there."""
    waits_for: str | None = None
    """The code of a check that must pass first."""
    why: str | None = None
    """What that check found."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """A retry, as decided: `before` is the job as it was read in the same transaction."""

    before: Job
    allowed: frozenset[Status]
    trigger: Trigger
    requested_by: str
    counts: bool
    cost: int = 0
    from_step: str | None = None
    batch_id: UUID | None = None
    replacement: UUID | None = None
    """The id of the record that takes the job's place; None: the job goes on as it is."""
    edit: Edit | None = None
    trace: str | None = None
    """W3C `traceparent` of the span that asks for it."""


async def requeue(session: AsyncSession, retry: Requeue) -> Job:
    """Queues a new attempt of a job that has ended; unlinks its output.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    values = (
        {"status": Status.QUEUED, "output_attempt": None, "queued_at": db_now()} | CLEARED | kick_values()
    )
    job = await _try_again(session, retry, values)
    session.add(_attempt_of(retry, job))
    return job


async def schedule_retry(session: AsyncSession, retry: Requeue, later: Later) -> Job:
    """Makes a new attempt of a job that has ended, to be queued later.

    Until then the job keeps what it ended with: error, result, output. Taken back, nothing of it was lost.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    values = {
        "status": Status.SCHEDULED, "due_at": later.at or db_now(FIRST_LOOK_AGAIN_SECONDS),
        "waits_for": later.waits_for, "kicks": 0, "kick_due_at": None, "finished_at": None,
        "cancel_requested_at": None,
    }  # fmt: skip
    job = await _try_again(session, retry, values)
    attempt = _attempt_of(retry, job)
    attempt.error = later.why
    session.add(attempt)
    return job


async def _try_again(session: AsyncSession, retry: Requeue, values: dict[str, Any]) -> Job:
    before = retry.before
    if before in session:  # else the update's answer would overwrite what it was
        session.expunge(before)
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == before.id,
            col(Job.version) == before.version,
            col(Job.status).in_(retry.allowed),
            col(Job.deleted_at).is_(None),
        )
        .values(
            attempt=col(Job.attempt) + 1,
            retry_count=col(Job.retry_count) + (1 if retry.counts else 0),
            # Low is what a batch made of it. Of a single retry, somebody waits for the outcome.
            priority=Priority.NORMAL if before.priority is Priority.LOW else before.priority,
            **_edited(retry),
            **values,
            **moved_on(),
        )
        .returning(Job)
    )
    job = await one_changed(session, change)
    if job is None:
        raise await conflict_of(session, before.id)
    return job


async def replace(session: AsyncSession, retry: Requeue) -> Job:
    """Queues a new record in the place of a job that has ended; the old one is hidden, with its history.

    The numbers of attempts and versions go on from the old record's, so that both order the whole line.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    before = retry.before
    if before in session:  # else the update's answer would overwrite what it was
        session.expunge(before)
    hide = (
        sa.update(Job)
        .where(
            col(Job.id) == before.id,
            col(Job.version) == before.version,
            col(Job.status).in_(retry.allowed),
            col(Job.deleted_at).is_(None),
        )
        .values(deleted_at=db_now(), replaced_by=retry.replacement, **moved_on())
        .returning(Job)
    )
    old = await one_changed(session, hide)
    if old is None:
        raise await conflict_of(session, before.id)
    inherited = {name: getattr(old, name) for name in _INHERITED}
    values = inherited | {
        "id": retry.replacement, "replaces": old.id, "status": Status.QUEUED, "attempt": old.attempt + 1,
        "retry_count": old.retry_count + (1 if retry.counts else 0), "created_at": db_now(),
        "updated_at": db_now(), "queued_at": db_now(),
    } | _edited(retry)  # fmt: skip
    add = sa.insert(Job).values(**values, **kick_values()).returning(Job)
    job = (await session.scalars(add)).one()
    session.add(_attempt_of(retry, job))
    return job


def _edited(retry: Requeue) -> dict[str, Any]:
    return {"args": retry.edit.args, "upload_id": retry.edit.upload_id} if retry.edit else {}


def _attempt_of(retry: Requeue, job: Job) -> Attempt:
    before, edit = retry.before, retry.edit
    return Attempt(
        job_id=job.id, number=job.attempt, trigger=retry.trigger, kind=job.kind, status=job.status,
        requested_by=retry.requested_by, from_step=retry.from_step, cost=retry.cost, batch_id=retry.batch_id,
        after_fingerprint=before.fingerprint if retry.trigger in RETRIES else None,
        changes=edit.changes if edit else None,
        args_before=before.args if edit else None,
        upload_before=before.upload_id if edit else None,
        trace=retry.trace,
    )  # fmt: skip


async def revert_requeue(session: AsyncSession, retry: Requeue, job: Job, failure: Failure) -> Job | None:
    """Takes a retry back whose doorbell could not be rung. None: a worker, or somebody else, has the attempt already.

    The attempt's number stays used. A job that had failed says `failure`; the original error is on its attempt.
    """
    before = retry.before
    restored = {
        name: getattr(before, name)
        for name in (*CLEARED, "retry_count", "output_attempt", "queued_at", "priority", "args", "upload_id")
    }
    if before.status is Status.FAILED:
        restored |= {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.attempt) == job.attempt, col(Job.status) == Status.QUEUED)
        .values(status=before.status, kick_due_at=None, kicks=0, paused_at=None, **restored, **moved_on())
        .returning(Job)
    )
    reverted = await one_changed(session, change)
    if reverted is not None:
        await _void(session, job, failure)
    return reverted


async def revert_replace(session: AsyncSession, retry: Requeue, job: Job, failure: Failure) -> Job | None:
    """As `revert_requeue`, where `job` took the place of another: the old record is there again, and `job` stays as an
    empty tombstone that leads to it, since the void attempt is its own, and what the ledger says of that attempt.
    None: a worker, or somebody else, has the attempt already.
    """
    before = retry.before
    hide = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.attempt) == job.attempt, col(Job.status) == Status.QUEUED)
        .values(
            status=Status.FAILED, failure_type=failure.type, finished_at=db_now(), kick_due_at=None, kicks=0,
            paused_at=None, deleted_at=db_now(), replaced_by=before.id, **EMPTIED, **moved_on(),
        )
        .returning(Job)
    )  # fmt: skip
    gone = await one_changed(session, hide)
    if gone is None:
        return None
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    show = (
        sa.update(Job)
        .where(col(Job.id) == before.id, col(Job.replaced_by) == gone.id)
        .values(
            deleted_at=None, replaced_by=None, attempt=gone.attempt, version=gone.version, updated_at=db_now(),
            **(said if before.status is Status.FAILED else {}),
        )
        .returning(Job)
    )  # fmt: skip
    shown = (await session.scalars(show, execution_options=FRESH)).one()
    await _void(session, gone, failure)
    await session.execute(sa.delete(Step).where(col(Step.job_id) == gone.id))
    return shown


async def _void(session: AsyncSession, job: Job, failure: Failure) -> None:
    await set_attempt(
        session, job.id, job.attempt, status=Status.FAILED, void=True, cost=0, finished_at=db_now(),
        error=failure.message, failure_type=failure.type, advice=failure.advice,
    )  # fmt: skip
