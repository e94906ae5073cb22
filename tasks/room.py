"""Room for a claimed job: does this worker have what its kind needs, may another of the kind run here, and at all?

A message does not say its job's kind. So a claim finds out, and is undone where there is no room. More in
`docs/features/worker.md`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from services.desk import Desk
from services.errors import QueueUnavailable
from services.lifecycle import Claim, Claimed
from services.operations import slots
from services.queue import DEFAULT_QUEUE, Doorbell
from services.vocabulary import Priority

logger = logging.getLogger(__name__)

Ack = Callable[[], Awaitable[None]]

# How often, and for how many, others are rung for: enough for an idle worker to begin within seconds. Redis serves who
# has waited longest, so it is much less than `tasks.stream` blocks for, and uneven: else it may ever come back to us.
_RING_SECONDS = (0.5, 1.0)
_RING_COUNT = 4
# What waits here besides stays in the stream without an answer, and comes again after a while.
_MOST_WAITING = 64
_MOST_KNOWN = 10_000
_LANES = tuple(Priority)
"""The most urgent first."""


class Lack(Enum):
    """Why there is no room."""

    HERE = auto()
    """This worker runs as many of the kind as it may (`JobKind.per_worker`): the doorbell waits for a place."""
    ANYWHERE = auto()
    """All workers together do (`Desk.limits`): the doorbell is forgotten; whoever frees a slot rings."""
    ENGINE = auto()
    """This worker has not what the kind needs: the doorbell goes to the kind's own queue."""


class Refused(NamedTuple):
    """The answer to a claim for which there is no room."""

    kind: str
    priority: Priority
    lack: Lack


class NoRoomError(Exception):
    """Undoes a transaction that claimed more than there is room for."""

    def __init__(self, excess: dict[Claim, Refused]) -> None:
        super().__init__(f"{len(excess)} too many")
        self.excess = excess


