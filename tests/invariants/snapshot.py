"""What the database holds, read at one moment."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.database.database import Database
from services.jobs import counts as job_counts
from services.models import Attempt, CreditEntry, Job, Step, Workspace
from services.vocabulary import Status, StepStatus


@dataclass(frozen=True)
class Snapshot:
    """All of it, of one workspace."""

    jobs: dict[UUID, dict[str, Any]]
    attempts: dict[tuple[UUID, int], dict[str, Any]]
    kept: dict[tuple[UUID, int], set[str]]
    """Steps that have a result."""
    ledger: list[dict[str, Any]]
    balance: int
    counted: dict[Status, int]
    """How many jobs there are to be seen, as the database's own counters say."""


async def look(db: Database) -> Snapshot:
    """Everything there is."""
    async with db.read() as session:

        async def rows(query: Any) -> list[dict[str, Any]]:
            return [dict(row) for row in (await session.execute(query)).mappings()]

        done = (StepStatus.COMPLETED, StepStatus.KEPT)
        kept: dict[tuple[UUID, int], set[str]] = {}
        for step in await rows(sa.select(*sa.inspect(Step).columns)):
            if step["status"] in done and step["result"] is not None:
                kept.setdefault((step["job_id"], step["attempt"]), set()).add(step["name"])
        jobs, attempts, ledger = [
            await rows(sa.select(*sa.inspect(table).columns).order_by(*sa.inspect(table).primary_key))
            for table in (Job, Attempt, CreditEntry)
        ]
        counted = await job_counts.by_status(session, ())
        balance = (await session.scalars(sa.select(Workspace.balance))).one()  # type: ignore[call-overload]
    return Snapshot(
        {job["id"]: job for job in jobs},
        {(run["job_id"], run["number"]): run for run in attempts},
        kept,
        ledger,
        balance,
        counted,
    )
