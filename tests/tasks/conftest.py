"""A desk, a person at it, and the kinds of these tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.desk import Desk
from services.jobs import jobs, submission
from services.kinds import load_kinds
from services.models import Job
from services.people.access import Actor
from services.vocabulary import TERMINAL, Priority
from tests.support.desks import a_person, open_desk
from tests.support.waiting import eventually
from tests.support.workers import KINDS


@dataclass
class Bench:
    """A desk and somebody who submits jobs of the test kinds."""

    desk: Desk
    me: Actor
    folder: Path

    @property
    def marks(self) -> str:
        """Where the test kinds leave their marks."""
        return str(self.folder / "marks")

    def marked(self, word: str) -> list[str]:
        """The marks of that word."""
        path = Path(self.marks)
        return (
            [line for line in path.read_text().splitlines() if line.startswith(word)] if path.exists() else []
        )

    async def submit(self, kind: str, **args: Any) -> Job:
        """A job of a test kind; those that mark know where."""
        return await self.submit_as(Priority.NORMAL, kind, **args)

    async def submit_as(self, priority: Priority, kind: str, **args: Any) -> Job:
        """As `submit`, in another lane."""
        if "Marks" in self.desk.kinds[f"test.{kind}"].args_model.__name__:
            args = {"marks": self.marks} | args
        return await submission.submit(self.desk, self.me, f"test.{kind}", args, priority=priority)

    async def job(self, job_id: UUID) -> Job:
        """The job as it is now."""
        return await jobs.get_job(self.desk, self.me, job_id)

    async def ended(self, job_id: UUID, within: float = 30) -> Job:
        """The job once it is over."""

        async def look() -> Job | None:
            job = await self.job(job_id)
            return job if job.status in TERMINAL else None

        found = await eventually(look, within, expect="the job is over")
        assert found
        return found

    async def marked_within(self, word: str, seconds: float = 30) -> str:
        """The first mark of that word."""
        marks = await eventually(lambda: self.marked(word), seconds, expect=f"a mark {word!r}")
        return str(marks[0])


@pytest.fixture
async def bench(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """On SQLite and on PostgreSQL."""
    kinds = [kind for kind in load_kinds([KINDS]) if kind.name.startswith("test.")]
    async with open_desk(database_url, redis_url, tmp_path, *kinds, lease_seconds=3) as desk:
        yield Bench(desk, await a_person(desk, credits=10), tmp_path)
