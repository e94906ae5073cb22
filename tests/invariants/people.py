"""What people do: submit, retry, cancel, start before its time, delete, give credits."""

from copy import deepcopy
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services import credits as ledger
from services.jobs import deletion, jobs, submission
from services.models import Job
from services.models import now as wall_clock
from services.retry.retrying import retry
from services.vocabulary import ACTIVE, Status, Trigger
from tests.invariants.bench import Bench, fates, kinds, rings, some, who
from tests.invariants.house import STEPS
from tests.invariants.world import Command, Deed, Fate, Ring


class People(Bench):
    """People, and those who may not."""

    @rule(who=who, kind=kinds, later=st.booleans(), fate=fates)
    def submit(self, who: str, kind: str, *, later: bool, fate: Fate) -> None:
        """A new job."""
        actor = self.house.people[who]
        run_at = wall_clock().replace(year=wall_clock().year + 1) if later else None

        def made(job: Job) -> None:
            self.model.submit(job.id, kind, actor.user_id, later=later)

        command = Command(f"{who} submits {kind}", fate, [Deed(set, made)])
        command.against = set() if actor.may_change else {"forbidden"}
        self._do(command, submission.submit(self.desk, actor, kind, {}, run_at=run_at))

    @precondition(lambda self: self.model.jobs)
    @rule(
        who=who, number=some, stale=st.sampled_from((None, 0, 0, 1)),
        from_step=st.sampled_from((None, None, *STEPS)), fate=fates,
    )  # fmt: skip
    def retry(self, who: str, number: int, stale: int | None, from_step: str | None, fate: Fate) -> None:
        """Another chance, of the version that was seen, an older one, or whichever it is."""
        self._retry(who, self._job(number, self._retryable)[0], stale, from_step, fate)

    @precondition(lambda self: self.model.jobs)
    @rule(number=some, ring=rings)
    def retry_what_may_be(self, number: int, ring: Ring) -> None:
        """Most of the others are refused."""
        self._retry("operator", self._job(4 * number + 1, self._retryable)[0], None, None, Fate(ring=ring))

    def _retry(self, who: str, job_id: UUID, stale: int | None, from_step: str | None, fate: Fate) -> None:
        actor, job = self.house.people[who], self.model.jobs[job_id]
        version = None if stale is None else job.version - stale
        planned = deepcopy(job)

        def carried_out(_: Any) -> None:
            self.model.retry(job_id, Trigger.MANUAL, from_step)

        def taken_back(reverted: Job | None) -> None:
            said = self.model.take_back(job_id, planned.attempt + 1, planned)
            assert said == (reverted is not None), "a retry is taken back if and only if nobody has it"

        command = Command(
            f"{who} retries {self._named(job_id)}",
            fate,
            [
                Deed(lambda: self.model.against_carrying_out(job_id, planned), carried_out),
                Deed(set, taken_back),
            ],
            self.model.against_retry(actor, job_id, version, from_step),
        )
        self._do(command, retry(self.desk, actor, job_id, version=version, from_step=from_step))

    @precondition(lambda self: self.model.jobs)
    @rule(who=who, number=some, stale=st.sampled_from((None, 0, 1)), fate=fates)
    def cancel(self, who: str, number: int, stale: int | None, fate: Fate) -> None:
        """Cancels a job, or stops an automatic retry that waits."""
        self._cancel(who, self._job(number, lambda job: job.status in ACTIVE)[0], stale, fate)

    def _cancel(self, who: str, job_id: UUID, stale: int | None, fate: Fate) -> None:
        actor, job = self.house.people[who], self.model.jobs[job_id]
        version = None if stale is None else job.version - stale
        self._simple(
            f"{who} cancels {self._named(job_id)}", fate,
            Deed(lambda: self.model.against_cancel(actor, job_id, version), lambda _: self.model.cancel(job_id)),
            jobs.cancel(self.desk, actor, job_id, version=version),
        )  # fmt: skip

    @precondition(lambda self: self.model.jobs)
    @rule(who=who, number=some, fate=fates)
    def start_now(self, who: str, number: int, fate: Fate) -> None:
        """Does not wait for a scheduled job's time."""
        self._start(who, self._job(number, lambda job: job.status is Status.SCHEDULED)[0], fate)

    def _start(self, who: str, job_id: UUID, fate: Fate) -> None:
        actor = self.house.people[who]
        self._simple(
            f"{who} starts {self._named(job_id)} now", fate,
            Deed(lambda: self.model.against_start(actor, job_id), lambda _: self.model.start(job_id)),
            jobs.start_now(self.desk, actor, job_id),
        )  # fmt: skip

    @precondition(lambda self: sum(not job.deleted for job in self.model.jobs.values()) > 2)
    @rule(who=who, number=some, fate=fates)
    def delete(self, who: str, number: int, fate: Fate) -> None:
        """Deletes what is over."""
        self._delete(who, self._job(number)[0], fate)

    def _delete(self, who: str, job_id: UUID, fate: Fate) -> None:
        actor = self.house.people[who]
        self._simple(
            f"{who} deletes {self._named(job_id)}", fate,
            Deed(lambda: self.model.against_delete(actor, job_id), lambda _: self.model.delete(job_id)),
            deletion.delete(self.desk, actor, job_id),
        )  # fmt: skip

    @rule(amount=st.integers(-3, 5).filter(bool), fate=fates)
    def grant(self, amount: int, fate: Fate) -> None:
        """Credits come or go."""
        self._simple(
            f"{amount:+} credits", fate,
            Deed(
                lambda: {"invalid"} if self.model.balance + amount < 0 else set(),
                lambda _: self.model.grant(amount),
            ),
            ledger.grant(self.desk, self.house.people["admin"], amount, "a test"),
        )  # fmt: skip
