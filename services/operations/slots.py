"""Kinds of which only so many run at a time over all workers (`Desk.limits`): `docs/features/worker.md`.

The running jobs are the slots, so none can leak: a worker that dies gives its slot back when its lease ends. A claim
counts them in its own transaction; a doorbell that finds none free is forgotten, and whoever ends a run rings for the
next in line.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.models import Job, is_held_back
from services.models import is_now as _is
from services.queue import Doorbell
from services.vocabulary import Priority, Status

# The first half of a PostgreSQL advisory lock's key; the second is the kind's.
_LOCK = 0x6D756C73


async def overdrawn(session: AsyncSession, limits: Mapping[str, int]) -> dict[str, int]:
    """Of kinds of which this transaction has claimed some: how many too many run now.

    Other transactions that claim of these kinds wait until this one has ended, so that no two take the same slot.
    SQLite's writers do so anyway.
    """
    kinds = sorted(limits)
    if session.get_bind().dialect.name == "postgresql":
        for kind in kinds:  # in order: two that want the same ones cannot wait for each other
            lock = sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(kind))
            await session.execute(sa.select(lock))
    counted = await running(session, kinds)
    return {kind: counted[kind] - limits[kind] for kind in kinds if counted[kind] > limits[kind]}


async def running(session: AsyncSession, kinds: list[str]) -> dict[str, int]:
    """How many of each of these kinds run, over all workers and workspaces."""
    query = sa.select(col(Job.kind), sa.func.count()).where(_is(Status.RUNNING), col(Job.kind).in_(kinds))
    found = {row[0]: row[1] for row in await session.execute(query.group_by(col(Job.kind)))}
    return {kind: found.get(kind, 0) for kind in kinds}


async def next_in_line(desk: Desk, kinds: list[str]) -> list[Doorbell]:
    """Whom to ring for: of each limited kind as many waiting jobs as it has free slots, the most urgent first."""
    bells: list[Doorbell] = []
    async with desk.db.read() as session:
        counted = await running(session, kinds)
        for kind, count in counted.items():
            bells += await _waiting(session, kind, desk.limits[kind] - count)
    return bells


async def _waiting(session: AsyncSession, kind: str, most: int) -> list[Doorbell]:
    bells: list[Doorbell] = []
    for priority in Priority:  # each goes by its index and sorts nothing
        if len(bells) >= most:
            break
        query = (
            sa.select(col(Job.id), col(Job.attempt))
            .where(_is(Status.QUEUED), col(Job.kind) == kind, col(Job.priority) == priority, ~is_held_back())
            .order_by(col(Job.queued_at))
            .limit(most - len(bells))
        )
        bells += [Doorbell(row[0], row[1], kind, priority) for row in await session.execute(query)]
    return bells
