"""Folds runs that have ended into the roll-ups, each exactly once, however many workers fold and whenever one dies.

A run is marked as folded (`Attempt.folded`) in the transaction that counts it: both stand, or neither does. Runs that
are not folded yet are few, and are found by a small index; whoever reads figures adds them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import Database, db_now, rows_json
from services.database.statements import Statements, statements
from services.insights.runs import Run, Tally, ended_runs
from services.insights.tables import DurationRollup, Grain, OutcomeRollup, RecoveryRollup
from services.models import Attempt, JobCount, now

# A chunk's transaction stays under some 50 ms.
_CHUNK = 150
# The longest period that is told by hours, and a day.
_HOURS_KEPT_SECONDS = 8 * 86_400

NOT_FOLDED = col(Attempt.folded).is_(None)


async def is_due(session: AsyncSession) -> bool:
    """Whether some run has ended and is in no roll-up. Costs next to nothing."""
    look = sa.exists().where(col(Attempt.finished_at).is_not(None), NOT_FOLDED)
    return bool((await session.execute(sa.select(look))).scalar())


async def fold(session: AsyncSession) -> int:
    """Counts some runs in the caller's transaction. How many; 0: others have what is left, or nothing is."""
    # The oldest first, so that what is missing from the figures is always the latest. Two workers take different ones.
    query = ended_runs(NOT_FOLDED).order_by(col(Attempt.finished_at)).limit(_CHUNK)
    rows = await session.execute(query.with_for_update(of=Attempt, skip_locked=True))
    runs = [Run(*row) for row in rows]
    if runs:
        await _mark(session, runs)
        await add(session, runs)
    return len(runs)


async def forget_hours(db: Database) -> None:
    """Removes roll-ups by the hour that no period is told by any more; those by the day stay for ever.

    Looks along the keys of all who ever had a job, and takes half a day of one of them at a time.
    """
    people: Any = sa.select(col(JobCount.workspace_id), col(JobCount.owner_id).label("whose"))
    everybody: Any = sa.select(col(JobCount.workspace_id), col(JobCount.workspace_id).label("whose"))
    those = sa.union(people, everybody).subquery()
    for table in (OutcomeRollup, DurationRollup, RecoveryRollup):
        same = col(table.workspace_id) == those.c.workspace_id, col(table.whose) == those.c.whose
        old = col(table.grain) == Grain.HOUR, col(table.start) < db_now(-_HOURS_KEPT_SECONDS)
        oldest = sa.select(sa.func.min(col(table.start))).where(*same, *old).scalar_subquery()
        async with db.read() as session:
            found = (await session.execute(sa.select(those.c.workspace_id, those.c.whose, oldest))).all()
        for workspace_id, whose, start in found:
            if start is not None:
                key = col(table.workspace_id) == workspace_id, col(table.whose) == whose
                await _forget(db, table, (*key, *old), start)


async def _forget(
    db: Database, table: type[OutcomeRollup | DurationRollup | RecoveryRollup], which: Any, start: datetime
) -> None:
    end = now() - timedelta(seconds=_HOURS_KEPT_SECONDS)
    while start < end:
        start += timedelta(hours=12)
        chunk = sa.delete(table).where(*which, col(table.start) < start)
        await db.transact(lambda session, chunk=chunk: session.execute(chunk))  # type: ignore[misc]


async def _mark(session: AsyncSession, runs: Sequence[Run]) -> None:
    rows = rows_json({"id": run.job_id, "attempt": run.number} for run in runs)
    await session.execute(_texts(session).fold, {"rows": rows})


def _texts(session: AsyncSession) -> Statements:
    return statements(is_sqlite=session.get_bind().dialect.name == "sqlite")


async def add(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Adds runs to the roll-ups, in the caller's transaction."""
    outcomes, durations, recoveries = [], [], []
    for (workspace_id, whose, grain), tally in _tallies(runs).items():
        place = {"workspace_id": workspace_id, "whose": whose, "grain": grain}
        for outcome, count in tally.runs.items():
            outcomes.append(place | outcome._asdict() | {"runs": count, "credits": tally.credits[outcome]})
        for (start, kind, measure, bucket), count in tally.durations.items():
            of = {"start": start, "kind": kind, "measure": measure, "bucket": bucket}
            durations.append(place | of | {"runs": count})
        for (start, kind, fingerprint, status), count in tally.recoveries.items():
            what = {"start": start, "kind": kind, "fingerprint": fingerprint, "status": status}
            recoveries.append(place | what | {"runs": count})
    texts = _texts(session)
    await _roll(session, texts.roll_outcomes, outcomes)
    await _roll(session, texts.roll_durations, durations)
    await _roll(session, texts.roll_recoveries, recoveries)


def _tallies(runs: Sequence[Run]) -> dict[tuple[UUID, UUID, Grain], Tally]:
    """The runs added up by workspace, whose they are, and grain; by hours only where these are still told."""
    oldest = now() - timedelta(seconds=_HOURS_KEPT_SECONDS)
    tallies: dict[tuple[UUID, UUID, Grain], Tally] = {}
    for run in runs:
        grains = Grain if run.finished_at > oldest else (Grain.DAY,)
        for whose, grain in product((run.workspace_id, run.owner_id), grains):
            tallies.setdefault((run.workspace_id, whose, grain), Tally()).add(run, grain)
    return tallies


async def _roll(session: AsyncSession, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        # In one order everywhere: two workers that wait for each other's rows would be a deadlock.
        rows.sort(key=lambda row: [str(value) for value in row.values()])
        await session.execute(statement, {"rows": rows_json(rows)})
