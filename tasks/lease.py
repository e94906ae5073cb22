"""Leases: renewed while runs last, and kept an eye on, so that a run stops before its lease does.

Also where wishes to cancel and to pause are noticed, since both look at what this worker holds.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from services import lifecycle
from services.database.database import Database
from services.lifecycle import Claim
from tasks.outage import Outage
from tasks.run import Run, Stop

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_MOST_MARGIN_SECONDS = 5.0


class Leases:
    """The runs of this worker. Idle while there are none."""

    def __init__(self, db: Database, worker: str, lease_seconds: float) -> None:
        self.held: dict[Claim, Run] = {}
        self.some = asyncio.Event()
        """Set while anything runs."""
        self._db = db
        self._worker = worker
        self._lease = lease_seconds
        # What a run needs to stop, its children included.
        self._margin = min(_MOST_MARGIN_SECONDS, lease_seconds / 4)
        self._outage = Outage("leases (database)", logger)
        self._beat = _Timer(lease_seconds / 3, self._renew, self._outage.note)
        self._look = _Timer(_LOOK_SECONDS, self._look_for_wishes, self._outage.note)

    def hold(self, run: Run) -> None:
        """Takes a run into care."""
        self.held[run.claim] = run
        self.some.set()

    def release(self, run: Run) -> None:
        """Its outcome is written, or it is not ours any more."""
        self.held.pop(run.claim, None)

    async def keep(self) -> None:
        """For ever: renews, looks for wishes to cancel, stops runs whose lease is about to end."""
        tick = min(0.5, self._lease / 12)
        while True:
            if not self.held:
                self.some.clear()
                await self.some.wait()
                self._beat.rest()
                self._look.rest()
            await asyncio.sleep(tick)
            now = monotonic()
            self._beat.tick(now)
            self._look.tick(now)
            for run in self.held.values():
                if now > run.deadline - self._margin and not run.is_lost:
                    logger.warning(
                        "job %s: the lease could not be renewed, its run is stopped", run.claim.job_id
                    )
                    run.stop(Stop.LOST)

    async def _renew(self) -> None:
        held = dict(self.held)
        asked = monotonic()  # before the request: the lease begins no earlier than this
        async with asyncio.timeout(self._lease / 3):
            still = await self._db.transact(
                lambda session: lifecycle.renew(session, list(held), self._worker, self._lease)
            )
        for claim, run in held.items():
            if claim in still:
                run.deadline = asked + self._lease
            elif self.held.get(claim) is run:  # else it has ended meanwhile
                run.stop(Stop.LOST)
        self._outage.over()

    async def _look_for_wishes(self) -> None:
        async with asyncio.timeout(self._lease / 3), self._db.read() as session:
            wishes = await lifecycle.wishes(session, self._worker)
        for claim, wish in wishes.items():
            if run := self.held.get(claim):
                run.heed(wish)


class _Timer:
    """Does something every so often, one at a time, and sooner again after a failure."""

    def __init__(
        self,
        every: float,
        work: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._every = every
        self._work = work
        self._failed = failed
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None

    def rest(self) -> None:
        """Nothing to do for one period."""
        self._due = monotonic() + self._every

    def tick(self, now: float) -> None:
        """Begins where it is time."""
        if now >= self._due and (self._task is None or self._task.done()):
            self._due = now + self._every
            self._task = asyncio.create_task(self._do())

    async def _do(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try comes, and deadlines stand
            self._failed(error)
            self._due = min(self._due, monotonic() + min(1.0, self._every / 4))
