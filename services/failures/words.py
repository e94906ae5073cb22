"""What a failure said that may stand on no job any more, since its jobs were retried."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.failures.failures import normalise
from services.insights.odds import is_of
from services.models import Attempt, Job
from services.people.access import Actor


async def attempt_that_failed_so(
    session: AsyncSession, actor: Actor, kind: str, fingerprint: str
) -> Attempt | None:
    """Any attempt that failed so, of a job in the actor's scope; None where their words are erased."""
    return (await session.scalars(failed_so(actor, kind, fingerprint))).one_or_none()


def failed_so(actor: Actor, kind: str, fingerprint: str) -> sa.Select[Any]:
    """One of the attempts that still know the words."""
    query: sa.Select[Any] = (
        sa.select(Attempt)
        .join(Job, col(Job.id) == col(Attempt.job_id))
        .where(
            col(Attempt.kind) == kind, col(Attempt.fingerprint) == fingerprint, col(Attempt.error).is_not(None),
            is_of(actor.workspace_id),
        )
        .limit(1)
    )  # fmt: skip
    return query if actor.sees_all_jobs else query.where(col(Job.owner_id) == actor.user_id)


async def message_after(session: AsyncSession, actor: Actor, kind: str, fingerprint: str) -> str | None:
    """Its message without the variable parts, as a group is called."""
    found = await attempt_that_failed_so(session, actor, kind, fingerprint)
    return normalise(found.error or "") if found else None
