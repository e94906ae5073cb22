"""What a batch has come to: counts, and a reason for each job that it left alone."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.batch.actions import ACTIONS
from services.desk import Desk
from services.models import Batch, BatchSkip, Job, words
from services.people.access import Actor
from services.vocabulary import Status

STOPPED = "stopped"
"""Why a job was left alone that a batch did not come to before it stopped."""
_READ_TOGETHER = 5_000
_MOST_ACTIVE = 3


def outcome(batch: Batch) -> dict[str, Any]:
    """What a batch has come to, as its job's result says it."""
    said = {
        "matched": batch.matched,
        ACTIONS[batch.action].done: batch.retried,
        "skipped": batch.skipped,
        "failed": batch.failed,
        "expected": batch.expected,
        "cost": batch.spent,
    }
    if batch.stopped is None:
        return said
    rest = max(batch.expected - batch.matched, 0)
    # Only counted: a row each for what was not even looked at would be a copy of the search's answer.
    skipped = {**batch.skipped, STOPPED: rest} if rest else batch.skipped
    return said | {"matched": batch.matched + rest, "skipped": skipped, "stopped": batch.stopped}


async def active_batches(desk: Desk, actor: Actor) -> list[Job]:
    """The batches under way that the actor sees, the newest few."""
    kinds = [rules.kind for rules in ACTIONS.values()]
    found: list[Job] = []
    async with desk.db.read() as session:
        for status in (Status.RUNNING, Status.QUEUED):
            # The word in the text, so that the index of what runs, and of what waits, can be used.
            now = col(Job.status) == sa.bindparam(None, status, type_=words(Status), literal_execute=True)
            query = sa.select(Job).where(*actor.visible(), now, col(Job.kind).in_(kinds)).limit(_MOST_ACTIVE)
            found += (await session.scalars(query)).all()
    return sorted(found, key=lambda job: job.id, reverse=True)[:_MOST_ACTIVE]


async def read_batch(desk: Desk, batch_id: UUID) -> Batch:
    """How far a batch is."""
    async with desk.db.read() as session:
        return await session.get_one(Batch, batch_id)


async def skipped_jobs(desk: Desk, batch_id: UUID) -> AsyncIterator[Sequence[tuple[BatchSkip, str]]]:
    """The jobs that were left alone, each with its title, some thousand at a time."""
    # What was not found may well be somebody else's job: its title is not told.
    title = sa.case((col(BatchSkip.status).is_(None), ""), else_=sa.func.coalesce(col(Job.title), ""))
    query = (
        sa.select(BatchSkip, title)
        .outerjoin(Job, col(Job.id) == col(BatchSkip.job_id))
        .where(col(BatchSkip.batch_id) == batch_id)
        .order_by(col(BatchSkip.job_id))
        .limit(_READ_TOGETHER)
    )
    after: UUID | None = None
    while True:
        page = query.where(col(BatchSkip.job_id) > after) if after else query
        async with desk.db.read() as session:
            rows = [(row[0], row[1]) for row in await session.execute(page)]
        if not rows:
            return
        yield rows
        after = rows[-1][0].job_id
