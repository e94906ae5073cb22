"""Artifacts: kept while the attempt is the worker's own, purged when a new attempt has begun."""

import logging

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import lifecycle
from services.database.database import Database
from services.database.patience import with_patience
from services.desk import Desk
from services.errors import MulliganError
from services.lifecycle import Claim, Claimed
from services.models import Artifact, Job
from services.storage import archive
from services.storage.storage import Storage

logger = logging.getLogger(__name__)


async def keep_artifact(db: Database, storage: Storage, artifact: Artifact, worker: str) -> bool:
    """Writes the row of a stored object; an earlier one of that name goes. False: the attempt is another's by now."""
    key = (
        col(Artifact.job_id) == artifact.job_id,
        col(Artifact.attempt) == artifact.attempt,
        col(Artifact.name) == artifact.name,
    )
    values = artifact.model_dump()

    async def work(session: AsyncSession) -> list[str] | None:
        if not await lifecycle.is_held(session, Claim(artifact.job_id, artifact.attempt), worker):
            return None
        replaced = await session.scalars(sa.select(col(Artifact.storage_key)).where(*key))
        keys = list(replaced.all())
        await session.execute(sa.delete(Artifact).where(*key))
        await session.execute(sa.insert(Artifact).values(**values))
        return keys

    replaced = await with_patience(lambda: db.transact(work))
    await _remove(storage, [artifact.storage_key] if replaced is None else replaced)
    return replaced is not None


async def purge_earlier(desk: Desk, claimed: Claimed) -> None:
    """Removes what earlier attempts made and what is not the job's output any more, also of a job it replaced."""
    job_id = claimed.change.id
    replaced = sa.select(col(Job.id)).where(col(Job.replaced_by) == job_id)
    stale = (
        (col(Artifact.job_id) == job_id) | col(Artifact.job_id).in_(replaced),
        col(Artifact.attempt) < claimed.attempt,
        col(Artifact.attempt).is_distinct_from(claimed.output_attempt),
    )
    async with desk.db.read() as session:
        keys = list((await session.scalars(sa.select(col(Artifact.storage_key)).where(*stale))).all())
        kept = await archive.kept_keys(session, keys) if keys else set()
    if not keys:
        return
    # Objects first: a row without its object can be purged again, an object without its row never.
    await desk.storage.delete(set(keys) - kept)
    await desk.db.transact(lambda session: session.execute(sa.delete(Artifact).where(*stale)))


async def _remove(storage: Storage, keys: list[str]) -> None:
    try:
        await storage.delete(keys)
    except (MulliganError, OSError) as error:
        logger.warning("%d replaced files stay in storage: %s", len(keys), error)
