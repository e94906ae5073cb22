"""All rules together, and what must be so in the end.

To add a command: one method of `Model` for why it is refused, one for what it does, and one rule that gives `do` a
`Command` with a `Deed` for each of its transactions. Crashes and hold-ups come by themselves.
"""

import asyncio
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlmodel import col

from services.lifecycle import Claim
from services.models import Job
from services.vocabulary import ACTIVE, Status
from tests.invariants.batches import Batches
from tests.invariants.bench import (
    ends,
    fates,
    kinds,
    some,
)
from tests.invariants.checks import check_job
from tests.invariants.house import BALANCE, STEPS
from tests.invariants.people import People
from tests.invariants.workers import Workers
from tests.invariants.world import Command, Fate, Point, Ring, Snapshot, look

HAPPENINGS = (
    "is retried", "is retried in vain", "is retried in an outage", "is claimed", "breaks", "is cancelled", "is deleted",
    "has its time", "its worker's lease ends", "gets a step done", "is renewed", "spends the credits", "earns some",
)  # fmt: skip


gaps = st.sampled_from((Point.BEFORE, Point.BEFORE, Point.CHANGE))
quick = st.sampled_from((["is retried in vain"], ["is claimed"], ["is renewed"]))
meanwhiles = quick | st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=5)


class Engine(People, Workers, Batches):
    """The retry engine against its model: time, housekeeping and bad luck besides what everybody does."""

    @initialize(chosen=st.lists(st.tuples(kinds, ends), min_size=2, max_size=4))
    def some_have_ended(self, chosen: list[tuple[str, str]]) -> None:
        """Jobs to begin with, so that there is something to retry."""
        for kind, end in chosen:
            self.submit(who="owner", kind=kind, later=False, fate=Fate())
            self.run(worker="anvil", bell=0, end=end)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some)
    def time_passes(self, number: int) -> None:
        """A job's time comes, its lease runs out, or nobody has answered its doorbell for a while."""
        self._pass_time(self._job(number, lambda job: job.status in ACTIVE)[0])

    def _pass_time(self, job_id: UUID) -> None:
        job = self.model.jobs[job_id]
        job.due, job.lost = job.status is Status.SCHEDULED, job.status is Status.RUNNING
        self.house.run(self.make_late(col(Job.id) == job_id))

    @rule(fate=fates)
    def keep_house(self, fate: Fate) -> None:
        """A round of housekeeping."""
        command = Command("housekeeping", fate, None)
        self._do(command, self.house.housekeeping.tick())
        self._after_housekeeping(exactly=fate.point is None)

    def _after_housekeeping(self, *, exactly: bool) -> None:
        """What it found is done. Where it was held up or killed: done, or as it was."""
        now = self.house.run(look(self.desk.db))
        for job_id, job in self.model.jobs.items():
            due, lost = job.status is Status.SCHEDULED and job.due, job.status is Status.RUNNING and job.lost
            if not due and not lost:
                continue
            if not exactly and self._is_as_said(job_id, now):
                continue
            (self.model.start if due else self.model.lose)(job_id)

    def _is_as_said(self, job_id: UUID, now: Snapshot) -> bool:
        try:
            check_job(self.model, job_id, now)
        except AssertionError:
            return False
        return True

    @precondition(lambda self: self.held)
    @rule(number=some, crash=st.booleans())
    def go_on(self, number: int, *, crash: bool) -> None:
        """What was held up goes on, or is killed where it stands."""
        command, then = self.held.pop(number % len(self.held))
        note("at last:")
        self._settle(command, then, over=self.house.run(command.go_on(crash=crash)))
        self._after_housekeeping(exactly=False)

    # --- somebody is held up between looking and doing: what goes wrong most easily --------------------------------

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, point=gaps | st.just(Point.RING), meanwhile=meanwhiles)
    def a_retry_is_overtaken(self, number: int, point: Point, meanwhile: list[str]) -> None:
        """Others do things to the job that it is about; also before the queue refuses it, so that it is taken back."""
        job_id, _ = self._job(4 * number + 1, self._retryable)
        ring = Ring.REFUSED if point is Point.RING else Ring.KEPT
        self._retry("operator", job_id, None, None, Fate(point, crash=False, ring=ring))
        self._goes_on_after(meanwhile, job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, point=gaps, meanwhile=meanwhiles)
    def a_batch_is_overtaken(self, number: int, point: Point, meanwhile: list[str]) -> None:
        """Others do things to one of its jobs, between what a chunk reads and what it changes."""
        job_id, _ = self._job(4 * number + 1, self._retryable)
        self.begin_batch(who="operator", chosen=None, fate=Fate())
        batch = Claim(next(reversed(self.model.jobs)), 1)
        self._claim("anvil", [batch], Fate())
        self._walk("anvil", batch, Fate(point, crash=False))
        self._goes_on_after(meanwhile, job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(
        what=st.sampled_from(("cancel", "start", "delete", "housekeeping")), number=some, point=gaps,
        meanwhile=meanwhiles,
    )  # fmt: skip
    def another_is_overtaken(self, what: str, number: int, point: Point, meanwhile: list[str]) -> None:
        """The same with whatever else is done to a job."""
        fate = Fate(point, crash=False)
        job_id, _ = self._job(4 * number + 1)
        match what:
            case "cancel":
                self._cancel("operator", job_id, None, fate)
            case "start":
                self._start("operator", job_id, fate)
            case "delete":
                self._delete("operator", job_id, fate)
            case "housekeeping":
                self._happens("is claimed", job_id)
                self._pass_time(job_id)
                self.keep_house(fate=fate)
        self._goes_on_after(meanwhile, job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, meanwhile=st.sampled_from(("is claimed", "breaks", "is cancelled")))
    def is_taken_back_too_late(self, number: int, meanwhile: str) -> None:
        """The queue refuses a retry's doorbell, and yet somebody has heard of it."""
        job_id, _ = self._job(4 * number + 1, self._retryable)
        fate = Fate(Point.RING, crash=False, ring=Ring.REFUSED)
        self._retry("operator", job_id, None, None, fate)
        self._goes_on_after([meanwhile], job_id)

    @rule(then=st.sampled_from(("is renewed", "breaks", "is cancelled")), wished=st.booleans())
    def a_lease_ends(self, then: str, *, wished: bool) -> None:
        """Housekeeping finds a lost worker, and before it acts the worker, or somebody else, does."""
        self.submit(who="owner", kind="test.auto", later=False, fate=Fate())
        job_id = next(reversed(self.model.jobs))
        for happening in ("is claimed", *(("is cancelled",) if wished else ())):
            self._happens(happening, job_id)
            self.everything_adds_up()
        self._pass_time(job_id)
        self.keep_house(fate=Fate(Point.BEFORE, crash=False))
        self._goes_on_after([then], job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(costly=st.booleans())
    def a_batch_is_walked_twice(self, *, costly: bool) -> None:
        """Two walk the same chunk at once; perhaps there was little to spend when the batch began."""
        if costly and self.model.balance > 1:
            self.grant(amount=1 - self.model.balance, fate=Fate())
        self.begin_batch(who="operator", chosen=None, fate=Fate())
        batch = Claim(next(reversed(self.model.jobs)), 1)
        self._claim("anvil", [batch], Fate())
        self.everything_adds_up()
        self._walk("anvil", batch, Fate(Point.BEFORE, crash=False))
        self.grant(amount=BALANCE, fate=Fate())
        self._walk("anvil", batch, Fate())
        self.everything_adds_up()
        self._goes_on_after([], batch.job_id)

    def _goes_on_after(self, meanwhile: list[str], job_id: UUID) -> None:
        last = self.held[-1:]  # what has just been held up, unless it was refused before it came so far
        for happening in meanwhile:
            self._happens(happening, job_id)
            self.everything_adds_up()
        if last and last[0] in self.held:
            self.go_on(number=self.held.index(last[0]), crash=False)

    def _happens(self, what: str, job_id: UUID) -> None:
        self._a_person_acts(what, job_id)
        self._a_worker_acts(what, job_id)
        if what == "has its time":
            self._pass_time(job_id)
            self.keep_house(fate=Fate())
        elif what == "its worker's lease ends" and self.model.jobs[job_id].status is Status.RUNNING:
            self._pass_time(job_id)

    def _a_person_acts(self, what: str, job_id: UUID) -> None:
        match what:
            case "is retried" | "is retried in vain":
                self._retry("admin", job_id, None, None, Fate())
            case "is retried in an outage":
                self._retry("admin", job_id, None, None, Fate(ring=Ring.REFUSED))
            case "is cancelled":
                self._cancel("admin", job_id, None, Fate())
            case "is deleted":
                self._delete("admin", job_id, Fate())
            case "spends the credits" if self.model.balance:
                self.grant(amount=-self.model.balance, fate=Fate())
            case "earns some":
                self.grant(amount=BALANCE, fate=Fate())

    def _a_worker_acts(self, what: str, job_id: UUID) -> None:
        if what == "is renewed":
            self.renew_and_tell(worker="bellows", number=0, as_worker="bellows")
        if what == "gets a step done":
            self.do_step(worker="bellows", number=0, step=STEPS[0])
        if what in {"is claimed", "breaks", "is retried in vain"}:
            claim = Claim(job_id, self.model.jobs[job_id].attempt)
            self._claim("bellows", [claim], Fate())
            if what != "is claimed" and claim in self.claims["bellows"]:
                self._finish("bellows", claim, "breaks", Fate())

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, meanwhile=st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=6))
    def happens(self, number: int, meanwhile: list[str]) -> None:
        """Several things to one job, one after the other."""
        job_id, _ = self._job(4 * number + 1)
        for happening in meanwhile:
            self._happens(happening, job_id)
            self.everything_adds_up()

    @precondition(lambda self: self.house.bells.delayed)
    @rule()
    def delayed_bells_arrive(self) -> None:
        """Late, but they come."""
        self.house.bells.waiting += self.house.bells.delayed
        self.house.bells.delayed.clear()

    @precondition(lambda self: self.house.bells.waiting)
    @rule()
    def the_queue_forgets(self) -> None:
        """Redis came back empty."""
        self.house.bells.waiting.clear()

    def teardown(self) -> None:
        """Nothing was lost: with a healthy queue, housekeeping and a worker, every job that waits is run."""
        try:
            if not self.broken:
                self._end_well()
        finally:
            self.house.run(self._leave())

    async def _leave(self) -> None:
        tasks = [command.task for command, _ in self.held if command.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.house.announcer.drain()

    def _end_well(self) -> None:
        while self.held:
            self.go_on(number=0, crash=False)
        for _ in range(4):
            self.house.run(self.make_late(col(Job.status).in_((Status.QUEUED, Status.SCHEDULED))))
            for job in self.model.jobs.values():
                job.due = job.status is Status.SCHEDULED
            self.keep_house(fate=Fate())
            while self.house.bells.waiting:
                self.answer_bell(worker="anvil", number=0, again=False, twice=False, fate=Fate())
            self.everything_adds_up()
        assert not self.model.waiting(), "every queued job is claimed in the end"
