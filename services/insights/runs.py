"""Runs that have ended, as the figures see them, and how they are added up."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from services.insights.histogram import bucket_of
from services.insights.tables import Grain, Measure
from services.models import Attempt, Job
from services.vocabulary import RETRIES, Status, Trigger


class Run(NamedTuple):
    """An attempt that has ended."""

    job_id: UUID
    number: int
    workspace_id: UUID
    owner_id: UUID
    kind: str
    status: Status
    trigger: Trigger
    void: bool
    cost: int
    after: str | None
    """The fingerprint of the failure that it followed."""
    edited: bool
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime
    failed_at: datetime | None
    """When the job had failed that it retries."""

    @property
    def is_retry(self) -> bool:
        """Whether it followed an end on purpose; a rescue only goes on with what was interrupted."""
        return self.trigger in RETRIES

    def durations(self) -> Iterator[tuple[Measure, float]]:
        """What of it was timed, in seconds."""
        if self.started_at:
            yield Measure.WAITING, _seconds(self.queued_at, self.started_at)
            yield Measure.RUNNING, _seconds(self.started_at, self.finished_at)
            if self.failed_at:
                by_itself = self.trigger is Trigger.AUTO
                measure = Measure.TO_AUTO_RETRY if by_itself else Measure.TO_RETRY
                yield measure, _seconds(self.failed_at, self.queued_at)


class Outcome(NamedTuple):
    """What runs that ended alike share."""

    start: datetime
    kind: str
    status: Status
    is_retry: bool


class Tally:
    """Runs added up. The counters are keyed as the roll-ups are, below whose they are and how long a span."""

    def __init__(self) -> None:
        self.runs: Counter[Outcome] = Counter()
        self.credits: Counter[Outcome] = Counter()
        self.durations: Counter[tuple[datetime, str, Measure, int]] = Counter()
        self.recoveries: Counter[tuple[datetime, str, str, Status]] = Counter()

    def add(self, run: Run, grain: Grain) -> None:
        """Counts a run; a void one, which never came to be, counts for nothing."""
        if run.void:
            return
        start = start_of(run.finished_at, grain)
        outcome = Outcome(start, run.kind, run.status, run.is_retry)
        self.runs[outcome] += 1
        self.credits[outcome] += run.cost
        for measure, seconds in run.durations():
            self.durations[start, run.kind, measure, bucket_of(seconds)] += 1
        # With other arguments it says nothing of a retry of the job as it is.
        if run.is_retry and run.after and not run.edited:
            self.recoveries[start, run.kind, run.after, run.status] += 1


def start_of(moment: datetime, grain: Grain) -> datetime:
    """When the span began that a moment falls into."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if grain is Grain.HOUR else hour.replace(hour=0)


def ended_runs(*which: sa.ColumnElement[bool]) -> sa.Select[*tuple[Any, ...]]:
    """The runs for which this holds, as rows that are the fields of `Run`."""
    earlier = aliased(Attempt)
    failed_at = (
        sa.select(sa.func.max(earlier.finished_at))
        .where(col(earlier.job_id).in_([col(Job.id), col(Job.replaces)]))
        .where(col(earlier.number) < col(Attempt.number), col(earlier.void).is_(False))
        .scalar_subquery()
    )
    retries_a_failure = sa.and_(
        col(Attempt.after_fingerprint).is_not(None), col(Attempt.trigger).in_(RETRIES)
    )
    return (
        sa.select(
            col(Attempt.job_id), col(Attempt.number), col(Job.workspace_id), col(Job.owner_id), col(Attempt.kind),
            col(Attempt.status), col(Attempt.trigger), col(Attempt.void), col(Attempt.cost),
            col(Attempt.after_fingerprint), col(Attempt.changes).is_not(None),
            col(Attempt.queued_at), col(Attempt.started_at), col(Attempt.finished_at),
            sa.case((retries_a_failure, failed_at), else_=None),
        )
        .join(Job, col(Job.id) == col(Attempt.job_id))
        .where(col(Attempt.finished_at).is_not(None), *which)
    )  # fmt: skip


def _seconds(start: datetime, end: datetime) -> float:
    # Clocks of database hosts may jump.
    return max((end - start).total_seconds(), 0.0)
