"""The model's side of batches: what they may touch, and what they did."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from services.batch.trial import Tally
from services.feed import Change
from services.people.access import Actor
from services.vocabulary import ACTIVE, TERMINAL, BatchAction, Status, Trigger
from tests.invariants.asked import Asked
from tests.invariants.parts import Walk


class Batched(Asked):
    """Begin, walk, stop, go on."""

    def begin_batch(
        self, job_id: UUID, kind: str, action: BatchAction, by: Actor, matched: Iterable[UUID], canary: int
    ) -> None:
        eligible = {j: self.jobs[j].version for j in matched}
        may = [
            j for j in map(self.jobs.__getitem__, eligible) if self.may_retry(j) and not self.is_off(j.kind)
        ]
        ceiling = 0
        if action is BatchAction.RETRY:
            for cost in sorted(map(self.cost, may)):  # the cheapest first, as far as the balance goes
                ceiling += cost if ceiling + cost <= self.balance else 0
        self.submit(job_id, kind, by.user_id)
        self.batches[job_id] = Walk(action, ceiling, canary, eligible=eligible)

    def walk(self, batch_id: UUID, done: Mapping[UUID, Change], *, raced: bool) -> None:
        """A chunk that did so. Raises AssertionError where one of the jobs may not be touched, or not again.

        `raced`: somebody may have switched retries off after the chunk's transaction had looked.
        """
        batch = self.batches[batch_id]
        for job_id, change in done.items():
            match batch.action:
                case BatchAction.RETRY:
                    self._retry_one(batch_id, job_id, change, raced=raced)
                case BatchAction.CANCEL:
                    assert self.jobs[job_id].status in ACTIVE, "there is nothing to cancel"
                    assert not self.jobs[job_id].cancel_wish, "it was asked to stop before"
                    self.cancel(job_id)
                case BatchAction.DELETE:
                    self._require_unchanged(batch, job_id)
                    assert self.jobs[job_id].status in TERMINAL
                    self.delete(job_id)
            batch.done[job_id] += 1
        assert max(batch.done.values(), default=0) <= 1
        assert batch.spent <= batch.ceiling
        tried = batch.done.total()
        before = tried - len(done)
        assert before >= batch.canary or tried <= batch.canary, "it went on before its canary was complete"
        batch.chunks += 1

    def _retry_one(self, batch_id: UUID, job_id: UUID, change: Change, *, raced: bool) -> None:
        batch, job = self.batches[batch_id], self.jobs[job_id]
        self._require_unchanged(batch, job_id)
        assert self.may_retry(job)
        assert raced or not self.is_off(job.kind), "retries are switched off"
        assert self.replaces(job.kind) == (change.replaced_by is not None)
        cost = self.cost(job)
        assert cost <= self.balance
        self.retry(job_id, Trigger.BATCH, made=change.replaced_by, batch=batch_id)
        batch.spent += cost

    def _require_unchanged(self, batch: Walk, job_id: UUID) -> None:
        assert batch.eligible.get(job_id) == self.jobs[job_id].version, "it has changed since the batch began"

    def untouched(self, batch: Walk) -> list[UUID]:
        """What matched, was left alone, and has not changed since."""
        return [
            job_id
            for job_id, version in batch.eligible.items()
            if job_id not in batch.done and self.jobs[job_id].version == version
        ]

    def tally(self, batch_id: UUID) -> Tally:
        """What has become of a batch's retries."""
        ended: list[Status] = []
        for job in self.jobs.values():
            for number, run in job.runs.items():
                after = job.runs.get(number + 1)
                goes_on = run.interrupted and after is not None and after.trigger is Trigger.RESCUE
                if run.batch == batch_id and not goes_on:
                    ended.append(run.status)
        failed = sum(status in {Status.FAILED, Status.TIMEOUT} for status in ended)
        return Tally(ended.count(Status.COMPLETED), failed, sum(status in ACTIVE for status in ended))

    def stop(self, batch_id: UUID, *, stopped: bool) -> None:
        """Its canary did not recover; or a person wants it to go on all the same."""
        batch = self.batches[batch_id]
        batch.stopped = stopped
        if not stopped:
            batch.canary = 0
