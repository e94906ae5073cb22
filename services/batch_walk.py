"""A batch on its way: the match is walked by key, in chunks. A chunk is one transaction, then one ring.

The transaction holds the jobs, their new attempts, the charges, the skips, and how far the batch has come: whatever is
killed whenever, the next run goes on exactly behind the last chunk that was committed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.access import Actor
from services.batch_checks import check_many
from services.batch_match import STANDING, Selection, Standing, before, cost_of, has_checks, matching, refusal
from services.credits import Charge
from services.database import rows_json
from services.desk import Desk
from services.errors import Conflict, Forbidden, InsufficientCredits, JobNotFound, QueueUnavailable
from services.lifecycle import Candidate, Claim, Requeued
from services.models import Batch, Job, Membership, User, Workspace
from services.queue import Doorbell
from services.statements import statements
from services.vocabulary import Priority, Status

CHUNK = 1_000
_PUBLISHED_TOGETHER = 250


class NotHeld(Exception):
    """The batch is another worker's by now: nothing may be written any more."""


class Row(NamedTuple):
    """A job as the walk came across it."""

    id: UUID
    key: UUID
    version: int
    updated_at: datetime
    fingerprint: str | None
    standing: Standing


class Skip(NamedTuple):
    """A job that is not retried."""

    job_id: UUID
    status: Status | None
    code: str
    message: str
    broke: bool = False


@dataclass
class _Chunk:
    """What was read, and what is to become of it."""

    batch: Batch
    actor: Actor
    cursor: UUID | None
    is_last: bool
    chosen: list[Candidate] = field(default_factory=list)
    to_check: list[UUID] = field(default_factory=list)
    """Of the chosen, those with checks that need I/O."""
    skips: list[Skip] = field(default_factory=list)


class Advance(NamedTuple):
    """A chunk that is committed: how far the batch is, and the jobs that have a new attempt, not yet rung for."""

    batch: Batch
    requeued: dict[UUID, Requeued]


async def advance(desk: Desk, held: Claim, worker: str, selection: Selection) -> Advance:
    """Does the next chunk of the batch that `worker` holds. `batch.done` says that nothing is left. Ring with `tell`.

    Raises:
        NotHeld: the attempt is no longer this worker's.
        Forbidden: who started the batch may not do so any more.
    """
    chunk = await _read(desk, held.job_id, selection)
    if chunk.batch.done:
        return Advance(chunk.batch, {})
    await _ask_outside(desk, chunk)
    return await _write(desk, chunk, held, worker)


async def tell(desk: Desk, requeued: dict[UUID, Requeued]) -> None:
    """Rings, and lets pages know. What fails here is made good: housekeeping rings again, pages read again."""
    with suppress(QueueUnavailable):
        await desk.queue.kick(
            [Doorbell(job_id, new.attempt, new.kind, Priority.LOW) for job_id, new in requeued.items()]
        )
    changes = [new.change for new in requeued.values()]
    for start in range(0, len(changes), _PUBLISHED_TOGETHER):
        await desk.feed.publish(changes[start : start + _PUBLISHED_TOGETHER])


# --- reading ----------------------------------------------------------------------------------------------------------


async def _read(desk: Desk, batch_id: UUID, selection: Selection) -> _Chunk:
    async with desk.db.read() as session:
        batch = await session.get_one(Batch, batch_id)
        actor = await _actor(session, batch_id)
        if selection.ids:
            return await _chosen(session, desk, batch, actor, selection)
        query = _rows(col(Job.rank)).where(*matching(actor, selection, batch.started_at), *before(batch))
        if batch.cursor:
            query = query.where(col(Job.rank) > batch.cursor)
        found = _as_rows(await session.execute(query.order_by(col(Job.rank)).limit(CHUNK)))
    chunk = _Chunk(batch, actor, found[-1].key if found else batch.cursor, is_last=len(found) < CHUNK)
    _sort(desk, chunk, found)
    return chunk


async def _chosen(
    session: AsyncSession, desk: Desk, batch: Batch, actor: Actor, selection: Selection
) -> _Chunk:
    """Chosen jobs are accounted for one by one, also those that are not there and those that have changed."""
    ids = sorted({job_id for job_id in selection.ids or () if not batch.cursor or job_id > batch.cursor})
    these = ids[:CHUNK]
    query = _rows(col(Job.id)).where(*matching(actor, Selection(ids=these)))
    found = _as_rows(await session.execute(query)) if these else []
    chunk = _Chunk(batch, actor, these[-1] if these else batch.cursor, is_last=len(ids) <= CHUNK)
    not_found = JobNotFound()
    for job_id in sorted(set(these) - {row.id for row in found}):
        chunk.skips.append(Skip(job_id, None, not_found.code, not_found.message))
    changed = [row for row in found if row.updated_at > batch.started_at]
    chunk.skips += [_changed(row.id, row.standing.status) for row in changed]
    _sort(desk, chunk, [row for row in found if row.updated_at <= batch.started_at])
    return chunk


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


# --- deciding ---------------------------------------------------------------------------------------------------------


