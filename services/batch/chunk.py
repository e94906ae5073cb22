"""A chunk of a batch: the next jobs of the match, by key, and what is to become of each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.batch.actions import ACTIONS
from services.batch.checks import Verdict, check_many
from services.batch.match import STANDING, Selection, Standing, matching
from services.desk import Desk
from services.errors import Conflict, Forbidden, JobNotFound, MulliganError
from services.lifecycle import Candidate
from services.models import Batch, Job, Membership, Switch, User, Workspace
from services.operations import switches
from services.people.access import Actor
from services.retry.lineage import newest
from services.vocabulary import Status

CHUNK = 1_000
_ONE_BY_ONE = 50
"""So many jobs that take statements of their own are in a chunk: a transaction must be short."""


class Row(NamedTuple):
    """A job as the walk came across it."""

    id: UUID
    key: UUID
    version: int
    updated_at: datetime
    fingerprint: str | None
    standing: Standing


class Skip(NamedTuple):
    """A job that is left alone."""

    job_id: UUID
    status: Status | None
    code: str
    message: str
    broke: bool = False


@dataclass
class Chunk:
    """What was read, and what is to become of it."""

    actor: Actor
    cursor: UUID | None
    """The key up to which the batch is through when this is done."""
    is_last: bool
    most: int | None = None
    """So many jobs may be chosen at most: the canary's."""
    chosen: list[Candidate] = field(default_factory=list)
    to_check: list[UUID] = field(default_factory=list)
    """Of the chosen, those with checks that need I/O."""
    to_ready: list[UUID] = field(default_factory=list)
    """Of the chosen, those for which something is prepared outside before they are written."""
    skips: list[Skip] = field(default_factory=list)
    off: Sequence[Switch] = ()
    """What is switched off in the workspace."""
    one_by_one: int = 0
    """How many of the chosen take statements of their own."""

    @property
    def is_full(self) -> bool:
        """Whether no further job may be chosen."""
        canary_is_full = self.most is not None and len(self.chosen) >= self.most
        return canary_is_full or self.one_by_one >= _ONE_BY_ONE


async def read_chunk(desk: Desk, batch: Batch, selection: Selection, after: UUID | None) -> Chunk:
    """The jobs behind the key `after`, with all checks made.

    Raises:
        Forbidden: who started the batch may not do so any more.
    """
    async with desk.db.read() as session:
        actor = await _actor(session, batch.job_id)
        read = _chosen if selection.ids else _found
        chunk = await read(session, desk, batch, actor, selection, after)
    await _ask_outside(desk, chunk)
    return chunk


def missing_of_canary(batch: Batch) -> int | None:
    """How many jobs the canary still needs; None where there is none, or it is complete."""
    return batch.canary - batch.retried if batch.retried < batch.canary else None


def changed(job_id: UUID, status: Status) -> Skip:
    """A job that somebody changed since the batch began."""
    error = Conflict(current=status)
    return Skip(job_id, status, error.code, error.message)


async def _found(
    session: AsyncSession,
    desk: Desk,
    batch: Batch,
    actor: Actor,
    selection: Selection,
    after: UUID | None,
) -> Chunk:
    query = _rows(col(Job.rank)).where(*matching(actor, selection, batch.started_at), *_belonging(batch))
    if after:
        query = query.where(col(Job.rank) > after)
    rows = _as_rows(await session.execute(query.order_by(col(Job.rank)).limit(CHUNK)))
    off = await switches.of_workspace(session, actor.workspace_id)
    chunk = Chunk(actor, after, is_last=len(rows) < CHUNK, most=missing_of_canary(batch), off=off)
    decide = _Decide(desk, batch, chunk)
    for row in rows:
        if chunk.is_full:
            chunk.is_last = False
            break
        chunk.cursor = row.key
        decide(row)
    return chunk


