"""Another chance: what it would do (`plan_retry`), and doing it exactly once (`retry`): `docs/features/retry.md`."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.access import Actor
from services.desk import Desk
from services.errors import Conflict, QueueUnavailable
from services.failure_groups import Odds
from services.failures import Failure
from services.feed import Change
from services.jobs import find_job
from services.models import Attempt, Job
from services.policy import Preparing, RetryPolicy
from services.preparing import Readied, ready
from services.retry_plan import RetryPlan, StepChoice, make_plan
from services.vocabulary import CreditReason, FailureType, RetryMode, Trigger

__all__ = ["Odds", "Retried", "RetryPlan", "StepChoice", "plan_retry", "retry"]

_NOT_QUEUED = Failure(
    FailureType.QUEUE_UNAVAILABLE,
    "Failed to re-queue task.",
    "The queue (Redis) did not answer. Nothing was charged; retry when it is back.",
)


@dataclass(frozen=True)
class Retried:
    """A retry that was accepted. `job` is as it was when its doorbell rang."""

    job: Job
    cost: int
    replaced: UUID | None = None
    """The record whose place `job` has taken."""
    message: str = "Job retry started successfully"


async def plan_retry(desk: Desk, actor: Actor, job_id: UUID, from_step: str | None = None) -> RetryPlan:
    """What a retry would do, with every check made. Changes nothing.

    Raises:
        JobNotFound: there is no such job to see.
        Invalid: the kind is not known here, or has no step of that name.
    """
    return await make_plan(desk, actor, job_id, from_step)


async def retry(
    desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None, from_step: str | None = None
) -> Retried:
    """Gives a job another chance, exactly once.

    The checks that need I/O come first, and what the policy prepares outside. Then one transaction: the guarded
    transition, the new attempt, the kept steps, the charge, the audit entry. Then the kick; if that fails, one
    compensating transaction takes everything back. What was prepared is undone where no attempt comes of it.

    Args:
        version: the job's version that the caller saw. Another one since then is a Conflict.
        from_step: start here, with the kept results of the steps before.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Conflict: not at `version` any more, or somebody else was first.
        NotRetryable, RetryLimitReached, InsufficientCredits, RetriesDisabled, InputMissing, …: as the plan says.
        QueueUnavailable: nothing was changed but for a void attempt in the history.
    """
    plan = await make_plan(desk, actor, job_id, from_step, version)
    if plan.error is not None:
        raise plan.error
    policy = desk.kinds[plan.kind].policy
    readied = await ready(desk, actor, plan, policy)

    async def work(session: AsyncSession) -> tuple[lifecycle.Requeue, Job]:
        return await _requeue(session, actor, plan, policy, readied.attempt)

    try:
        decided, job = await desk.db.transact(work)
    except BaseException:
        await readied.undo()
        raise
    try:
        await desk.queue.kick(lifecycle.doorbells([job]))
    except QueueUnavailable:
        await _take_back(desk, actor, decided, job, readied)
    await desk.feed.publish(_changes(decided, job))
    return Retried(job, decided.cost, replaced=job.replaces if decided.replacement else None)


# --- carrying it out --------------------------------------------------------------------------------------------------


async def _requeue(
    session: AsyncSession, actor: Actor, plan: RetryPlan, policy: RetryPolicy, attempt: Preparing
) -> tuple[lifecycle.Requeue, Job]:
    before = await find_job(session, actor, plan.job_id)
    if before.version != plan.version:
        raise Conflict(current=before.status, version=before.version)
    decided = lifecycle.Requeue(
        before=before,
        allowed=policy.statuses,
        trigger=Trigger.MANUAL,
        requested_by=actor.name,
        counts=policy.counts,
        cost=plan.cost,
        from_step=plan.from_step,
        replacement=attempt.job_id if policy.mode is RetryMode.REPLACE else None,
    )
    job = await (lifecycle.replace if decided.replacement else lifecycle.requeue)(session, decided)
    if plan.from_step:
        last = lifecycle.Claim(before.id, await _last_run(session, before.id, job.attempt))
        await lifecycle.keep_steps(session, last, lifecycle.Claim(job.id, job.attempt), plan.from_step)
    if decided.cost:
        await ledger.post(
            session, job.workspace_id, -decided.cost, CreditReason.CHARGE,
            actor=actor.email, job_id=job.id, attempt=job.attempt,
        )  # fmt: skip
    audit.record(
        session, actor, "job.retry", job.id, attempt=job.attempt, cost=decided.cost, after=before.error,
        **({"replaced": str(before.id)} if decided.replacement else {}),
    )  # fmt: skip
    return decided, job


def _changes(decided: lifecycle.Requeue, job: Job) -> list[Change]:
    """What pages learn: of the job, and of the record whose place it took."""
    if decided.replacement is None:
        return [Change.of(job)]
    # Both changes raised the version by one.
    gone = Change.of(decided.before)._replace(version=job.version, replaced_by=job.id)
    return [Change.of(job), gone]


async def _take_back(
    desk: Desk, actor: Actor, decided: lifecycle.Requeue, job: Job, readied: Readied
) -> None:
    """Undoes a retry whose doorbell could not be rung.

    Raises:
        QueueUnavailable: it was undone. Without an error the doorbell did arrive, so the retry stands.
    """

    async def work(session: AsyncSession) -> Job | None:
        revert = lifecycle.revert_replace if decided.replacement else lifecycle.revert_requeue
        reverted = await revert(session, decided, job, _NOT_QUEUED)
        if reverted is not None:
            if decided.cost:
                await ledger.post(
                    session, job.workspace_id, decided.cost, CreditReason.REFUND,
                    actor=actor.email, note=_NOT_QUEUED.message, job_id=job.id, attempt=job.attempt,
                )  # fmt: skip
            audit.record(
                session, actor, "job.retry.reverted", reverted.id, attempt=job.attempt, refund=decided.cost
            )
        return reverted

    reverted = await desk.db.transact(work)
    if reverted is not None:
        await readied.undo()
        gone = [Change.of(job)._replace(version=job.version + 1)] if decided.replacement else []
        await desk.feed.publish([Change.of(reverted), *gone])
        raise QueueUnavailable(version=reverted.version, current=reverted.status)


async def _last_run(session: AsyncSession, job_id: UUID, attempt: int) -> int:
    """The number of the job's attempt before this one that was not void."""
    query = sa.select(sa.func.max(col(Attempt.number))).where(
        col(Attempt.job_id) == job_id, col(Attempt.number) < attempt, col(Attempt.void).is_(False)
    )
    return (await session.scalars(query)).one() or 0
