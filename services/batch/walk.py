"""A batch on its way: the match is walked by key, in chunks. A chunk is one transaction; what is outside comes after.

The transaction holds the jobs, their new attempts, the charges, the skips, and how far the batch has come: whatever is
killed whenever, the next run goes on exactly behind the last chunk that was committed.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.batch.actions import ACTIONS, Done, Work
from services.batch.chunk import Chunk, Skip, changed, leave_out, read_chunk
from services.batch.match import Selection
from services.batch.ready import Ready, ready_many
from services.batch.report import read_batch
from services.database.database import rows_json
from services.database.statements import statements
from services.desk import Desk
from services.errors import Conflict, InsufficientCredits
from services.lifecycle import Candidate, Claim
from services.models import Batch, Job, Workspace
from services.operations import switches
from services.people.access import Actor
from services.vocabulary import BatchAction

_PUBLISHED_TOGETHER = 250


class NotHeld(Exception):
    """The batch is another worker's by now: nothing may be written any more."""


class Advance(NamedTuple):
    """A chunk that is committed: how far the batch is, and what is still to be told."""

    batch: Batch
    done: Done


async def advance(desk: Desk, held: Claim, worker: str, selection: Selection) -> Advance:
    """Does the next chunk of the batch that `worker` holds. `batch.done` says that nothing is left. Then `tell`.

    Raises:
        NotHeld: the attempt is no longer this worker's.
        Forbidden: who started the batch may not do so any more.
    """
    batch = await read_batch(desk, held.job_id)
    if batch.done:
        return Advance(batch, Done())
    chunk = await read_chunk(desk, batch, selection, batch.cursor)
    return await write_chunk(desk, batch, chunk, held, worker)


async def write_chunk(desk: Desk, batch: Batch, chunk: Chunk, held: Claim, worker: str) -> Advance:
    """Does to the jobs of a chunk what the batch does. `batch` is as it was left by the chunk before.

    Raises:
        NotHeld: the attempt is no longer this worker's.
    """

    ready = await ready_many(desk, chunk.to_ready)
    leave_out(chunk, ready.against)

    async def work(session: AsyncSession, *, hold: bool = False) -> Advance:
        if not await lifecycle.is_held(session, held, worker) or await _is_overtaken(session, batch):
            raise NotHeld
        return await _commit(desk, session, batch, chunk, ready, hold=hold)

    try:
        try:
            advanced = await desk.db.transact(work)
        except InsufficientCredits:
            # Somebody paid for something between our look at the balance and the charge. Holding it from the start
            # would take locks in another order than a single retry does, so that is kept for this rare case.
            advanced = await desk.db.transact(partial(work, hold=True))
    except BaseException:
        await ready.undo()
        raise
    await ready.undo(but=advanced.done.changes)
    return advanced


async def tell(desk: Desk, advanced: Advance) -> None:
    """Rings, removes files, lets pages know. What fails here is made good: by housekeeping, and by reading again."""
    await ACTIONS[advanced.batch.action].afterwards(desk, advanced.done)
    changes = [*advanced.done.changes.values(), *advanced.done.successors]
    for start in range(0, len(changes), _PUBLISHED_TOGETHER):
        await desk.feed.publish(changes[start : start + _PUBLISHED_TOGETHER])


async def _commit(
    desk: Desk, session: AsyncSession, batch: Batch, chunk: Chunk, ready: Ready, *, hold: bool
) -> Advance:
    off = await _switched_off(session, batch, chunk)
    chosen = [job for job in chunk.chosen if job.job_id not in off]
    left = min(await _balance(session, chunk.actor, hold=hold), batch.ceiling - batch.spent)
    payable, unpaid = _split(chosen, left)
    work = Work(desk, session, chunk.actor, batch, payable, ready.jobs)
    done = await ACTIONS[batch.action].carry_out(work) if payable else Done()
    lost = [job for job in payable if job.job_id not in done.changes]
    skips = [*chunk.skips, *off.values(), *unpaid, *await _late(session, lost)]
    if skips:
        await _note(session, batch, skips)
    return Advance(await _advance(session, batch, chunk, done, skips), done)


async def _switched_off(session: AsyncSession, batch: Batch, chunk: Chunk) -> dict[UUID, Skip]:
    """Jobs whose retries were switched off since the chunk was read: while it was checked and prepared, perhaps."""
    if batch.action is not BatchAction.RETRY:
        return {}
    known = {switch.kind for switch in chunk.off}
    off = [s for s in await switches.of_workspace(session, chunk.actor.workspace_id) if s.kind not in known]
    if not off:
        return {}
    chosen = {job.job_id: job for job in chunk.chosen}
    query = sa.select(col(Job.id), col(Job.kind)).where(col(Job.id).in_(chosen))
    skips = {}
    for job_id, kind in (await session.execute(query)).all():
        if switch := switches.among(off, kind):
            error = switches.disabled(switch)
            skips[job_id] = Skip(job_id, chosen[job_id].status, error.code, error.message)
    return skips


async def _is_overtaken(session: AsyncSession, batch: Batch) -> bool:
    """Whether the batch is beyond this chunk: its skips would be refused before `_advance` finds out."""
    query = sa.select(col(Batch.chunks)).where(col(Batch.job_id) == batch.job_id)
    return (await session.scalars(query)).one() != batch.chunks


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
    return [changed(row[0], row[1]) for row in await session.execute(query)]


async def _note(session: AsyncSession, batch: Batch, skips: Sequence[Skip]) -> None:
    texts = statements(is_sqlite=session.get_bind().dialect.name == "sqlite")
    rows = rows_json(
        {"job_id": s.job_id, "status": s.status, "code": s.code, "message": s.message} for s in skips
    )
    await session.execute(texts.skip, {"rows": rows, "batch": batch.job_id})


async def _advance(
    session: AsyncSession, before: Batch, chunk: Chunk, done: Done, skips: Sequence[Skip]
) -> Batch:
    skipped = Counter(before.skipped)
    skipped.update(skip.code for skip in skips if not skip.broke)
    matched = before.matched + len(done.changes) + len(skips)
    if chunk.is_last:
        # What had left the match before the walk came to it: somebody was first there too.
        skipped[Conflict.code] += max(before.expected - matched, 0)
        matched = max(before.expected, matched)
    change = (
        sa.update(Batch)
        .where(col(Batch.job_id) == before.job_id, col(Batch.chunks) == before.chunks)
        .values(
            cursor=chunk.cursor, chunks=before.chunks + 1, done=chunk.is_last, matched=matched,
            retried=before.retried + len(done.changes), failed=before.failed + sum(skip.broke for skip in skips),
            skipped=dict(+skipped), spent=before.spent + done.spent,
        )
        .returning(Batch)
    )  # fmt: skip
    return await changed_batch(session, change)


async def changed_batch(session: AsyncSession, change: sa.UpdateBase) -> Batch:
    """The batch after a guarded change of it. Raises NotHeld where the guard let nothing pass."""
    after: Batch | None = (
        await session.scalars(change, execution_options={"synchronize_session": False})
    ).one_or_none()
    if after is None:
        raise NotHeld
    return after
