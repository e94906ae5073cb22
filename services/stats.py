"""Figures: how many jobs stand where, how the last day went, how often a retry helps."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.jobs import counts as job_counts
from services.models import Attempt, Job, now
from services.people.access import Actor
from services.vocabulary import RETRIES, TERMINAL, Status


@dataclass(frozen=True)
class LastDay:
    """Jobs of the last 24 hours: how many were made, and how those that ended in it ended."""

    created: int
    completed: int
    failed: int
    timeout: int
    cancelled: int


@dataclass(frozen=True)
class RetryFigures:
    """Retries of the last 30 days that have ended, and how many of them completed."""

    tried: int
    succeeded: int


@dataclass(frozen=True)
class Stats:
    """Figures of the jobs that an actor sees."""

    jobs: dict[Status, int]
    kinds: dict[str, int]
    last_day: LastDay
    retries: RetryFigures


async def stats(desk: Desk, actor: Actor) -> Stats:
    """The figures, counted now."""
    seen, ever, count = job_counts.seen_by(actor), actor.scope(), sa.func.count()
    day_ago, month_ago = now() - timedelta(days=1), now() - timedelta(days=30)
    # A record that took another's place is the same job, as if it had been retried where it was.
    created = sa.select(count).select_from(Job).where(*ever, col(Job.created_at) > day_ago)
    created = created.where(col(Job.replaces).is_(None))
    over = (col(Job.finished_at) > day_ago, col(Job.status).in_(TERMINAL), col(Job.replaced_by).is_(None))
    ended = sa.select(col(Job.status), count).where(*ever, *over).group_by(col(Job.status))
    retried = (
        sa.select(col(Attempt.status), count)
        .join(Job, col(Job.id) == col(Attempt.job_id))
        .where(*ever, col(Attempt.trigger).in_(RETRIES), col(Attempt.void).is_(False))
        .where(col(Attempt.status).in_(TERMINAL), col(Attempt.finished_at) > month_ago)
        .group_by(col(Attempt.status))
    )
    async with desk.db.read() as session:
        jobs = await job_counts.by_status(session, seen)
        kinds = await job_counts.by_kind(session, seen)
        day = {row[0]: row[1] for row in await session.execute(ended)}
        retries = {row[0]: row[1] for row in await session.execute(retried)}
        made = (await session.scalars(created)).one()
    return Stats(
        jobs=jobs,
        kinds=kinds,
        last_day=LastDay(
            created=made,
            completed=day.get(Status.COMPLETED, 0),
            failed=day.get(Status.FAILED, 0),
            timeout=day.get(Status.TIMEOUT, 0),
            cancelled=day.get(Status.CANCELLED, 0),
        ),
        retries=RetryFigures(sum(retries.values()), retries.get(Status.COMPLETED, 0)),
    )


async def jobs_everywhere(desk: Desk) -> dict[Status, int]:
    """Jobs by status in all workspaces: for the operator's monitoring, never for a person's page."""
    async with desk.db.read() as session:
        return await job_counts.by_status(session, ())
