"""Who did what: one entry for every change that a person makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.storable import require_storable
from services.desk import Desk
from services.models import AuditEntry
from services.people.access import Actor

_LATELY = 1_000
"""Entries in which to look for people who did something."""


@dataclass(frozen=True)
class Narrowed:
    """Which entries are asked for; by default all."""

    actor: str | None = None
    """The email of whoever did it, or `Mulligan`."""
    action: str | None = None
    """What was done: `job.retry`."""
    job_id: UUID | None = None


ALL = Narrowed()


def record(session: AsyncSession, actor: Actor, action: str, job_id: UUID | None = None, **data: Any) -> None:
    """Adds an entry to the caller's transaction: what is audited and the audit stand or fall together."""
    session.add(
        AuditEntry(
            workspace_id=actor.workspace_id, actor=actor.email, action=action, job_id=job_id, data=data
        )
    )


def record_own(
    session: AsyncSession, workspace_id: UUID, action: str, job_id: UUID | None = None, **data: Any
) -> None:
    """Adds an entry for what Mulligan does by itself, as its settings say."""
    session.add(
        AuditEntry(workspace_id=workspace_id, actor="Mulligan", action=action, job_id=job_id, data=data)
    )


async def forget(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Takes the words out of the entries about jobs, and leaves who did what when, and the figures."""
    query = sa.select(AuditEntry).where(col(AuditEntry.job_id).in_(job_ids))
    for entry in (await session.scalars(query)).all():
        entry.data = {name: value for name, value in entry.data.items() if isinstance(value, int | float)}


async def entries(
    desk: Desk, actor: Actor, cursor: UUID | None = None, limit: int = 50, *, narrowed: Narrowed = ALL
) -> tuple[list[AuditEntry], UUID | None]:
    """The workspace's entries, newest first, and where the next page starts.

    Raises:
        Forbidden: a member, who sees only their own jobs, does not read the log.
        Invalid: a name that no database keeps.
    """
    actor.require_overview()
    require_storable([narrowed.actor or "", narrowed.action or ""])
    query = entries_query(actor, cursor, narrowed).limit(limit + 1)
    async with desk.db.read() as session:
        found = list((await session.scalars(query)).all())
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def entries_query(actor: Actor, cursor: UUID | None, narrowed: Narrowed) -> "sa.Select[AuditEntry]":
    """Along an index, however long the log is and whatever it is narrowed to."""
    query = sa.select(AuditEntry).where(col(AuditEntry.workspace_id) == actor.workspace_id)
    if narrowed.actor:
        query = query.where(col(AuditEntry.actor) == narrowed.actor)
    if narrowed.action:
        query = query.where(col(AuditEntry.action) == narrowed.action)
    if narrowed.job_id:
        # By ids: SQLite would rather walk the whole log, whose index has the order that is asked for.
        of_job = sa.select(col(AuditEntry.id)).where(col(AuditEntry.job_id) == narrowed.job_id)
        query = query.where(col(AuditEntry.id).in_(of_job))
    if cursor:
        query = query.where(col(AuditEntry.id) < cursor)
    return query.order_by(col(AuditEntry.id).desc())


async def lately_by(desk: Desk, actor: Actor) -> list[str]:
    """Who has done something of late, by name. Raises Forbidden as `entries`."""
    actor.require_overview()
    newest = (
        sa.select(col(AuditEntry.actor))
        .where(col(AuditEntry.workspace_id) == actor.workspace_id)
        .order_by(col(AuditEntry.id).desc())
        .limit(_LATELY)
        .subquery()
    )
    async with desk.db.read() as session:
        return sorted((await session.scalars(sa.select(newest.c.actor).distinct())).all())
