"""The model's side of what workers and housekeeping do."""

from uuid import UUID

from services.vocabulary import FailureType, Status, Trigger
from tests.invariants.books import Books
from tests.invariants.parts import Run, Work


class Worked(Books):
    """Claim, end, hand back, lose."""

    def holds(self, worker: str, job_id: UUID, attempt: int) -> bool:
        job = self.jobs[job_id]
        return (job.status, job.worker, job.attempt) == (Status.RUNNING, worker, attempt)

    def may_claim(self, job_id: UUID, attempt: int) -> bool:
        job = self.jobs[job_id]
        return job.status is Status.QUEUED and job.attempt == attempt and not job.deleted

    def against_claim(self, job_id: UUID, attempt: int) -> set[str]:
        """Nobody is told: without room the claim is undone."""
        lacks_room = self.may_claim(job_id, attempt) and not self.has_room(self.jobs[job_id].kind)
        return {"NoRoomError"} if lacks_room else set()

    def claim(self, job_id: UUID, attempt: int, worker: str) -> bool:
        if not self.may_claim(job_id, attempt):
            return False
        job = self.jobs[job_id]
        assert self.has_room(job.kind), "more run than there are slots"
        job.status = job.run.status = Status.RUNNING
        job.worker, job.lost, job.run.began = worker, False, True
        return True

    def finish(
        self, job_id: UUID, attempt: int, worker: str, status: Status, *, output: bool, again: bool
    ) -> bool:
        """False: it is not that worker's any more. `again`: an automatic retry follows, if they are on."""
        if not self.holds(worker, job_id, attempt):
            return False
        job = self.jobs[job_id]
        job.status = job.run.status = status
        job.output, job.paused = attempt if output else None, False
        job.left = job_id not in self.batches or self.batches[job_id].stopped
        if again and status in {Status.FAILED, Status.TIMEOUT} and not job.cancel_wish:
            self._schedule(job)
        return True

    def _schedule(self, job: Work) -> None:
        if self.is_off(job.kind):
            return
        job.add(Run(Trigger.AUTO, Status.SCHEDULED, kept=job.run.kept))
        job.status, job.due, job.autos = Status.SCHEDULED, False, job.autos + 1

    def hand_back(self, job_id: UUID) -> None:
        self._interrupt(self.jobs[job_id], rescue=True)

    def lose(self, job_id: UUID) -> None:
        """The lease ran out: a rescue, an automatic retry, or the end, as the policy says."""
        job = self.jobs[job_id]
        policy = self.policies[job.kind]
        wished = job.cancel_wish
        self._interrupt(job, rescue=job.rescues_in_a_row < policy.rescues)
        again = FailureType.WORKER_LOST in policy.auto.on and job.autos < policy.auto.limit
        if again and not wished and job.status is Status.FAILED:
            self._schedule(job)

    def _interrupt(self, job: Work, *, rescue: bool) -> None:
        wished = job.cancel_wish
        job.run.status = Status.CANCELLED if wished else Status.FAILED
        job.run.interrupted = not wished
        job.lost, job.cancel_wish = False, False
        if rescue and not wished:
            job.add(Run(Trigger.RESCUE, kept=job.run.kept, batch=job.run.batch))
            job.status, job.worker = Status.QUEUED, None
        else:
            job.status, job.paused = job.run.status, False
