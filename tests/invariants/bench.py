"""What every command goes through: desk and model side by side, what is held up, and the checks after each step."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlmodel import col

from services.database.database import db_now
from services.failures.failures import Failure
from services.lifecycle import Claim, Claimed
from services.models import Job
from services.vocabulary import FailureType, Status
from tests.invariants.checks import check_against, check_changes, check_now, check_outside
from tests.invariants.house import (
    BALANCE,
    CHECKED,
    KINDS,
    LIMITS,
    OUTSIDE_OF_IT,
    POLICIES,
    STEPS,
    House,
)
from tests.invariants.model import Model
from tests.invariants.parts import Work
from tests.invariants.snapshot import Snapshot, look
from tests.invariants.world import Command, Crash, Deed, Fate, Point, Ring, begin, code

LEASE = 86_400
BROKEN = Failure(FailureType.TRANSIENT, "It broke", "Mend it", "f1", "Traceback …")
HOPELESS = Failure(FailureType.PERMANENT, "It will break again", fingerprint="f2")
WORKERS = ("anvil", "bellows")

some = st.integers(0, 11)
"""One of however many there are."""
people = st.sampled_from(("owner", "operator", "second operator", "admin", "stranger", "viewer"))
who = st.sampled_from(("owner", "operator", "second operator")) | people
workers = st.sampled_from(WORKERS)
kinds = st.sampled_from(KINDS)
rings = st.sampled_from((*Ring, Ring.REFUSED))
edges = st.sampled_from([point for point in Point if point is not Point.INSIDE])
fates = (
    st.just(Fate())
    | st.builds(Fate, ring=rings)
    | st.builds(Fate, edges, st.integers(1, 2), st.booleans(), rings)
    | st.builds(Fate, st.just(Point.INSIDE), st.integers(1, 10), st.just(value=True), rings)
)
ENDS: dict[str, tuple[Status, Failure | None]] = {
    "breaks": (Status.FAILED, BROKEN),
    "breaks for good": (Status.FAILED, HOPELESS),
    "takes too long": (Status.TIMEOUT, BROKEN),
    "is done": (Status.COMPLETED, None),
    "is cancelled": (Status.CANCELLED, None),
}
ends = st.just("breaks") | st.sampled_from(tuple(ENDS))


class Bench(RuleBasedStateMachine):
    """The desk and its model, without a rule."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.desk = house.desk
        self.model = Model(POLICIES, STEPS, BALANCE, LIMITS, CHECKED, OUTSIDE_OF_IT.weather)
        OUTSIDE_OF_IT.made = self.model.made
        self.held: list[tuple[Command, Callable[[Any], None]]] = []
        self.claims: dict[str, dict[Claim, Claimed]] = {worker: {} for worker in WORKERS}
        """What each worker believes to have, also what was taken from it."""
        self.wins: Counter[Claim] = Counter()
        self.seen: Snapshot | None = None
        self.to_account_for: list[tuple[UUID, UUID]] = []
        self.broken = False
        house.run(house.empty())

    # --- doing ----------------------------------------------------------------------------------------------------

    def _do(
        self, command: Command, work: Coroutine[Any, Any, Any], then: Callable[[Any], None] = lambda _: None
    ) -> None:
        """Lets a command run to its end or to where its fate waits. `then` gets what it returns."""
        self.house.steps += 1

        async def go() -> bool:
            begin(command, work)
            return await command.advance()

        self._settle(command, then, over=self.house.run(go()))

    def _simple(self, name: str, fate: Fate, deed: Deed, work: Coroutine[Any, Any, Any]) -> None:
        """A command with one transaction and nothing before it."""
        self._do(Command(name, fate, [deed]), work)

    def _settle(self, command: Command, then: Callable[[Any], None], *, over: bool) -> None:
        if not over:
            note(f"{command.name}{command.fate}")
            self.held.append((command, then))
            return
        outcome = command.outcome()
        note(f"{command.name}{command.fate}: {_said(outcome)}")
        if not isinstance(outcome, BaseException):
            then(outcome)

    def _job(self, number: int, apt: Callable[[Work], bool] = lambda _: True) -> tuple[UUID, Work]:
        """One of the jobs; three times in four one that is apt, if any is."""
        some = [
            job_id
            for job_id, job in self.model.jobs.items()
            if number % 4 == 0 or (apt(job) and not job.deleted)
        ]
        job_id = (some or list(self.model.jobs))[number % len(some or self.model.jobs)]
        return job_id, self.model.jobs[job_id]

    def _retryable(self, job: Work) -> bool:
        return job.status in POLICIES[job.kind].statuses and not job.deleted

    def _is_there(self, job: Work) -> bool:
        return not job.deleted

    def _named(self, job_id: UUID) -> str:
        return f"job {list(self.model.jobs).index(job_id) + 1}"

    def _held_by(self, worker: str, number: int) -> Claim | None:
        held = list(self.claims[worker])
        return held[-1 - number % len(held)] if held else None

    @invariant()
    def everything_adds_up(self) -> None:
        """Invariants 1 to 6, after each step."""
        try:
            now = self.house.run(look(self.desk.db))
            if self.seen:
                check_changes(self.seen, now)
            check_now(now, POLICIES, LIMITS)
            check_against(self.model, now)
            check_outside(self.model, OUTSIDE_OF_IT)
            assert max(self.wins.values(), default=0) <= 1, "an attempt runs at most once"
            self.seen = now
        except BaseException:
            self.broken = True
            raise

    async def make_late(self, which: Any) -> None:
        async with self.desk.db.write() as session:
            for clock, status in {
                "due_at": Status.SCHEDULED, "lease_expires_at": Status.RUNNING, "kick_due_at": Status.QUEUED,
            }.items():  # fmt: skip
                late = sa.update(Job).where(which, col(Job.status) == status).values({clock: db_now(-1)})
                await session.execute(late)


def _said(outcome: Any) -> str:
    if isinstance(outcome, Crash):
        return "killed"
    return code(outcome) if isinstance(outcome, Exception) else "done"
