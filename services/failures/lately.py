"""What becomes of jobs that failed alike: how many are being retried now, how many have just recovered."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.insights.odds import fresh_retries, is_of
from services.insights.runs import start_of
from services.insights.tables import Grain, RecoveryRollup
from services.models import Attempt, Job, now
from services.people.access import Actor
from services.vocabulary import ACTIVE, Status


@dataclass(frozen=True, slots=True)
class Retried:
    """Retries after one failure."""

    under_way: int = 0
    """Queued, scheduled or running."""
    recovered: int = 0
    """Completed since the hour before this one began."""


async def retried_lately(session: AsyncSession, actor: Actor) -> dict[tuple[str, str], Retried]:
    """By kind and fingerprint, those under way most first."""
    under_way = await _sums(session, _under_way(actor))
    recovered = await _sums(session, _recovered(actor))
    keys = sorted(
        under_way.keys() | recovered.keys(), key=lambda key: (-under_way[key], -recovered[key], key)
    )
    return {key: Retried(under_way[key], recovered[key]) for key in keys}


async def _sums(session: AsyncSession, query: sa.Select[Any]) -> Counter[tuple[str, str]]:
    return Counter({(kind, fingerprint): int(n) for kind, fingerprint, n in await session.execute(query)})


def _under_way(actor: Actor) -> sa.Select[*tuple[Any, ...]]:
    latest = sa.and_(col(Attempt.job_id) == col(Job.id), col(Attempt.number) == col(Job.attempt))
    return (
        sa.select(col(Attempt.kind), col(Attempt.after_fingerprint), sa.func.count())
        .select_from(Job)
        .join(Attempt, latest)
        .where(*actor.visible(), col(Job.status).in_(ACTIVE), col(Attempt.after_fingerprint).is_not(None))
        .group_by(col(Attempt.kind), col(Attempt.after_fingerprint))
    )


def _recovered(actor: Actor) -> sa.Select[*tuple[Any, ...]]:
    since = start_of(now() - timedelta(hours=1), Grain.HOUR)
    rolled = RecoveryRollup
    folded = sa.select(col(rolled.kind), col(rolled.fingerprint), col(rolled.runs)).where(
        col(rolled.workspace_id) == actor.workspace_id,
        col(rolled.whose) == (actor.workspace_id if actor.sees_all_jobs else actor.user_id),
        col(rolled.grain) == Grain.HOUR,
        col(rolled.start) >= since,
        col(rolled.status) == Status.COMPLETED,
    )
    ended = fresh_retries()
    fresh = (
        sa.select(ended.c.kind, ended.c.after_fingerprint, sa.literal(1))
        .join(Job, col(Job.id) == ended.c.job_id)
        .where(is_of(actor.workspace_id), ended.c.finished_at >= since, ended.c.status == Status.COMPLETED)
    )
    if not actor.sees_all_jobs:
        fresh = fresh.where(col(Job.owner_id) == actor.user_id)
    kind, fingerprint, runs = sa.union_all(folded, fresh).subquery().c
    return sa.select(kind, fingerprint, sa.func.sum(runs)).group_by(kind, fingerprint)
