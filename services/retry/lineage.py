"""Who took whose place: a retry that replaces makes a new record, and the old one's address leads to it.

The records of a line point at each other (`Job.replaces`, `Job.replaced_by`); only the newest is to be seen. The
numbers of its attempts go on from one record to the next, so that the history of the line reads as one. A record that
gave its place back, since no worker could be told of it, leads to the one it had replaced.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.errors import JobNotFound, JobReplaced
from services.models import Job
from services.people.access import Actor

MOST_FOREBEARS = 200
"""So many are shown; a line itself may be longer."""


async def newest(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Job]:
    """What stands in the place of each of these now: the end of its line. Those that nothing replaced are left out."""
    start = (
        sa.select(col(Job.id).label("first"), col(Job.replaced_by).label("next"))
        .where(col(Job.id).in_(list(ids)), col(Job.replaced_by).is_not(None))
        .cte("line", recursive=True)
    )
    line = start.union_all(
        sa.select(start.c.first, col(Job.replaced_by)).where(
            col(Job.id) == start.c.next, col(Job.replaced_by).is_not(None)
        )
    )
    end = sa.select(line.c.first, Job).join(Job, col(Job.id) == line.c.next)
    return {row[0]: row[1] for row in await session.execute(end.where(col(Job.replaced_by).is_(None)))}


async def forebears(session: AsyncSession, job: Job, most: int | None = None) -> list[UUID]:
    """The records that lead to the job: those whose place it took, newest first, and those that gave it back."""
    older = _leading_to([job.id])
    query = sa.select(older.c.id).order_by(older.c.depth, older.c.id.desc()).limit(most)
    return list((await session.scalars(query)).all())


async def forebears_of_many(session: AsyncSession, ids: Iterable[UUID]) -> list[UUID]:
    """The records that lead to any of these jobs, in no order."""
    return list((await session.scalars(sa.select(_leading_to(ids).c.id))).all())


def _leading_to(ids: Iterable[UUID]) -> Any:
    """Against the pointers, by their index. Whatever happens to a record, it leads to one other at most: no circle."""
    start: Any = (
        sa.select(col(Job.id), sa.literal(1).label("depth"))
        .where(col(Job.replaced_by).in_(list(ids)))
        .cte("line", recursive=True)
    )
    older = sa.select(col(Job.id), start.c.depth + 1).where(col(Job.replaced_by) == start.c.id)
    return start.union_all(older)


async def missing(
    session: AsyncSession, job_id: UUID, actor: Actor | None = None
) -> JobNotFound | JobReplaced:
    """Why there is no such job to see: another took its place, as far as the actor may know, or there is none."""
    job = (await newest(session, [job_id])).get(job_id)
    if job is None or job.deleted_at or (actor and not actor.sees(job.workspace_id, job.owner_id)):
        return JobNotFound()
    return JobReplaced(current=job.status, version=job.version, replaced_by=job.id)
