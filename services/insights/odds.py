"""How often another chance has helped after a failure, in one workspace: what others do is behind the wall."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.insights.folding import NOT_FOLDED
from services.insights.tables import Grain, RecoveryRollup
from services.models import Attempt, Job
from services.vocabulary import RETRIES, TERMINAL, Status

_SPEAKS = TERMINAL - {Status.CANCELLED}


@dataclass(frozen=True)
class Odds:
    """Of the retries that followed one failure: how many were tried and have ended, how many completed."""

    succeeded: int
    tried: int


def fresh_retries() -> sa.CTE:
    """Retries that have ended and stand in no roll-up yet, of all workspaces: the caller joins its own jobs.

    Read by themselves, by their small index: a database that knows the workspace first goes through all of its jobs.
    """
    return (
        sa.select(
            col(Attempt.job_id), col(Attempt.kind), col(Attempt.after_fingerprint), col(Attempt.status),
            col(Attempt.finished_at),
        )
        .where(
            col(Attempt.finished_at).is_not(None), NOT_FOLDED,
            col(Attempt.after_fingerprint).is_not(None), col(Attempt.trigger).in_(RETRIES),
            col(Attempt.void).is_(False), col(Attempt.changes).is_(None),
        )
        .cte("fresh")
        .prefix_with("MATERIALIZED")
    )  # fmt: skip


def is_of(workspace_id: UUID) -> sa.ColumnElement[bool]:
    """The condition on `Job`, said so that no index serves it: the few fresh retries lead to their jobs."""
    return sa.func.coalesce(col(Job.workspace_id), col(Job.workspace_id)) == workspace_id


async def odds_after(session: AsyncSession, workspace_id: UUID, fingerprint: str) -> Odds:
    """How often retries after this failure have worked, ever, in the workspace."""
    return (await odds_of_many(session, workspace_id, [fingerprint]))[fingerprint]


async def odds_of_many(
    session: AsyncSession, workspace_id: UUID, fingerprints: Collection[str]
) -> dict[str, Odds]:
    """`odds_after`, for each. A fingerprint says the kind, too.

    Void retries do not count, nor cancelled ones, nor those with edited arguments: they say nothing of a retry of the
    job as it is.
    """
    folded = sa.select(
        col(RecoveryRollup.fingerprint), col(RecoveryRollup.status), col(RecoveryRollup.runs)
    ).where(
        col(RecoveryRollup.workspace_id) == workspace_id,
        col(RecoveryRollup.whose) == workspace_id,
        col(RecoveryRollup.grain) == Grain.DAY,
        col(RecoveryRollup.fingerprint).in_(fingerprints),
    )
    fresh = fresh_retries()
    lately = (
        sa.select(fresh.c.after_fingerprint, fresh.c.status, sa.literal(1))
        .join(Job, col(Job.id) == fresh.c.job_id)
        .where(fresh.c.after_fingerprint.in_(fingerprints), is_of(workspace_id))
    )
    # One statement sees one moment: between two, a run might be folded, and be counted twice or not at all.
    both = sa.union_all(folded, lately).subquery()
    fingerprint, status, runs = both.c
    query = sa.select(fingerprint, status, sa.func.sum(runs)).group_by(fingerprint, status)
    found: dict[str, Counter[Status]] = {fingerprint: Counter() for fingerprint in fingerprints}
    for name, how, count in await session.execute(query):
        if how in _SPEAKS:
            found[name][how] += int(count)
    return {name: Odds(counts[Status.COMPLETED], counts.total()) for name, counts in found.items()}
