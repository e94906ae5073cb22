"""What people do: submit, cancel, start before its time, delete, give credits, pause, switch retries off."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services import credits as ledger
from services.jobs import deletion, jobs, pausing, submission
from services.models import Job
from services.models import now as wall_clock
from services.operations import switches
from services.vocabulary import ACTIVE, PAUSABLE, Status
from tests.invariants.bench import Bench, fates, kinds, some, who
from tests.invariants.house import KINDS, PAUSABLE_KINDS
from tests.invariants.parts import Work
from tests.invariants.world import Command, Deed, Fate


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
            Deed(lambda: self.model.against_start(actor, job_id), lambda _: self.model.start_now(job_id)),
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

    @precondition(lambda self: self.model.jobs)
    @rule(who=who, number=some, stale=st.sampled_from((None, 0, 1)), paused=st.booleans(), fate=fates)
    def pause(self, who: str, number: int, stale: int | None, *, paused: bool, fate: Fate) -> None:
        """Has a job hold on, or go on."""
        self._pause(who, self._job(number, _can_hold_on)[0], stale, fate, paused=paused)

    def _pause(self, who: str, job_id: UUID, stale: int | None, fate: Fate, *, paused: bool) -> None:
        actor, job = self.house.people[who], self.model.jobs[job_id]
        version, can = None if stale is None else job.version - stale, job.kind in PAUSABLE_KINDS
        self._simple(
            f"{who} {'pauses' if paused else 'resumes'} {self._named(job_id)}", fate,
            Deed(
                lambda: self.model.against_pause(actor, job_id, version, can=can),
                lambda _: self.model.pause(job_id, paused=paused),
            ),
            (pausing.pause if paused else pausing.resume)(self.desk, actor, job_id, version=version),
        )  # fmt: skip

    @rule(
        who=st.sampled_from(("operator", "admin", "owner", "viewer")), kind=st.none() | st.sampled_from(KINDS),
        fate=fates,
    )  # fmt: skip
    def switch_off(self, who: str, kind: str | None, fate: Fate) -> None:
        """No retries any more, of a kind or at all."""
        self._switch(who, kind, fate, off=True)

    @precondition(lambda self: self.model.off)
    @rule(who=st.sampled_from(("operator", "admin", "owner", "viewer")), number=some, fate=fates)
    def switch_on(self, who: str, number: int, fate: Fate) -> None:
        """Retries again."""
        off = sorted(self.model.off)
        self._switch(who, off[number % len(off)] or None, fate, off=False)

    def _switch(self, who: str, kind: str | None, fate: Fate, *, off: bool) -> None:
        actor = self.house.people[who]
        of = kind or "all kinds"
        deed = Deed(set, lambda _: self.model.switch(kind or "", off=off))
        command = Command(f"{who} switches retries of {of} {'off' if off else 'on'}", fate, [deed])
        command.against = self.model.against_switch(actor)
        self._do(command, (switches.switch_off if off else switches.switch_on)(self.desk, actor, kind))


def _can_hold_on(job: Work) -> bool:
    return job.kind in PAUSABLE_KINDS and job.status in PAUSABLE
