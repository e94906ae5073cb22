"""The spans of runs: of a retry the second half of its own, of a batch one with its counts, of first runs none."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from opentelemetry.trace import INVALID_SPAN, Span, StatusCode
from sqlmodel import col

from services import tracing
from services.database.database import Database
from services.lifecycle import Claimed, Outcome
from services.models import Attempt
from services.tracing import Retrying
from services.vocabulary import Status, Trigger

logger = logging.getLogger(__name__)

_OWN = "system."
_TRACED = frozenset({Trigger.MANUAL, Trigger.AUTO})


@asynccontextmanager
async def traced(db: Database, claimed: Claimed) -> AsyncIterator[Span]:
    """The span that a run belongs to, while it runs."""
    job_id = claimed.change.id
    if claimed.kind.startswith(_OWN):
        with tracing.batching(job_id, claimed.kind, claimed.attempt) as span:
            yield span
    elif claimed.trigger in _TRACED:
        retry = Retrying(job_id, claimed.kind, claimed.attempt, claimed.trigger, claimed.upload_id)
        with tracing.going_on(retry, claimed.trace) as span:
            if span.is_recording():
                try:
                    await _look_back(db, claimed, span)
                except Exception as error:  # noqa: BLE001 - a run must not fail for what is said of it
                    logger.info("job %s: its span says less (%s)", job_id, type(error).__name__)
            yield span
    else:
        yield INVALID_SPAN


def say_how_it_ended(span: Span, outcome: Outcome | None, kind: str) -> None:
    """What came of the run. None: it was taken from this worker, or handed back."""
    if not span.is_recording():
        return
    span.set_attribute("mulligan.status", str(outcome.status) if outcome else "interrupted")
    if outcome and outcome.failure and outcome.status is not Status.CANCELLED:
        span.set_status(StatusCode.ERROR, str(outcome.failure.type))
    if outcome and kind.startswith(_OWN):
        for name, count in (outcome.result or {}).items():
            if type(count) is int:
                span.set_attribute(f"mulligan.batch.{name}", count)


async def _look_back(db: Database, claimed: Claimed, span: Span) -> None:
    """What the attempt before said; and of an automatic retry, which no desk has a span of, when it was queued."""
    query = (
        sa.select(col(Attempt.number), col(Attempt.error), col(Attempt.queued_at))
        .where(col(Attempt.job_id) == claimed.change.id, col(Attempt.number) <= claimed.attempt)
        .where(col(Attempt.void).is_(False))
        .order_by(col(Attempt.number).desc())
        .limit(2)
    )
    async with db.read() as session:
        this, *earlier = (await session.execute(query)).all()
    if claimed.trigger is Trigger.AUTO:
        span.add_event("job reset", timestamp=int(this.queued_at.timestamp() * 1e9))
    if earlier and earlier[0].error:
        span.set_attribute(tracing.PREVIOUS_ERROR, tracing.shown(earlier[0].error))
