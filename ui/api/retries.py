"""Retries: what one would do, and doing it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services import retry
from services.retry import RetryPlan
from services.vocabulary import Status
from ui.api.caller import Caller, JobId, TheDesk
from ui.api.schemas import Order, Version, Wire

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
    odds: OddsOut | None
    advice: str | None
    previous_error: str | None
    dialog: DialogOut
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, plan: RetryPlan) -> Self:
        """The plan of the services."""
        return cls.model_validate(plan)


class RetryOrder(Order):
    """A retry."""

    version: Version | None = None
    from_step: str | None = Field(default=None, max_length=100)


class RetryAccepted(BaseModel):
    """A retry that is under way."""

    success: Literal[True] = True
    job_id: UUID = Field(description="The job; a new one where it took another's place.")
    replaced: UUID | None = Field(description="The record whose place the job took.")
    status: Status
    message: str
    attempt: int
    version: int
    cost: int


@router.get("/{job_id}/retry")
async def plan_retry(
    desk: TheDesk,
    actor: Caller,
    job_id: JobId,
    from_step: Annotated[str | None, Query(max_length=100)] = None,
) -> PlanOut:
    """What a retry would do: whether it may, what is reset and kept, the cost, every check. Changes nothing."""
    return PlanOut.of(await retry.plan_retry(desk, actor, job_id, from_step))


@router.post("/{job_id}/retry", status_code=202)
async def retry_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: RetryOrder | None = None
) -> RetryAccepted:
    """Gives the job another chance, exactly once. With a `version` that is not the job's any more: 409."""
    order = order or RetryOrder()
    done = await retry.retry(desk, actor, job_id, version=order.version, from_step=order.from_step)
    job = done.job
    return RetryAccepted(
        job_id=job.id, status=job.status, message=done.message, attempt=job.attempt, version=job.version,
        cost=done.cost, replaced=done.replaced,
    )  # fmt: skip
