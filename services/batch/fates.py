"""What has become of the retries that a batch asked for."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.models import Attempt
from services.vocabulary import ACTIVE, UNSUCCESSFUL, Status


@dataclass(frozen=True, slots=True)
class Fates:
    """Counted by attempt: a job that a batch retried may have been run again since, by itself or by somebody."""

    completed: int
    failed: int
    """Timeouts among them."""
    cancelled: int
    under_way: int
    """Queued, scheduled or running."""


async def fates(session: AsyncSession, batch_id: UUID) -> Fates | None:
    """How the batch's retries stand now; None where it has asked for none."""
    query = (
        sa.select(col(Attempt.status), sa.func.count())
        .where(col(Attempt.batch_id) == batch_id)
        .group_by(col(Attempt.status))
    )
    counted = {status: int(count) for status, count in await session.execute(query)}
    if not counted:
        return None
    return Fates(
        completed=counted.get(Status.COMPLETED, 0),
        failed=sum(counted.get(status, 0) for status in UNSUCCESSFUL),
        cancelled=counted.get(Status.CANCELLED, 0),
        under_way=sum(counted.get(status, 0) for status in ACTIVE),
    )
