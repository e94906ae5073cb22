"""Runs are folded into the roll-ups exactly once: by many at once, by one that dies, whatever is deleted later."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.database.database import Database
from services.desk import Desk
from services.insights import folding
from services.insights.odds import Odds, odds_after
from services.insights.runs import ended_runs
from services.insights.tables import DurationRollup, Grain, OutcomeRollup, RecoveryRollup
from services.jobs.deletion import delete
from services.models import Attempt, Job, now
from services.people.access import Actor
from services.vocabulary import Status, Trigger
from tests.support.desks import a_person, open_desk
from tests.support.history import Past, fold_all, job_with_past, remember
from tests.support.plans import plan_of

KIND = "test.priced"
FAILED = Past(Status.FAILED, fingerprint="f" * 16)
RECOVERED = Past(Status.COMPLETED, trigger=Trigger.MANUAL, pause=60, cost=1)

_FOLDS_AND_HANGS = """
import asyncio, sys
from services.database.database import Database
from services.insights import folding

async def main() -> None:
    async with Database(sys.argv[1]).write() as session:
        print(await folding.fold(session), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def history(desk: Desk, owner: Actor, jobs: int) -> None:
    """So many jobs that failed, and were retried to success a minute later."""
    rows: list[Job | Attempt] = []
    for n in range(jobs):
        rows += job_with_past(owner, KIND, now() - timedelta(hours=2, seconds=n), [FAILED, RECOVERED])
    await remember(desk, rows)


async def counted(db: Database) -> dict[str, int]:
    """The sums of what the roll-ups by the day hold of everybody's jobs."""
    sums = {}
    async with db.read() as session:
        for table in (OutcomeRollup, DurationRollup, RecoveryRollup):
            total = sa.select(sa.func.coalesce(sa.func.sum(table.runs), 0)).where(
                col(table.grain) == Grain.DAY, col(table.whose) == col(table.workspace_id)
            )
            sums[str(table.__tablename__)] = int((await session.scalars(total)).one())
    return sums


def all_of(jobs: int) -> dict[str, int]:
    # Waiting and running of both runs, and the time to the retry.
    return {"outcome_rollup": 2 * jobs, "duration_rollup": 5 * jobs, "recovery_rollup": jobs}


async def test_many_who_fold_at_once_count_each_run_once(desk: Desk) -> None:
    await history(desk, await a_person(desk), 700)
    folded = await asyncio.gather(*(fold_all(desk) for _ in range(4)))
    assert sum(folded) == 1400
    assert await counted(desk.db) == all_of(700)
    async with desk.db.read() as session:
        assert not await folding.is_due(session)
    assert await fold_all(desk) == 0


async def test_a_worker_killed_between_counting_and_commit_has_counted_nothing(
    desk: Desk, database_url: str
) -> None:
    await history(desk, await a_person(desk), 20)
    command = [sys.executable, "-c", _FOLDS_AND_HANGS, database_url]
    folder = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert folder.stdout is not None
    assert int(await asyncio.wait_for(folder.stdout.readline(), 60)) == 40
    os.kill(folder.pid, signal.SIGKILL)
    await folder.wait()
    assert (await counted(desk.db))["outcome_rollup"] == 0
    assert await fold_all(desk) == 40
    assert await counted(desk.db) == all_of(20)


async def test_deleting_a_job_changes_no_figure(desk: Desk) -> None:
    dana = await a_person(desk)
    await history(desk, dana, 3)
    await fold_all(desk)
    async with desk.db.read() as session:
        jobs = (await session.scalars(sa.select(col(Job.id)))).all()
    for job_id in jobs:
        await delete(desk, dana, job_id)
    assert await fold_all(desk) == 0
    assert await counted(desk.db) == all_of(3)
    async with desk.db.read() as session:
        assert await odds_after(session, dana.workspace_id, "f" * 16) == Odds(3, 3)


async def test_odds_are_those_of_the_workspace_whether_folded_or_not(desk: Desk) -> None:
    dana, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
    retried = [FAILED, RECOVERED]
    cancelled = [FAILED, Past(Status.CANCELLED, trigger=Trigger.MANUAL)]
    edited = [FAILED, Past(Status.COMPLETED, trigger=Trigger.MANUAL, changes=[{"path": "n"}])]
    void = [FAILED, Past(Status.FAILED, trigger=Trigger.MANUAL, void=True)]
    rescued = [FAILED, Past(Status.COMPLETED, trigger=Trigger.RESCUE)]
    again = [FAILED, Past(Status.FAILED, trigger=Trigger.AUTO, fingerprint="a" * 16)]
    rows: list[Job | Attempt] = []
    for runs in (retried, cancelled, edited, void, rescued, again):
        rows += job_with_past(dana, KIND, now() - timedelta(hours=1), runs)
    rows += job_with_past(eve, KIND, now() - timedelta(hours=1), retried)
    await remember(desk, rows)
    for _ in range(2):
        async with desk.db.read() as session:
            assert await odds_after(session, dana.workspace_id, "f" * 16) == Odds(1, 2)
            assert await odds_after(session, eve.workspace_id, "f" * 16) == Odds(1, 1)
            assert await odds_after(session, dana.workspace_id, "0" * 16) == Odds(0, 0)
        await fold_all(desk)


async def test_hours_are_told_for_some_days_and_days_for_ever(desk: Desk) -> None:
    dana = await a_person(desk)
    await remember(desk, job_with_past(dana, KIND, now() - timedelta(days=50), [FAILED]))
    await history(desk, dana, 1)
    await fold_all(desk)

    async def runs(grain: Grain) -> int | None:
        mine = col(OutcomeRollup.grain) == grain, col(OutcomeRollup.whose) == dana.user_id
        async with desk.db.read() as session:
            return (await session.scalars(sa.select(sa.func.sum(OutcomeRollup.runs)).where(*mine))).one()

    assert (await runs(Grain.DAY), await runs(Grain.HOUR)) == (3, 2)
    async with desk.db.write() as session:
        aged = sa.update(OutcomeRollup).where(col(OutcomeRollup.grain) == Grain.HOUR)
        await session.execute(aged.values(start=now() - timedelta(days=9)))
    await folding.forget_hours(desk.db)
    assert (await runs(Grain.DAY), await runs(Grain.HOUR)) == (3, None)


async def test_the_way_to_what_is_not_folded_is_a_small_index(desk: Desk) -> None:
    query = ended_runs(folding.NOT_FOLDED).order_by(col(Attempt.finished_at)).limit(150)
    plan = await plan_of(desk, query)
    assert "ix_attempt_not_folded" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
