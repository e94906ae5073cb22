"""Jobs that have ended are kept for so many days as their workspace says; then housekeeping deletes them, a few at a
time, as a person would: files and words go, ledger and figures stay."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import db_now
from services.desk import Desk
from services.errors import ServiceUnavailable
from services.feed import Change
from services.jobs import deletion
from services.lifecycle import Candidate
from services.models import Job, Workspace
from services.people.access import Actor
from services.people.workspaces import require_days
from services.storage import archive, uploads
from services.vocabulary import TERMINAL

COUNTED = 10_000
"""Beyond so many, it is only said that there are more."""
_AT_ONCE = 50

logger = logging.getLogger(__name__)


async def would_go(desk: Desk, actor: Actor, days: int) -> int:
    """How many jobs of the workspace ended more than so many days ago; at most `COUNTED` and one.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: fewer days than one, or more than ten years.
    """
    actor.require_admin()
    require_days(days)
    these = _too_old(sa.select(sa.literal(1)), actor.workspace_id, days).limit(COUNTED + 1)
    async with desk.db.read() as session:
        return (await session.scalars(sa.select(sa.func.count()).select_from(these.subquery()))).one()


async def delete_expired(desk: Desk) -> int:
    """Deletes some jobs of each workspace that keeps its jobs for a time only. How many; 0: nothing is too old.

    Many workers may do it at once.
    """
    query = sa.select(Workspace).where(col(Workspace.retention_days).is_not(None))
    async with desk.db.read() as session:
        workspaces = (await session.scalars(query.order_by(col(Workspace.id)))).all()
    return sum([await _delete_some(desk, workspace) for workspace in workspaces])


async def _delete_some(desk: Desk, workspace: Workspace) -> int:
    days = workspace.retention_days or 0
    columns = sa.select(col(Job.id), col(Job.version), col(Job.status), col(Job.fingerprint))
    query = _too_old(columns, workspace.id, days).order_by(col(Job.finished_at)).limit(_AT_ONCE)
    async with desk.db.read() as session:
        rows = (await session.execute(query)).all()
    if not rows:
        return 0
    jobs = [Candidate(row[0], row[1], row[2], row[3], counts=False, cost=0) for row in rows]

    async def work(session: AsyncSession) -> tuple[dict[UUID, Change], set[UUID]]:
        # Somebody may have switched it off, or to more days, since this was read.
        now_days = sa.select(col(Workspace.retention_days)).where(col(Workspace.id) == workspace.id)
        if (await session.scalars(now_days)).one() != days:
            return {}, set()
        buried, inputs = await deletion.delete_many(session, jobs)
        if buried:
            audit.record_own(session, workspace.id, "retention.delete", jobs=len(buried), days=days)
        return buried, inputs

    buried, inputs = await desk.db.transact(work)
    await _clear_up(desk, list(buried.values()), inputs)
    return len(buried)


async def _clear_up(desk: Desk, buried: Sequence[Change], inputs: set[UUID]) -> None:
    """What fails here is made good by housekeeping's other rounds."""
    if not buried:
        return
    await desk.feed.publish(buried)
    with suppress(ServiceUnavailable):
        while await deletion.purge_deleted(desk, [change.id for change in buried]):
            pass
        await uploads.remove_unused(desk, inputs)
        await archive.purge(desk)
    logger.info("%d jobs deleted that were kept long enough", len(buried))


def _too_old(query: Any, workspace_id: UUID, days: int) -> Any:
    """What lies at one end of the index of what has ended, whatever else stands in the workspace."""
    return query.where(
        col(Job.workspace_id) == workspace_id,
        col(Job.deleted_at).is_(None),
        col(Job.status).in_(TERMINAL),
        col(Job.finished_at) < db_now(-days * 86_400),
    )
