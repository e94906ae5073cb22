"""Failed jobs as groups of the same mistake, each with how often a retry after it has helped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.failures.failures import normalise
from services.insights.odds import Odds, odds_of_many
from services.models import Attempt, Job
from services.people.access import Actor
from services.vocabulary import UNSUCCESSFUL, FailureType

_MOST_GROUPS = 200
TREND_HOURS = 24


@dataclass(frozen=True)
class FailureGroup:
    """Jobs that stand failed for the same reason. `message` has its variable parts replaced."""

    fingerprint: str
    kind: str
    message: str
    type: FailureType
    advice: str | None
    jobs: int
    first_seen: datetime
    last_seen: datetime
    odds: Odds
    trend: tuple[int, ...]
    """How many of the jobs failed in each of the last 24 hours, the oldest first."""


async def failure_groups(desk: Desk, actor: Actor) -> list[FailureGroup]:
    """The actor's failed jobs by mistake, the most jobs first; at most 200 groups."""
    count, first, last = sa.func.count(), sa.func.min(col(Job.finished_at)), sa.func.max(col(Job.finished_at))
    # PostgreSQL before 18 has no max(uuid); as text, ids sort the same.
    newest = sa.func.max(sa.cast(col(Job.id), sa.String))
    query = (
        sa.select(col(Job.kind), col(Job.fingerprint), count, first, last, newest)
        .where(*actor.visible(), col(Job.status).in_(UNSUCCESSFUL), col(Job.fingerprint).is_not(None))
        .group_by(col(Job.kind), col(Job.fingerprint))
        .order_by(count.desc(), last.desc())
        .limit(_MOST_GROUPS)
    )
    async with desk.db.read() as session:
        rows: Sequence[Any] = (await session.execute(query)).all()
        examples = await _examples(session, [UUID(row[5]) for row in rows])
        odds = await odds_of_many(session, actor.workspace_id, {row[1] for row in rows})
        trends = await _trends(session, actor, {row[1] for row in rows})
        groups = []
        for kind, fingerprint, jobs, first_seen, last_seen, example_id in rows:
            example = examples[UUID(example_id), fingerprint]
            groups.append(
                FailureGroup(
                    fingerprint, kind, normalise(example.error or ""), example.failure_type or FailureType.UNKNOWN,
                    example.advice, jobs, first_seen, last_seen, odds[fingerprint],
                    trends.get((kind, fingerprint), (0,) * TREND_HOURS),
                )
            )  # fmt: skip
    return groups


async def _trends(
    session: AsyncSession, actor: Actor, fingerprints: set[str]
) -> dict[tuple[str, str], tuple[int, ...]]:
    """Of each group that had failures lately: how many in each of the last hours."""
    hours_ago = (_epoch(db_now()) - _epoch(col(Job.finished_at))) // 3600
    query = (
        sa.select(col(Job.kind), col(Job.fingerprint), hours_ago, sa.func.count())
        .where(
            *actor.visible(),
            col(Job.status).in_(UNSUCCESSFUL),
            col(Job.fingerprint).in_(fingerprints),
            col(Job.finished_at) > db_now(-TREND_HOURS * 3600),
        )
        .group_by(col(Job.kind), col(Job.fingerprint), hours_ago)
    )
    found: dict[tuple[str, str], list[int]] = {}
    for kind, fingerprint, hour, count in await session.execute(query):
        bars = found.setdefault((kind, fingerprint), [0] * TREND_HOURS)
        bars[TREND_HOURS - 1 - min(max(hour, 0), TREND_HOURS - 1)] += count
    return {key: tuple(bars) for key, bars in found.items()}


def _epoch(moment: Any) -> Any:
    return sa.cast(sa.extract("epoch", moment), sa.BigInteger)


async def _examples(session: AsyncSession, ids: list[UUID]) -> dict[tuple[UUID, str], Attempt]:
    """The attempts that failed so: their words stand for the group's. The job itself may say something else by now."""
    query = (
        sa.select(Attempt)
        .where(col(Attempt.job_id).in_(ids), col(Attempt.fingerprint).is_not(None))
        .order_by(col(Attempt.number))
    )
    return {(a.job_id, a.fingerprint or ""): a for a in (await session.scalars(query)).all()}
