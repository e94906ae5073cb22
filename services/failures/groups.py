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
from services.failures.lately import Retried, retried_lately
from services.failures.marks import marks_of, muted_in
from services.failures.tables import FailureMark, is_dismissed
from services.failures.words import attempt_that_failed_so
from services.insights.odds import Odds, odds_of_many
from services.models import Attempt, Job
from services.people.access import Actor
from services.vocabulary import UNSUCCESSFUL, FailureType

_MOST_GROUPS = 200
TREND_HOURS = 24
_Key = tuple[str, str]
"""Kind and fingerprint."""


@dataclass(frozen=True)
class FailureGroup:
    """Jobs that stand failed for the same reason. `message` has its variable parts replaced."""

    fingerprint: str
    kind: str
    message: str
    type: FailureType
    advice: str | None
    jobs: int
    """Without those that somebody dismissed. 0 where all are retried now, or have recovered a moment ago."""
    first_seen: datetime
    last_seen: datetime
    odds: Odds
    trend: tuple[int, ...]
    """How many of the jobs failed in each of the last 24 hours, the oldest first."""
    now: Retried
    mark: FailureMark | None
    """What people say of it."""
    muted: bool
    """Whether it is out of the way, for everybody in the workspace."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """Jobs that stand failed so."""

    jobs: int
    first_seen: datetime
    last_seen: datetime
    example: UUID


async def failure_groups(desk: Desk, actor: Actor, *, muted: bool | None = False) -> list[FailureGroup]:
    """The actor's failed jobs by mistake, the most jobs first; then those of which none is left, but some are being
    retried, or recovered within the last hour or two. At most 200 groups that are muted, and 200 that are not.

    Args:
        muted: only groups that are muted, or only others; None: all, those that are not muted first.
    """
    async with desk.db.read() as session:
        out_of_the_way = set((await session.scalars(muted_in(actor.workspace_id))).all())
        lately = await retried_lately(session, actor)
        standing: dict[_Key, _Standing] = {}
        keys: list[_Key] = []
        for one in [False, True] if muted is None else [muted]:
            if one and not out_of_the_way:
                continue  # to group reads every failed job
            stand = await _standing(session, actor, muted=one)
            others = [key for key in lately if key not in stand and (key[1] in out_of_the_way) is one]
            keys += [*stand, *others][:_MOST_GROUPS]
            standing |= stand
        fingerprints = {fingerprint for _, fingerprint in keys}
        examples = await _examples(session, [standing[key].example for key in keys if key in standing])
        odds = await odds_of_many(session, actor.workspace_id, fingerprints)
        trends = await _trends(session, actor, fingerprints)
        marks = await marks_of(session, actor.workspace_id, fingerprints)
        groups = []
        for kind, fingerprint in keys:
            stands = standing.get((kind, fingerprint))
            example = examples.get((stands.example, fingerprint)) if stands else None
            example = example or await attempt_that_failed_so(session, actor, kind, fingerprint)
            if example is None or example.finished_at is None:
                continue  # all who knew its words are deleted
            groups.append(
                FailureGroup(
                    fingerprint, kind, normalise(example.error or ""), example.failure_type or FailureType.UNKNOWN,
                    example.advice, stands.jobs if stands else 0,
                    stands.first_seen if stands else example.finished_at,
                    stands.last_seen if stands else example.finished_at,
                    odds[fingerprint], trends.get((kind, fingerprint), (0,) * TREND_HOURS),
                    lately.get((kind, fingerprint), Retried()), marks.get(fingerprint), fingerprint in out_of_the_way,
                )
            )  # fmt: skip
    return groups


async def _standing(session: AsyncSession, actor: Actor, *, muted: bool) -> dict[_Key, _Standing]:
    """The groups of jobs that stand failed, muted ones or the others, the most jobs first."""
    among = col(Job.fingerprint).in_(muted_in(actor.workspace_id))
    count, first, last = sa.func.count(), sa.func.min(col(Job.finished_at)), sa.func.max(col(Job.finished_at))
    # PostgreSQL before 18 has no max(uuid); as text, ids sort the same.
    newest = sa.func.max(sa.cast(col(Job.id), sa.String))
    query = (
        sa.select(col(Job.kind), col(Job.fingerprint), count, first, last, newest)
        .where(*actor.visible(), col(Job.status).in_(UNSUCCESSFUL), col(Job.fingerprint).is_not(None))
        .where(~is_dismissed(), among if muted else ~among)
        .group_by(col(Job.kind), col(Job.fingerprint))
        .order_by(count.desc(), last.desc())
        .limit(_MOST_GROUPS)
    )
    rows: Sequence[Any] = (await session.execute(query)).all()
    return {(row[0], row[1]): _Standing(row[2], row[3], row[4], UUID(row[5])) for row in rows}


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
            ~is_dismissed(),
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
