"""Pausing a job and letting it go on: a flag that the run of a kind which can (`JobKind.can_pause`) looks at.

A paused job that runs keeps its lease and its worker's place, and can be cancelled. One that is paused before it runs,
or whose worker is lost meanwhile, begins by holding on.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services import audit, lifecycle
from services.desk import Desk
from services.errors import Conflict, Invalid
from services.feed import Change
from services.jobs.jobs import find_job
from services.models import Job
from services.people.access import Actor
from services.vocabulary import PAUSABLE

_Change = Callable[[AsyncSession, Job], Awaitable[Job]]


async def pause(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Asks a job to hold on; its worker does within two seconds. One that is paused already stays so.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Invalid: its kind cannot pause.
        Conflict: the job is over, waits for its time or is being cancelled, or is not at `version` any more.
    """
    return await _flag(desk, actor, job_id, version, lifecycle.pause, paused=True)


async def resume(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Lets a paused job go on. One that is not paused stays as it is.

    Raises:
        JobNotFound, Forbidden, Invalid, Conflict: as `pause`.
    """
    return await _flag(desk, actor, job_id, version, lifecycle.resume, paused=False)


async def _flag(
    desk: Desk, actor: Actor, job_id: UUID, version: int | None, change: _Change, *, paused: bool
) -> Job:
    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if not desk.kinds[job.kind].can_pause:
            raise Invalid(f"Jobs of kind {job.kind} cannot be paused.")
        stale = version is not None and version != job.version
        if job.status not in PAUSABLE or job.cancel_requested_at is not None or stale:
            raise Conflict(current=job.status, version=job.version)
        if (job.paused_at is not None) is paused:
            return job
        audit.record(session, actor, "job.pause" if paused else "job.resume", job_id)
        return await change(session, job)

    job = await desk.db.transact(work)
    await desk.feed.publish([Change.of(job)])
    return job
