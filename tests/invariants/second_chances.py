"""Retries: now, at a time, or when what does not answer is back; and the looks that housekeeping takes for those."""

from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.models import Job
from services.models import now as wall_clock
from services.retry.retrying import Wish, retry
from services.vocabulary import Status, Trigger
from tests.invariants.bench import Bench, fates, rings, some, who
from tests.invariants.house import OUTSIDE_OF_IT, STEPS
from tests.invariants.parts import Weather, When, Work
from tests.invariants.world import Command, Deed, Fate, Ring

_LATER = timedelta(days=90)


class SecondChances(Bench):
    """Another chance, of a person's own."""

    @precondition(lambda self: self.model.jobs)
    @rule(
        who=who, number=some, stale=st.sampled_from((None, 0, 0, 1)),
        from_step=st.sampled_from((None, None, *STEPS)), when=st.sampled_from(When), fate=fates,
    )  # fmt: skip
    def retry(
        self, who: str, number: int, stale: int | None, from_step: str | None, when: When, fate: Fate
    ) -> None:
        """Another chance, of the version that was seen, an older one, or whichever it is."""
        self._retry(who, self._job(number, self._retryable)[0], stale, from_step, fate, when)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, when=st.sampled_from((When.NOW, *When)), ring=rings)
    def retry_what_may_be(self, number: int, when: When, ring: Ring) -> None:
        """Most of the others are refused."""
        self._retry(
            "operator", self._job(4 * number + 1, self._retryable)[0], None, None, Fate(ring=ring), when
        )

    def _retry(
        self,
        who: str,
        job_id: UUID,
        stale: int | None,
        from_step: str | None,
        fate: Fate,
        when: When = When.NOW,
    ) -> None:
        actor, job = self.house.people[who], self.model.jobs[job_id]
        version = None if stale is None else job.version - stale
        planned, later = deepcopy(job), self.model.later(job, when)
        made = job_id

        def carried_out(answer: tuple[Any, Job]) -> None:
            nonlocal made
            made = answer[1].id
            assert (made != job_id) == (self.model.replaces(job.kind) and later is None)
            self.model.retry(job_id, Trigger.MANUAL, from_step, made=made, later=later)

        def taken_back(reverted: Job | None) -> None:
            said = self.model.take_back(job_id, made, planned.attempt + 1, planned)
            assert said == (reverted is not None), "a retry is taken back if and only if nobody has it"

        deeds = [Deed(lambda: self.model.against_carrying_out(job_id, planned), carried_out)]
        if when is not When.BACK:  # who waits for what is away waits for the queue, too
            deeds.append(Deed(set, taken_back))
        command = Command(
            f"{who} retries {self._named(job_id)} {when}", fate, deeds,
            self.model.against_retry(actor, job_id, version, from_step, when),
        )  # fmt: skip
        at = wall_clock() + _LATER if when is When.LATER else None
        wish = Wish(from_step, at=at, when_available=when is When.BACK)
        self._do(command, retry(self.desk, actor, job_id, version=version, wish=wish))

    @rule(what=st.sampled_from(sorted(OUTSIDE_OF_IT.weather)), weather=st.sampled_from(Weather))
    def weather_changes(self, what: str, weather: Weather) -> None:
        """Something outside goes away, or comes back."""
        OUTSIDE_OF_IT.weather[what] = weather

    @precondition(lambda self: self.model.awaiting())
    @rule(fate=fates)
    def look(self, fate: Fate) -> None:
        """A worker looks whether what some retry waits for is back."""
        found: dict[UUID, int] = {}

        def taken(jobs: list[Job]) -> None:
            due = [job_id for job_id in self.model.awaiting() if self.model.jobs[job_id].due]
            assert len(jobs) == min(len(due), 1), "what is due is looked at"
            for job in jobs:
                assert job.id in due
                found[job.id] = self.model.jobs[job.id].version
                self.model.jobs[job.id].due = False

        def against() -> set[str]:
            is_taken_back = Weather.AGAINST in command.found.values()
            return {"conflict", "job_not_found"} if is_taken_back and changed() else set()

        def changed() -> bool:
            return any(self.model.jobs[job_id].version != version for job_id, version in found.items())

        def looked(job: Job | None) -> None:
            ((job_id, _),) = found.items()
            is_queued = job is not None and job.status is Status.QUEUED
            assert not is_queued or command.overtaken or not self.model.is_off("test.asking"), "it waits on"
            self._see(job_id, list(command.found.items()), job, changed=changed())

        command = Command("a look", fate, [Deed(set, taken), Deed(against, looked)], is_told=False)
        self._do(command, self.house.looking.tick())

    def _see(
        self, job_id: UUID, seen: list[tuple[str, Weather]], answer: Job | None, *, changed: bool
    ) -> None:
        """What was seen becomes of a retry what it must."""
        job = self.model.jobs[job_id]
        away = [name for name, weather in seen if weather is Weather.AWAY]
        assert answer is None or not changed, "somebody was first"
        if Weather.AGAINST in dict(seen).values():
            self.model.take_back_waiting(job_id)
        elif away:
            assert changed or (answer is not None) == (away[0] != job.waits_for)
            job.waits_for = job.waits_for if changed else away[0]
        elif answer is not None:
            self.model.start(job_id)
        else:
            assert changed or self.model.is_off(job.kind), "everything is back"


def waits(job: Work) -> bool:
    """Whether a retry of it has not begun."""
    return job.status is Status.SCHEDULED and job.is_retry