def _sort(desk: Desk, chunk: _Chunk, found: Sequence[Row]) -> None:
    refusals: dict[Standing, Any] = {}
    for row in found:
        standing = row.standing
        if standing not in refusals:  # most of a chunk stand alike
            refusals[standing] = refusal(desk, standing)
        if error := refusals[standing]:
            chunk.skips.append(Skip(row.id, standing.status, error.code, error.message))
        else:
            counts, cost = desk.kinds[standing.kind].policy.counts, cost_of(desk, standing)
            chunk.chosen.append(
                Candidate(row.id, row.version, standing.status, row.fingerprint, counts, cost)
            )
    chunk.to_check = [
        row.id for row in found if not refusals[row.standing] and has_checks(desk, row.standing.kind)
    ]


async def _ask_outside(desk: Desk, chunk: _Chunk) -> None:
    against = await check_many(desk, chunk.actor, chunk.to_check)
    if against:
        refused = [c for c in chunk.chosen if c.job_id in against]
        chunk.chosen = [c for c in chunk.chosen if c.job_id not in against]
        chunk.skips += [Skip(c.job_id, c.status, *against[c.job_id]) for c in refused]


# --- writing ----------------------------------------------------------------------------------------------------------


async def _write(desk: Desk, chunk: _Chunk, held: Claim, worker: str) -> Advance:
    async def work(session: AsyncSession, *, hold: bool = False) -> Advance:
        if not await lifecycle.is_held(session, held, worker):
            raise NotHeld
        return await _commit(session, chunk, hold=hold)

    try:
        return await desk.db.transact(work)
    except InsufficientCredits:
        # Somebody paid for something between our look at the balance and the charge. Holding it from the start would
        # take locks in another order than a single retry does, so that is kept for this rare case.
        return await desk.db.transact(partial(work, hold=True))


async def _commit(session: AsyncSession, chunk: _Chunk, *, hold: bool) -> Advance:
    batch, actor = chunk.batch, chunk.actor
    left = min(await _balance(session, actor, hold=hold), batch.ceiling - batch.spent)
    payable, unpaid = _split(chunk.chosen, left)
    requeued = await lifecycle.requeue_many(session, payable, actor.name) if payable else {}
    charges = [
        Charge(c.job_id, requeued[c.job_id].attempt, c.cost)
        for c in payable
        if c.cost and c.job_id in requeued
    ]
    if charges:
        await ledger.charge_many(session, actor.workspace_id, charges, actor=actor.email)
    skips = [*chunk.skips, *unpaid, *await _late(session, [c for c in payable if c.job_id not in requeued])]
    if skips:
        await _note(session, batch, skips)
    spent = sum(charge.cost for charge in charges)
    return Advance(await _advance(session, chunk, len(requeued), skips, spent), requeued)


async def _balance(session: AsyncSession, actor: Actor, *, hold: bool) -> int:
    if not hold:
        return await ledger.balance_of(session, actor.workspace_id)
    query = sa.select(col(Workspace.balance)).where(col(Workspace.id) == actor.workspace_id)
    return (await session.scalars(query.with_for_update())).one()


def _split(chosen: Sequence[Candidate], left: int) -> tuple[list[Candidate], list[Skip]]:
    """Those that `left` credits pay for, in order, and the others."""
    payable, unpaid = [], []
    for candidate in chosen:
        if candidate.cost <= left:
            left -= candidate.cost
            payable.append(candidate)
        else:
            error = InsufficientCredits(needed=candidate.cost)
            unpaid.append(Skip(candidate.job_id, candidate.status, error.code, error.message))
    return payable, unpaid


async def _late(session: AsyncSession, lost: Sequence[Candidate]) -> list[Skip]:
    """Jobs that somebody changed since they were read."""
    if not lost:
        return []
    query = sa.select(col(Job.id), col(Job.status)).where(col(Job.id).in_([c.job_id for c in lost]))
    return [_changed(row[0], row[1]) for row in await session.execute(query)]


def _changed(job_id: UUID, status: Status) -> Skip:
    error = Conflict(current=status)
    return Skip(job_id, status, error.code, error.message)


async def _note(session: AsyncSession, batch: Batch, skips: Sequence[Skip]) -> None:
    texts = statements(is_sqlite=session.get_bind().dialect.name == "sqlite")
    rows = rows_json(
        {"job_id": s.job_id, "status": s.status, "code": s.code, "message": s.message} for s in skips
    )
    await session.execute(texts.skip, {"rows": rows, "batch": batch.job_id})


async def _advance(
    session: AsyncSession, chunk: _Chunk, retried: int, skips: Sequence[Skip], spent: int
) -> Batch:
    before = chunk.batch
    skipped = Counter(before.skipped)
    skipped.update(skip.code for skip in skips if not skip.broke)
    matched = before.matched + retried + len(skips)
    if chunk.is_last:
        # What had left the match before the walk came to it: somebody was first there too.
        skipped[Conflict.code] += max(before.expected - matched, 0)
        matched = max(before.expected, matched)
    change = (
        sa.update(Batch)
        .where(col(Batch.job_id) == before.job_id, col(Batch.chunks) == before.chunks)
        .values(
            cursor=chunk.cursor, chunks=before.chunks + 1, done=chunk.is_last, matched=matched,
            retried=before.retried + retried, failed=before.failed + sum(skip.broke for skip in skips),
            skipped=dict(+skipped), spent=before.spent + spent,
        )
        .returning(Batch)
    )  # fmt: skip
    after = (await session.scalars(change, execution_options={"synchronize_session": False})).one_or_none()
    if after is None:
        raise NotHeld
    return after
