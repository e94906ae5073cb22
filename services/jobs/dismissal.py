"""Saying of a failed job that it needs no attention, and why. It stays failed, and can be retried, which ends it."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, NotFailed
from services.failures.tables import Dismissal
from services.feed import Change
from services.jobs.jobs import find_job
from services.models import Job
from services.people.access import Actor
from services.vocabulary import UNSUCCESSFUL

REASON_LIMIT = 300


async def dismiss(desk: Desk, actor: Actor, job_id: UUID, reason: str) -> Job:
    """Takes a failed job out of what needs attention; said again, it says the new reason.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Invalid: no reason, or one that cannot be stored.
        NotFailed: it does not stand failed.
    """
    reason = " ".join(reason.split())
    require_storable(reason)
    if not 0 < len(reason) <= REASON_LIMIT:
        raise Invalid(f"Give a reason of at most {REASON_LIMIT} characters.")

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status not in UNSUCCESSFUL:
            raise NotFailed(current=job.status, version=job.version)
        # Of two who say it at once, the second waits here, and says it anew.
        await session.execute(sa.select(col(Job.id)).where(col(Job.id) == job_id).with_for_update())
        await session.execute(sa.delete(Dismissal).where(col(Dismissal.job_id) == job_id))
        session.add(Dismissal(job_id=job_id, attempt=job.attempt, reason=reason, by=actor.name))
        audit.record(session, actor, "job.dismiss", job_id, reason=reason)
        return job

    return await _tell(desk, await desk.db.transact(work))


async def restore(desk: Desk, actor: Actor, job_id: UUID) -> Job:
    """Undoes `dismiss`. One that is not dismissed stays as it is.

    Raises:
        JobNotFound, Forbidden: as `dismiss`.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        gone = sa.delete(Dismissal).where(col(Dismissal.job_id) == job_id).returning(col(Dismissal.job_id))
        if (await session.scalars(gone)).one_or_none():
            audit.record(session, actor, "job.restore", job_id)
        return job

    return await _tell(desk, await desk.db.transact(work))


async def _tell(desk: Desk, job: Job) -> Job:
    await desk.feed.publish([Change.of(job)])
    return job