class Room:
    """Which places are taken in this process, and whose doorbells wait for one."""

    def __init__(self, desk: Desk) -> None:
        self.queues = frozenset({DEFAULT_QUEUE})
        """What this worker listens to, and so can run."""
        self._desk = desk
        self._taken: dict[str, set[Claim]] = {}
        self._known: dict[Claim, Refused] = {}
        self._waiting: dict[str, dict[Claim, Ack]] = {}

    def free(self, kind: str) -> int | None:
        """How many more of a kind may run here; None: as many as come."""
        known = self._desk.kinds.get(kind)
        if known is None or known.per_worker is None:
            return None
        return max(known.per_worker - len(self._taken.get(kind, ())), 0)

    def refused_before(self, claim: Claim) -> Refused | None:
        """What an attempt was told that found no room before."""
        return self._known.get(claim)

    async def require(
        self, session: AsyncSession, claimed: Mapping[Claim, Claimed], asked: Sequence[Claim]
    ) -> None:
        """Raises NoRoomError where these would be too many; it names the least urgent, of these what was asked last."""
        by_kind: dict[str, list[Claim]] = {}
        for claim, won in claimed.items():
            by_kind.setdefault(won.kind, []).append(claim)
        excess: dict[Claim, Refused] = {}
        for kind, claims in by_kind.items():
            if self._desk.kinds.queue_of(kind) not in self.queues:
                excess |= _refuse(claimed, claims, Lack.ENGINE)
            elif (free := self.free(kind)) is not None and len(claims) > free:
                excess |= _refuse(claimed, _in_turn(claimed, claims, asked)[free:], Lack.HERE)
        if not excess and (limits := {k: self._desk.limits[k] for k in by_kind.keys() & self._desk.limits}):
            for kind, count in (await slots.overdrawn(session, limits)).items():
                last = _in_turn(claimed, by_kind[kind], asked)[-count:]
                excess |= _refuse(claimed, last, Lack.ANYWHERE)
        if excess:
            raise NoRoomError(excess)

    def take(self, claimed: Mapping[Claim, Claimed]) -> None:
        """These are claimed, and run from now on."""
        for claim, won in claimed.items():
            if self.free(won.kind) is not None:
                self._taken.setdefault(won.kind, set()).add(claim)

    def leave(self, claim: Claim, kind: str) -> None:
        """That one is over."""
        self._taken.get(kind, set()).discard(claim)
        self.forget(claim)

    # --- waiting for a place here -------------------------------------------------------------------------------------

    def wait(self, claim: Claim, refused: Refused, ack: Ack) -> None:
        """Keeps a doorbell, unanswered, until there is room here or another worker has the job."""
        self._known.pop(claim, None)  # it is the youngest now, not to be forgotten while it waits
        while len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[claim] = refused
        waiting = self._waiting.setdefault(refused.kind, {})
        waiting[claim] = ack
        if len(waiting) > _MOST_WAITING:
            del waiting[max(waiting, key=self._turn)]

    def next(self, kind: str) -> tuple[Claim, Ack] | None:
        """Takes the doorbell of the most urgent job, of these the oldest one's, where there is room for it."""
        waiting = self._waiting.get(kind)
        if not waiting or self.free(kind) == 0:
            return None
        claim = min(waiting, key=self._turn)
        return claim, waiting.pop(claim)

    def _turn(self, claim: Claim) -> tuple[int, Claim]:
        return _LANES.index(self._known[claim].priority), claim

    def forget(self, claim: Claim) -> None:
        """The claim is decided."""
        self._known.pop(claim, None)

    def clear(self) -> None:
        """Nothing waits here any more; the stream has the doorbells."""
        self._waiting.clear()

    # --- ringing for others -------------------------------------------------------------------------------------------

    async def ring_others(self) -> None:
        """While something waits: hands some of it back to the stream now and then, where an idle worker finds it.

        It may well come back here. Of each lane the youngest go, so that the oldest is here when a place is free; and
        in their own lane, else a batch's would stand before what people wait for.
        """
        while any(self._waiting.values()):
            await asyncio.sleep(random.uniform(*_RING_SECONDS))  # noqa: S311 - jitter, not a secret
            handed = {
                claim: (self._known[claim], waiting.pop(claim))
                for waiting in self._waiting.values()
                for lane in Priority
                for claim in sorted(c for c in waiting if self._known[c].priority is lane)[-_RING_COUNT:]
            }
            if not handed:
                return
            try:
                await self._desk.queue.kick(
                    [Doorbell(*claim, told.kind, told.priority) for claim, (told, _) in handed.items()]
                )
            except QueueUnavailable:
                continue  # unanswered, so they come again by themselves
            for _, ack in handed.values():
                await ack()

    async def pass_on(self, claim: Claim, refused: Refused, ack: Ack) -> None:
        """Rings where workers listen that have what the kind needs."""
        try:
            await self._desk.queue.kick([Doorbell(*claim, refused.kind, refused.priority)])
        except QueueUnavailable:
            return  # unanswered, so it comes again by itself
        await ack()

    async def ring_next(self, kind: str) -> None:
        """A slot of this kind is free: rings for who is next. What fails here is made good by housekeeping."""
        if kind not in self._desk.limits:
            return
        try:
            await self._desk.queue.kick(await slots.next_in_line(self._desk, [kind]))
        except Exception as error:  # noqa: BLE001 - database or queue away: a run that is over must not fail for it
            logger.info("nobody was rung for the next %s (%s)", kind, type(error).__name__)


def _in_turn(
    claimed: Mapping[Claim, Claimed], claims: Sequence[Claim], asked: Sequence[Claim]
) -> list[Claim]:
    return sorted(claims, key=lambda claim: (_LANES.index(claimed[claim].priority), asked.index(claim)))


def _refuse(claimed: Mapping[Claim, Claimed], claims: Sequence[Claim], lack: Lack) -> dict[Claim, Refused]:
    return {claim: Refused(claimed[claim].kind, claimed[claim].priority, lack) for claim in claims}
