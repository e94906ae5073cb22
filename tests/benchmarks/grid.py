"""What the grid costs the server with a million jobs, beside the same with a thousand.

`python -m tests.benchmarks.grid [--jobs 1000000] [--few 1000] [--database sqlite|postgresql]`: milliseconds, medians.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from services.desk import Desk
from services.failures.failures import failure
from services.failures.groups import failure_groups
from services.ids import new_id
from services.jobs import counts as job_counts
from services.jobs import job_list
from services.jobs.job_list import JobQuery
from services.migrate import upgrade
from services.models import Attempt, Job, now
from services.operations.waiting import waiting_reasons
from services.people.access import Actor
from services.stats import stats
from services.vocabulary import FailureType, Role, Status, Trigger
from tests.benchmarks.rig import Rig, rigs
from tests.support.desks import a_person, open_desk

PEOPLE, KINDS, MISTAKES = 20, 8, 40
SHARES = {
    Status.COMPLETED: 860, Status.FAILED: 80, Status.CANCELLED: 40, Status.TIMEOUT: 12, Status.QUEUED: 5,
    Status.SCHEDULED: 2, Status.RUNNING: 1,
}  # fmt: skip
_TOGETHER = 5_000
_ROUNDS = 15
# What takes seconds is not asked as often.
_LONGEST_SECONDS = 8.0


async def fill(desk: Desk, people: list[Actor], jobs: int) -> None:
    """Jobs of everybody, of all kinds and statuses, as if they had been made over a month."""
    dice = random.Random(jobs)
    mistakes = [
        failure("test.k", FailureType.TRANSIENT, f"Could not read part{n} of the source", None)
        for n in range(MISTAKES)
    ]
    example = Job(
        workspace_id=people[0].workspace_id, owner_id=people[0].user_id, kind="", title="", version=3
    ).model_dump()
    run = Attempt(job_id=new_id(), number=1, trigger=Trigger.FIRST, kind="").model_dump()
    statuses = dice.choices(list(SHARES), list(SHARES.values()), k=jobs)
    for start in range(0, jobs, _TOGETHER):
        rows, runs = [], []
        for n, status in enumerate(statuses[start : start + _TOGETHER], start):
            row = example | _row(n, status, jobs, dice, people)
            if status in {Status.FAILED, Status.TIMEOUT}:
                mistake = dice.choice(mistakes)
                said = {
                    "error": mistake.message,
                    "failure_type": mistake.type,
                    "fingerprint": mistake.fingerprint,
                }
                row |= said
                runs.append(run | said | {"job_id": row["id"], "kind": row["kind"], "status": status})
            rows.append(row)
        async with desk.db.write() as session:
            await session.execute(sa.insert(Job), rows)
            if runs:
                await session.execute(sa.insert(Attempt), runs)
        await job_counts.fold(desk.db)
    if not desk.db.is_sqlite:
        async with desk.db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(sa.text("VACUUM ANALYZE"))


def _row(n: int, status: Status, jobs: int, dice: random.Random, people: list[Actor]) -> dict[str, Any]:
    job_id = new_id()
    made = now() - timedelta(days=30) * (1 - n / jobs)
    over = status in {Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMEOUT}
    return {
        "id": job_id, "rank": job_id, "owner_id": dice.choice(people).user_id, "status": status,
        "kind": f"test.kind{min(int(dice.expovariate(1)), KINDS - 1)}",
        "title": f"{dice.choice(['interview', 'lecture', 'holiday'])}-{n:07}.mp4{' needle' if n == jobs // 2 else ''}",
        "created_at": made, "updated_at": made, "queued_at": made, "finished_at": made if over else None,
        "error": None, "failure_type": None, "fingerprint": None,
    }  # fmt: skip


def questions(
    desk: Desk, dana: Actor, mem: Actor, fingerprint: str | None
) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """What is asked, by name."""

    async def page(actor: Actor, query: JobQuery) -> None:
        """As the dashboard reads: rows, why those wait that do, and the counters."""
        rows = await job_list.read_page(desk, actor, query)
        await waiting_reasons(desk, rows.items)
        await job_list.count_by_status(desk, actor, replace(query, statuses=()))

    everything = JobQuery()
    yield "first page", lambda: page(dana, everything)
    yield "first page of a member", lambda: page(mem, everything)
    yield "counters alone", lambda: job_list.count_by_status(desk, dana, everything)
    yield "oldest first", lambda: page(dana, replace(everything, sort="oldest"))
    yield "tab Failed", lambda: page(dana, JobQuery(statuses=(Status.FAILED,)))
    yield "history", lambda: page(dana, JobQuery(statuses=(*SHARES,)[:4]))
    for q in (
        "status:failed,timeout", "kind:test.kind1", "kind:test.kind1 status:failed", "owner:me status:failed",
        f"kind:test.kind1 fingerprint:{fingerprint}", "age:<1h", "error:part7", "interview", "needle", "nowhere",
    ):  # fmt: skip
        yield q, lambda q=q: page(dana, JobQuery(q=q))  # type: ignore[misc]
    yield "groups of failures", lambda: failure_groups(desk, dana)
    yield "figures (/api/stats)", lambda: stats(desk, dana)


async def measure(rig: Rig, jobs: int) -> dict[str, float]:
    """Milliseconds for each question, in a database of its own."""
    url = _database_of(rig, jobs)
    await upgrade(url)
    async with open_desk(url, rig.valkey.url, rig.folder, *rig.kinds) as desk:
        people = [await a_person(desk, name=f"p{n}") for n in range(PEOPLE - 1)]
        people.append(await a_person(desk, Role.MEMBER, name="mem"))
        began = time.perf_counter()
        await fill(desk, people, jobs)
        print(f"  {jobs:,} jobs made in {time.perf_counter() - began:.0f} s", flush=True)
        fingerprint = failure(
            "test.k", FailureType.TRANSIENT, "Could not read part7 of the source", None
        ).fingerprint
        asked = questions(desk, people[0], people[-1], fingerprint)
        return {name: await _median(question) for name, question in asked}


def _database_of(rig: Rig, jobs: int) -> str:
    url = make_url(rig.database_url)
    if url.get_backend_name() == "sqlite":
        return str(url.set(database=str(Path(rig.folder) / f"{jobs}.db")))
    assert rig.postgres
    return rig.postgres.url(rig.postgres.create_database())


async def _median(question: Callable[[], Awaitable[Any]]) -> float:
    await question()
    times: list[float] = []
    while len(times) < _ROUNDS and sum(times) < _LONGEST_SECONDS:
        began = time.perf_counter()
        await question()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def main() -> None:
    """Prints a table for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    for rig in rigs():
        if options.database not in {None, rig.name.lower()}:
            continue
        print(rig.name)
        few, many = await measure(rig, options.few), await measure(rig, options.jobs)
        print(f"  {'':45}{options.few:>12,}{options.jobs:>12,}   ratio")
        for name, ms in many.items():
            print(f"  {name:45}{few[name]:>9.1f} ms{ms:>9.1f} ms{ms / few[name]:>8.1f}")


if __name__ == "__main__":
    asyncio.run(main())
