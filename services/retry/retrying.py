"""Another chance: what it would do (`plan_retry`), and doing it exactly once (`retry`): `docs/features/retry.md`."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle, tracing
from services import credits as ledger
from services.desk import Desk
from services.errors import Conflict, NotFound, QueueUnavailable
from services.failures.failures import Failure
from services.feed import Change
from services.insights.odds import Odds
from services.jobs.jobs import find_job
from services.models import Attempt, Job, Upload
from services.operations import switches
from services.people.access import Actor
from services.policy import Preparing, RetryPolicy
from services.retry.plan import RetryPlan, make_plan
from services.retry.plan_checks import StepChoice
from services.retry.preparing import Readied, ready
from services.retry.rate import counted
from services.retry.wish import Wish
from services.tracing import Retrying
from services.vocabulary import CreditReason, FailureType, Status, Trigger

__all__ = ["Odds", "Retried", "RetryPlan", "StepChoice", "Wish", "plan_retry", "retry"]

_NOT_QUEUED = Failure(
    FailureType.QUEUE_UNAVAILABLE,
    "Failed to re-queue task.",
    "The queue (Redis) did not answer. Nothing was charged; retry when it is back.",
)


logger = logging.getLogger(__name__)

_MESSAGES = {Status.QUEUED: "Job retry started successfully", Status.SCHEDULED: "Job retry scheduled"}


@dataclass(frozen=True)
class Retried:
    """A retry that was accepted. `job` is as it was when its doorbell rang."""

    job: Job
    cost: int
    message: str
    replaced: UUID | None = None
    """The record whose place `job` has taken."""


async def plan_retry(
    desk: Desk, actor: Actor, job_id: UUID, from_step: str | None = None, *, wish: Wish | None = None
) -> RetryPlan:
    """What a retry would do, with every check made. Changes nothing.

    Args:
        from_step: start here; a `wish` may say more.

    Raises:
        JobNotFound: there is no such job to see.
        Invalid: the kind is not known here, or has no step of that name; arguments that do not fit, an odd time.
        NotFound: the arguments name an upload that is not there, or not the actor's to see.
    """
    return await make_plan(desk, actor, job_id, wish or Wish(from_step))


async def retry(
    desk: Desk,
    actor: Actor,
    job_id: UUID,
    *,
    version: int | None = None,
    from_step: str | None = None,
    wish: Wish | None = None,
) -> Retried:
    """Gives a job another chance, exactly once.

    The checks that need I/O come first, and what the policy prepares outside. Then one transaction: the guarded
    transition, the new attempt, the kept steps, the charge, the audit entry. Then the kick; if that fails, one
    compensating transaction takes everything back. What was prepared is undone where no attempt comes of it.

    A retry for later is charged now, and prepares nothing; taken back before it begins, its charge is given back.

    Args:
        version: the job's version that the caller saw. Another one since then is a Conflict.
        from_step: start here, with the kept results of the steps before; a `wish` may say more.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Conflict: not at `version` any more, or somebody else was first.
        NotRetryable, RetryLimitReached, InsufficientCredits, RetriesDisabled, InputMissing, …: as the plan says.
        RateLimited: too many retries of this job, or by this person, within a short time.
        Invalid, NotFound: arguments that do not fit, an odd time, an upload that is not there.
        QueueUnavailable: nothing was changed but for a void attempt in the history.
    """
    wish = wish or Wish(from_step)
    plan = await make_plan(desk, actor, job_id, wish, version)
    if plan.error is not None:
        raise plan.error
    before = Retrying(
        plan.job_id, plan.kind, plan.attempt + 1, Trigger.MANUAL, plan.upload_id, plan.previous_error
    )
    with tracing.retrying(before) as span:
        async with counted(desk, actor, plan.line, plan.attempt + 1):
            retried = await _carry_out(desk, actor, plan)
        span.set_attribute("mulligan.status", str(retried.job.status))
        logger.info(
            "job %s %s for retry, attempt %d, by %s%s",
            retried.job.id, retried.job.status, retried.job.attempt, actor.email, tracing.in_trace(),
        )  # fmt: skip
    return retried


# --- carrying it out --------------------------------------------------------------------------------------------------


async def _carry_out(desk: Desk, actor: Actor, plan: RetryPlan) -> Retried:
    policy = desk.kinds[plan.kind].policy
    readied = await ready(desk, actor, plan, policy)

    async def work(session: AsyncSession) -> tuple[lifecycle.Requeue, Job]:
        return await _requeue(session, actor, plan, policy, readied.attempt)

    try:
        decided, job = await desk.db.transact(work)
    except BaseException:
        await readied.undo()
        raise
    tracing.event("job reset")
    if plan.later is None:
        try:
            await desk.queue.kick(lifecycle.doorbells([job]))
            tracing.event("kicked")
        except QueueUnavailable:
            # Who waits for what is away waits for the queue, too: housekeeping rings when it is back.
            if not plan.wish.when_available:
                await _take_back(desk, actor, decided, job, readied)
    await desk.feed.publish(_changes(decided, job))
    replaced = job.replaces if decided.replacement else None
    return Retried(job, decided.cost, _MESSAGES[job.status], replaced)


async def _requeue(
    session: AsyncSession, actor: Actor, plan: RetryPlan, policy: RetryPolicy, attempt: Preparing
) -> tuple[lifecycle.Requeue, Job]:
    before = await find_job(session, actor, plan.job_id)
    if before.version != plan.version:
        raise Conflict(current=before.status, version=before.version)
    await switches.require_on(session, before)
    decided = lifecycle.Requeue(
        before=before,
        allowed=policy.statuses,
        trigger=Trigger.MANUAL,
        requested_by=actor.name,
        counts=policy.counts,
        cost=plan.cost,
        from_step=plan.from_step,
        replacement=attempt.job_id if plan.replaces else None,
        edit=plan.edit,
        trace=tracing.current_traceparent(),
    )
    if plan.edit and plan.edit.upload_id and await session.get(Upload, plan.edit.upload_id) is None:
        raise NotFound(what="upload")
    if plan.later:
        job = await lifecycle.schedule_retry(session, decided, plan.later)
    else:
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
        session, actor, "job.retry", job.id,
        attempt=job.attempt, cost=decided.cost, after=before.error, **_wished(plan),
    )  # fmt: skip
    return decided, job


def _wished(plan: RetryPlan) -> dict[str, Any]:
    """What was wished beyond a plain retry, for the audit log."""
    at = plan.later.at.isoformat() if plan.later and plan.later.at else None
    said = {
        "from_step": plan.from_step, "at": at, "waits_for": plan.later.waits_for if plan.later else None,
        "changed": [change["path"] for change in plan.changes], "forced": plan.wish.force,
        "replaced": str(plan.job_id) if plan.replaces else None,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value}


def _changes(decided: lifecycle.Requeue, job: Job) -> list[Change]:
    """What pages learn: of the job, and of the record whose place it took."""
    if decided.replacement is None:
        return [Change.of(job)]
    return [Change.of(job), Change.replaced(decided.before, job)]


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
        gone = [Change.replaced(job, reverted)] if decided.replacement else []
        await desk.feed.publish([Change.of(reverted), *gone])
        raise QueueUnavailable(version=reverted.version, current=reverted.status)


async def _last_run(session: AsyncSession, job_id: UUID, attempt: int) -> int:
    """The number of the job's attempt before this one that was not void."""
    query = sa.select(sa.func.max(col(Attempt.number))).where(
        col(Attempt.job_id) == job_id, col(Attempt.number) < attempt, col(Attempt.void).is_(False)
    )
    return (await session.scalars(query)).one() or 0
