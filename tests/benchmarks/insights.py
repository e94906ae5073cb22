"""What figures cost with a million runs: folding them, keeping up beside the work, and reading a period.

`python -m tests.benchmarks.insights [--runs 1000000] [--few 1000] [--database sqlite|postgresql]`: medians.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from services.desk import Desk
from services.insights import folding
from services.insights.figures import insights
from services.insights.odds import odds_after
from services.insights.periods import Period
from services.migrate import upgrade
from services.models import Attempt, Job, now
from services.people.access import Actor
from services.vocabulary import Role, Status, Trigger
from tests.benchmarks.rig import Rig, rigs
from tests.support.desks import a_person, open_desk
from tests.support.history import Past, job_with_past

PEOPLE, KINDS, MISTAKES, DAYS = 20, 8, 40, 90
RUNS_A_JOB = 4
_TOGETHER = 2_500
_ROUNDS = 9


async def fill(desk: Desk, people: list[Actor], runs: int) -> None:
    """Jobs of everybody and of all kinds over 90 days, with four runs each, the last of which may succeed."""
    dice = random.Random(runs)
    for start in range(0, runs, _TOGETHER):
        rows: list[Job | Attempt] = []
        for _ in range(min(_TOGETHER, runs - start) // RUNS_A_JOB):
            begin = now() - timedelta(days=dice.uniform(0.2, DAYS - 1))
            kind = f"test.kind{min(int(dice.expovariate(1)), KINDS - 1)}"
            rows += job_with_past(dice.choice(people), kind, begin, list(_runs(dice)))
        async with desk.db.write() as session:
            for table in (Job, Attempt):
                await session.execute(
                    sa.insert(table), [r.model_dump() for r in rows if isinstance(r, table)]
                )
    if not desk.db.is_sqlite:
        async with desk.db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(sa.text("VACUUM ANALYZE"))


def _runs(dice: random.Random) -> list[Past]:
    mistake = f"{dice.randrange(MISTAKES):016x}"
    end = dice.choice([Status.COMPLETED, Status.COMPLETED, Status.FAILED])
    triggers = [Trigger.FIRST, Trigger.AUTO, Trigger.MANUAL, Trigger.MANUAL]
    return [
        Past(
            end if n == RUNS_A_JOB - 1 else Status.FAILED,
            waited=dice.expovariate(0.5), ran=dice.expovariate(0.02), trigger=trigger,
            pause=dice.expovariate(0.01) if n else 0, fingerprint=mistake, cost=1,
        )
        for n, trigger in enumerate(triggers)
    ]  # fmt: skip


async def measure(rig: Rig, runs: int) -> dict[str, float]:
    """Milliseconds for each question, in a database of its own."""
    url = _database_of(rig, runs)
    await upgrade(url)
    async with open_desk(url, rig.valkey.url, rig.folder, *rig.kinds) as desk:
        people = [await a_person(desk, name=f"p{n}") for n in range(PEOPLE - 1)]
        people.append(await a_person(desk, Role.MEMBER, name="mem"))
        await fill(desk, people, runs)
        longest = await _fold(desk, runs)
        asked: dict[str, Callable[[], Awaitable[Any]]] = {}
        for period in Period:
            asked[f"insights, {period}"] = lambda p=period: insights(desk, people[0], p)  # type: ignore[misc]
        asked["insights, 90d, of a member"] = lambda: insights(desk, people[-1], Period.QUARTER)
        asked["insights, 90d, one kind"] = lambda: insights(desk, people[0], Period.QUARTER, "test.kind1")
        asked["odds after a failure"] = lambda: _odds(desk, people[0])
        return {"longest transaction of the fold": longest} | {
            name: await _median(ask) for name, ask in asked.items()
        }


async def _fold(desk: Desk, runs: int) -> float:
    began, longest, folded = time.perf_counter(), 0.0, 0
    while True:
        start = time.perf_counter()
        count = await desk.db.transact(folding.fold)
        if not count:
            break
        folded += count
        longest = max(longest, time.perf_counter() - start)
    took = time.perf_counter() - began
    assert folded == runs
    print(f"  {runs:,} runs folded in {took:.1f} s ({runs / took:,.0f} a second)", flush=True)
    return longest * 1000


async def _odds(desk: Desk, actor: Actor) -> None:
    async with desk.db.read() as session:
        await odds_after(session, actor.workspace_id, f"{7:016x}")


def _database_of(rig: Rig, runs: int) -> str:
    url = make_url(rig.database_url)
    if url.get_backend_name() == "sqlite":
        return str(url.set(database=str(Path(rig.folder) / f"insights-{runs}.db")))
    assert rig.postgres
    return rig.postgres.url(rig.postgres.create_database())


async def _median(question: Callable[[], Awaitable[Any]]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        await question()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def main() -> None:
    """Prints a table for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    for rig in rigs():
        if options.database not in {None, rig.name.lower()}:
            continue
        print(rig.name)
        few, many = await measure(rig, options.few), await measure(rig, options.runs)
        print(f"  {'':45}{options.few:>12,}{options.runs:>12,}   ratio")
        for name, ms in many.items():
            print(f"  {name:45}{few[name]:>9.1f} ms{ms:>9.1f} ms{ms / few[name]:>8.1f}")


if __name__ == "__main__":
    asyncio.run(main())
