"""A desk with a past: a million jobs of many people in three workspaces over 90 days, written straight into the tables.

The rows go to the driver as they are (SQLite's executemany, PostgreSQL's COPY), so that a million takes some minutes.
Triggers fill what they derive; the roll-ups are added up by the code that folds.
"""

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from services.desk import Desk
from services.failures.failures import failure
from services.insights import folding
from services.insights.runs import Run
from services.jobs import counts as job_counts
from services.models import now
from services.people.access import Actor
from services.vocabulary import TERMINAL, UNSUCCESSFUL, FailureType, Priority, Role, Status, Trigger
from tests.support.desks import a_person

DAYS = 90
SHARES = {
    Status.COMPLETED: 870, Status.CANCELLED: 82, Status.FAILED: 34, Status.TIMEOUT: 6, Status.QUEUED: 5,
    Status.SCHEDULED: 2, Status.RUNNING: 1,
}  # fmt: skip
WORKSPACES = {"default": (20, 80), "studio": (8, 15), "lab": (4, 5)}
"""How many people, and how many jobs of a hundred."""
KINDS = {
    "video.process": ("interview", "lecture", "holiday"), "file.download": ("archive", "dataset"),
    "webhook.deliver": ("order paid", "order sent"), "video.download": ("clip", "trailer"),
    "resume.analyse": ("Lebenslauf", "Müller", "résumé"), "video.metadata": ("clip",),
}  # fmt: skip
"""Kinds, the most frequent first, and what their titles are about."""
_MISTAKES = (
    "Could not read {n} bytes of the source", "ffmpeg ended with exit status {n}", "The receiver answered {n}",
    "No space left on device: {n} bytes wanted", "Connection reset by peer after {n} s", "Timed out after {n} s",
    "Out of memory: {n} MB", "Kein Zugriff auf Ü{n}", "HTTP Error {n}: Forbidden", "part{n} of the upload is missing",
)  # fmt: skip
_TRACE = "Traceback (most recent call last):\n" + '  File "tasks/kinds/video.py", line 77, in run\n' * 5
_TOGETHER = 20_000


@dataclass(frozen=True)
class People:
    """Who is there."""

    dana: Actor
    """An admin of the largest workspace."""
    mem: Actor
    """A member of it."""
    of: dict[str, list[Actor]]
    """By workspace."""


async def people_of(desk: Desk) -> People:
    """Makes the people of the three workspaces."""
    of: dict[str, list[Actor]] = {}
    for workspace, (many, _) in WORKSPACES.items():
        of[workspace] = [
            await a_person(
                desk, Role.MEMBER if n == 1 else Role.ADMIN, workspace=workspace, name=f"{workspace}{n}"
            )
            for n in range(many)
        ]
    return People(of["default"][0], of["default"][1], of)


async def remember(desk: Desk, people: People, jobs: int) -> None:
    """Writes so many jobs, their attempts, an audit log a third as long, and the roll-ups."""
    past = _Past(people, jobs)
    write = _to_sqlite if desk.db.is_sqlite else _to_postgresql
    rows = iter(past)
    while chunk := list(islice(rows, _TOGETHER)):
        await write(
            desk,
            {
                "job": [row[0] for row in chunk],
                "attempt": [attempt for row in chunk for attempt in row[1]],
                "audit_entry": [entry for row in chunk for entry in row[2]],
            },
        )
        async with desk.db.write() as session:
            await folding.add(session, past.runs)
        past.runs.clear()
        await job_counts.fold(desk.db)
    if not desk.db.is_sqlite:
        async with desk.db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (
                "job",
                "attempt",
                "audit_entry",
                "outcome_rollup",
                "duration_rollup",
                "recovery_rollup",
            ):
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.execute(f"VACUUM ANALYZE {table}", timeout=600)


