"""Figures of a period: what runs came to, how long they took, what retries brought."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.insights import figures
from services.insights.figures import Insights
from services.insights.periods import Period
from services.vocabulary import Status
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Wire

router = APIRouter(prefix="/api/insights", tags=["workspace"])


class SpreadOut(Wire):
    """How long runs took. Percentiles come from a histogram and are at most 9 % off."""

    runs: int = Field(description="Of how many it is told.")
    p50: float | None = Field(description="Seconds that half of them took at most.")
    p95: float | None


class RecoveryOut(Wire):
    """What retries came to."""

    tried: int = Field(description="Retries that ended; cancelled ones are left out.")
    succeeded: int


class FiguresOut(Wire):
    """Runs that ended in the period. A job that was retried has had several."""

    runs: int
    ended: dict[Status, int]
    waiting: SpreadOut = Field(description="From queued to claimed by a worker.")
    running: SpreadOut = Field(description="From claimed to ended.")
    retries: RecoveryOut = Field(description="Manual ones, automatic ones, and those of batches.")
    to_retry: SpreadOut = Field(description="From a failure until a person or a batch had it queued again.")
    to_auto_retry: SpreadOut = Field(description="From a failure until it was queued again by itself.")
    credits: int = Field(description="What these runs cost, refunds taken off.")


class BarOut(Wire):
    """A span of the period."""

    start: datetime
    ended: dict[Status, int]


class RetriedErrorOut(Wire):
    """A failure that was retried."""

    fingerprint: str
    kind: str
    message: str | None = Field(description="Null where the jobs that knew its words are deleted.")
    retries: RecoveryOut = Field(description="With the job's arguments as they were.")


class InsightsOut(BaseModel):
    """What the caller sees of a period."""

    period: Period
    since: datetime = Field(description="The first full hour or day of the period, UTC.")
    until: datetime = Field(description="The end of the current one.")
    span_seconds: int = Field(description="How long each bar is.")
    total: FiguresOut
    kinds: dict[str, FiguresOut] = Field(description="Those with runs in the period.")
    bars: list[BarOut]
    errors: list[RetriedErrorOut] = Field(description="Those retried most first, at most ten.")
    complete: bool = Field(description="False while a long history is still being counted.")

    @classmethod
    def of(cls, seen: Insights) -> Self:
        """The figures as data."""
        return cls.model_validate(seen, from_attributes=True)


@router.get("")
async def get_insights(
    desk: TheDesk,
    actor: Caller,
    period: Annotated[Period, Query(description="How far back.")] = Period.WEEK,
    kind: Annotated[str | None, Query(max_length=100, description="Default: all but batches.")] = None,
) -> InsightsOut:
    """Throughput, outcomes, times, retries and credits: of every job, a member's of their own."""
    return InsightsOut.of(await figures.insights(desk, actor, period, kind))
