"""Why a job waits: its place in the queue, no worker with what it needs, all slots taken, not before its time."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.errors import RetriesDisabled
from services.models import Job, Switch, Worker
from services.models import is_now as _is
from services.operations import pauses, slots, switches, workers
from services.people.access import Actor
from services.queue import DEFAULT_QUEUE
from services.vocabulary import STARTS_SWITCH, WAITING, Priority, Status

_MOST_AHEAD = 1_000
"""Further than that nobody counts: it must stay cheap."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a queued or scheduled job does not run."""

    code: str
    """`paused`, `in_line`, `no_slot`, `no_engine`, `no_worker`, `not_before`, `waits_for`, `retries_disabled`."""
    message: str
    place: int | None = None
    """1 is next; None where it does not stand in line, or too far back to count."""
    not_before: datetime | None = None


@dataclass(frozen=True)
class _House:
    """What is the same for all jobs of one look."""

    online: list[Worker]
    running: dict[str, int]
    ahead: dict[UUID, int]
    off: dict[tuple[UUID, str], Switch]
    paused: dict[UUID, list[Switch]]


async def waiting_reasons(desk: Desk, jobs: Iterable[Job]) -> dict[UUID, Waiting]:
    """Why those of the jobs wait that do. The caller has read them as somebody who may see them."""
    waiting = [job for job in jobs if job.status in WAITING]
    if not waiting:
        return {}
    queued = [job for job in waiting if job.status is Status.QUEUED]
    limited = sorted({job.kind for job in queued} & desk.limits.keys())
    async with desk.db.read() as session:
        house = _House(
            online=await workers.read_online(session) if queued else [],
            running=await slots.running(session, limited) if limited else {},
            ahead=await _ahead(session, desk, queued) if queued else {},
            off={
                (job.workspace_id, job.kind): switch
                for job in waiting
                if job.status is Status.SCHEDULED
                and switches.concern(job)
                and (switch := await switches.off(session, job.workspace_id, job.kind))
            },
            paused={
                workspace: await switches.of_workspace(session, workspace, STARTS_SWITCH)
                for workspace in {job.workspace_id for job in queued}
            },
        )
    return {job.id: _reason(desk, house, job) for job in waiting}


def _reason(desk: Desk, house: _House, job: Job) -> Waiting:
    if job.status is Status.SCHEDULED:
        return _scheduled(desk, house, job)
    paused = switches.among(house.paused[job.workspace_id], job.kind)
    if paused and not (paused.kind == "" and job.kind.startswith("system.")):
        return Waiting("paused", pauses.words(paused))
    if why := why_nobody(house.online, desk.kinds.queue_of(job.kind)):
        return Waiting("no_engine" if house.online else "no_worker", why)
    ahead = house.ahead.get(job.id, 0)
    place = ahead + 1 if ahead < _MOST_AHEAD else None
    limit = desk.limits.get(job.kind)
    if limit is not None and house.running[job.kind] >= limit:
        taken = (
            f"All {limit} slots for {job.kind} are taken" if limit > 1 else f"Another {job.kind} is running"
        )
        return Waiting("no_slot", f"{taken} · {_place_words(place, 'in line')}", place)
    return Waiting("in_line", _place_words(place, "in the queue").capitalize(), place)


def _scheduled(desk: Desk, house: _House, job: Job) -> Waiting:
    if switches.concern(job) and not desk.settings.retries_enabled:
        return Waiting("retries_disabled", RetriesDisabled().message, not_before=job.due_at)
    if switch := house.off.get((job.workspace_id, job.kind)):
        return Waiting("retries_disabled", switches.words(switch), not_before=job.due_at)
    if job.waits_for:
        what = awaited(job.waits_for)
        return Waiting("waits_for", f"Retries as soon as {what} is back", not_before=job.due_at)
    at = f"{job.due_at:%Y-%m-%d %H:%M} UTC" if job.due_at else "its time"
    return Waiting("not_before", f"Not before {at}", not_before=job.due_at)


def awaited(code: str) -> str:
    """What a retry waits for, in words, by the code of the check that must pass first."""
    known = {
        "input_in_storage": "storage",
        "service_unavailable": "the service",
        "queue_unavailable": "the queue",
    }
    return known.get(code) or code.removesuffix("_answers").replace("_", " ")


async def would_wait(desk: Desk, actor: Actor) -> dict[str, str]:
    """Of the kinds whose jobs would not begin now: why. Slots and places in the queue aside, which come and go."""
    async with desk.db.read() as session:
        online = await workers.read_online(session)
        paused = await switches.of_workspace(session, actor.workspace_id, STARTS_SWITCH)
    reasons = {}
    for kind in desk.kinds:
        held = switches.among(paused, kind.name)
        if why := pauses.words(held) if held else why_nobody(online, kind.queue):
            reasons[kind.name] = why
    return reasons


def why_nobody(online: Collection[Worker], queue: str) -> str | None:
    """Why no worker takes what waits in a queue; None where one does."""
    if not online:
        return "No worker is online"
    if not any(hears(worker, queue) for worker in online):
        return f"No worker with {queue.replace('+', ' and ')} is online"
    return None


def hears(worker: Worker, queue: str) -> bool:
    """Whether the worker listens to the queue. One of an older version says nothing of queues."""
    return queue == DEFAULT_QUEUE or queue in worker.queues


def _place_words(place: int | None, where: str) -> str:
    if place is None:
        return f"more than {_MOST_AHEAD:,} are ahead {where}"
    return f"next {where}" if place == 1 else f"{_ordinal(place)} {where}"


def _ordinal(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


async def _ahead(session: AsyncSession, desk: Desk, queued: list[Job]) -> dict[UUID, int]:
    """How many stand before each, over all workspaces: in its queue, or among its kind where that has slots."""
    counts = [_count(job, _line(desk, job)) for job in queued]
    row = (await session.execute(sa.select(*counts))).one()
    return {job.id: count for job, count in zip(queued, row, strict=True)}


def _line(desk: Desk, job: Job) -> set[str]:
    if job.kind in desk.limits:
        return {job.kind}
    queue = desk.kinds.queue_of(job.kind)
    return {job.kind, *(kind.name for kind in desk.kinds if kind.queue == queue)}


def _count(job: Job, kinds: Collection[str]) -> Any:
    one = sa.select(sa.literal(1)).where(_is(Status.QUEUED), col(Job.kind).in_(kinds))
    parts = [one.where(col(Job.priority) == job.priority, col(Job.queued_at) < job.queued_at)]
    lanes = list(Priority)
    if more_urgent := lanes[: lanes.index(job.priority)]:
        parts.append(one.where(col(Job.priority).in_(more_urgent)))
    before = sa.union_all(*parts).limit(_MOST_AHEAD).subquery()
    return sa.select(sa.func.count()).select_from(before).scalar_subquery()
