"""Many jobs at once: what retrying, cancelling or deleting them would do, and a job that does it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.batch import batch
from services.batch.batch import MOST_CANARY, BatchPreview, Selection, Trial
from services.desk import Desk
from services.people.access import Actor
from services.vocabulary import BatchAction
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Flag, Wire

router = APIRouter(prefix="/api", tags=["batches"])


class BatchOrder(Selection):
    """Which jobs: by ids, or by a search and statuses. Nothing at all is refused."""

    dry_run: Flag = Field(default=False, description="Only say what it would do.")


class RetriesOrder(BatchOrder):
    """Which jobs, and what is to be seen before all of them are retried."""

    canary: int = Field(
        default=0,
        ge=0,
        le=MOST_CANARY,
        description="Retry so many first; go on only if at least one of them recovers.",
    )
    stop_at: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Stop where a larger share of the retries fails: of the canary, then of all that have ended.",
    )


class PreviewOut(Wire):
    """What a batch would do now."""

    matched: int
    allowed: int
    skipped: dict[str, int] = Field(description="Code → how many.")
    cost: int
    balance_after: int
    unchecked: int = Field(
        description="Of the allowed: how many have checks that only the batch itself makes."
    )


class BatchAccepted(BaseModel):
    """A batch that is under way. It is a job: `GET /api/jobs/{batch_id}` tells how far it is."""

    batch_id: UUID


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": PreviewOut, "description": "A dry run."},
    202: {"model": BatchAccepted, "description": "The batch is queued."},
}


@router.post("/retries", status_code=202, response_model=None, responses=_ANSWERS)
async def retry_many(desk: TheDesk, actor: Caller, order: RetriesOrder) -> JSONResponse:
    """Gives many jobs another chance, in the background. Each is retried once, or left alone for a reason."""
    trial = Trial(order.canary, order.stop_at)
    return await _answer(desk, actor, order, BatchAction.RETRY, trial)


@router.post("/cancellations", status_code=202, response_model=None, responses=_ANSWERS)
async def cancel_many(desk: TheDesk, actor: Caller, order: BatchOrder) -> JSONResponse:
    """Cancels many jobs, in the background: those that wait at once, those that run through their workers."""
    return await _answer(desk, actor, order, BatchAction.CANCEL)


@router.post("/deletions", status_code=202, response_model=None, responses=_ANSWERS)
async def delete_many(desk: TheDesk, actor: Caller, order: BatchOrder) -> JSONResponse:
    """Deletes many jobs that are over, with their files, in the background."""
    return await _answer(desk, actor, order, BatchAction.DELETE)


async def _answer(
    desk: Desk, actor: Actor, order: BatchOrder, action: BatchAction, trial: Trial | None = None
) -> JSONResponse:
    selection = Selection(ids=order.ids, q=order.q, status=order.status)
    if order.dry_run:
        seen: BatchPreview = await batch.preview(desk, actor, selection, action)
        return JSONResponse(PreviewOut.model_validate(seen).model_dump(mode="json"))
    job = await batch.start(desk, actor, selection, action, trial)
    return JSONResponse(BatchAccepted(batch_id=job.id).model_dump(mode="json"), status_code=202)
