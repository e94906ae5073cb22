"""What batches do: the same transitions, for a chunk of jobs in one statement."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.database.database import rows_json
from services.feed import Change
from services.transitions.parts import Claim, cancelled, change_of, key_of, texts_of
from services.vocabulary import (
    Status,
)


class Candidate(NamedTuple):
    """A job of a batch, as it was read: it is queued again only if it is still so."""

    job_id: UUID
    version: int
    status: Status
    fingerprint: str | None
    counts: bool
    cost: int


class Requeued(NamedTuple):
    """A job that has a new attempt."""

    attempt: int
    change: Change
    kind: str


async def requeue_many(
    session: AsyncSession, candidates: Sequence[Candidate], requested_by: str, batch_id: UUID
) -> dict[UUID, Requeued]:
    """As `requeue`, for very many, with trigger `batch`: those that have changed are left out of the answer.

    Whether a status may be retried is decided by whoever read it; here it must still be the same.
    """
    texts = texts_of(session)
    chosen = rows_json(
        {"id": c.job_id.hex, "version": c.version, "status": c.status, "counts": int(c.counts)}
        for c in candidates
    )
    rows = (await session.execute(texts.requeue, {"rows": chosen})).all()
    requeued = {row.id: Requeued(row.attempt, change_of(row), row.kind) for row in rows}
    if requeued:
        attempts = rows_json(
            {"id": c.job_id.hex, "cost": c.cost, "fingerprint": c.fingerprint}
            for c in candidates
            if c.job_id in requeued
        )
        await session.execute(
            texts.requeue_attempt, {"rows": attempts, "by": requested_by, "batch": batch_id}
        )
    return requeued


async def cancel_many(
    session: AsyncSession, candidates: Sequence[Candidate], by: str
) -> tuple[dict[UUID, Change], list[Claim]]:
    """As `cancel`, for very many: the jobs that it was done to, and the attempts that it ended.

    Retries that wait for their time are left out: those are taken back. A job that began to run since it was read is
    cancelled all the same; one that has ended is left out of the answer.
    """
    texts, rows = texts_of(session), rows_json({"id": job.job_id} for job in candidates)
    ended = {"rows": rows, "error": cancelled(by).message}
    waited = (await session.execute(texts.cancel_waiting, ended)).all()
    asked = (await session.execute(texts.cancel_running, {"rows": rows, "by": by})).all()
    if waited:
        await session.execute(texts.cancel_attempt, ended | {"rows": rows_json(key_of(r) for r in waited)})
    changes = {row.id: change_of(row) for row in (*waited, *asked)}
    return changes, [Claim(row.id, row.attempt) for row in waited]


async def bury_many(session: AsyncSession, candidates: Sequence[Candidate]) -> dict[UUID, Change]:
    """As `bury`, for very many that have ended: those that have changed are left out of the answer."""
    rows = rows_json({"id": job.job_id, "version": job.version} for job in candidates)
    buried = (await session.execute(texts_of(session).bury, {"rows": rows})).all()
    return {row.id: change_of(row) for row in buried}
