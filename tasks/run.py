"""One run of an attempt in this process: its task, until when it may run, and why it was stopped, if it was."""

import asyncio
import logging
from enum import Enum, auto
from typing import Any

from services.lifecycle import Claim, Claimed, Wish
from tasks.context import RunContext

logger = logging.getLogger(__name__)

# A run that is told to stop gets this long for cleaning up, then is told again, then is left to itself.
_ASK_AGAIN_SECONDS = 2.5
_ABANDON_SECONDS = 3.5


class Stop(Enum):
    """Why a run is stopped before its end."""

    TIMEOUT = auto()
    CANCELLED = auto()
    """A person asked."""
    SHUTDOWN = auto()
    """The worker stops; the job goes to another one."""
    LOST = auto()
    """The lease could not be renewed: nothing may be written any more."""


class Run:
    """What the runner holds while an attempt runs. `deadline` is the end of its lease on this process's own clock."""

    def __init__(self, claimed: Claimed, deadline: float, context: RunContext) -> None:
        self.claimed = claimed
        self.claim = Claim(claimed.change.id, claimed.attempt)
        self.deadline = deadline
        self.context = context
        self.stopped: Stop | None = None
        self.cancelled_by: str | None = None
        self._task: asyncio.Task[Any] | None = None
        self._over = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._seconds_left = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self._clock_began = 0.0

    @property
    def is_lost(self) -> bool:
        """Whether the attempt is no longer ours to write about."""
        return self.stopped is Stop.LOST

    async def perform(self, body: Any, timeout: float) -> asyncio.Task[Any]:  # noqa: ASYNC109 - it tells, not raises
        """Runs a coroutine to its end, or until it was stopped and had its time to clean up. Returns its task."""
        task = self._task = asyncio.create_task(body, name=f"job {self.claim.job_id}")
        task.add_done_callback(lambda _: self._over.set())
        self._seconds_left = timeout
        if not self.context.paused:
            self._start_clock()
        if self.stopped:  # before it began
            self._press(task)
        try:
            await self._over.wait()
        finally:
            self._stop_clock()
            for timer in self._timers:
                timer.cancel()
        if not task.done():
            logger.error("job %s does not stop; it is left to itself", self.claim.job_id)
        return task

    def heed(self, wish: Wish) -> None:
        """Does what people want of the run."""
        # What it says of its progress from now on is about the job as they changed it.
        self.claimed = self.claimed._replace(change=self.claimed.change._replace(version=wish.version))
        if wish.cancelled:
            self.cancelled_by = wish.cancelled_by
            self.stop(Stop.CANCELLED)
        elif wish.paused and not self.context.paused:
            self.context.pause()
            self._stop_clock()
        elif self.context.paused and not wish.paused:
            self.context.resume()
            self._start_clock()

    def stop(self, why: Stop) -> None:
        """Stops the run, unless it has ended. The first reason counts, but a lost lease outweighs every other."""
        if self._task and self._task.done() and why is not Stop.LOST:
            return
        first = self.stopped is None
        if first or why is Stop.LOST:
            self.stopped = why
        self.context.stop()
        if first and self._task:
            self._press(self._task)

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock_began = loop.time()
        self._clock = loop.call_later(self._seconds_left, self.stop, Stop.TIMEOUT)

    def _stop_clock(self) -> None:
        """The time for which a run is paused is not its own."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._seconds_left -= asyncio.get_running_loop().time() - self._clock_began

    def _press(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        task.cancel()
        self._timers.append(loop.call_later(_ASK_AGAIN_SECONDS, task.cancel))
        self._timers.append(loop.call_later(_ABANDON_SECONDS, self._over.set))