async def _chosen(
    session: AsyncSession,
    desk: Desk,
    batch: Batch,
    actor: Actor,
    selection: Selection,
    after: UUID | None,
) -> Chunk:
    """Chosen jobs are accounted for one by one, also those that are not there and those that have changed."""
    ids = sorted({job_id for job_id in selection.ids or () if not after or job_id > after})
    these = ids[:CHUNK]
    query = _rows(col(Job.id)).where(*matching(actor, Selection(ids=these)))
    rows = {row.id: row for row in _as_rows(await session.execute(query))} if these else {}
    off = await switches.of_workspace(session, actor.workspace_id)
    taken = await newest(session, [job_id for job_id in these if job_id not in rows])
    chunk = Chunk(actor, after, is_last=len(ids) <= CHUNK, most=missing_of_canary(batch), off=off)
    decide, not_found = _Decide(desk, batch, chunk), JobNotFound()
    for job_id in these:
        if chunk.is_full:
            chunk.is_last = False
            break
        chunk.cursor = job_id
        row = rows.get(job_id)
        if row is None and (job := taken.get(job_id)) and actor.sees(job.workspace_id, job.owner_id):
            chunk.skips.append(changed(job_id, job.status))
        elif row is None:
            chunk.skips.append(Skip(job_id, None, not_found.code, not_found.message))
        elif row.updated_at > batch.started_at and ACTIONS[batch.action].unchanged:
            chunk.skips.append(changed(job_id, row.standing.status))
        else:
            decide(row)
    return chunk


def _belonging(batch: Batch) -> list[sa.ColumnElement[bool]]:
    """What was there when the batch began and, where that matters, has not changed since."""
    belonging = [col(Job.id) <= batch.cut_off]
    if ACTIONS[batch.action].unchanged:
        belonging.append(col(Job.updated_at) <= batch.started_at)
    return belonging


def _rows(key: Any) -> sa.Select[Any]:
    return sa.select(col(Job.id), key, col(Job.version), col(Job.updated_at), col(Job.fingerprint), *STANDING)


def _as_rows(found: Iterable[Any]) -> list[Row]:
    return [Row(row[0], row[1], row[2], row[3], row[4], Standing(*row[5:])) for row in found]


async def _actor(session: AsyncSession, batch_id: UUID) -> Actor:
    """Who started it, with the role of now: who lost it must not go on through a batch."""
    query = (
        sa.select(User, Workspace, Membership)
        .join(Job, col(Job.owner_id) == col(User.id))
        .join(Workspace, col(Workspace.id) == col(Job.workspace_id))
        .join(
            Membership,
            sa.and_(
                col(Membership.user_id) == col(User.id), col(Membership.workspace_id) == col(Workspace.id)
            ),
        )
        .where(col(Job.id) == batch_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise Forbidden(role="none")
    actor = Actor.of(*row)
    actor.require_change()
    return actor


class _Decide:
    """Sorts rows into a chunk by what the database alone can tell. Most jobs of a chunk stand alike."""

    def __init__(self, desk: Desk, batch: Batch, chunk: Chunk) -> None:
        self._desk = desk
        self._rules = ACTIONS[batch.action]
        self._chunk = chunk
        self._known: dict[Standing, MulliganError | tuple[bool, int, bool, bool, bool]] = {}

    def __call__(self, row: Row) -> None:
        standing = row.standing
        if standing not in self._known:
            self._known[standing] = self._decide(standing)
        decided = self._known[standing]
        if isinstance(decided, MulliganError):
            self._chunk.skips.append(Skip(row.id, standing.status, decided.code, decided.message))
            return
        counts, cost, has_checks, one_by_one, goes_apart = decided
        self._chunk.chosen.append(
            Candidate(row.id, row.version, standing.status, row.fingerprint, counts, cost)
        )
        self._chunk.one_by_one += one_by_one
        if has_checks:
            self._chunk.to_check.append(row.id)
        if goes_apart:
            self._chunk.to_ready.append(row.id)

    def _decide(self, standing: Standing) -> MulliganError | tuple[bool, int, bool, bool, bool]:
        """Why not; or whether it counts, its cost, whether it is checked, has its own statements, is prepared."""
        rules, desk = self._rules, self._desk
        return rules.refusal(desk, standing, self._chunk.off) or (
            rules.counts(desk, standing),
            rules.cost(desk, standing),
            rules.has_checks(desk, standing.kind),
            rules.one_by_one(desk, standing),
            rules.goes_apart(desk, standing),
        )


async def _ask_outside(desk: Desk, chunk: Chunk) -> None:
    leave_out(chunk, await check_many(desk, chunk.actor, chunk.to_check))


def leave_out(chunk: Chunk, against: Mapping[UUID, Verdict]) -> None:
    """Skips those of the chosen jobs that something speaks against."""
    if against:
        refused = [c for c in chunk.chosen if c.job_id in against]
        chunk.chosen = [c for c in chunk.chosen if c.job_id not in against]
        chunk.to_ready = [job_id for job_id in chunk.to_ready if job_id not in against]
        chunk.skips += [Skip(c.job_id, c.status, *against[c.job_id]) for c in refused]
