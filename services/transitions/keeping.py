"""Housekeeping's side: what is due, what is lost, what nobody has claimed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.failures.failures import Failure
from services.models import Attempt, Job, Switch, is_held_back
from services.models import is_now as _is
from services.transitions.parts import (
    FIRST_KICK_AGAIN_SECONDS,
    FIRST_LOOK_AGAIN_SECONDS,
    Claim,
    begin,
    interrupt,
    moved_on,
    one_changed,
    set_attempt,
)
from services.vocabulary import (
    RETRIES_SWITCH,
    Status,
    Trigger,
)

_LONGEST_LOOK_SECONDS = 300
_MOST_DOUBLINGS = 6
_HELD_BACK_SECONDS = 600
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Chores:
    """What housekeeping would find to do."""

    due: bool
    lost: bool
    unclaimed: list[str]
    """Kinds with jobs whose doorbell may have been lost."""


async def chores(
    session: AsyncSession, kinds: Sequence[str], limited: Collection[str] = (), *, retries: bool = True
) -> Chores:
    """A look that costs next to nothing: probes of small indexes, one for each of `kinds`.

    The doorbells of `limited` kinds are forgotten where no slot is free: whatever waits may need another.

    Args:
        retries: whether any may start, as `Settings.retries_enabled` says.
    """
    looks = (
        _due(retries=retries),
        (_is(Status.RUNNING), col(Job.lease_expires_at) < db_now()),
        *(
            (_is(Status.QUEUED), *((col(Job.kind) == kind,) if kind in limited else _unclaimed(kind)))
            for kind in kinds
        ),
    )
    due, lost, *some = (await session.execute(sa.select(*(sa.exists().where(*look) for look in looks)))).one()
    return Chores(bool(due), bool(lost), [kind for kind, found in zip(kinds, some, strict=True) if found])


async def lost_leases(session: AsyncSession) -> list[Job]:
    """Running jobs whose worker has not renewed in time."""
    query = sa.select(Job).where(_is(Status.RUNNING), col(Job.lease_expires_at) < db_now()).limit(_BATCH)
    return list((await session.scalars(query)).all())


async def rescues_in_a_row(session: AsyncSession, job: Job) -> int:
    """How many of the latest attempts were rescues: a job that kills its workers must not do so for ever."""
    query = (
        sa.select(col(Attempt.trigger))
        .where(col(Attempt.job_id) == job.id)
        .order_by(col(Attempt.number).desc())
        .limit(10)
    )
    triggers = (await session.scalars(query)).all()
    return next((n for n, trigger in enumerate(triggers) if trigger is not Trigger.RESCUE), len(triggers))


async def expire(session: AsyncSession, job: Job, failure: Failure, *, rescue: bool) -> Job | None:
    """Ends an attempt whose lease ran out, and queues another if `rescue`. None: it was renewed or ended meanwhile."""
    key = Claim(job.id, job.attempt)
    return await interrupt(session, key, col(Job.lease_expires_at) < db_now(), failure, rescue=rescue)


async def queue_due(session: AsyncSession, *, retries: bool = True) -> list[Job]:
    """Queues scheduled jobs whose time has come, but for those that wait for something else than a time.

    Retries wait on while they are switched off: in the workspace, or everywhere (`retries`, as in `chores`).
    """
    return await begin(session, col(Job.id).in_(_batch(*_due(retries=retries), order=col(Job.due_at))))


def _due(*, retries: bool) -> tuple[sa.ColumnElement[bool], ...]:
    time_has_come = _is(Status.SCHEDULED), col(Job.due_at) <= db_now(), col(Job.waits_for).is_(None)
    return *time_has_come, _may_start() if retries else _is_first()


async def is_awaited(session: AsyncSession) -> bool:
    """Whether it is time to look again for what some retry waits for."""
    awaited = (
        _is(Status.SCHEDULED),
        col(Job.due_at) <= db_now(),
        col(Job.waits_for).is_not(None),
        _may_start(),
    )
    return bool((await session.execute(sa.select(sa.exists().where(*awaited)))).scalar())


async def take_looks(session: AsyncSession, most: int) -> list[Job]:
    """Retries that wait for something, each marked as looked at; twice as long until the next look, up to 5 min."""
    awaited = (
        _is(Status.SCHEDULED),
        col(Job.due_at) <= db_now(),
        col(Job.waits_for).is_not(None),
        _may_start(),
    )
    taken = _batch(*awaited, order=col(Job.due_at), most=most)
    jobs = (await session.scalars(sa.select(Job).where(col(Job.id).in_(taken)))).all()
    for looks in {job.kicks for job in jobs}:
        ids = [job.id for job in jobs if job.kicks == looks]
        wait = min(FIRST_LOOK_AGAIN_SECONDS * 2 ** min(looks + 1, _MOST_DOUBLINGS), _LONGEST_LOOK_SECONDS)
        await session.execute(
            sa.update(Job)
            .where(col(Job.id).in_(ids), col(Job.status) == Status.SCHEDULED)
            .values(due_at=db_now(wait), kicks=looks + 1),
            execution_options={"synchronize_session": False},
        )
    return list(jobs)


async def queue_awaited(session: AsyncSession, job: Job) -> Job | None:
    """Queues a retry for which everything is back. None: somebody was first, or has switched retries off meanwhile."""
    begun = await begin(session, col(Job.id) == job.id, col(Job.version) == job.version, _may_start())
    return begun[0] if begun else None


async def wait_on(session: AsyncSession, job: Job, waits_for: str, why: str) -> Job | None:
    """Notes that a retry waits for something else than before. None: it does not, or somebody was first."""
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == job.id,
            col(Job.version) == job.version,
            col(Job.status) == Status.SCHEDULED,
            col(Job.waits_for) != waits_for,
        )
        .values(waits_for=waits_for, **moved_on())
        .returning(Job)
    )
    changed = await one_changed(session, change)
    if changed is not None:
        await set_attempt(session, job.id, job.attempt, error=why)
    return changed


async def unclaimed(session: AsyncSession, kinds: Iterable[str]) -> list[Job]:
    """Queued jobs whose doorbell may have been lost, each marked as rung again; twice as long until the next time.

    Nobody is rung for what is held back; it is looked at again after a while, though whoever resumes its kind rings.
    """
    jobs: list[Job] = []
    for kind in kinds:  # one by one, so that each goes by its index and sorts nothing
        due = _batch(_is(Status.QUEUED), *_unclaimed(kind), order=col(Job.kick_due_at))
        found = (await session.scalars(due)).all()
        held = sa.select(col(Job.id)).where(col(Job.id).in_(found), is_held_back())
        back = set((await session.scalars(held)).all())
        if back:
            await session.execute(
                sa.update(Job)
                .where(col(Job.id).in_(back), col(Job.status) == Status.QUEUED)
                .values(kick_due_at=db_now(_HELD_BACK_SECONDS))
            )
        rung = [job_id for job_id in found if job_id not in back]
        jobs += (await session.scalars(sa.select(Job).where(col(Job.id).in_(rung)))).all()
        if len(jobs) >= _BATCH:
            break
    for kicks in {job.kicks for job in jobs}:
        ids = [job.id for job in jobs if job.kicks == kicks]
        wait = FIRST_KICK_AGAIN_SECONDS * 2 ** min(kicks, _MOST_DOUBLINGS)
        await session.execute(
            sa.update(Job)
            .where(col(Job.id).in_(ids), col(Job.status) == Status.QUEUED)
            .values(kick_due_at=db_now(wait), kicks=kicks + 1)
        )
    return jobs


def _may_start() -> sa.ColumnElement[bool]:
    """A first attempt, or a retry where no operator has switched retries off."""
    off = sa.exists().where(
        col(Switch.workspace_id) == col(Job.workspace_id),
        col(Switch.name) == RETRIES_SWITCH,
        sa.or_(col(Switch.kind) == "", col(Switch.kind) == col(Job.kind)),
    )
    return _is_first() | ~off


def _is_first() -> sa.ColumnElement[bool]:
    return sa.and_(col(Job.attempt) == 1, col(Job.replaces).is_(None))


def _unclaimed(kind: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return col(Job.kind) == kind, col(Job.kick_due_at) < db_now()


def _batch(*conditions: sa.ColumnElement[bool], order: Any, most: int = _BATCH) -> Any:
    """Ids of a batch of due jobs; on PostgreSQL, two housekeepers take different ones instead of waiting."""
    return (
        sa.select(col(Job.id))
        .where(*conditions)
        .order_by(order)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
