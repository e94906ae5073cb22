"""New jobs: `submit`, exactly once where a key says so, and `ring` for what is queued."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, QueueUnavailable
from services.failures.failures import clean
from services.feed import Change
from services.ids import new_id
from services.models import Job
from services.models import now as wall_clock
from services.people.access import Actor
from services.retry import lineage
from services.storage.artifact_input import artifact_of
from services.storage.uploads import input_of
from services.vocabulary import Priority

_TITLE_LIMIT = 300
_MOST_RETRIES = 1_000


async def submit(
    desk: Desk,
    actor: Actor,
    kind: str,
    args: dict[str, Any],
    *,
    title: str | None = None,
    max_retries: int | None = None,
    run_at: datetime | None = None,
    priority: Priority = Priority.NORMAL,
    idempotency_key: str | None = None,
) -> Job:
    """Makes a job and rings for it. With an idempotency key seen before, the job made then.

    A queue that does not answer is no error: the job is `queued`, and housekeeping rings when the queue is back.

    Raises:
        Forbidden: the actor is a viewer, or asks for high priority and is neither operator nor admin.
        Invalid: no such kind, arguments that do not fit, a limit or time out of range.
        NotFound: the upload that the arguments name is not there, or not the actor's to see.
    """
    actor.require_change()
    if priority is Priority.HIGH:
        actor.require_operator()
    declared = desk.kinds[kind]
    if kind.startswith("system."):
        raise Invalid("system.* jobs are made by Mulligan itself.")
    require_storable(args)
    parsed = declared.parse_args(args)
    if max_retries is not None and not 0 <= max_retries <= _MOST_RETRIES:
        raise Invalid(f"max_retries must be between 0 and {_MOST_RETRIES}.")
    if run_at is not None and run_at.tzinfo is None:
        raise Invalid("run_at needs a time zone, for example 2026-11-22T14:05:00Z.")
    starts_later = run_at is not None and run_at > wall_clock()
    job = Job(
        id=new_id(), workspace_id=actor.workspace_id, owner_id=actor.user_id, kind=kind, title="",
        args=declared.dump_args(parsed),
        max_retries=max_retries, due_at=run_at if starts_later else None, idempotency_key=idempotency_key,
        priority=priority,
    )  # fmt: skip

    return await make(desk, actor, job, parsed, title)


async def make(
    desk: Desk, actor: Actor, job: Job, args: BaseModel, title: str | None, *, like: Job | None = None
) -> Job:
    """Writes a job that is new, and rings for it. With an idempotency key seen before, the job made then.

    Args:
        args: the job's arguments as its kind's model.
        like: the job that it is a copy of, whose upload it may use, whoever handed that in.

    Raises:
        NotFound: the upload or file that the arguments name is not there, or not the actor's to see.
    """
    kind = desk.kinds[job.kind]

    async def work(session: AsyncSession) -> Job:
        upload = await input_of(session, actor, kind, args, kept=like.upload_id if like else None)
        artifact = await artifact_of(session, actor, kind, args)
        job.upload_id = upload.id if upload else None
        if artifact and not like:
            job.made_from = artifact.job_id
        named = upload.filename if upload else artifact.name if artifact else kind.title
        job.title = _title(title or kind.title_from(args) or named)
        await lifecycle.create(session, job, actor.name)
        if like:
            audit.record(session, actor, "job.copy", job.id, kind=job.kind, made_from=str(like.id))
        else:
            audit.record(session, actor, "job.submit", job.id, kind=job.kind)
        return job

    key = job.idempotency_key
    try:
        if key and (earlier := await _by_idempotency_key(desk, actor, key)):
            return earlier
        made = await desk.db.transact(work)
    except IntegrityError:
        # Two requests with the same key at once: the unique index let one in.
        if not key or (earlier := await _by_idempotency_key(desk, actor, key)) is None:
            raise
        return earlier
    await ring(desk, [made])
    await desk.feed.publish([Change.of(made)])
    return made


async def ring(desk: Desk, jobs: Sequence[Job]) -> None:
    """Rings for queued jobs where nobody waits for the answer: housekeeping rings again if this fails."""
    try:
        await desk.queue.kick(lifecycle.doorbells(jobs))
    except QueueUnavailable:
        return


def _title(text: str) -> str:
    return " ".join(clean(text).split())[:_TITLE_LIMIT] or "Untitled"


async def _by_idempotency_key(desk: Desk, actor: Actor, key: str) -> Job | None:
    query = sa.select(Job).where(
        col(Job.workspace_id) == actor.workspace_id,
        col(Job.owner_id) == actor.user_id,
        col(Job.idempotency_key) == key,
    )
    async with desk.db.read() as session:
        job = (await session.scalars(query)).one_or_none()
        # The key stays with the record that was made with it.
        return (await lineage.newest(session, [job.id])).get(job.id, job) if job else None
