"""Room for kinds of which a worker runs only some at a time (`JobKind.per_worker`); the others stay queued.

A doorbell does not say its job's kind. So a claim finds out, and is undone where there is no room; from then on the
kind of that attempt is known here, and nothing is asked of the database until a place is free. More in
`docs/features/worker.md`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from services.errors import QueueUnavailable
from services.kinds import KindRegistry
from services.lifecycle import Claim, Claimed
from services.queue import Doorbell, JobQueue

Ack = Callable[[], Awaitable[None]]

# How often, and for how many, others are rung for: enough for an idle worker to begin within seconds. Redis serves who
# has waited longest, so it is much less than `tasks.stream` blocks for, and uneven: else it may ever come back to us.
_RING_SECONDS = (0.5, 1.0)
_RING_COUNT = 4
# What waits here besides stays in the stream without an answer, and comes again after a while.
_MOST_WAITING = 64
_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Full:
    """The answer to a claim of a kind that this worker has no room for now."""

    kind: str


class NoRoomError(Exception):
    """Undoes a transaction that claimed more than there is room for."""

    def __init__(self, excess: dict[Claim, Full]) -> None:
        super().__init__(f"{len(excess)} too many")
        self.excess = excess


class Room:
    """Which places are taken in this process, and whose doorbells wait for one."""

    def __init__(self, kinds: KindRegistry, queue: JobQueue) -> None:
        self._kinds = kinds
        self._queue = queue
        self._taken: dict[str, set[Claim]] = {}
        self._known: dict[Claim, str] = {}
        self._waiting: dict[str, dict[Claim, Ack]] = {}

    def free(self, kind: str) -> int | None:
        """How many more of a kind may run here; None: as many as come."""
        known = self._kinds.get(kind)
        if known is None or known.per_worker is None:
            return None
        return max(known.per_worker - len(self._taken.get(kind, ())), 0)

    def kind_of(self, claim: Claim) -> str | None:
        """The kind of an attempt that found no room before."""
        return self._known.get(claim)

    def require(self, claimed: Iterable[Claimed]) -> None:
        """Raises NoRoomError where these would be too many; it names the youngest jobs."""
        by_kind: dict[str, list[Claim]] = {}
        for won in claimed:
            if self.free(won.kind) is not None:
                by_kind.setdefault(won.kind, []).append(Claim(won.change.id, won.attempt))
        excess = {
            claim: Full(kind)
            for kind, claims in by_kind.items()
            for claim in sorted(claims)[self.free(kind) or 0 :]
        }
        if excess:
            raise NoRoomError(excess)

    def take(self, claimed: Iterable[Claimed]) -> None:
        """These are claimed, and run from now on."""
        for won in claimed:
            if self.free(won.kind) is not None:
                self._taken.setdefault(won.kind, set()).add(Claim(won.change.id, won.attempt))

    def leave(self, claim: Claim, kind: str) -> None:
        """That one is over."""
        self._taken.get(kind, set()).discard(claim)
        self.forget(claim)

    def wait(self, claim: Claim, kind: str, ack: Ack) -> None:
        """Keeps a doorbell, unanswered, until there is room here or another worker has the job."""
        while len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[claim] = kind
        waiting = self._waiting.setdefault(kind, {})
        if claim in waiting or len(waiting) < _MOST_WAITING:
            waiting[claim] = ack

    def next(self, kind: str) -> tuple[Claim, Ack] | None:
        """Takes the oldest job's doorbell, where there is room for it."""
        waiting = self._waiting.get(kind)
        if not waiting or self.free(kind) == 0:
            return None
        claim = min(waiting)
        return claim, waiting.pop(claim)

    def forget(self, claim: Claim) -> None:
        """The claim is decided."""
        self._known.pop(claim, None)

    def clear(self) -> None:
        """Nothing waits here any more; the stream has the doorbells."""
        self._waiting.clear()

    async def ring_others(self) -> None:
        """While something waits: hands some of it back to the stream now and then, where an idle worker finds it.

        It may well come back here. The youngest go, so that the oldest is here when a place is free.
        """
        while any(self._waiting.values()):
            await asyncio.sleep(random.uniform(*_RING_SECONDS))  # noqa: S311 - jitter, not a secret
            handed = {
                claim: waiting.pop(claim)
                for waiting in self._waiting.values()
                for claim in sorted(waiting)[-_RING_COUNT:]
            }
            if not handed:
                return
            try:
                await self._queue.kick([Doorbell(*claim) for claim in handed])
            except QueueUnavailable:
                continue  # unanswered, so they come again by themselves
            for ack in handed.values():
                await ack()
