"""What a failure said that may stand on no job any more, since its jobs were retried."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from services.failures.failures import normalise
from services.models import Attempt, Job
from services.people.access import Actor


async def attempt_before_retry(
    session: AsyncSession, actor: Actor, kind: str, fingerprint: str
) -> Attempt | None:
    """An attempt that failed so and was retried, of a job in the actor's scope; None where their words are erased."""
    failed = aliased(Attempt)
    query: sa.Select[Any] = (
        sa.select(failed)
        .select_from(Attempt)
        .join(Job, col(Job.id) == col(Attempt.job_id))
        .join(failed, col(failed.job_id).in_([col(Job.id), col(Job.replaces)]))
        .where(
            col(Attempt.kind) == kind, col(Attempt.after_fingerprint) == fingerprint,
            col(failed.fingerprint) == fingerprint, col(failed.error).is_not(None), *actor.scope(),
        )
        .limit(1)
    )  # fmt: skip
    return (await session.scalars(query)).one_or_none()


async def message_after(session: AsyncSession, actor: Actor, kind: str, fingerprint: str) -> str | None:
    """Its message without the variable parts, as a group is called."""
    found = await attempt_before_retry(session, actor, kind, fingerprint)
    return normalise(found.error or "") if found else None
