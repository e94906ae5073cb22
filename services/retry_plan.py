"""What a retry would do, before anybody does it: `make_plan` and the `RetryPlan` it makes.

The dialog, `GET …/retry`, and the CLI's `--dry-run` are views of this one object.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services import lineage, switches
from services.access import Actor
from services.desk import Desk
from services.editing import as_edited, edit
from services.errors import (
    Conflict,
    Forbidden,
    InputMissing,
    InsufficientCredits,
    Invalid,
    MulliganError,
    NeverRecovered,
    NotRetryable,
    QueueUnavailable,
    RetriesDisabled,
    RetryLimitReached,
    ServiceUnavailable,
)
from services.failure_groups import Odds, odds_after
from services.jobs import find_job
from services.kinds import JobKind
from services.lifecycle import Edit, Later
from services.models import Attempt, Job, Step, Switch, Upload
from services.policy import Check, CheckResult, RetryDialog, RetryPolicy
from services.redaction import redact_args
from services.retry_rate import check_rate
from services.sizes import human_size
from services.vocabulary import FailureType, RetryMode, Status, StepStatus
from services.wish import Wish

_CHECK_SECONDS = 5
_PERMANENT = "This sort of failure comes back as long as nothing has changed"


@dataclass(frozen=True)
class StepChoice:
    """A step that a retry could start from; `reason` says why not."""

    name: str
    available: bool
    reason: str | None = None


@dataclass(frozen=True)
class RetryPlan:
    """What a retry of this job, by this actor, would do now."""

    job_id: UUID
    version: int
    attempt: int
    """The latest; a retry makes the next."""
    line: UUID
    """What it shares with the records whose place it took, and with the one that takes its."""
    kind: str
    title: str
    status: Status
    replaces: bool
    """A retry puts a new record in this one's place. One that begins later goes on with the same, as one that happens
    by itself does."""
    allowed: bool
    error: MulliganError | None
    """Why not: what `retry` would raise."""
    checks: list[CheckResult]
    resets: list[str]
    keeps: list[str]
    cost: int
    balance: int
    balance_after: int
    retries_used: int
    retries_left: int | None
    """None: no limit."""
    steps: list[StepChoice]
    from_step: str | None
    wish: Wish
    """What was wished, in full: what `retry` is to be given again."""
    args: dict[str, Any]
    """What it would run with, without the secrets."""
    changes: list[dict[str, Any]]
    """Arguments that are edited: `{"path", "before", "after"}` each, without the secrets."""
    edit: Edit | None
    later: Later | None
    """Where it would not begin at once."""
    can_wait: bool
    """Whether nothing speaks against it but something that does not answer now: `when_available` would wait for it."""
    can_force: bool
    """Whether a check that speaks against it could be overridden by `force`."""
    replaceable: str | None
    """The argument whose upload is gone: another one in its place would do."""
    upload_id: UUID | None
    """The input that it would run with."""
    odds: Odds | None
    advice: str | None
    previous_error: str | None
    dialog: RetryDialog
    created_at: datetime
    finished_at: datetime | None


@dataclass
class _Facts:
    """What a plan is made of, read in one session."""

    job: Job
    kind: JobKind
    wish: Wish
    edit: Edit | None
    balance: int
    steps: list[Step]
    odds: Odds | None
    upload: Upload | None
    off: Switch | None = None
    """What keeps jobs of the kind from being retried."""
    attempts: int = 0
    results: list[CheckResult] = field(default_factory=list)


async def make_plan(
    desk: Desk, actor: Actor, job_id: UUID, wish: Wish, version: int | None = None
) -> RetryPlan:
    """What a retry would do, with every check made. Changes nothing.

    Raises:
        JobNotFound: there is no such job to see.
        Conflict: `version` is given and the job is not at it any more.
        Invalid: the kind is not known here, or has no step of that name; arguments that do not fit, an odd time.
        NotFound: the arguments name an upload that is not there, or not the actor's to see.
    """
    starts_at = wish.starts_at()
    async with desk.db.read() as session:
        facts = await _read(session, desk, actor, job_id, wish, version)
    _require_step(facts.kind, wish.from_step)
    found = [
        *_own_checks(desk, actor, facts),
        *await check_rate(desk, actor, facts.job.rank, facts.job.attempt + 1),
        *await _run_checks(desk, actor, facts),
    ]
    facts.results = [_as_wished(result, wish) for result in found]
    return _plan(facts, found, starts_at)


async def _read(
    session: AsyncSession, desk: Desk, actor: Actor, job_id: UUID, wish: Wish, version: int | None
) -> _Facts:
    job = await find_job(session, actor, job_id)
    if version is not None and version != job.version:
        raise Conflict(current=job.status, version=job.version)
    kind = desk.kinds[job.kind]
    line = [job_id, *await lineage.forebears(session, job, lineage.MOST_FOREBEARS)]
    edited = await edit(session, actor, kind, job, wish.args) if wish.args is not None else None
    upload_id = edited.upload_id if edited else job.upload_id
    ran = sa.select(sa.func.max(col(Attempt.number)), sa.func.count()).where(
        col(Attempt.job_id).in_(line), col(Attempt.void).is_(False)
    )
    last, attempts = (await session.execute(ran)).one()
    steps = sa.select(Step).where(col(Step.job_id) == job_id, col(Step.attempt) == last)
    return _Facts(
        job=job,
        kind=kind,
        wish=wish,
        edit=edited,
        balance=await ledger.balance_of(session, actor.workspace_id),
        steps=list((await session.scalars(steps)).all()),
        odds=await _odds(session, job),
        upload=await session.get(Upload, upload_id) if upload_id else None,
        off=await switches.off(session, actor.workspace_id, job.kind),
        attempts=attempts,
    )


async def _odds(session: AsyncSession, job: Job) -> Odds | None:
    odds = await odds_after(session, job.kind, job.fingerprint) if job.fingerprint else None
    return odds if odds and odds.tried else None


def _own_checks(desk: Desk, actor: Actor, facts: _Facts) -> list[CheckResult]:
    """The checks that every kind has, from what was read. The transaction enforces each of them again."""
    results = [
        _check_role(actor),
        _check_enabled(desk, facts),
        _check_status(facts.job, facts.kind.policy),
        _check_limit(facts),
    ]
    if _cost(facts):
        results.append(_check_credits(facts))
    if facts.wish.from_step:
        results.append(_check_step(facts, facts.wish.from_step))
    if is_hopeless(facts.kind.policy, facts.odds):
        results.append(_check_odds(facts))
    if facts.job.failure_type is FailureType.PERMANENT and not facts.edit:
        results.append(CheckResult("permanent_failure", passed=False, message=_PERMANENT, blocking=False))
    # Who may retry at all, and whether retries are on, is worth a line only when the answer is no.
    return [
        r for r in results if not (r.passed and r.code in {"forbidden", "retries_disabled", "not_retryable"})
    ]


def _check_role(actor: Actor) -> CheckResult:
    error = Forbidden(role=actor.role)
    return CheckResult("forbidden", actor.may_change, error.message, error=error)


def _check_enabled(desk: Desk, facts: _Facts) -> CheckResult:
    error = switches.disabled(facts.off) if facts.off else RetriesDisabled()
    enabled = desk.settings.retries_enabled and facts.off is None
    return CheckResult("retries_disabled", enabled, error.message, error=error)


def _check_status(job: Job, policy: RetryPolicy) -> CheckResult:
    error = wrong_status(job.status, policy)
    return CheckResult("not_retryable", policy.allows(job), error.message, error=error)


def wrong_status(status: Status, policy: RetryPolicy) -> NotRetryable:
    """What is said of a job with a status that the policy does not allow."""
    # In the words of the published designs: "Only failed jobs can be retried, current status: X".
    return NotRetryable(
        allowed=" or ".join(sorted(policy.statuses - {status}, key=_familiarity)), current=status
    )


def _familiarity(status: str) -> int:
    return (Status.FAILED, Status.TIMEOUT, Status.CANCELLED, Status.COMPLETED).index(Status(status))


def _check_limit(facts: _Facts) -> CheckResult:
    used, limit = facts.job.retry_count, _limit(facts)
    so_far = f"{used} retr{'y' if used == 1 else 'ies'} so far"
    if limit is None:
        return CheckResult(
            "retry_limit_reached", passed=True, message=f"No retry limit · {so_far}", facts={"used": used}
        )
    error = RetryLimitReached(limit=limit, used=used)
    message = f"Retry {used + 1} of {limit}" if used < limit else error.message
    return CheckResult(
        "retry_limit_reached", used < limit, message, facts={"used": used, "limit": limit}, error=error
    )


def _limit(facts: _Facts) -> int | None:
    if not facts.kind.policy.counts:
        return None
    return facts.kind.policy.limit if facts.job.max_retries is None else facts.job.max_retries


def _cost(facts: _Facts) -> int:
    return facts.kind.policy.cost_after(facts.job.retry_count)


def _check_credits(facts: _Facts) -> CheckResult:
    cost = _cost(facts)
    after = facts.balance - cost
    error = InsufficientCredits(needed=cost, balance=facts.balance)
    price = f"{cost} credit{'' if cost == 1 else 's'}"
    message = (
        f"{price} · {after} left after this retry"
        if after >= 0
        else f"{error.message} ({price} needed, {facts.balance} left)"
    )
    return CheckResult(
        "insufficient_credits",
        after >= 0,
        message,
        facts={"cost": cost, "balance": facts.balance},
        error=error,
    )


def _check_step(facts: _Facts, from_step: str) -> CheckResult:
    choice = next(c for c in _step_choices(facts) if c.name == from_step)
    if facts.edit and from_step != facts.kind.steps[0]:
        reason = "the steps before it were made with the old arguments"
        choice = StepChoice(from_step, available=False, reason=reason)
    error = Invalid(f"The job cannot start from {from_step!r}: {choice.reason}")
    message = f"Starts from {from_step}; earlier results are kept" if choice.available else error.message
    return CheckResult("invalid", choice.available, message, error=error)


def is_hopeless(policy: RetryPolicy, odds: Odds | None) -> bool:
    """Whether retries after a failure were tried often enough, as the policy says, and none has recovered."""
    if policy.hopeless_after is None or odds is None:
        return False
    return odds.succeeded == 0 and odds.tried >= policy.hopeless_after


def _check_odds(facts: _Facts) -> CheckResult:
    tried = facts.odds.tried if facts.odds else 0
    error = NeverRecovered(tried=tried)
    # Other arguments are not the same again.
    return CheckResult(
        error.code, passed=False, message=error.message, blocking=facts.edit is None,
        facts={"tried": tried, "recovered": 0}, error=error, forcible=True,
    )  # fmt: skip


async def _run_checks(desk: Desk, actor: Actor, facts: _Facts) -> Sequence[CheckResult]:
    job = as_edited(facts.job, facts.edit) if facts.edit else facts.job
    return await asyncio.gather(*(run_check(check, desk, job, actor) for check in facts.kind.policy.checks))


def can_be_waited_for(result: CheckResult) -> bool:
    """Whether what a check found may be otherwise without anybody doing anything: something does not answer."""
    return isinstance(result.error, (ServiceUnavailable, QueueUnavailable))


def _stands_against(result: CheckResult) -> bool:
    return result.blocking and not result.passed


def _as_wished(result: CheckResult, wish: Wish) -> CheckResult:
    """What is forced, or waited for, does not block."""
    if not _stands_against(result):
        return result
    goes_on = (wish.force and result.forcible) or (wish.when_available and can_be_waited_for(result))
    return replace(result, blocking=not goes_on)


async def run_check(check: Check, desk: Desk, job: Job, actor: Actor) -> CheckResult:
    """What a check found, within its time limit. Its refusals and being late are results; other errors are raised."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check(desk, job, actor)
    except MulliganError as error:
        return CheckResult(error.code, passed=False, message=error.message, error=error)
    except TimeoutError:
        name = getattr(check, "__name__", "a check").replace("_", " ")
        late = ServiceUnavailable(f"The check “{name}” took longer than {_CHECK_SECONDS} s.")
        return CheckResult(late.code, passed=False, message=late.message, error=late)


