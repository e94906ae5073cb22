"""The figures of a period: what runs came to, how long they waited and ran, what retries brought, what was spent.

They are read from the roll-ups, and from the few runs that are not folded yet: right at any moment, and as fast with a
million runs as with a thousand.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.failures.words import message_after
from services.insights.folding import NOT_FOLDED
from services.insights.histogram import percentile
from services.insights.odds import Odds
from services.insights.periods import Period, Spans, spans_of
from services.insights.runs import Run, Tally, ended_runs
from services.insights.tables import DurationRollup, Measure, OutcomeRollup, RecoveryRollup
from services.models import Attempt, now
from services.people.access import Actor
from services.vocabulary import TERMINAL, Status

_MOST_ERRORS = 10
# More are there only where a history is being folded: the page stays quick, and says that it does not know all yet.
_MOST_NOT_FOLDED = 2_500
_SYSTEM = "system."


@dataclass(frozen=True)
class Spread:
    """Of so many runs: how long half of them and 95 % of them took at most, in seconds; within 9 %."""

    runs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Bar:
    """A span of the period, and the runs that ended in it."""

    start: datetime
    ended: dict[Status, int]


@dataclass(frozen=True)
class RetriedError:
    """A failure that was retried. Without a message where all jobs that knew its words are deleted."""

    fingerprint: str
    kind: str
    message: str | None
    retries: Odds


@dataclass(frozen=True)
class Figures:
    """Runs that ended in the period: of everything, or of one kind."""

    ended: dict[Status, int]
    waiting: Spread
    running: Spread
    retries: Odds
    """Of the retries that ended, cancelled ones left out, how many completed."""
    to_retry: Spread
    to_auto_retry: Spread
    credits: int

    @property
    def runs(self) -> int:
        """How many ended."""
        return sum(self.ended.values())


@dataclass(frozen=True)
class Insights:
    """What the actor sees of a period."""

    period: Period
    since: datetime
    until: datetime
    """The end of the last span, which goes on."""
    span_seconds: int
    total: Figures
    kinds: dict[str, Figures]
    """By kind, the one with the most runs first."""
    bars: list[Bar]
    errors: list[RetriedError]
    """Those retried most first, at most ten."""
    complete: bool
    """False while a long history is still being counted."""


async def insights(
    desk: Desk, actor: Actor, period: Period, kind: str | None = None, at: datetime | None = None
) -> Insights:
    """The figures of the period that ends now, or `at`; batches, which are jobs too, are left out unless asked for."""
    spans = spans_of(period, at or now())
    whose = actor.workspace_id if actor.sees_all_jobs else actor.user_id
    sums = _Sums()
    async with desk.db.snapshot() as session:
        await _read_folded(session, _Place(actor.workspace_id, whose, spans, kind), sums)
        complete = await _add_not_folded(session, actor, spans, kind, sums)
        errors = await _errors(session, actor, sums)
    return Insights(
        period, spans.since, spans.until, int(spans.length.total_seconds()), _figures(sums, None), _by_kind(sums),
        _bars(sums, spans), errors, complete,
    )  # fmt: skip


class _Sums:
    """What the figures are made of. The database adds up, so that it is little however much there was."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, Status, bool]] = Counter()
        """By kind, status, and whether it was a retry."""
        self.credits: Counter[str] = Counter()
        self.bars: Counter[tuple[datetime, Status]] = Counter()
        """By the start of an hour or a day."""
        self.took: Counter[tuple[str, Measure, int]] = Counter()
        self.recoveries: Counter[tuple[str, str, Status]] = Counter()

    def add(self, tally: Tally) -> None:
        """Adds runs that stand in no roll-up."""
        for outcome, count in tally.runs.items():
            self.ended[outcome.kind, outcome.status, outcome.is_retry] += count
            self.bars[outcome.start, outcome.status] += count
            self.credits[outcome.kind] += tally.credits[outcome]
        for (_, kind, measure, bucket), count in tally.durations.items():
            self.took[kind, measure, bucket] += count
        for (_, kind, fingerprint, status), count in tally.recoveries.items():
            self.recoveries[kind, fingerprint, status] += count


@dataclass(frozen=True, slots=True)
class _Place:
    """Which rows of the roll-ups."""

    workspace_id: UUID
    whose: UUID
    spans: Spans
    kind: str | None

    def of(
        self, table: type[OutcomeRollup | DurationRollup | RecoveryRollup]
    ) -> list[sa.ColumnElement[bool]]:
        wanted = col(table.kind) == self.kind if self.kind else col(table.kind).not_like(f"{_SYSTEM}%")
        return [
            col(table.workspace_id) == self.workspace_id, col(table.whose) == self.whose,
            col(table.grain) == self.spans.grain, col(table.start) >= self.spans.since,
            col(table.start) < self.spans.until, wanted,
        ]  # fmt: skip


