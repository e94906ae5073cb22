"""What a policy's `prepare` readies outside before a retry's transaction, and how it is taken back."""

import asyncio
import logging
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import Conflict, ServiceUnavailable
from services.ids import new_id
from services.jobs.jobs import get_job
from services.models import Attempt, Job
from services.people.access import Actor
from services.policy import Preparing, RetryPolicy, Undo
from services.retry.editing import as_edited
from services.retry.plan import RetryPlan
from services.vocabulary import RetryMode, Status

_PREPARE_SECONDS = 10
_UNDO_SECONDS = 10

logger = logging.getLogger(__name__)


class Readied:
    """The outside, ready for an attempt. `undo` where the attempt does not come to be."""

    def __init__(self, desk: Desk, attempt: Preparing, undo: Undo | None = None) -> None:
        self.attempt = attempt
        self._desk = desk
        self._undo = undo

    async def undo(self) -> None:
        """Takes it back, once. Never fails a caller, who has an error of their own to tell of."""
        undo, self._undo = self._undo, None
        if undo is None:
            return
        try:
            # Shielded: whoever is cancelled in the middle of a retry still leaves nothing behind.
            await asyncio.shield(asyncio.wait_for(self._take_back(undo), _UNDO_SECONDS))
        except Exception:
            logger.exception("job %s, attempt %s: not taken back", self.attempt.job_id, self.attempt.attempt)

    async def _take_back(self, undo: Undo) -> None:
        """But not what an attempt counts on: somebody who retried in place at the same moment made it, or this very
        transaction, whose answer was lost."""
        made = sa.exists().where(
            col(Attempt.job_id) == self.attempt.job_id, col(Attempt.number) == self.attempt.attempt,
            col(Attempt.void).is_(False), col(Attempt.status) != Status.SCHEDULED,
        )  # fmt: skip
        async with self._desk.db.read() as session:
            is_in_use = bool((await session.execute(sa.select(made))).scalar())
        if not is_in_use:
            await undo()


async def ready(desk: Desk, actor: Actor, plan: RetryPlan, policy: RetryPolicy) -> Readied:
    """Readies the outside for the attempt that a retry by this plan would make.

    Raises:
        Conflict: the job is not at the plan's version any more.
        ServiceUnavailable: it took too long.
        MulliganError: whatever `prepare` says.
    """
    if policy.prepare is None or plan.later:
        return Readied(desk, Preparing(_id_of(plan.job_id, policy), plan.attempt + 1))
    job = await get_job(desk, actor, plan.job_id)
    if job.version != plan.version:
        raise Conflict(current=job.status, version=job.version)
    return await ready_for(desk, as_edited(job, plan.edit) if plan.edit else job, policy)


async def ready_for(desk: Desk, job: Job, policy: RetryPolicy) -> Readied:
    """As `ready`, for a job as it was read."""
    attempt = Preparing(_id_of(job.id, policy), job.attempt + 1)
    if policy.prepare is None:
        return Readied(desk, attempt)
    try:
        async with asyncio.timeout(_PREPARE_SECONDS):
            return Readied(desk, attempt, await policy.prepare(desk, job, attempt))
    except TimeoutError:
        raise ServiceUnavailable(
            f"Preparing the retry took longer than {_PREPARE_SECONDS} s. Nothing was changed."
        ) from None


def _id_of(job_id: UUID, policy: RetryPolicy) -> UUID:
    return new_id() if policy.mode is RetryMode.REPLACE else job_id
