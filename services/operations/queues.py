"""The queues as an operator sees them: what waits in each, since when, who listens, and which slots are taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import QueueUnavailable
from services.models import Job, is_now
from services.operations import slots, workers
from services.operations.waiting import hears
from services.people.access import Actor
from services.vocabulary import Status


@dataclass(frozen=True)
class Slots:
    """A limited kind."""

    kind: str
    running: int
    limit: int


@dataclass(frozen=True)
class Queue:
    """One queue, over all workspaces: workers serve them all."""

    name: str
    kinds: list[str]
    waiting: int
    """Queued jobs."""
    oldest: datetime | None
    """Since when the one waits that waits longest."""
    doorbells: int | None
    """Rung and not answered; None where the queue itself does not answer."""
    workers: int
    """How many that are online listen."""
    slots: list[Slots]


async def queues(desk: Desk, actor: Actor) -> list[Queue]:
    """The queues of the kinds known here, the default one first.

    Raises:
        Forbidden: a member, who sees only their own jobs.
    """
    actor.require_overview()
    counted = sa.select(col(Job.kind), sa.func.count(), sa.func.min(col(Job.queued_at)))
    query = counted.where(is_now(Status.QUEUED)).group_by(col(Job.kind))
    async with desk.db.read() as session:
        waiting: dict[str, tuple[int, Any]] = {
            row[0]: (row[1], row[2]) for row in await session.execute(query)
        }
        online = await workers.read_online(session)
        taken = await slots.running(session, sorted(desk.limits))
    depths = await _depths(desk)
    kinds: dict[str, list[str]] = {
        name: [] for name in sorted(desk.kinds.queues, key=lambda q: ("+" in q, q))
    }
    for kind in {*(kind.name for kind in desk.kinds), *waiting}:
        kinds[desk.kinds.queue_of(kind)].append(kind)
    return [
        Queue(
            name=name,
            kinds=sorted(kind for kind in names if not kind.startswith("system.")),
            waiting=sum(waiting[kind][0] for kind in names if kind in waiting),
            oldest=min((waiting[kind][1] for kind in names if kind in waiting), default=None),
            doorbells=None if depths is None else depths.get(name, 0),
            workers=sum(hears(worker, name) for worker in online),
            slots=[
                Slots(kind, taken[kind], desk.limits[kind]) for kind in sorted(names) if kind in desk.limits
            ],
        )
        for name, names in kinds.items()
    ]


async def _depths(desk: Desk) -> Mapping[str, int] | None:
    try:
        return await desk.queue.depths()
    except QueueUnavailable:
        return None
