"""Figures, and the workers."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from services.operations import workers
from services.stats import stats
from services.vocabulary import Status
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Wire

router = APIRouter(prefix="/api", tags=["workspace"])


class WorkerOut(Wire):
    """A worker process whose heartbeat came within the last 15 seconds."""

    name: str
    host: str
    pid: int
    version: str
    engines: dict[str, Any] = Field(description="What it has, with the version; null where it is missing.")
    queues: list[str] = Field(description="What it listens to: the queues of kinds whose engines it has.")
    running: int
    started_at: datetime
    seen_at: datetime


class LastDayOut(Wire):
    """Jobs made in the last 24 hours, and runs that ended in this hour and the 23 before."""

    created: int
    completed: int
    failed: int
    timeout: int
    cancelled: int


class RetriesOut(Wire):
    """Retries that have ended today and in the 29 days before, cancelled ones left out."""

    tried: int
    succeeded: int


class StatsOut(Wire):
    """Figures of the jobs that the caller sees."""

    jobs: dict[Status, int]
    kinds: dict[str, int]
    last_day: LastDayOut
    retries: RetriesOut


@router.get("/stats")
async def get_stats(desk: TheDesk, actor: Caller) -> StatsOut:
    """Jobs by status and kind, the last day, and how often a retry helped."""
    return StatsOut.model_validate(await stats(desk, actor))


@router.get("/workers")
async def get_workers(desk: TheDesk, _: Caller) -> list[WorkerOut]:
    """The workers that are online, and what each can run."""
    return [WorkerOut.model_validate(worker) for worker in await workers.online(desk)]
