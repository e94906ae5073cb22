"""Whether a batch is to go on: by its canary, a few jobs that are retried first, and by the share of its retries that
fail. `docs/features/batch.md` says what counts as what.
"""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from services import lifecycle
from services.batch.walk import NotHeld, changed_batch
from services.desk import Desk
from services.lifecycle import Claim
from services.models import Attempt, Batch
from services.vocabulary import ACTIVE, UNSUCCESSFUL, FailureType, Status, Trigger

FEWEST = 20
"""So many retries must have ended before their share of failures says anything."""


class Tally(NamedTuple):
    """What has become of a batch's retries so far."""

    recovered: int = 0
    failed: int = 0
    unended: int = 0


async def tally(desk: Desk, batch_id: UUID) -> Tally:
    """Counts by an index alone, however many they are. A run that was interrupted and goes on is not counted twice."""
    own = col(Attempt.batch_id) == batch_id
    counts = sa.select(col(Attempt.status), sa.func.count()).where(own).group_by(col(Attempt.status))
    next_one = aliased(Attempt)
    goes_on = sa.exists().where(
        col(next_one.job_id) == col(Attempt.job_id), col(next_one.number) == col(Attempt.number) + 1,
        col(next_one.trigger) == Trigger.RESCUE,
    )  # fmt: skip
    interrupted = sa.select(sa.func.count()).where(
        own, col(Attempt.status) == Status.FAILED, col(Attempt.failure_type) == FailureType.WORKER_LOST, goes_on
    )  # fmt: skip
    async with desk.db.read() as session:
        found: dict[Status, int] = {row[0]: row[1] for row in await session.execute(counts)}
        rescued = (await session.scalars(interrupted)).one() if found.get(Status.FAILED) else 0
    return Tally(
        recovered=found.get(Status.COMPLETED, 0),
        failed=sum(found.get(status, 0) for status in UNSUCCESSFUL) - rescued,
        unended=sum(found.get(status, 0) for status in ACTIVE),
    )


def is_waiting(batch: Batch) -> bool:
    """Whether the canary is complete and nothing was retried behind it."""
    return 0 < batch.canary == batch.retried and not batch.done


def against_canary(batch: Batch, seen: Tally) -> str | None:
    """Why the batch does not go on behind its canary, all of which has ended; None where it does."""
    if not seen.recovered:
        return f"None of the first {batch.canary} recovered."
    if (share := _too_large(batch, seen)) is not None:
        return f"{seen.failed} of the first {batch.canary} failed ({share}); it stops beyond {batch.stop_at:.0%}."
    return None


def against_going_on(batch: Batch, seen: Tally) -> str | None:
    """Why the batch stops on its way; None where it does not."""
    ended = seen.recovered + seen.failed
    if ended < FEWEST or (share := _too_large(batch, seen)) is None:
        return None
    return f"{seen.failed:,} of {ended:,} retries failed ({share}); it stops beyond {batch.stop_at:.0%}."


def _too_large(batch: Batch, seen: Tally) -> str | None:
    share = seen.failed / max(seen.recovered + seen.failed, 1)
    return f"{share:.0%}" if batch.stop_at is not None and share > batch.stop_at else None


async def stop(desk: Desk, held: Claim, worker: str, why: str) -> Batch:
    """Ends the batch before its end. Raises NotHeld."""
    return await _change(desk, held, worker, stopped=why)


async def go_on(desk: Desk, held: Claim, worker: str) -> Batch:
    """A person wants the batch to go on after it stopped: without further trial. Raises NotHeld."""
    return await _change(desk, held, worker, stopped=None, canary=0, stop_at=None)


async def _change(desk: Desk, held: Claim, worker: str, **values: object) -> Batch:
    async def work(session: AsyncSession) -> Batch:
        if not await lifecycle.is_held(session, held, worker):
            raise NotHeld
        change = sa.update(Batch).where(col(Batch.job_id) == held.job_id).values(**values).returning(Batch)
        return await changed_batch(session, change)

    return await desk.db.transact(work)
