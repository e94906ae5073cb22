"""Retries of many jobs: what one would do, and a job that does it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services import batch
from services.batch import BatchPreview, Selection
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Wire

router = APIRouter(prefix="/api/retries", tags=["retries"])


class BatchOrder(Selection):
    """Which jobs: by ids, or by a search and statuses. Nothing at all is refused."""

    dry_run: bool = Field(default=False, description="Only say what it would do.")


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


@router.post("", status_code=202, response_model=None, responses=_ANSWERS)
async def retry_many(desk: TheDesk, actor: Caller, order: BatchOrder) -> JSONResponse:
    """Gives many jobs another chance, in the background. Each is retried once, or left alone for a reason."""
    selection = Selection.model_validate(order.model_dump(exclude={"dry_run"}))
    if order.dry_run:
        seen: BatchPreview = await batch.preview(desk, actor, selection)
        return JSONResponse(PreviewOut.model_validate(seen).model_dump(mode="json"))
    job = await batch.start(desk, actor, selection)
    return JSONResponse(BatchAccepted(batch_id=job.id).model_dump(mode="json"), status_code=202)
