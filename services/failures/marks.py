"""Muting a group of failures, and a note on it: for who looks after the workspace.

A muted group is out of the way, in the list and in notifications, until its time is over, it has grown, or somebody
unmutes it. Nothing is lost: its jobs stay where they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, NotFound
from services.failures.tables import FailureMark, is_dismissed
from services.insights.tables import RecoveryRollup
from services.models import Job, now
from services.people.access import Actor
from services.vocabulary import UNSUCCESSFUL

NOTE_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Mute:
    """For how long a group is muted; nothing said: until somebody unmutes it."""

    until: datetime | None = None
    above: int | None = None
    """Or until it has more jobs than that."""


def is_muted(mark: FailureMark | None, jobs: int, at: datetime | None = None) -> bool:
    """Whether a group of so many jobs is out of the way now."""
    if mark is None or mark.muted_at is None:
        return False
    over = mark.muted_until is not None and mark.muted_until <= (at or now())
    return not over and (mark.muted_above is None or jobs <= mark.muted_above)


async def mute(desk: Desk, actor: Actor, fingerprint: str, mute: Mute | None) -> FailureMark:
    """Mutes a group, or unmutes it where `mute` is None.

    Raises:
        Forbidden: neither operator nor admin.
        NotFound: no job of the workspace ever failed so.
        Invalid: a time that is over already.
    """
    actor.require_operator()
    if mute and mute.until and mute.until <= now():
        raise Invalid("Mute it until a time that is still to come.")

    async def work(session: AsyncSession) -> FailureMark:
        mark = await _find(session, actor, fingerprint)
        mark.muted_at, mark.muted_by = (now(), actor.name) if mute else (None, None)
        mark.muted_until, mark.muted_above = (mute.until, mute.above) if mute else (None, None)
        if mute:
            until = mute.until.isoformat() if mute.until else None
            audit.record(
                session, actor, "failure.mute", fingerprint=fingerprint, until=until, above=mute.above
            )
        else:
            audit.record(session, actor, "failure.unmute", fingerprint=fingerprint)
        return mark

    return await desk.db.transact(work)


async def note(desk: Desk, actor: Actor, fingerprint: str, text: str) -> FailureMark:
    """Writes a note on a group, for whoever looks at it or would retry its jobs. An empty one takes it away.

    Raises:
        Forbidden, NotFound: as `mute`.
        Invalid: too long, or not to be stored.
    """
    actor.require_operator()
    text = text.strip()
    require_storable(text)
    if len(text) > NOTE_LIMIT:
        raise Invalid(f"A note must not be longer than {NOTE_LIMIT} characters.")

    async def work(session: AsyncSession) -> FailureMark:
        mark = await _find(session, actor, fingerprint)
        mark.note = text or None
        mark.note_by, mark.note_at = (actor.name, now()) if text else (None, None)
        audit.record(session, actor, "failure.note", fingerprint=fingerprint, note=text)
        return mark

    return await desk.db.transact(work)


async def marks_of(
    session: AsyncSession, workspace_id: UUID, fingerprints: Collection[str]
) -> dict[str, FailureMark]:
    """What is said of these groups, of those of which something is."""
    query = sa.select(FailureMark).where(
        col(FailureMark.workspace_id) == workspace_id, col(FailureMark.fingerprint).in_(fingerprints)
    )
    return {mark.fingerprint: mark for mark in (await session.scalars(query)).all()}


async def muted_among(session: AsyncSession, workspace_id: UUID, fingerprints: Collection[str]) -> set[str]:
    """Those of the groups that are muted now: nobody is to be told of their jobs."""
    marks = await marks_of(session, workspace_id, fingerprints)
    muted = set()
    for fingerprint, mark in marks.items():
        bound = mark.muted_above if mark.muted_at is not None else None
        jobs = 0 if bound is None else await _count(session, workspace_id, fingerprint, bound + 1)
        if is_muted(mark, jobs):
            muted.add(fingerprint)
    return muted


async def _count(session: AsyncSession, workspace_id: UUID, fingerprint: str, most: int) -> int:
    """How many jobs stand failed so; `most` where there are more: it is counted while others wait to write."""
    some = (
        sa.select(sa.literal(1))
        .select_from(Job)
        .where(*_failed_so(workspace_id, fingerprint), col(Job.status).in_(UNSUCCESSFUL), ~is_dismissed())
        .limit(most)
    )
    return int((await session.scalars(sa.select(sa.func.count()).select_from(some.subquery()))).one())


async def _find(session: AsyncSession, actor: Actor, fingerprint: str) -> FailureMark:
    """The mark of a group, made where there is none yet."""
    key = {"workspace_id": actor.workspace_id, "fingerprint": fingerprint}
    if await session.get(FailureMark, tuple(key.values())) is None:
        await _require_known(session, actor.workspace_id, fingerprint)
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        # Of two people at once, each may be the second.
        await session.execute(insert(FailureMark).values(**key).on_conflict_do_nothing())
    return await session.get_one(
        FailureMark, tuple(key.values()), with_for_update=True, populate_existing=True
    )


async def _require_known(session: AsyncSession, workspace_id: UUID, fingerprint: str) -> None:
    rolled = RecoveryRollup
    retried = (
        col(rolled.workspace_id) == workspace_id,
        col(rolled.whose) == workspace_id,
        col(rolled.fingerprint) == fingerprint,
    )
    failed = sa.exists().where(*_failed_so(workspace_id, fingerprint))
    known = await session.execute(sa.select(sa.or_(failed, sa.exists().where(*retried))))
    if not known.scalar():
        raise NotFound(what="failure")


def _failed_so(workspace_id: UUID, fingerprint: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        col(Job.workspace_id) == workspace_id,
        col(Job.fingerprint) == fingerprint,
        col(Job.deleted_at).is_(None),
    )