class _Past:
    """The rows, in order of creation: a job, its attempts, its entries in the audit log."""

    def __init__(self, people: People, jobs: int) -> None:
        self._jobs = jobs
        self._people = people.of
        self._dice = random.Random(jobs)
        self._until = now()
        self._prints: dict[str, tuple[str | None, FailureType]] = {}
        self.runs: list[Run] = []

    def __iter__(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]:
        dice, jobs = self._dice, self._jobs
        homes = dice.choices(list(WORKSPACES), [share for _, share in WORKSPACES.values()], k=jobs)
        statuses = dice.choices(list(SHARES), list(SHARES.values()), k=jobs)
        for n in range(jobs):
            yield self._one(n, statuses[n], dice.choice(self._people[homes[n]]))

    def _one(
        self, n: int, status: Status, owner: Actor
    ) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        dice = self._dice
        # Those that wait are spread as well: a page of few and a page of many hold as many of them, and are compared.
        made = self._until - timedelta(days=DAYS) * (1 - n / self._jobs)
        kind = list(KINDS)[min(int(dice.expovariate(0.7)), len(KINDS) - 1)]
        job_id = _id_at(made, dice)
        # One in nine was retried; what stands failed has failed before as often as not.
        retried = dice.random() < (0.5 if status in UNSUCCESSFUL else 0.11)
        runs = [Status.FAILED, status] if retried else [status]
        job = {
            "id": job_id, "rank": job_id, "workspace_id": owner.workspace_id, "owner_id": owner.user_id,
            "kind": kind, "title": self._title(n, kind), "args": {}, "status": status,
            "version": 2 * len(runs) + 1, "attempt": len(runs), "progress": 100 * (status is Status.COMPLETED),
            "error": None, "failure_type": None, "fingerprint": None, "retry_count": len(runs) - 1,
            "auto_retry_count": 0, "priority": Priority.NORMAL, "kicks": 1, "created_at": made, "updated_at": made,
            "queued_at": made, "started_at": None, "finished_at": None, "worker": None,
        }  # fmt: skip
        attempts, after, ended = [], None, made
        for number, ends in enumerate(runs, 1):
            attempt = self._attempt(job, number, ends, after, ended)
            attempts.append(attempt)
            after, ended = attempt["fingerprint"], attempt["finished_at"] or ended
            self._note(owner, attempt, attempts[:-1])
        last = attempts[-1]
        job |= {
            name: last[name] for name in ("error", "failure_type", "fingerprint", "queued_at", "started_at")
        }
        job |= {"finished_at": last["finished_at"], "worker": last["worker"], "updated_at": ended}
        entries = [
            {
                "id": _id_at(ended, dice), "workspace_id": owner.workspace_id, "actor": owner.email,
                "action": "job.retry" if retried else "job.submit", "job_id": job_id, "data": {"kind": kind},
                "created_at": ended,
            }
        ] if n % 3 == 0 or retried else []  # fmt: skip
        return job, attempts, entries

    def _title(self, n: int, kind: str) -> str:
        """A word in many, one in a few thousand, one in a single title, and one that only the oldest have."""
        words = [self._dice.choice(KINDS[kind]), f"{n:07}"]
        if n % 250 == 17:
            words.append("directorscut")
        if n % 40 == 3:
            words.append("session")
        if n < self._jobs // 10:
            words.append("prologue")
        if n == self._jobs // 2:
            words.append("needle")
        return " ".join(words)

    def _attempt(
        self, job: dict[str, Any], number: int, status: Status, after: str | None, since: datetime
    ) -> dict[str, Any]:
        dice = self._dice
        queued = since + timedelta(seconds=dice.expovariate(0.02)) if number > 1 else since
        started = (
            None
            if status in {Status.QUEUED, Status.SCHEDULED}
            else queued + timedelta(seconds=dice.expovariate(1))
        )
        finished = (
            started + timedelta(seconds=dice.expovariate(0.05)) if started and status in TERMINAL else None
        )
        error, print_, type_ = self._failure(job["kind"]) if status in UNSUCCESSFUL else (None, None, None)
        return {
            "job_id": job["id"], "number": number, "trigger": Trigger.FIRST if number == 1 else Trigger.MANUAL,
            "status": status, "void": False, "cost": number - 1, "kind": job["kind"], "after_fingerprint": after,
            "error": error, "failure_type": type_, "fingerprint": print_, "traceback": _TRACE if error else None,
            "worker": f"render-{dice.randrange(12)}" if started else None, "queued_at": queued,
            "started_at": started, "finished_at": finished, "folded": True if finished else None,
        }  # fmt: skip

    def _failure(self, kind: str) -> tuple[str, str | None, FailureType]:
        dice = self._dice
        words = _MISTAKES[min(int(dice.expovariate(0.5)), len(_MISTAKES) - 1)]
        if (key := f"{kind} {words}") not in self._prints:
            types = list(FailureType)
            known = failure(kind, types[len(self._prints) % len(types)], words.format(n=1))
            self._prints[key] = known.fingerprint, known.type
        return words.format(n=dice.randrange(100_000)), *self._prints[key]

    def _note(self, owner: Actor, attempt: dict[str, Any], before: list[dict[str, Any]]) -> None:
        if attempt["finished_at"] is None:
            return
        self.runs.append(
            Run(
                attempt["job_id"], attempt["number"], owner.workspace_id, owner.user_id, attempt["kind"],
                attempt["status"], attempt["trigger"], False, attempt["cost"], attempt["after_fingerprint"], False,
                attempt["queued_at"], attempt["started_at"], attempt["finished_at"],
                before[-1]["finished_at"] if before else None,
            )
        )  # fmt: skip


def _id_at(moment: datetime, dice: random.Random) -> UUID:
    """A UUIDv7 as it would have been made then."""
    high = int(moment.timestamp() * 1000) << 16 | 7 << 12 | dice.getrandbits(12)
    return UUID(int=high << 64 | 2 << 62 | dice.getrandbits(62))


async def _to_sqlite(desk: Desk, tables: dict[str, list[dict[str, Any]]]) -> None:
    assert desk.db.url.database
    with sqlite3.connect(desk.db.url.database, isolation_level=None) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN IMMEDIATE")
        for table, rows in tables.items():
            if rows:
                names, marks = ", ".join(rows[0]), ", ".join("?" * len(rows[0]))
                connection.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})",
                    ([_for_sqlite(value) for value in row.values()] for row in rows),
                )
        connection.execute("COMMIT")
    connection.close()


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return json.dumps(value) if isinstance(value, dict) else value


async def _to_postgresql(desk: Desk, tables: dict[str, list[dict[str, Any]]]) -> None:
    async with desk.db.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        async with driver.transaction():
            for table, rows in tables.items():
                if rows:
                    await driver.copy_records_to_table(
                        table,
                        columns=list(rows[0]),
                        timeout=600,
                        records=[_for_postgresql(row) for row in rows],
                    )


def _for_postgresql(row: dict[str, Any]) -> Sequence[Any]:
    return [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
