"""Deleting jobs that are over: the row becomes a tombstone, content and files go."""

import logging
from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from services import audit, lifecycle, lineage
from services.access import Actor
from services.database import rows_json
from services.desk import Desk
from services.errors import ServiceUnavailable, StillActive
from services.feed import Change
from services.jobs import find_job
from services.lifecycle import Candidate
from services.models import Artifact, Attempt, BatchSkip, Job, LogLine, Step
from services.statements import statements
from services.vocabulary import TERMINAL, WAITING

_PURGED_AT_ONCE = 200

logger = logging.getLogger(__name__)


async def delete(desk: Desk, actor: Actor, job_id: UUID) -> None:
    """Deletes a job that is over, with its files. Ledger and figures stay.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        StillActive: it must be cancelled first.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status not in TERMINAL:
            raise StillActive(current=job.status, version=job.version)
        # Of the records whose place it took, too: nothing of the content may outlive it.
        line = [job_id, *await lineage.forebears(session, job)]
        for content in (LogLine, Step):
            await session.execute(sa.delete(content).where(col(content.job_id).in_(line)))
        await session.execute(sa.delete(BatchSkip).where(col(BatchSkip.batch_id) == job_id))
        said = {
            "error": None, "traceback": None, "advice": None,
            "changes": None, "args_before": None, "upload_before": None,
        }  # fmt: skip
        await session.execute(sa.update(Attempt).where(col(Attempt.job_id).in_(line)).values(**said))
        await lifecycle.bury_forebears(session, line[1:])
        audit.record(session, actor, "job.delete", job_id, kind=job.kind)
        return await lifecycle.bury(session, job, TERMINAL)

    buried = await desk.db.transact(work)
    await desk.feed.publish([Change.of(buried)])
    try:
        await purge_deleted(desk, [job_id])
    except ServiceUnavailable as error:
        # The job is gone for everyone; its files' rows stay, so that housekeeping finds them when storage is back.
        logger.warning("job %s: its files are not removed yet (%s)", job_id, error)


async def delete_many(session: AsyncSession, jobs: Sequence[Candidate]) -> dict[UUID, Change]:
    """As `delete`, for very many, in the caller's transaction; their files are to be purged after it."""
    buried = await lifecycle.bury_many(session, jobs)
    if buried:
        texts = statements(is_sqlite=session.get_bind().dialect.name == "sqlite")
        older = await lineage.forebears_of_many(session, buried)
        for forget in texts.forget:
            await session.execute(forget, {"rows": rows_json({"id": job_id} for job_id in (*buried, *older))})
        if older:
            await lifecycle.bury_forebears(session, older)
    return buried


async def purge_deleted(desk: Desk, job_ids: Collection[UUID] | None = None) -> int:
    """Removes files of deleted jobs, of these or of any (some hundred at a time): objects, then rows. How many.

    Raises:
        ServiceUnavailable: storage does not answer; what is left is found again.
    """
    query = (
        sa.select(Artifact)
        .join(Job, col(Job.id) == col(Artifact.job_id))
        .where(col(Job.deleted_at).is_not(None), sa.not_(_may_come_back()))
        .limit(_PURGED_AT_ONCE)
    )
    async with desk.db.read() as session:
        found = (
            await session.scalars(
                query if job_ids is None else query.where(col(Artifact.job_id).in_(job_ids))
            )
        ).all()
    if not found:
        return 0
    await desk.storage.delete([artifact.storage_key for artifact in found])
    keys = [(artifact.job_id, artifact.attempt, artifact.name) for artifact in found]
    row = sa.tuple_(col(Artifact.job_id), col(Artifact.attempt), col(Artifact.name))
    await desk.db.transact(lambda session: session.execute(sa.delete(Artifact).where(row.in_(keys))))
    return len(found)


def _may_come_back() -> sa.ColumnElement[bool]:
    """A record whose replacement no worker has yet: where its doorbell cannot be rung, the old one is there again."""
    newer = aliased(Job)
    waits = col(newer.status).in_(WAITING), col(newer.deleted_at).is_(None)
    return sa.exists().where(col(newer.id) == col(Job.replaced_by), *waits)
