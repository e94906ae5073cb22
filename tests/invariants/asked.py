"""The model's side of what people ask for: why it is refused now, and what it does."""

from copy import deepcopy
from dataclasses import replace
from uuid import UUID

from services.people.access import Actor
from services.vocabulary import ACTIVE, PAUSABLE, RETRIES, TERMINAL, Role, Status, Trigger
from tests.invariants.books import Books
from tests.invariants.parts import Later, Line, Run, When, Work


class Asked(Books):
    """Submit, retry, cancel, start, delete, give credits, pause, switch."""

    def submit(self, job_id: UUID, kind: str, owner: UUID, *, later: bool = False) -> None:
        status = Status.SCHEDULED if later else Status.QUEUED
        self.jobs[job_id] = Work(kind, owner, job_id, status, {1: Run(Trigger.FIRST, status)})

    # --- retry ------------------------------------------------------------------------------------------------------

    def against_retry(
        self,
        actor: Actor,
        job_id: UUID,
        version: int | None,
        from_step: str | None = None,
        when: When = When.NOW,
    ) -> set[str]:
        """Every reason against it; which of them is told first is not the model's business."""
        job, found = self.jobs[job_id], self.not_for(actor, job_id)
        if job.deleted or "job_not_found" in found:
            return found
        if version is not None and version != job.version:
            found.add("conflict")
        policy = self.policies[job.kind]
        if job.status not in policy.statuses or (job.status is Status.COMPLETED and not job.left):
            found.add("not_retryable")
        if policy.counts and policy.limit is not None and job.retries >= policy.limit:
            found.add("retry_limit_reached")
        if self.cost(job) > self.balance:
            found.add("insufficient_credits")
        if from_step and not self._can_start(job, from_step):
            found.add("invalid")
        if self.is_off(job.kind):
            found.add("retries_disabled")
        return found | self.against_checks(job, when)

    def against_carrying_out(self, job_id: UUID, planned: Work) -> set[str]:
        """What may have come up since the plan was made."""
        job = self.jobs[job_id]
        if job.deleted:
            return {"job_not_found"} if self.jobs[self.newest(job_id)].deleted else {"conflict"}
        found = {"conflict"} if job.version != planned.version else set()
        if self.is_off(job.kind):
            found.add("retries_disabled")
        return found | ({"insufficient_credits"} if self.cost(planned) > self.balance else set())

    def _can_start(self, job: Work, step: str) -> bool:
        earlier = self.steps[: self.steps.index(step)]
        kept = job.last_run.kept if job.last_run else ()
        return set(earlier) <= set(kept)

    def retry(
        self,
        job_id: UUID,
        trigger: Trigger,
        from_step: str | None = None,
        *,
        made: UUID | None = None,
        later: Later | None = None,
        batch: UUID | None = None,
    ) -> None:
        """`made`: the record that has the new attempt, where that is another one."""
        before = self.jobs[job_id]
        cost, last, policy = self.cost(before), before.last_run, self.policies[before.kind]
        earlier = self.steps[: self.steps.index(from_step)] if from_step else ()
        kept = tuple(step for step in earlier if last and step in last.kept)
        status = Status.SCHEDULED if later else Status.QUEUED
        prepared = policy.prepare is not None and later is None
        run = Run(trigger, status, cost, kept=kept, batch=batch, prepared=prepared)
        job = before if made in {None, job_id} else self._replace(job_id, made)
        job.add(run)
        job.retries += policy.counts
        job.status, job.cancel_wish, job.due = status, False, False
        job.waits_for = later.waits_for if later else None
        if later is None:
            job.worker, job.output = None, None
        if cost:
            self.lines.append(Line(-cost, made or job_id, job.attempt))

    def _replace(self, job_id: UUID, made: UUID | None) -> Work:
        assert made
        before = self.jobs[job_id]
        before.deleted, before.replaced_by = True, made
        new = Work(before.kind, before.owner, before.line, Status.QUEUED, {}, before.attempt)
        new.retries, new.autos = before.retries, before.autos
        self.jobs[made] = new
        return new

    def take_back(self, job_id: UUID, made: UUID, attempt: int, before: Work) -> bool:
        """A retry whose doorbell could not be rung. False: somebody has the attempt already."""
        job, old, was = self.jobs[made], self.jobs[job_id], deepcopy(before)
        if job.status is not Status.QUEUED or job.attempt != attempt:
            return False
        self._refund(made)
        job.runs[attempt] = replace(job.run, status=Status.FAILED, void=True, prepared=False)
        job.paused = False
        if made == job_id:
            job.status, job.retries, job.output = was.status, was.retries, was.output
            job.worker, job.cancel_wish = was.worker, was.cancel_wish
        else:
            job.status, job.deleted, job.replaced_by = Status.FAILED, True, job_id
            old.deleted, old.replaced_by, old.attempt = False, None, attempt
        return True

    def _refund(self, job_id: UUID) -> None:
        job = self.jobs[job_id]
        if job.run.cost:
            self.lines.append(Line(job.run.cost, job_id, job.attempt))
        job.run.cost = 0

    # --- what waits or runs -----------------------------------------------------------------------------------------

    def against_cancel(self, actor: Actor, job_id: UUID, version: int | None) -> set[str]:
        job = self.jobs[job_id]
        found = self.not_for(actor, job_id)
        wrong = job.status not in ACTIVE or (version is not None and version != job.version)
        return found or ({"conflict"} if wrong else set())

    def cancel(self, job_id: UUID) -> None:
        job = self.jobs[job_id]
        if job.status is Status.RUNNING:
            job.cancel_wish = True
        elif job.status is Status.SCHEDULED and job.run.trigger in RETRIES:
            self.take_back_waiting(job_id)
        else:
            self._refund(job_id)
            job.status, job.paused = Status.CANCELLED, False
            job.runs[job.attempt] = replace(job.run, status=Status.CANCELLED)

    def take_back_waiting(self, job_id: UUID) -> None:
        """A retry that has not begun: the job is again as it had ended."""
        job = self.jobs[job_id]
        self._refund(job_id)
        job.runs[job.attempt] = replace(job.run, status=Status.CANCELLED, void=True)
        ended = job.last_run
        assert ended
        job.status, job.waits_for = ended.status, None
        if job.run.trigger is Trigger.AUTO:
            job.autos -= 1
        else:
            job.retries -= self.policies[job.kind].counts

    def against_start(self, actor: Actor, job_id: UUID) -> set[str]:
        job, found = self.jobs[job_id], self.not_for(actor, job_id)
        if found:
            return found
        if job.status is not Status.SCHEDULED:
            return {"conflict"}
        return {"retries_disabled"} if job.is_retry and self.is_off(job.kind) else set()

    def start_now(self, job_id: UUID) -> None:
        """Where something is waited for, that is looked for at once."""
        if self.jobs[job_id].waits_for:
            self.jobs[job_id].due = True
        else:
            self.start(job_id)

    def start(self, job_id: UUID) -> None:
        """Queues what is scheduled: its time has come, or a person does not wait for it."""
        job = self.jobs[job_id]
        job.status = job.run.status = Status.QUEUED
        job.worker, job.output, job.waits_for, job.cancel_wish, job.due = None, None, None, False, False

    def against_delete(self, actor: Actor, job_id: UUID) -> set[str]:
        found = self.not_for(actor, job_id)
        return found or (set() if self.jobs[job_id].status in TERMINAL else {"conflict"})

    def delete(self, job_id: UUID) -> None:
        """With the records whose place it took: nothing of their content outlives it."""
        self.jobs[job_id].deleted = True
        for job in self.jobs.values():
            if job.line == self.jobs[job_id].line:
                job.output = None
                for run in job.runs.values():
                    run.kept = ()

    # --- the rest ---------------------------------------------------------------------------------------------------

    def grant(self, amount: int) -> None:
        self.lines.append(Line(amount))

    def against_pause(self, actor: Actor, job_id: UUID, version: int | None, *, can: bool) -> set[str]:
        job, found = self.jobs[job_id], self.not_for(actor, job_id)
        if found:
            return found
        if not can:
            return {"invalid"}
        stale = version is not None and version != job.version
        return {"conflict"} if stale or job.cancel_wish or job.status not in PAUSABLE else set()

    def pause(self, job_id: UUID, *, paused: bool) -> None:
        self.jobs[job_id].paused = paused

    def against_switch(self, actor: Actor) -> set[str]:
        return set() if actor.role in {Role.OPERATOR, Role.ADMIN} else {"forbidden"}

    def switch(self, kind: str, *, off: bool) -> None:
        (self.off.add if off else self.off.discard)(kind)
