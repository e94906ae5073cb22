"""What speaks against a retry, and what for it: the checks that every kind has, and those that its policy names."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.desk import Desk
from services.errors import (
    Forbidden,
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
from services.failures.tables import FailureMark
from services.insights.odds import Odds
from services.kinds import JobKind
from services.lifecycle import Edit
from services.models import Job, Step, Switch, Upload
from services.operations import switches
from services.people.access import Actor
from services.policy import Check, CheckResult, RetryPolicy
from services.retry.editing import as_edited
from services.retry.wish import Wish
from services.vocabulary import FailureType, Status, StepStatus

_CHECK_SECONDS = 5
_PERMANENT = "This sort of failure comes back as long as nothing has changed"


@dataclass(frozen=True)
class StepChoice:
    """A step that a retry could start from; `reason` says why not."""

    name: str
    available: bool
    reason: str | None = None


@dataclass
class Facts:
    """What a plan is made of, read in one session."""

    job: Job
    kind: JobKind
    wish: Wish
    edit: Edit | None
    balance: int
    steps: list[Step]
    odds: Odds | None
    upload: Upload | None
    mark: FailureMark | None = None
    """What is said of the failure."""
    off: Switch | None = None
    """What keeps jobs of the kind from being retried."""
    attempts: int = 0
    results: list[CheckResult] = field(default_factory=list)


def own_checks(desk: Desk, actor: Actor, facts: Facts) -> list[CheckResult]:
    """The checks that every kind has, from what was read. The transaction enforces each of them again."""
    results = [
        _check_role(actor),
        _check_enabled(desk, facts),
        _check_status(facts.job, facts.kind.policy),
        _check_limit(facts),
    ]
    if cost_of(facts):
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


def _check_enabled(desk: Desk, facts: Facts) -> CheckResult:
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


def _check_limit(facts: Facts) -> CheckResult:
    used, limit = facts.job.retry_count, limit_of(facts)
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


def limit_of(facts: Facts) -> int | None:
    """How many counted retries the job may have; None: any number."""
    if not facts.kind.policy.counts:
        return None
    return facts.kind.policy.limit if facts.job.max_retries is None else facts.job.max_retries


def cost_of(facts: Facts) -> int:
    """What the retry costs, in credits."""
    return facts.kind.policy.cost_after(facts.job.retry_count)


def _check_credits(facts: Facts) -> CheckResult:
    cost = cost_of(facts)
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


def _check_step(facts: Facts, from_step: str) -> CheckResult:
    choice = next(c for c in step_choices(facts) if c.name == from_step)
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


def _check_odds(facts: Facts) -> CheckResult:
    tried = facts.odds.tried if facts.odds else 0
    error = NeverRecovered(tried=tried)
    # Other arguments are not the same again.
    return CheckResult(
        error.code, passed=False, message=error.message, blocking=facts.edit is None,
        facts={"tried": tried, "recovered": 0}, error=error, forcible=True,
    )  # fmt: skip


async def run_checks(desk: Desk, actor: Actor, facts: Facts) -> Sequence[CheckResult]:
    """The checks that the kind's policy names, made for the job as it would run."""
    job = as_edited(facts.job, facts.edit) if facts.edit else facts.job
    return await asyncio.gather(*(run_check(check, desk, job, actor) for check in facts.kind.policy.checks))


def can_be_waited_for(result: CheckResult) -> bool:
    """Whether what a check found may be otherwise without anybody doing anything: something does not answer."""
    return isinstance(result.error, (ServiceUnavailable, QueueUnavailable))


def stands_against(result: CheckResult) -> bool:
    """Whether the retry is refused for it."""
    return result.blocking and not result.passed


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


def step_choices(facts: Facts) -> list[StepChoice]:
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
