"""Kinds that are paused in a workspace: none of their jobs begins until they are resumed; what runs goes on (`Switch`).

A claim asks in its own statement, so no worker begins what is held back; its doorbell is forgotten, and whoever resumes
the kind rings for all that waits.
"""

import logging
from collections.abc import AsyncIterator
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.desk import Desk
from services.errors import QueueUnavailable
from services.models import Job, Switch, is_held_back, is_now
from services.operations import slots, switches
from services.people.access import Actor
from services.vocabulary import STARTS_SWITCH as STARTS
from services.vocabulary import Status

logger = logging.getLogger(__name__)

_CHUNK = 500


async def pause(desk: Desk, actor: Actor, kind: str | None = None, reason: str = "") -> Switch:
    """Lets no job of a kind begin, or of any. Paused already: it says now why and by whom anew.

    Raises:
        Forbidden: neither operator nor admin.
        Invalid: no such kind, or a reason that cannot be stored.
    """
    return await switches.put(desk, actor, STARTS, kind, reason, action="kind.pause")


async def resume(desk: Desk, actor: Actor, kind: str | None = None) -> bool:
    """Lets them begin again, and rings for those that wait; False: it was not paused.

    A queue that does not answer is no error: housekeeping rings within ten minutes.

    Raises:
        Forbidden: neither operator nor admin.
    """
    resumed = await switches.take(desk, actor, STARTS, kind, action="kind.resume")
    if resumed:
        await _ring(desk, actor, kind)
    return resumed


async def list_pauses(desk: Desk, actor: Actor) -> list[Switch]:
    """What is paused in the workspace: all kinds first."""
    async with desk.db.read() as session:
        return await switches.of_workspace(session, actor.workspace_id, STARTS)


def words(switch: Switch) -> str:
    """What is said of it."""
    what = switch.kind or "Every kind"
    return f"{what} is paused by {switch.by}" + (f": {switch.reason}" if switch.reason else "")


async def _ring(desk: Desk, actor: Actor, kind: str | None) -> None:
    kinds = [kind] if kind else [one.name for one in desk.kinds]
    limited = sorted(desk.limits.keys() & set(kinds))
    others = [name for name in kinds if name not in desk.limits]
    try:
        async for jobs in _waiting(desk, actor, others):
            await desk.queue.kick(lifecycle.doorbells(jobs))
        if limited:
            await desk.queue.kick(await slots.next_in_line(desk, limited))
    except QueueUnavailable:
        logger.warning("nobody was rung for what was held back; housekeeping will")


async def _waiting(desk: Desk, actor: Actor, kinds: list[str]) -> AsyncIterator[list[Job]]:
    after: UUID | None = None
    while True:
        async with desk.db.read() as session:
            found = list((await session.scalars(waiting_query(actor, kinds, after).limit(_CHUNK))).all())
        if not found:
            return
        after = found[-1].rank
        yield found


def waiting_query(actor: Actor, kinds: list[str], after: UUID | None) -> "sa.Select[Job]":
    """What waits and is not held back, along the index of the grid, however much waits."""
    query = sa.select(Job).where(
        *actor.visible(), is_now(Status.QUEUED), col(Job.kind).in_(kinds), ~is_held_back()
    )
    if after is not None:
        query = query.where(col(Job.rank) > after)
    return query.order_by(col(Job.rank))
