"""Deleting jobs that are over: the row becomes a tombstone, content and files go."""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from services import audit, lifecycle
from services.database.database import db_now, rows_json
from services.database.statements import statements
from services.desk import Desk
from services.errors import Conflict, JobNotFound, ServiceUnavailable, StillActive
from services.failures.tables import Dismissal
from services.feed import Change
from services.jobs.jobs import find_job
from services.lifecycle import Candidate
from services.models import Artifact, Attempt, Batch, BatchSkip, Job, LogLine, Step
from services.people.access import Actor
from services.retry import lineage
from services.storage import archive, uploads
from services.vocabulary import TERMINAL, WAITING

_PURGED_AT_ONCE = 200
_DELETED_AT_ONCE = 50

logger = logging.getLogger(__name__)


async def delete(desk: Desk, actor: Actor, job_id: UUID) -> None:
    """Deletes a job that is over, with its files, and its input where no other job has it. Ledger and figures stay.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        StillActive: it must be cancelled first.
    """

    async def work(session: AsyncSession) -> tuple[Job, set[UUID]]:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status not in TERMINAL:
            raise StillActive(current=job.status, version=job.version)
        emptied = await _empty(session, job)
        audit.record(session, actor, "job.delete", job_id, kind=job.kind)
        return emptied

    await _carry_out(desk, job_id, work)


async def delete_old(desk: Desk) -> int:
    """Deletes what is over for longer than its kind is kept (`JobKind.keep_days`), some at a time. How many.

    Raises:
        ServiceUnavailable: storage does not answer; what is left is found again.
    """
    deleted = 0
    for kind in desk.kinds:
        if kind.keep_days is None:
            continue
        query = (
            sa.select(col(Job.id))
            .where(
                col(Job.kind) == kind.name,
                col(Job.finished_at) < db_now(-kind.keep_days * 86_400),
                col(Job.upload_id).is_not(None),
                col(Job.deleted_at).is_(None),
                col(Job.status).in_(TERMINAL),
            )
            .order_by(col(Job.finished_at))
            .limit(_DELETED_AT_ONCE)
        )
        async with desk.db.read() as session:
            found = (await session.scalars(query)).all()
        for job_id in found:
            deleted += await _delete_old(desk, job_id)
    return deleted


async def _delete_old(desk: Desk, job_id: UUID) -> bool:
    async def work(session: AsyncSession) -> tuple[Job, set[UUID]]:
        job = await session.get_one(Job, job_id)
        emptied = await _empty(session, job)
        audit.record_own(session, job.workspace_id, "job.erase", job_id, kind=job.kind)
        return emptied

    try:
        await _carry_out(desk, job_id, work)
    except (Conflict, JobNotFound):
        return False  # somebody retried it, or deleted it, at this very moment
    return True


async def _empty(session: AsyncSession, job: Job) -> tuple[Job, set[UUID]]:
    """Takes away everything that the job held; gives it as it is then, with the uploads that it named."""
    # Of the records whose place it took, too: nothing of the content may outlive it.
    line = [job.id, *await lineage.forebears(session, job)]
    uploads_of_it = await _inputs(session, line)
    for content in (LogLine, Step, Dismissal):
        await session.execute(sa.delete(content).where(col(content.job_id).in_(line)))
    await session.execute(sa.delete(BatchSkip).where(col(BatchSkip.batch_id) == job.id))
    # By way of the batches, which are few: the key of what they say begins with the batch.
    told = col(BatchSkip.batch_id).in_(sa.select(col(Batch.job_id))), col(BatchSkip.job_id).in_(line)
    await session.execute(sa.update(BatchSkip).where(*told).values(message="The job was deleted."))
    said = {
        "error": None, "traceback": None, "advice": None,
        "changes": None, "args_before": None, "upload_before": None,
    }  # fmt: skip
    await session.execute(sa.update(Attempt).where(col(Attempt.job_id).in_(line)).values(**said))
    await audit.forget(session, line)
    await lifecycle.bury_forebears(session, line[1:])
    return await lifecycle.bury(session, job, TERMINAL), uploads_of_it


async def _carry_out(
    desk: Desk, job_id: UUID, work: Callable[[AsyncSession], Awaitable[tuple[Job, set[UUID]]]]
) -> None:
    buried, uploads_of_it = await desk.db.transact(work)
    await desk.feed.publish([Change.of(buried)])
    try:
        await purge_deleted(desk, [job_id])
        await uploads.remove_unused(desk, uploads_of_it)
        await archive.purge(desk)
    except ServiceUnavailable as error:
        # The job is gone for everyone; its files' rows stay, so that housekeeping finds them when storage is back.
        logger.warning("job %s: its files are not removed yet (%s)", job_id, error)


async def delete_many(
    session: AsyncSession, jobs: Sequence[Candidate]
) -> tuple[dict[UUID, Change], set[UUID]]:
    """As `delete`, for very many, in the caller's transaction. With the uploads that they named: these, where nobody
    else has them, and the jobs' files are to be removed after it.
    """
    ids = [job.job_id for job in jobs]
    older = await lineage.forebears_of_many(session, ids)
    inputs = await _inputs(session, [*ids, *older])
    buried = await lifecycle.bury_many(session, jobs)
    if buried:
        texts = statements(is_sqlite=session.get_bind().dialect.name == "sqlite")
        older = await lineage.forebears_of_many(session, buried)
        for forget in texts.forget:
            await session.execute(forget, {"rows": rows_json({"id": job_id} for job_id in (*buried, *older))})
        if older:
            await lifecycle.bury_forebears(session, older)
    return buried, inputs


async def _inputs(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """The uploads that jobs name, or named before an edit."""
    now = await session.scalars(sa.select(col(Job.upload_id)).where(col(Job.id).in_(ids)))
    before = await session.scalars(sa.select(col(Attempt.upload_before)).where(col(Attempt.job_id).in_(ids)))
    return {upload_id for upload_id in (*now, *before) if upload_id}


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
        objects = {artifact.storage_key for artifact in found}
        kept = await archive.kept_keys(session, objects) if objects else set()
    if not found:
        return 0
    await desk.storage.delete(objects - kept)
    keys = [(artifact.job_id, artifact.attempt, artifact.name) for artifact in found]
    row = sa.tuple_(col(Artifact.job_id), col(Artifact.attempt), col(Artifact.name))
    await desk.db.transact(lambda session: session.execute(sa.delete(Artifact).where(row.in_(keys))))
    return len(found)


def _may_come_back() -> sa.ColumnElement[bool]:
    """A record whose replacement no worker has yet: where its doorbell cannot be rung, the old one is there again."""
    newer = aliased(Job)
    waits = col(newer.status).in_(WAITING), col(newer.deleted_at).is_(None)
    return sa.exists().where(col(newer.id) == col(Job.replaced_by), *waits)
