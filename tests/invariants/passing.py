"""Time, housekeeping, and whoever was held up and goes on."""

from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlmodel import col

from services.models import Job
from services.vocabulary import ACTIVE, Status
from tests.invariants.bench import Bench, fates, some
from tests.invariants.checks import check_job
from tests.invariants.snapshot import Snapshot, look
from tests.invariants.world import Command, Fate


class Passing(Bench):
    """What happens by itself."""

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
            is_off = job.is_retry and self.model.is_off(job.kind)
            if not lost and (not due or job.waits_for or is_off):
                continue
            if not exactly and self._is_as_said(job_id, now):
                continue
            (self.model.lose if lost else self.model.start)(job_id)

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
