"""Somebody is held up between looking and doing, while others act: what goes wrong most easily."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.lifecycle import Claim
from services.vocabulary import BatchAction, Status
from tests.invariants.batches import Batches
from tests.invariants.bench import kinds, some
from tests.invariants.house import BALANCE, OUTSIDE_OF_IT, STEPS
from tests.invariants.parts import Weather, When
from tests.invariants.passing import Passing
from tests.invariants.people import People
from tests.invariants.second_chances import SecondChances
from tests.invariants.workers import Workers
from tests.invariants.world import Fate, Point, Ring

HAPPENINGS = (
    "is retried", "is retried in vain", "is retried in an outage", "is retried for later", "waits for what is away",
    "is claimed", "breaks", "is cancelled", "is deleted", "is paused", "has its time", "is looked at",
    "its worker's lease ends", "gets a step done", "is renewed", "spends the credits", "earns some",
    "its retries are switched off",
)  # fmt: skip

OFF = ["its retries are switched off"]
_ENOUGH = 3
gaps = st.sampled_from((Point.BEFORE, Point.BEFORE, Point.CHANGE))
quick = st.sampled_from((["is retried in vain"], ["is claimed"], ["is renewed"], OFF))
anew = st.none() | st.sampled_from(("test.replaced", "test.replaced", "test.prepared"))
"""Kinds whose retries do most."""
meanwhiles = quick | st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=5)


class Overtaken(People, SecondChances, Workers, Batches, Passing):
    """Two or more at once, and one of them is slow."""

    @precondition(lambda self: self.model.jobs)
    @rule(
        number=some,
        point=gaps | st.just(Point.RING),
        when=st.sampled_from((When.NOW, *When)),
        anew=anew,
        meanwhile=meanwhiles,
    )
    def a_retry_is_overtaken(
        self, number: int, point: Point, when: When, anew: str | None, meanwhile: list[str]
    ) -> None:
        """Others do things to the job that it is about; also before the queue refuses it, so that it is taken back."""
        job_id = self._one_to_retry(number, anew)
        ring = Ring.REFUSED if point is Point.RING else Ring.KEPT
        self._retry("operator", job_id, None, None, Fate(point, crash=False, ring=ring), when)
        self._goes_on_after(meanwhile, job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(
        number=some,
        action=st.just(BatchAction.RETRY) | st.sampled_from(BatchAction),
        point=gaps,
        meanwhile=meanwhiles,
    )
    def a_batch_is_overtaken(
        self, number: int, action: BatchAction, point: Point, meanwhile: list[str]
    ) -> None:
        """Others do things to one of its jobs, between what a chunk reads and what it changes."""
        apt = self._retryable if action is BatchAction.RETRY else self._is_there
        chosen = 4 * number + 1
        job_id, _ = self._job(chosen, apt)
        ids = None if action is BatchAction.RETRY else [chosen]
        self._make_way()
        if (batch := self._a_batch(action, ids)) is None:
            return
        self._walk("anvil", batch, Fate(point, crash=False))
        self._goes_on_after(meanwhile, job_id)

    def _a_batch(self, action: BatchAction, chosen: list[int] | None = None, canary: int = 0) -> Claim | None:
        """One that has begun, claimed by a worker. None: retries are switched off."""
        known = set(self.model.jobs)
        self._begin_batch("operator", action, chosen, Fate(), canary)
        if not (new := self.model.jobs.keys() - known):
            return None
        batch = Claim(new.pop(), 1)
        self._claim("anvil", [batch], Fate())
        return batch

    @precondition(lambda self: self.model.jobs)
    @rule(
        what=st.sampled_from(("cancel", "start", "delete", "pause", "housekeeping")), number=some, point=gaps,
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
            case "pause":
                self._pause("operator", job_id, None, fate, paused=True)
            case "housekeeping":
                self._happens("is claimed", job_id)
                self._pass_time(job_id)
                self.keep_house(fate=fate)
        self._goes_on_after(meanwhile, job_id)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, anew=anew, meanwhile=st.sampled_from(("is claimed", "breaks", "is cancelled")))
    def is_taken_back_too_late(self, number: int, anew: str | None, meanwhile: str) -> None:
        """The queue refuses a retry's doorbell, and yet somebody has heard of it."""
        job_id = self._one_to_retry(number, anew)
        fate = Fate(Point.RING, crash=False, ring=Ring.REFUSED)
        self._retry("operator", job_id, None, None, fate)
        self._goes_on_after([meanwhile], job_id)

    @rule(then=st.sampled_from(("is renewed", "breaks", "is cancelled")), wished=st.booleans())
    def a_lease_ends(self, then: str, *, wished: bool) -> None:
        """Housekeeping finds a lost worker, and before it acts the worker, or somebody else, does."""
        job_id = self._new("test.auto")
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
        if (batch := self._a_batch(BatchAction.RETRY)) is None:
            return
        self.everything_adds_up()
        self._walk("anvil", batch, Fate(Point.BEFORE, crash=False))
        self.grant(amount=BALANCE, fate=Fate())
        self._walk("anvil", batch, Fate())
        self.everything_adds_up()
        self._goes_on_after([], batch.job_id)

    @rule(kind=st.just("test.slotted") | kinds, point=gaps)
    def a_claim_is_overtaken(self, kind: str, point: Point) -> None:
        """Two workers take jobs of a kind at the same moment: there may be one slot left."""
        made = [Claim(self._new(kind), 1) for _ in range(2)]
        self._claim("anvil", made[:1], Fate(point, crash=False))
        last = self.held[-1:]
        self._claim("bellows", made[1:], Fate())
        self.everything_adds_up()
        if last and last[0] in self.held:
            self.go_on(number=self.held.index(last[0]), crash=False)

    @rule(
        comes=st.sampled_from((Weather.UP, *Weather)),
        where=st.sampled_from(((Point.AFTER, 1), (Point.AFTER, 1), (Point.CHANGE, 2))),
        meanwhile=st.sampled_from((["is cancelled"], ["is cancelled", "is retried for later"], OFF)),
    )
    def a_look_is_overtaken(self, comes: Weather, where: tuple[Point, int], meanwhile: list[str]) -> None:
        """What a retry waits for is back, or not, or is against it; and somebody else does something meanwhile."""
        self._make_way()
        job_id = self._new("test.asking")
        self._happens("breaks", job_id)
        self.everything_adds_up()
        OUTSIDE_OF_IT.weather["storage"] = Weather.AWAY
        self._retry("operator", job_id, None, None, Fate(), When.BACK)
        self.everything_adds_up()
        if not self.model.jobs[job_id].waits_for:
            return
        self._pass_time(job_id)
        OUTSIDE_OF_IT.weather["storage"] = comes
        self.look(fate=Fate(*where, crash=False))
        self._goes_on_after(meanwhile, job_id)

    def _new(self, kind: str) -> UUID:
        self.submit(who="owner", kind=kind, later=False, fate=Fate())
        return next(reversed(self.model.jobs))

    def _one_to_retry(self, number: int, anew: str | None) -> UUID:
        """A job that is there, or one of a kind that has just broken."""
        self._make_way()
        if anew is None:
            return self._job(4 * number + 1, self._retryable)[0]
        job_id = self._new(anew)
        self._happens("breaks", job_id)
        if self.model.jobs[job_id].status is Status.SCHEDULED:
            self._cancel("admin", job_id, None, Fate())  # it would be retried by itself
        self.everything_adds_up()
        return job_id

    def _make_way(self) -> None:
        """Nothing outside, no switch and no want of credits is against the one that is to be overtaken."""
        OUTSIDE_OF_IT.clear_up()
        for kind in sorted(self.model.off):
            self._switch("admin", kind or None, Fate(), off=False)
        if self.model.balance < _ENOUGH:
            self.grant(amount=BALANCE, fate=Fate())
        self.everything_adds_up()

    def _goes_on_after(self, meanwhile: list[str], job_id: UUID) -> None:
        last = self.held[-1:]  # what has just been held up, unless it was refused before it came so far
        for happening in meanwhile:
            self._happens(happening, self.model.newest(job_id))
            self.everything_adds_up()
        if last and last[0] in self.held:
            self.go_on(number=self.held.index(last[0]), crash=False)

    def _happens(self, what: str, job_id: UUID) -> None:
        self._a_person_acts(what, job_id)
        self._a_worker_acts(what, job_id)
        if what == "has its time":
            self._pass_time(job_id)
            self.keep_house(fate=Fate())
        elif what == "is looked at" and self.model.jobs[job_id].waits_for:
            self._pass_time(job_id)
            self.look(fate=Fate())
        elif what == "its worker's lease ends" and self.model.jobs[job_id].status is Status.RUNNING:
            self._pass_time(job_id)

    def _a_person_acts(self, what: str, job_id: UUID) -> None:
        if what.startswith(("is retried", "waits")):
            self._is_retried(what, job_id)
        match what:
            case "is paused":
                self._pause("admin", job_id, None, Fate(), paused=True)
            case "its retries are switched off":
                self._switch("admin", self.model.jobs[job_id].kind, Fate(), off=True)
            case "is cancelled":
                self._cancel("admin", job_id, None, Fate())
            case "is deleted":
                self._delete("admin", job_id, Fate())
            case "spends the credits" if self.model.balance:
                self.grant(amount=-self.model.balance, fate=Fate())
            case "earns some":
                self.grant(amount=BALANCE, fate=Fate())

    def _is_retried(self, what: str, job_id: UUID) -> None:
        ring = Ring.REFUSED if what == "is retried in an outage" else Ring.KEPT
        when = {"is retried for later": When.LATER, "waits for what is away": When.BACK}.get(what, When.NOW)
        if when is When.BACK:
            OUTSIDE_OF_IT.weather["engine"] = Weather.AWAY
        self._retry("admin", job_id, None, None, Fate(ring=ring), when)

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
            self._happens(happening, self.model.newest(job_id))
            self.everything_adds_up()