def _require_step(kind: JobKind, from_step: str | None) -> None:
    if from_step is not None and from_step not in kind.steps:
        raise Invalid(f"{kind.name} has no step {from_step!r}. Its steps: {', '.join(kind.steps) or 'none'}.")


def _step_choices(facts: _Facts) -> list[StepChoice]:
    """The first step can always be started from; a later one where every step before has kept its result."""
    done = (StepStatus.COMPLETED, StepStatus.KEPT)
    kept = {step.name for step in facts.steps if step.status in done and step.result is not None}
    choices = []
    missing: str | None = None
    for name in facts.kind.steps:
        reason = f"no result of {missing} was kept" if missing else None
        choices.append(StepChoice(name, available=missing is None, reason=reason))
        if missing is None and name not in kept:
            missing = name
    return choices


def _plan(facts: _Facts, found: Sequence[CheckResult], starts_at: datetime | None) -> RetryPlan:
    """The plan, from what was `found` and what is left of it by the wish."""
    job, policy, wish, edit = facts.job, facts.kind.policy, facts.wish, facts.edit
    limit = _limit(facts)
    against = [result for result in facts.results if _stands_against(result)]
    refused = against[0] if against else None
    cost = _cost(facts)
    later = _later(found, starts_at) if refused is None else None
    return RetryPlan(
        job_id=job.id, version=job.version, attempt=job.attempt, line=job.rank,
        kind=job.kind, title=job.title, status=job.status,
        replaces=policy.mode is RetryMode.REPLACE and later is None,
        allowed=refused is None,
        error=(refused.error or Invalid(refused.message)) if refused else None,
        checks=facts.results,
        resets=_resets(facts, wish.from_step),
        keeps=_keeps(facts, wish.from_step),
        cost=cost, balance=facts.balance, balance_after=max(facts.balance - cost, 0),
        retries_used=job.retry_count,
        retries_left=None if limit is None else max(limit - job.retry_count, 0),
        steps=_step_choices(facts), from_step=wish.from_step,
        wish=wish, args=redact_args(facts.kind, edit.args if edit else job.args),
        changes=edit.changes if edit else [], edit=edit,
        later=later,
        can_wait=bool(against) and all(can_be_waited_for(result) for result in against),
        can_force=any(r.forcible for r in against) and all(r.forcible or can_be_waited_for(r) for r in against),
        upload_id=edit.upload_id if edit else job.upload_id,
        replaceable=facts.kind.upload_field if _is_gone(against) else None,
        odds=facts.odds, advice=job.advice, previous_error=job.error,
        dialog=replace(policy.dialog, text=policy.dialog.text.format(cost=f"{cost} credit{'' if cost == 1 else 's'}")),
        created_at=job.created_at, finished_at=job.finished_at,
    )  # fmt: skip