async def _read_folded(session: AsyncSession, place: _Place, sums: _Sums) -> None:
    rolled, took, recovered = OutcomeRollup, DurationRollup, RecoveryRollup
    by_end = col(rolled.kind), col(rolled.status), col(rolled.is_retry)
    ends = sa.select(*by_end, sa.func.sum(rolled.runs), sa.func.sum(rolled.credits)).where(*place.of(rolled))
    for kind, status, is_retry, runs, spent in await session.execute(ends.group_by(*by_end)):
        sums.ended[kind, status, is_retry] += int(runs)
        sums.credits[kind] += int(spent)
    for counter, table, columns in (
        (sums.bars, rolled, (col(rolled.start), col(rolled.status))),
        (sums.took, took, (col(took.kind), col(took.measure), col(took.bucket))),
        (
            sums.recoveries,
            recovered,
            (col(recovered.kind), col(recovered.fingerprint), col(recovered.status)),
        ),
    ):
        query = sa.select(*columns, sa.func.sum(table.runs)).where(*place.of(table)).group_by(*columns)
        for *key, runs in await session.execute(query):
            counter[tuple(key)] += int(runs)


async def _add_not_folded(
    session: AsyncSession, actor: Actor, spans: Spans, kind: str | None, sums: _Sums
) -> bool:
    """Adds the latest runs; False where there are more of them than can be added at once."""
    lately = (
        sa.select(col(Attempt.job_id), col(Attempt.number))
        .where(NOT_FOLDED, col(Attempt.finished_at) >= spans.since, col(Attempt.finished_at) < spans.until)
        .order_by(col(Attempt.finished_at).desc())
        .limit(_MOST_NOT_FOLDED)
        .cte("lately")
        .prefix_with("MATERIALIZED")
    )
    same = col(Attempt.job_id) == lately.c.job_id, col(Attempt.number) == lately.c.number
    # Whose they are is looked at here: a database that knows the workspace first goes through all of its jobs.
    query = ended_runs().join(lately, sa.and_(*same))
    tally = Tally()
    for run in (Run(*row) for row in await session.execute(query)):
        if not actor.sees(run.workspace_id, run.owner_id):
            continue
        if run.kind == kind or (kind is None and not run.kind.startswith(_SYSTEM)):
            tally.add(run, spans.grain)
    sums.add(tally)
    found = (await session.scalars(sa.select(sa.func.count()).select_from(lately))).one()
    return found < _MOST_NOT_FOLDED


# --- adding up --------------------------------------------------------------------------------------------------------


def _by_kind(sums: _Sums) -> dict[str, Figures]:
    runs: Counter[str] = Counter()
    for (kind, _, _), count in sums.ended.items():
        runs[kind] += count
    names = sorted(runs, key=lambda name: (-runs[name], name))
    return {name: _figures(sums, name) for name in names}


def _figures(sums: _Sums, only: str | None) -> Figures:
    ended, retried = Counter[Status](), Counter[Status]()
    for (kind, status, is_retry), count in sums.ended.items():
        if only in {None, kind}:
            ended[status] += count
            retried[status] += count if is_retry else 0
    took: dict[Measure, Counter[int]] = defaultdict(Counter)
    for (kind, measure, bucket), count in sums.took.items():
        if only in {None, kind}:
            took[measure][bucket] += count
    return Figures(
        ended=_of_each(ended),
        waiting=_spread(took[Measure.WAITING]), running=_spread(took[Measure.RUNNING]),
        retries=Odds(retried[Status.COMPLETED], retried.total() - retried[Status.CANCELLED]),
        to_retry=_spread(took[Measure.TO_RETRY]), to_auto_retry=_spread(took[Measure.TO_AUTO_RETRY]),
        credits=sums.credits.total() if only is None else sums.credits[only],
    )  # fmt: skip


def _of_each(ended: Mapping[Status, int]) -> dict[Status, int]:
    return {status: ended.get(status, 0) for status in Status if status in TERMINAL}


def _spread(took: Mapping[int, int]) -> Spread:
    return Spread(sum(took.values()), percentile(took, 0.5), percentile(took, 0.95))


def _bars(sums: _Sums, spans: Spans) -> list[Bar]:
    ended: dict[datetime, Counter[Status]] = {start: Counter() for start in spans.starts}
    for (start, status), count in sums.bars.items():
        ended[spans.of(start)][status] += count
    return [Bar(start, _of_each(counts)) for start, counts in ended.items()]


async def _errors(session: AsyncSession, actor: Actor, sums: _Sums) -> list[RetriedError]:
    odds: dict[tuple[str, str], Counter[Status]] = defaultdict(Counter)
    for (kind, fingerprint, status), count in sums.recoveries.items():
        if status is not Status.CANCELLED:
            odds[kind, fingerprint][status] += count
    most = sorted(odds, key=lambda error: (-odds[error].total(), error))[:_MOST_ERRORS]
    return [
        RetriedError(
            fingerprint, kind, await message_after(session, actor, kind, fingerprint),
            Odds(odds[kind, fingerprint][Status.COMPLETED], odds[kind, fingerprint].total()),
        )
        for kind, fingerprint in most
    ]  # fmt: skip
