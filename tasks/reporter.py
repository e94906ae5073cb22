"""What runs say of themselves, gathered: to the feed four times a second, to the database once a second."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services import lifecycle
from services.database.commit import GroupCommit
from services.database.database import Database
from services.feed import Change, Feed
from services.lifecycle import Progress
from services.models import LogLine
from tasks.lease import Leases
from tasks.outage import Outage
from tasks.run import Run

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_TICKS_A_WRITE = 4
_GATHER_SECONDS = 0.02

Note = tuple[Progress | None, list[LogLine]]


class Announcer:
    """Publishes changes in the order they come: the first at once, those right behind it together."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: dict[Any, Change] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, changes: Iterable[Change]) -> None:
        """Publishes soon. Of several changes of one job, only the last is worth telling."""
        for change in changes:
            self._waiting.pop(change.id, None)
            self._waiting[change.id] = change
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._publish(), name="announcer")

    async def drain(self) -> None:
        """Waits until all is published."""
        if self._task:
            await self._task

    async def _publish(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            await self._feed.publish(batch.values())
            await asyncio.sleep(_GATHER_SECONDS)


class Reporter:
    """Looks at the runs that are held, for ever, and passes on what is new."""

    def __init__(self, db: Database, worker: str, leases: Leases, announcer: Announcer) -> None:
        self._db = db
        self._worker = worker
        self._leases = leases
        self._announcer = announcer
        self._notes: GroupCommit[Note, None] = GroupCommit(self._write)
        self._outage = Outage("progress and logs (database)", logger)

    async def watch(self) -> None:
        """For ever. Costs nothing while nothing runs."""
        ticks = 0
        while True:
            await self._leases.some.wait()
            await asyncio.sleep(_TICK_SECONDS)
            ticks += 1
            runs = [run for run in self._leases.held.values() if not run.is_lost]
            self._announcer.announce(
                run.claimed.change._replace(progress=told.percent, step=told.step)
                for run in runs
                if (told := run.context.unpublished())
            )
            if ticks % _TICKS_A_WRITE == 0:
                try:
                    await asyncio.gather(*(self.flush(run) for run in runs))
                except Exception as error:  # noqa: BLE001 - what a job says of itself must not end it
                    self._outage.note(error)

    async def flush(self, run: Run) -> None:
        """Writes what the run has said by now. What cannot be written is said again the next time."""
        moved, lines = run.context.unstored()
        if moved is None and not lines:
            return
        try:
            await self._notes.submit((moved, lines))
        except BaseException:
            run.context.put_back(lines)
            raise
        if moved:
            run.context.tell_again(moved)
        self._outage.over()

    async def _write(self, notes: Sequence[Note]) -> Sequence[None]:
        moved = [progress for progress, _ in notes if progress]
        lines = [line.model_dump() for _, batch in notes for line in batch]

        async def work(session: AsyncSession) -> None:
            if moved:
                await lifecycle.progress(session, moved, self._worker)
            if lines:
                await session.execute(sa.insert(LogLine), lines)

        await self._db.transact(work)
        return [None] * len(notes)
