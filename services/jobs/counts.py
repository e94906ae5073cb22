"""How many jobs stand where, as the database's triggers keep it (migration 0010): exact, and as quick for a million.

On PostgreSQL every statement that changes jobs adds a part of its own, so that no writer waits for another's figure;
a reader sums the parts, and housekeeping folds them together.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import Database
from services.models import JobCount
from services.people.access import Actor
from services.vocabulary import Status

_FOLDED_FROM = 200
"""So many parts are summed as quickly as one."""

_FOLD = sa.text(
    """WITH parts AS (
        DELETE FROM job_count WHERE (workspace_id, owner_id, kind, status, part) IN (
            SELECT workspace_id, owner_id, kind, status, part FROM job_count WHERE part <> 0
            FOR UPDATE SKIP LOCKED
        ) RETURNING *
    )
    INSERT INTO job_count AS c (workspace_id, owner_id, kind, status, part, jobs)
    SELECT workspace_id, owner_id, kind, status, 0, sum(jobs) FROM parts
    GROUP BY workspace_id, owner_id, kind, status ORDER BY workspace_id, owner_id, kind, status
    ON CONFLICT (workspace_id, owner_id, kind, status, part) DO UPDATE SET jobs = c.jobs + excluded.jobs"""
)


def seen_by(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """The conditions on `JobCount` that every count for an actor carries, as `Actor.visible` for jobs."""
    conditions = [col(JobCount.workspace_id) == actor.workspace_id]
    if not actor.sees_all_jobs:
        conditions.append(col(JobCount.owner_id) == actor.user_id)
    return conditions


async def by_status(session: AsyncSession, which: Iterable[sa.ColumnElement[bool]]) -> dict[Status, int]:
    """How many jobs of each status there are, none left out."""
    found = await _sums(session, JobCount.status, which)
    return {status: found.get(status, 0) for status in Status}


async def by_kind(session: AsyncSession, which: Iterable[sa.ColumnElement[bool]]) -> dict[str, int]:
    """How many jobs of each kind there are, where there are any."""
    return {kind: jobs for kind, jobs in (await _sums(session, JobCount.kind, which)).items() if jobs}


async def _sums(
    session: AsyncSession, column: Any, which: Iterable[sa.ColumnElement[bool]]
) -> dict[Any, int]:
    total = sa.cast(sa.func.sum(col(JobCount.jobs)), sa.BigInteger)
    query = sa.select(col(column), total).where(*which).group_by(col(column))
    return {row[0]: row[1] for row in await session.execute(query)}


async def fold(db: Database) -> None:
    """Makes few rows of many, where there are many. Several at once do no harm. SQLite has nothing to fold."""
    if db.is_sqlite:
        return
    many = sa.select(sa.literal(1)).where(col(JobCount.part) != 0).offset(_FOLDED_FROM).limit(1)
    async with db.read() as session:
        if (await session.scalars(many)).first() is None:
            return
    await db.transact(lambda session: session.execute(_FOLD))