def _later(found: Sequence[CheckResult], starts_at: datetime | None) -> Later | None:
    """When it begins, where nothing blocks it as wished: what does not answer now is waited for."""
    awaited = next((r for r in found if _stands_against(r) and can_be_waited_for(r)), None)
    if awaited is None:
        return Later(starts_at) if starts_at else None
    return Later(starts_at, awaited.code, awaited.message)


def _is_gone(results: Sequence[CheckResult]) -> bool:
    return any(isinstance(result.error, InputMissing) and not result.passed for result in results)


def _resets(facts: _Facts, from_step: str | None) -> list[str]:
    steps = facts.kind.steps
    later = steps[steps.index(from_step) :] if from_step else ()
    return [*facts.kind.policy.resets, *([f"Steps {', '.join(later)}"] if later else [])]


def _keeps(facts: _Facts, from_step: str | None) -> list[str]:
    """What stays: the input by name, what the policy says, the history, the results of earlier steps."""
    steps, upload = facts.kind.steps, facts.upload
    earlier = steps[: steps.index(from_step)] if from_step else ()
    return [
        *(
            [f"Input {upload.filename} ({human_size(upload.size)})"]
            if upload and not _is_gone(facts.results)
            else []
        ),
        *facts.kind.policy.keeps,
        f"{facts.attempts} earlier attempt{'' if facts.attempts == 1 else 's'}",
        *([f"Results of {', '.join(earlier)}"] if earlier else []),
    ]
