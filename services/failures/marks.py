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
from services.database.database import db_now
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


def muted_in(workspace_id: UUID) -> sa.Select[str]:
    """The fingerprints of the groups that are muted now, for everybody: how many jobs a group has grown to is counted
    over the workspace, also where somebody sees their own jobs only."""
    mark = FailureMark
    outgrown = (
        sa.select(col(mark.fingerprint))
        .join(Job, sa.and_(col(Job.fingerprint) == col(mark.fingerprint), *_stands_failed(workspace_id)))
        .where(*_mute_holds(workspace_id), col(mark.muted_above).is_not(None))
        .group_by(col(mark.fingerprint), col(mark.muted_above))
        .having(sa.func.count() > col(mark.muted_above))
    )
    return sa.select(col(mark.fingerprint)).where(
        *_mute_holds(workspace_id), col(mark.fingerprint).not_in(outgrown)
    )


async def muted_among(session: AsyncSession, workspace_id: UUID, fingerprints: Collection[str]) -> set[str]:
    """Those of the groups that are muted now: nobody is to be told of their jobs. As `muted_in`, but while others wait
    to write: of each group no more jobs are counted than it takes."""
    query = sa.select(col(FailureMark.fingerprint), col(FailureMark.muted_above)).where(
        *_mute_holds(workspace_id), col(FailureMark.fingerprint).in_(fingerprints)
    )
    return {
        fingerprint
        for fingerprint, most in (await session.execute(query)).all()
        if most is None or await _count(session, workspace_id, fingerprint, most + 1) <= most
    }


async def _count(session: AsyncSession, workspace_id: UUID, fingerprint: str, most: int) -> int:
    """How many jobs stand failed so; `most` where there are more."""
    some = (
        sa.select(sa.literal(1))
        .select_from(Job)
        .where(*_stands_failed(workspace_id), col(Job.fingerprint) == fingerprint)
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
    failed = sa.exists().where(
        col(Job.workspace_id) == workspace_id,
        col(Job.fingerprint) == fingerprint,
        col(Job.deleted_at).is_(None),
    )
    known = await session.execute(sa.select(sa.or_(failed, sa.exists().where(*retried))))
    if not known.scalar():
        raise NotFound(what="failure")


def _stands_failed(workspace_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        col(Job.workspace_id) == workspace_id,
        col(Job.fingerprint).is_not(None),
        col(Job.deleted_at).is_(None),
        col(Job.status).in_(UNSUCCESSFUL),
        ~is_dismissed(),
    )


def _mute_holds(workspace_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    """However many jobs the group has."""
    until = col(FailureMark.muted_until)
    return (
        col(FailureMark.workspace_id) == workspace_id,
        col(FailureMark.muted_at).is_not(None),
        sa.or_(until.is_(None), until > db_now()),
    )
