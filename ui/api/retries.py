"""Retries: what one would do, and doing it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.retry import retrying as retry
from services.retry.retrying import RetryPlan, Wish
from services.vocabulary import Status
from ui.api.caller import Caller, JobId, TheDesk
from ui.api.schemas import ChangeOut, Flag, Moment, NoteOut, Order, Version, Wire

router = APIRouter(prefix="/api/jobs", tags=["retries"])


class Refusal(Wire):
    """Why a retry would be refused: the problem that `POST` would answer with."""

    code: str
    status: int
    message: str


class CheckOut(Wire):
    """What one check found."""

    code: str
    passed: bool
    blocking: bool
    forcible: bool = Field(description="Whether `force` would go on all the same.")
    message: str
    facts: dict[str, Any]


class StepChoiceOut(Wire):
    """A step that a retry could start from."""

    name: str
    available: bool
    reason: str | None


class OddsOut(Wire):
    """Retries that followed this very failure."""

    succeeded: int
    tried: int


class DialogOut(Wire):
    """How a confirmation should speak."""

    title: str
    text: str
    confirm: str
    variant: Literal["warning", "info"]


class PlanOut(Wire):
    """What a retry would do now. Send its `version` along with the retry."""

    job_id: UUID
    version: int
    kind: str
    title: str
    status: Status
    replaces: bool = Field(description="A new record, with an id of its own, takes this one's place.")
    allowed: bool
    error: Refusal | None
    checks: list[CheckOut]
    resets: list[str]
    keeps: list[str]
    cost: int
    balance: int
    balance_after: int
    retries_used: int
    retries_left: int | None = Field(description="Null: no limit.")
    steps: list[StepChoiceOut]
    from_step: str | None
    args: dict[str, Any] = Field(description="What it would run with. Secrets are hidden.")
    changes: list[ChangeOut] = Field(description="Arguments that are edited.")
    at: datetime | None = Field(description="When it would begin; null: at once, or when it can.")
    waits_for: str | None = Field(description="The code of the check that it would wait for.")
    can_wait: bool = Field(
        description="Only something that does not answer speaks against it: see `when_available`."
    )
    can_force: bool = Field(description="Whether `force` would override what speaks against it.")
    replaceable: str | None = Field(description="The argument whose upload is gone; another one would do.")
    odds: OddsOut | None
    advice: str | None
    note: NoteOut | None = Field(description="What somebody wrote on this failure.")
    previous_error: str | None
    dialog: DialogOut
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, plan: RetryPlan) -> Self:
        """The plan of the services."""
        later = {"at": plan.later and plan.later.at, "waits_for": plan.later and plan.later.waits_for}
        own: dict[str, Any] = {**later, "note": NoteOut.of(plan.note)}
        same = {name: getattr(plan, name) for name in cls.model_fields.keys() - own.keys()}
        return cls.model_validate(same | own)


class RetryOrder(Order):
    """A retry."""

    version: Version | None = None
    from_step: str | None = Field(default=None, max_length=100)
    args: dict[str, Any] | None = Field(
        default=None,
        description="All arguments, instead of the job's own. What is shown hidden keeps its value where it comes back"
        " as it was.",
    )
    at: Moment | None = Field(
        default=None, description="Begin then; what is past is now. A year ahead at most."
    )
    when_available: Flag = Field(
        default=False, description="If something that it needs does not answer, begin as soon as it does."
    )
    force: Flag = Field(default=False, description="Go on although the same has never helped.")
    dry_run: Flag = Field(default=False, description="Only say what it would do.")

    @property
    def wish(self) -> Wish:
        """The wish of the services."""
        return Wish(self.from_step, self.args, self.at, self.when_available, self.force)


class RetryAccepted(BaseModel):
    """A retry that is under way, or that waits."""

    success: Literal[True] = True
    job_id: UUID = Field(description="The job; a new one where it took another's place.")
    replaced: UUID | None = Field(description="The record whose place the job took.")
    status: Status = Field(description="`queued`, or `scheduled` for later.")
    message: str
    attempt: int
    version: int
    cost: int
    next_retry_at: datetime | None = Field(description="Of a scheduled one: when it begins, or is looked at.")
    waits_for: str | None = Field(description="The code of the check that must pass before it begins.")


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": PlanOut, "description": "A dry run."},
    202: {"model": RetryAccepted, "description": "The retry is queued, or scheduled."},
}


@router.get("/{job_id}/retry")
async def plan_retry(
    desk: TheDesk,
    actor: Caller,
    job_id: JobId,
    from_step: Annotated[str | None, Query(max_length=100)] = None,
) -> PlanOut:
    """What a retry would do: whether it may, what is reset and kept, the cost, every check. Changes nothing."""
    return PlanOut.of(await retry.plan_retry(desk, actor, job_id, from_step))


@router.post("/{job_id}/retry", status_code=202, response_model=None, responses=_ANSWERS)
async def retry_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: RetryOrder | None = None
) -> JSONResponse:
    """Gives the job another chance, exactly once: as it is, with other arguments, at a time, or when it can.

    With a `version` that is not the job's any more: 409. A dry run answers with the plan.
    """
    order = order or RetryOrder()
    if order.dry_run:
        plan = await retry.plan_retry(desk, actor, job_id, wish=order.wish)
        return JSONResponse(PlanOut.of(plan).model_dump(mode="json"))
    done = await retry.retry(desk, actor, job_id, version=order.version, wish=order.wish)
    job = done.job
    accepted = RetryAccepted(
        job_id=job.id, status=job.status, message=done.message, attempt=job.attempt, version=job.version,
        cost=done.cost, replaced=done.replaced, next_retry_at=job.due_at, waits_for=job.waits_for,
    )  # fmt: skip
    return JSONResponse(accepted.model_dump(mode="json"), status_code=202)
