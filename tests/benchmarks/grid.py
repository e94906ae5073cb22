"""What every list and figure costs the server with a million jobs, beside the same with a thousand.

`python -m tests.benchmarks.grid [--jobs 1000000] [--few 1000] [--database sqlite|postgresql] [--only WORDS] [--plans]`:
milliseconds, medians, and how they compare. `--plans` adds how the database reads what takes long.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url

from services import audit
from services.desk import Desk
from services.failures.failures import failure
from services.failures.groups import failure_groups
from services.insights.figures import insights
from services.insights.periods import Period
from services.jobs import job_list
from services.jobs.completion import complete
from services.jobs.export import Format, export
from services.jobs.job_list import JobQuery
from services.migrate import upgrade
from services.operations.waiting import waiting_reasons
from services.people.access import Actor
from services.stats import stats
from services.vocabulary import ACTIVE, TERMINAL, FailureType, Status
from tests.benchmarks.past import KINDS, People, people_of, remember
from tests.benchmarks.rig import Rig, rigs
from tests.support.desks import open_desk

_ROUNDS = 15
# What takes seconds is not asked as often.
_LONGEST_SECONDS = 3.0
_SLOW_MS = 50.0

Question = Callable[[], Awaitable[Any]]


def searches() -> Iterator[str]:
    """Every field of the language, alone and with words; words that are rare, common, nowhere, and only in old jobs."""
    kind = next(iter(KINDS))
    mistake = failure(kind, FailureType.UNKNOWN, "Could not read 1 bytes of the source").fingerprint
    yield from (
        "needle",
        "directorscut",
        "session",
        "interview",
        "prologue",
        "nowhere",
        "0499",
        "Müller",
        "MÜLLER",
        "in",
    )
    yield from (
        "title:needle",
        "title:interview",
        'error:"out of memory"',
        'error:"exit status 4711"',
        "error:nothing",
    )
    yield from (
        "status:failed,timeout",
        f"kind:{kind}",
        "kind:video.*",
        "type:transient",
        f"fingerprint:{mistake}",
    )
    yield from (
        "owner:me",
        "owner:default7",
        "worker:render-1",
        "worker:render-99",
        "age:<1h",
        "age:<7d",
        "age:>80d",
    )
    yield from (
        "ended:<1h",
        "ended:>80d",
        f"after:{mistake}",
        "dismissed:yes",
        "attempts:>1",
        "attempts:>5",
        "retries:0",
    )
    yield from ("id:0198", "-kind:video.*", "-interview", "-error:ffmpeg")
    yield from (
        "status:failed interview",
        "status:failed directorscut",
        "status:failed order",
        "status:running lecture",
    )
    yield from (
        f"kind:{kind} needle",
        f"kind:{kind} session",
        f"kind:{kind} fingerprint:{mistake}",
        "owner:me session",
    )
    yield from (
        "owner:me needle",
        f"kind:{kind} status:failed age:<7d",
        "age:<7d session",
        "interview session",
    )
    yield from (
        "interview prologue -session",
        "status:completed type:transient",
        "attempts:>1 age:>80d needle",
    )


def questions(desk: Desk, people: People, second: str | None) -> Iterator[tuple[str, Question]]:
    """What is asked, by name."""
    dana, mem = people.dana, people.mem

    async def page(actor: Actor, query: JobQuery) -> None:
        """As the dashboard reads: rows, why those wait that do, and the counters."""
        rows = await job_list.read_page(desk, actor, query)
        await waiting_reasons(desk, rows.items)
        await job_list.count_by_status(desk, actor, replace(query, statuses=()))

    everything = JobQuery()
    yield "first page", lambda: page(dana, everything)
    yield "second page", lambda: page(dana, replace(everything, cursor=second))
    yield "first page of a member", lambda: page(mem, everything)
    yield "oldest first", lambda: page(dana, replace(everything, sort="oldest"))
    yield "counters alone", lambda: job_list.count_by_status(desk, dana, everything)
    for status in Status:
        yield f"tab {status}", lambda s=status: page(dana, JobQuery(statuses=(s,)))  # type: ignore[misc]
    yield "history", lambda: page(dana, JobQuery(statuses=tuple(sorted(TERMINAL))))
    yield "active", lambda: page(dana, JobQuery(statuses=tuple(sorted(ACTIVE))))
    for q in searches():
        yield q, lambda q=q: page(dana, JobQuery(q=q))  # type: ignore[misc]
    yield "session, second page", lambda: page(dana, JobQuery(q="session", cursor=second))
    yield "session, oldest first", lambda: page(dana, JobQuery(q="session", sort="oldest"))
    yield "session, of a member", lambda: page(mem, JobQuery(q="session"))
    yield "counters of: session", lambda: job_list.count_by_status(desk, dana, JobQuery(q="session"))
    yield "groups of failures", lambda: failure_groups(desk, dana)
    yield "groups of failures of a member", lambda: failure_groups(desk, mem)
    for period in Period:
        yield f"insights, {period}", lambda p=period: insights(desk, dana, p)  # type: ignore[misc]
    yield "insights, 90d, of a member", lambda: insights(desk, mem, Period.QUARTER)
    yield "insights, 90d, one kind", lambda: insights(desk, dana, Period.QUARTER, next(iter(KINDS)))
    yield "figures (/api/stats)", lambda: stats(desk, dana)
    yield "audit log", lambda: audit.entries(desk, dana)
    yield "export, first thousand", lambda: anext(_csv(desk, dana, ""))
    yield "export of: session, first thousand", lambda: anext(_csv(desk, dana, "session"))
    for typed in ("status:", "kind:v", "owner:d", "worker:"):
        yield f"completion of {typed}", lambda t=typed: complete(desk, dana, t)  # type: ignore[misc]


async def _csv(desk: Desk, actor: Actor, q: str) -> Any:
    parts = export(desk, actor, JobQuery(q=q), Format.CSV)
    await anext(parts)  # the names of the columns
    yield await anext(parts)
    await parts.aclose()  # type: ignore[attr-defined]


async def measure(rig: Rig, jobs: int, only: str, *, plans: bool) -> dict[str, float]:
    """Milliseconds for each question, in a database of its own."""
    url = _database_of(rig, jobs)
    await upgrade(url)
    async with open_desk(url, rig.valkey.url, rig.folder, *rig.kinds) as desk:
        people = await people_of(desk)
        began = time.perf_counter()
        await remember(desk, people, jobs)
        print(f"  {jobs:,} jobs made in {time.perf_counter() - began:.0f} s", flush=True)
        return await ask(desk, people, only, plans=plans)


async def ask(desk: Desk, people: People, only: str = "", *, plans: bool = False) -> dict[str, float]:
    """Milliseconds for each question whose name holds `only`."""
    second = (await job_list.read_page(desk, people.dana, JobQuery())).next_cursor
    found = {}
    for name, question in questions(desk, people, second):
        if only not in name:
            continue
        found[name] = await _median(question)
        if plans and found[name] > _SLOW_MS:
            await _explain(desk, name, question)
    return found


def _database_of(rig: Rig, jobs: int) -> str:
    url = make_url(rig.database_url)
    if url.get_backend_name() == "sqlite":
        return str(url.set(database=str(Path(rig.folder) / f"{jobs}.db")))
    assert rig.postgres
    return rig.postgres.url(rig.postgres.create_database())


async def _median(question: Question) -> float:
    await question()
    times: list[float] = []
    while len(times) < _ROUNDS and sum(times) < _LONGEST_SECONDS:
        began = time.perf_counter()
        await question()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def _explain(desk: Desk, name: str, question: Question) -> None:
    """Prints how the database reads each statement of a question."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        seen.append((statement, parameters))

    event.listen(desk.db.engine.sync_engine, "before_cursor_execute", note)
    await question()
    event.remove(desk.db.engine.sync_engine, "before_cursor_execute", note)
    how = "EXPLAIN QUERY PLAN" if desk.db.is_sqlite else "EXPLAIN ANALYZE"
    print(f"\n=== {name}")
    async with desk.db.engine.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SET LOCAL"):
                await connection.exec_driver_sql(statement)
            if statement.startswith(("SELECT", "WITH")):
                rows = await connection.exec_driver_sql(f"{how} {statement}", parameters)
                print("\n".join(["---", *(str(row[-1]) for row in rows)]))


async def main() -> None:
    """Prints a table for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--only", default="", help="questions whose name holds this")
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    for rig in rigs():
        if options.database not in {None, rig.name.lower()}:
            continue
        print(f"{rig.name}, load {os.getloadavg()[0]:.1f}")
        few = await measure(rig, options.few, options.only, plans=False)
        many = await measure(rig, options.jobs, options.only, plans=options.plans)
        show(few, many, options.few, options.jobs)


def show(few: dict[str, float], many: dict[str, float], *jobs: int) -> None:
    """Prints the table."""
    print(f"  {'':45}{jobs[0]:>12,}{jobs[1]:>12,}   ratio   (load {os.getloadavg()[0]:.1f})")
    for name, ms in many.items():
        print(f"  {name:45}{few[name]:>9.1f} ms{ms:>9.1f} ms{ms / few[name]:>8.1f}")


if __name__ == "__main__":
    asyncio.run(main())
