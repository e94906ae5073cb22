"""What somebody must look after: due jobs, lost workers, lost doorbells. One loop in each worker; many do no harm."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from services import lifecycle
from services.desk import Desk
from services.errors import QueueUnavailable
from services.failures.failures import Failure, failure
from services.feed import Change
from services.insights import folding
from services.jobs import counts as job_counts
from services.jobs.deletion import delete_old, purge_deleted
from services.jobs.retention import delete_expired
from services.lifecycle import Claim
from services.models import Job
from services.operations import slots
from services.queue import DEFAULT_QUEUE, Doorbell
from services.storage import archive
from services.storage.uploads import prune_uploads
from services.vocabulary import FailureType, Status
from tasks.engines import Tidy
from tasks.outage import Outage
from tasks.reporter import Announcer
from tasks.workdir import remove_leftovers

logger = logging.getLogger(__name__)

T = TypeVar("T")

_EVERY_SECONDS = (0.75, 1.25)
_TICK_LIMIT_SECONDS = 30.0
# Each is a handful of statements: the write transaction stays under some 50 ms.
_EXPIRE_CHUNK = 20
# While there is a true backlog, lost doorbells are looked for this seldom, so that it is not flooded.
_TRICKLE_SECONDS = 60.0
_SWEEP_SECONDS = 600.0
_CHORE_SECONDS = 8.0
# History that was never folded, of a version before, comes in beside the other work.
_FOLD_SECONDS = 0.5
_COUNTERS_SECONDS = 5.0


class Housekeeping:
    """Looks first, writes only where something is due, and rings after the commit."""

    def __init__(self, desk: Desk, announcer: Announcer, tidiers: Sequence[Tidy] = ()) -> None:
        self._desk = desk
        self._tidiers = tidiers
        self._announcer = announcer
        self._outage = Outage("housekeeping", logger)
        self._queues = frozenset({DEFAULT_QUEUE})
        self._trickle_at = monotonic() + _TRICKLE_SECONDS
        self._sweep_at = 0.0
        self._counters_at = 0.0
        self._retention_at = 0.0

    def hears(self, queues: frozenset[str]) -> None:
        """The queues that this worker listens to."""
        self._queues = queues

    async def keep(self) -> None:
        """For ever, about once a second. A database or queue that is away is waited for."""
        while True:
            await asyncio.sleep(random.uniform(*_EVERY_SECONDS))  # noqa: S311 - jitter, not a secret
            try:
                async with asyncio.timeout(_TICK_LIMIT_SECONDS):
                    await self.tick()
                self._outage.over()
            except Exception as error:  # noqa: BLE001 - the loop must go on, whatever happened
                self._outage.note(error)

    async def tick(self) -> None:
        """Does once what is to be done."""
        async with self._desk.db.read() as session:
            chores = await lifecycle.chores(
                session, self._kinds, self._desk.limits.keys(), retries=self._retries
            )
            ended = await folding.is_due(session)
        if chores.due:
            due = await self._desk.db.transact(partial(lifecycle.queue_due, retries=self._retries))
            for job in due:
                if job.attempt > 1:
                    logger.info("job %s queued for retry, attempt %d: its time has come", job.id, job.attempt)
            await self._ring(due)
        if chores.lost:
            await self._end_lost()
        if chores.unclaimed:
            await self._ring_again(chores.unclaimed)
        if ended:
            await self._fold()
        if monotonic() >= self._counters_at:
            self._counters_at = monotonic() + _COUNTERS_SECONDS
            await job_counts.fold(self._desk.db)
        await self._tidy_up()

    async def _tidy_up(self) -> None:
        """What can wait. One that fails, or waits for storage, neither takes the others with it nor stops the tick."""
        if monotonic() >= self._retention_at:
            before, self._retention_at = self._retention_at, monotonic() + _SWEEP_SECONDS
            # As long as something was kept long enough, some of it goes at every tick: a little of each workspace's.
            if await self._try(lambda: delete_expired(self._desk)):
                self._retention_at = before
        if monotonic() < self._sweep_at:
            return
        self._sweep_at = monotonic() + _SWEEP_SECONDS
        chores: list[Callable[[], Awaitable[object]]] = [
            lambda: remove_leftovers(self._desk.db, self._work),
            lambda: delete_old(self._desk),
            lambda: purge_deleted(self._desk),
            lambda: prune_uploads(self._desk),
            lambda: archive.purge(self._desk),
            lambda: folding.forget_hours(self._desk.db),
            *(partial(tidy, self._desk) for tidy in self._tidiers),
        ]
        for chore in chores:
            await self._try(chore)

    async def _try(self, chore: Callable[[], Awaitable[T]]) -> T | None:
        try:
            async with asyncio.timeout(_CHORE_SECONDS):
                return await chore()
        except Exception as error:  # noqa: BLE001 - the next one has nothing to do with it
            logger.warning("housekeeping: a chore failed (%s); it comes again", type(error).__name__)
            return None

    @property
    def _kinds(self) -> list[str]:
        return [kind.name for kind in self._desk.kinds]

    @property
    def _retries(self) -> bool:
        return self._desk.settings.retries_enabled

    @property
    def _work(self) -> Path:
        return self._desk.settings.data_path / "work"

    async def _fold(self) -> None:
        """Takes what has ended into the figures, as much as a moment allows; the rest comes at the next tick."""
        until = monotonic() + _FOLD_SECONDS
        while await self._desk.db.transact(folding.fold) and monotonic() < until:
            await asyncio.sleep(0)

    async def _end_lost(self) -> None:
        async with self._desk.db.read() as session:
            lost = await lifecycle.lost_leases(session)
        for start in range(0, len(lost), _EXPIRE_CHUNK):
            chunk = lost[start : start + _EXPIRE_CHUNK]

            async def work(session: AsyncSession, chunk: Sequence[Job] = chunk) -> list[Job]:
                return [ended for job in chunk if (ended := await self._expire(session, job))]

            ended = await self._desk.db.transact(work)
            for job in ended:
                logger.warning("job %s: its worker was lost; it is %s now", job.id, job.status)
            await self._ring(ended)
            # Also where there is a backlog: the slots of a worker that was killed are free now.
            await self._ring_for_slots({job.kind for job in ended})

    async def _expire(self, session: AsyncSession, job: Job) -> Job | None:
        kind = self._desk.kinds.get(job.kind)
        rescues = kind.policy.rescues if kind else 0
        rescue = rescues > 0 and await lifecycle.rescues_in_a_row(session, job) < rescues
        ended = await lifecycle.expire(session, job, _worker_lost(job), rescue=rescue)
        if ended is None or kind is None or ended.status is not Status.FAILED or not self._retries:
            return ended
        wait = kind.policy.auto.wait(FailureType.WORKER_LOST, ended.auto_retry_count)
        if wait is None:
            return ended
        await lifecycle.retry_later(session, {Claim(ended.id, ended.attempt): wait})
        await session.refresh(ended)
        return ended

    async def _ring_again(self, kinds: Sequence[str]) -> None:
        """Rings for what may have been lost. Of limited kinds only for as many as have a slot."""
        if not (may := await self._may_ring_again(kinds)):
            return
        limited = may & self._desk.limits.keys()
        if others := sorted(may - limited):
            jobs = await self._desk.db.transact(lambda session: lifecycle.unclaimed(session, others))
            await self._ring(jobs, changed=False)
        await self._ring_for_slots(limited)

    async def _may_ring_again(self, kinds: Sequence[str]) -> set[str]:
        """Those of the kinds in whose queue nothing waits. A true backlog must not be flooded."""
        depths = await self._desk.queue.depths()
        busy = {queue for queue, depth in depths.items() if depth}
        # A worker fleet that is always busy must not hide a lost doorbell for ever. What nobody hears can wait.
        if monotonic() >= self._trickle_at:
            self._trickle_at = monotonic() + _TRICKLE_SECONDS
            busy -= self._queues
        return {kind for kind in kinds if self._desk.kinds.queue_of(kind) not in busy}

    async def _ring_for_slots(self, kinds: Iterable[str]) -> None:
        if limited := sorted(set(kinds) & self._desk.limits.keys()):
            await self._kick(await slots.next_in_line(self._desk, limited))

    async def _ring(self, jobs: Sequence[Job], *, changed: bool = True) -> None:
        if changed:
            self._announcer.announce(map(Change.of, jobs))
        await self._kick(lifecycle.doorbells(jobs))

    async def _kick(self, bells: Sequence[Doorbell]) -> None:
        if not bells:
            return
        try:
            await self._desk.queue.kick(bells)
        except QueueUnavailable as error:
            logger.warning("%d jobs wait until the queue is back (%s)", len(bells), error.__cause__)


def _worker_lost(job: Job) -> Failure:
    advice = "Its process was killed or lost its database, perhaps for want of memory. Look at its log, then retry."
    # The worker's name in the fingerprint would make each of them a mistake of its own.
    lost = failure(job.kind, FailureType.WORKER_LOST, "Worker lost", advice)
    return replace(lost, message=f"Worker lost: {job.worker} stopped answering")
