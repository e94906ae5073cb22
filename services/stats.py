"""Figures: how many jobs stand where, how the last day went, how often a retry helps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.ids import first_id_at
from services.insights.figures import insights
from services.insights.periods import Period
from services.jobs import counts as job_counts
from services.models import Job, now
from services.people.access import Actor
from services.vocabulary import Status


@dataclass(frozen=True)
class LastDay:
    """Jobs made in the last 24 hours, and how the runs ended that ended in this hour and the 23 before."""

    created: int
    completed: int
    failed: int
    timeout: int
    cancelled: int


@dataclass(frozen=True)
class RetryFigures:
    """Retries that have ended, today and in the 29 days before, cancelled ones left out; how many completed."""

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
    """The figures as of now. None of them counts more than a day's jobs one by one."""
    seen = job_counts.seen_by(actor)
    day = await insights(desk, actor, Period.DAY)
    month = await insights(desk, actor, Period.MONTH)
    async with desk.db.read() as session:
        jobs = await job_counts.by_status(session, seen)
        kinds = await job_counts.by_kind(session, seen)
        made = await session.scalar(_made_since(actor, now() - timedelta(days=1)))
    ended = day.total.ended
    return Stats(
        jobs=jobs,
        kinds=kinds,
        last_day=LastDay(
            created=made or 0,
            completed=ended.get(Status.COMPLETED, 0),
            failed=ended.get(Status.FAILED, 0),
            timeout=ended.get(Status.TIMEOUT, 0),
            cancelled=ended.get(Status.CANCELLED, 0),
        ),
        retries=RetryFigures(month.total.retries.tried, month.total.retries.succeeded),
    )


def _made_since(actor: Actor, moment: datetime) -> sa.Select[int]:
    """How many jobs were made. A record that took another's place is the same job, as if retried where it was."""
    lately = (
        sa.select(col(Job.workspace_id), col(Job.owner_id), col(Job.replaces))
        .where(col(Job.id) >= first_id_at(moment))
        .cte("lately")
        .prefix_with("MATERIALIZED")  # else a database may go through all that the workspace ever had
    )
    query = sa.select(sa.func.count()).select_from(lately).where(lately.c.replaces.is_(None))
    query = query.where(lately.c.workspace_id == actor.workspace_id)
    return query if actor.sees_all_jobs else query.where(lately.c.owner_id == actor.user_id)


async def jobs_everywhere(desk: Desk) -> dict[Status, int]:
    """Jobs by status in all workspaces: for the operator's monitoring, never for a person's page."""
    async with desk.db.read() as session:
        return await job_counts.by_status(session, ())
