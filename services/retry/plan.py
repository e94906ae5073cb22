"""What a retry would do, before anybody does it: `make_plan` and the `RetryPlan` it makes.

The dialog, `GET …/retry`, and the CLI's `--dry-run` are views of this one object.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services.desk import Desk
from services.errors import (
    Conflict,
    InputMissing,
    Invalid,
    MulliganError,
)
from services.failures.tables import FailureMark
from services.insights.odds import Odds, odds_after
from services.jobs.jobs import find_job
from services.kinds import JobKind
from services.lifecycle import Edit, Later
from services.models import Attempt, Job, Step, Upload
from services.operations import switches
from services.people.access import Actor
from services.policy import CheckResult, RetryDialog
from services.redaction import redact_args
from services.retry import lineage
from services.retry.editing import edit
from services.retry.plan_checks import (
    Facts,
    StepChoice,
    can_be_waited_for,
    cost_of,
    limit_of,
    own_checks,
    run_checks,
    stands_against,
    step_choices,
)
from services.retry.rate import check_rate
from services.retry.wish import Wish
from services.sizes import human_size
from services.vocabulary import RetryMode, Status


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
    note: FailureMark | None
    """What somebody who looks after the workspace wrote on this failure; None where nobody did."""
    previous_error: str | None
    dialog: RetryDialog
    created_at: datetime
    finished_at: datetime | None


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
        *own_checks(desk, actor, facts),
        *await check_rate(desk, actor, facts.job.rank, facts.job.attempt + 1),
        *await run_checks(desk, actor, facts),
    ]
    facts.results = [_as_wished(result, wish) for result in found]
    return _plan(facts, found, starts_at)


async def _read(
    session: AsyncSession, desk: Desk, actor: Actor, job_id: UUID, wish: Wish, version: int | None
) -> Facts:
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
    return Facts(
        job=job,
        kind=kind,
        wish=wish,
        edit=edited,
        balance=await ledger.balance_of(session, actor.workspace_id),
        steps=list((await session.scalars(steps)).all()),
        odds=await _odds(session, job),
        mark=await _mark(session, job),
        upload=await session.get(Upload, upload_id) if upload_id else None,
        off=await switches.off(session, actor.workspace_id, job.kind),
        attempts=attempts,
    )


async def _odds(session: AsyncSession, job: Job) -> Odds | None:
    odds = await odds_after(session, job.workspace_id, job.fingerprint) if job.fingerprint else None
    return odds if odds and odds.tried else None


async def _mark(session: AsyncSession, job: Job) -> FailureMark | None:
    return await session.get(FailureMark, (job.workspace_id, job.fingerprint)) if job.fingerprint else None


def _as_wished(result: CheckResult, wish: Wish) -> CheckResult:
    """What is forced, or waited for, does not block."""
    if not stands_against(result):
        return result
    goes_on = (wish.force and result.forcible) or (wish.when_available and can_be_waited_for(result))
    return replace(result, blocking=not goes_on)


def _require_step(kind: JobKind, from_step: str | None) -> None:
    if from_step is not None and from_step not in kind.steps:
        raise Invalid(f"{kind.name} has no step {from_step!r}. Its steps: {', '.join(kind.steps) or 'none'}.")


def _plan(facts: Facts, found: Sequence[CheckResult], starts_at: datetime | None) -> RetryPlan:
    """The plan, from what was `found` and what is left of it by the wish."""
    job, policy, wish, edit = facts.job, facts.kind.policy, facts.wish, facts.edit
    limit = limit_of(facts)
    against = [result for result in facts.results if stands_against(result)]
    refused = against[0] if against else None
    cost = cost_of(facts)
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
        steps=step_choices(facts), from_step=wish.from_step,
        wish=wish, args=redact_args(facts.kind, edit.args if edit else job.args),
        changes=edit.changes if edit else [], edit=edit,
        later=later,
        can_wait=bool(against) and all(can_be_waited_for(result) for result in against),
        can_force=any(r.forcible for r in against) and all(r.forcible or can_be_waited_for(r) for r in against),
        upload_id=edit.upload_id if edit else job.upload_id,
        replaceable=facts.kind.upload_field if _is_gone(against) else None,
        odds=facts.odds, advice=job.advice, note=facts.mark if facts.mark and facts.mark.note else None,
        previous_error=job.error,
        dialog=replace(policy.dialog, text=policy.dialog.text.format(cost=f"{cost} credit{'' if cost == 1 else 's'}")),
        created_at=job.created_at, finished_at=job.finished_at,
    )  # fmt: skip


def _later(found: Sequence[CheckResult], starts_at: datetime | None) -> Later | None:
    """When it begins, where nothing blocks it as wished: what does not answer now is waited for."""
    awaited = next((r for r in found if stands_against(r) and can_be_waited_for(r)), None)
    if awaited is None:
        return Later(starts_at) if starts_at else None
    return Later(starts_at, awaited.code, awaited.message)


def _is_gone(results: Sequence[CheckResult]) -> bool:
    return any(isinstance(result.error, InputMissing) and not result.passed for result in results)


def _resets(facts: Facts, from_step: str | None) -> list[str]:
    steps = facts.kind.steps
    later = steps[steps.index(from_step) :] if from_step else ()
    return [*facts.kind.policy.resets, *([f"Results of {', '.join(later)}"] if later else [])]


def _keeps(facts: Facts, from_step: str | None) -> list[str]:
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
