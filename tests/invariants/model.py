"""What the engine must do, in plain Python: jobs, their runs, and credits. No database, no clock, no queue.

Each command has two halves: why it must be refused now (codes; empty: it must not be), and what it does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.people.access import Actor
from services.policy import RetryPolicy
from services.vocabulary import ACTIVE, TERMINAL, WAITING, FailureType, Status, Trigger

COUNTED = (Trigger.MANUAL, Trigger.BATCH)


@dataclass
class Run:
    """An attempt."""

    trigger: Trigger
    status: Status = Status.QUEUED
    cost: int = 0
    void: bool = False
    began: bool = False
    kept: tuple[str, ...] = ()
    """Steps whose result it has, its own or an earlier run's."""


@dataclass
class Work:
    """A job. `version` is as last seen in the database: the model only says when it must have grown."""

    kind: str
    owner: UUID
    status: Status
    runs: list[Run]
    version: int = 1
    retries: int = 0
    autos: int = 0
    worker: str | None = None
    output: int | None = None
    cancel_wish: bool = False
    deleted: bool = False
    due: bool = False
    """Its time has come, if it is scheduled."""
    lost: bool = False
    """Its lease has run out, if it runs."""

    @property
    def attempt(self) -> int:
        return len(self.runs)

    @property
    def run(self) -> Run:
        return self.runs[-1]

    @property
    def last_run(self) -> Run | None:
        """The latest that was not void."""
        return next((run for run in reversed(self.runs) if not run.void), None)

    @property
    def rescues_in_a_row(self) -> int:
        triggers = [run.trigger for run in reversed(self.runs)]
        return next((n for n, trigger in enumerate(triggers) if trigger is not Trigger.RESCUE), len(triggers))


@dataclass
class Line:
    """A line of the ledger."""

    amount: int
    job: UUID | None = None
    attempt: int | None = None


@dataclass
class Walk:
    """A batch: which jobs it may still touch, and what it has done."""

    ceiling: int
    chunks: int = 0
    spent: int = 0
    retried: Counter[UUID] = field(default_factory=Counter)
    eligible: dict[UUID, int] = field(default_factory=dict)
    """Jobs that had failed when it began, each with its version."""


class Model:
    """All there is of a workspace."""

    def __init__(self, policies: Mapping[str, RetryPolicy], steps: tuple[str, ...], balance: int) -> None:
        self.policies = policies
        self.steps = steps
        self.jobs: dict[UUID, Work] = {}
        self.lines: list[Line] = [Line(balance)]
        self.batches: dict[UUID, Walk] = {}

    @property
    def balance(self) -> int:
        return sum(line.amount for line in self.lines)

    # --- who may ------------------------------------------------------------------------------------------------------

    def not_for(self, actor: Actor, job_id: UUID) -> set[str]:
        """Why the job is not the actor's to change."""
        job = self.jobs[job_id]
        if job.deleted or not (actor.sees_all_jobs or job.owner == actor.user_id):
            return {"job_not_found"}
        return set() if actor.may_change else {"forbidden"}

    # --- people -------------------------------------------------------------------------------------------------------

    def submit(self, job_id: UUID, kind: str, owner: UUID, *, later: bool = False) -> None:
        status = Status.SCHEDULED if later else Status.QUEUED
        self.jobs[job_id] = Work(kind, owner, status, [Run(Trigger.FIRST, status)])

    def cost(self, job: Work) -> int:
        return self.policies[job.kind].cost_after(job.retries)

    def against_retry(
        self, actor: Actor, job_id: UUID, version: int | None, from_step: str | None = None
    ) -> set[str]:
        """Every reason against it; which of them is told first is not the model's business."""
        job, found = self.jobs[job_id], self.not_for(actor, job_id)
        if "job_not_found" in found:
            return found
        if version is not None and version != job.version:
            found.add("conflict")
        policy = self.policies[job.kind]
        if job.status not in policy.statuses:
            found.add("not_retryable")
        if policy.counts and policy.limit is not None and job.retries >= policy.limit:
            found.add("retry_limit_reached")
        if self.cost(job) > self.balance:
            found.add("insufficient_credits")
        if from_step and not self._can_start(job, from_step):
            found.add("invalid")
        return found

    def against_carrying_out(self, job_id: UUID, planned: Work) -> set[str]:
        """What may have come up since the plan was made."""
        job = self.jobs[job_id]
        if job.deleted:
            return {"job_not_found"}
        found = {"conflict"} if job.version != planned.version else set()
        return found | ({"insufficient_credits"} if self.cost(planned) > self.balance else set())

    def _can_start(self, job: Work, step: str) -> bool:
        earlier = self.steps[: self.steps.index(step)]
        kept = job.last_run.kept if job.last_run else ()
        return set(earlier) <= set(kept)

    def retry(self, job_id: UUID, trigger: Trigger, from_step: str | None = None) -> None:
        job = self.jobs[job_id]
        cost, last = self.cost(job), job.last_run
        job.retries += self.policies[job.kind].counts
        job.status, job.worker, job.output, job.cancel_wish = Status.QUEUED, None, None, False
        earlier = self.steps[: self.steps.index(from_step)] if from_step else ()
        kept = tuple(step for step in earlier if last and step in last.kept)
        job.runs.append(Run(trigger, cost=cost, kept=kept))
        if cost:
            self.lines.append(Line(-cost, job_id, job.attempt))

    def take_back(self, job_id: UUID, attempt: int, before: Work) -> bool:
        """A retry whose doorbell could not be rung. False: somebody has the attempt already."""
        job = self.jobs[job_id]
        if job.status is not Status.QUEUED or job.attempt != attempt:
            return False
        if job.run.cost:
            self.lines.append(Line(job.run.cost, job_id, attempt))
        job.runs[-1] = replace(job.run, status=Status.FAILED, void=True, cost=0)
        was = deepcopy(before)
        job.status, job.retries, job.output = was.status, was.retries, was.output
        job.worker, job.cancel_wish = was.worker, was.cancel_wish
        return True

    def against_cancel(self, actor: Actor, job_id: UUID, version: int | None) -> set[str]:
        job = self.jobs[job_id]
        found = self.not_for(actor, job_id)
        wrong = job.status not in ACTIVE or (version is not None and version != job.version)
        return found or ({"conflict"} if wrong else set())

    def cancel(self, job_id: UUID) -> None:
        job = self.jobs[job_id]
        if job.status is Status.RUNNING:
            job.cancel_wish = True
        elif job.status is Status.SCHEDULED and job.run.trigger is Trigger.AUTO:
            job.runs[-1] = replace(job.run, status=Status.CANCELLED, void=True)
            job.status, job.autos = job.runs[-2].status, job.autos - 1
        else:
            if job.run.cost:
                self.lines.append(Line(job.run.cost, job_id, job.attempt))
            job.status = Status.CANCELLED
            job.runs[-1] = replace(job.run, status=Status.CANCELLED, cost=0)

    def against_start(self, actor: Actor, job_id: UUID) -> set[str]:
        found = self.not_for(actor, job_id)
        return found or (set() if self.jobs[job_id].status is Status.SCHEDULED else {"conflict"})

    def start(self, job_id: UUID) -> None:
        """Queues what is scheduled: its time has come, or a person does not wait for it."""
        job = self.jobs[job_id]
        job.status = job.run.status = Status.QUEUED
        job.worker, job.cancel_wish, job.due = None, False, False

    def against_delete(self, actor: Actor, job_id: UUID) -> set[str]:
        found = self.not_for(actor, job_id)
        return found or (set() if self.jobs[job_id].status in TERMINAL else {"conflict"})

    def delete(self, job_id: UUID) -> None:
        job = self.jobs[job_id]
        job.deleted, job.output = True, None
        for run in job.runs:
            run.kept = ()

    def grant(self, amount: int) -> None:
        self.lines.append(Line(amount))

    # --- workers ------------------------------------------------------------------------------------------------------

    def holds(self, worker: str, job_id: UUID, attempt: int) -> bool:
        job = self.jobs[job_id]
        return (job.status, job.worker, job.attempt) == (Status.RUNNING, worker, attempt)

    def may_claim(self, job_id: UUID, attempt: int) -> bool:
        job = self.jobs[job_id]
        return job.status is Status.QUEUED and job.attempt == attempt and not job.deleted

    def claim(self, job_id: UUID, attempt: int, worker: str) -> bool:
        if not self.may_claim(job_id, attempt):
            return False
        job = self.jobs[job_id]
        job.status = job.run.status = Status.RUNNING
        job.worker, job.lost, job.run.began = worker, False, True
        return True

    def finish(
        self, job_id: UUID, attempt: int, worker: str, status: Status, *, output: bool, again: bool
    ) -> bool:
        """False: it is not that worker's any more. `again`: an automatic retry follows."""
        if not self.holds(worker, job_id, attempt):
            return False
        job = self.jobs[job_id]
        job.status = job.run.status = status
        job.output = attempt if output else None
        if again and status in {Status.FAILED, Status.TIMEOUT} and not job.cancel_wish:
            self._schedule(job)
        return True

    def _schedule(self, job: Work) -> None:
        job.runs.append(Run(Trigger.AUTO, Status.SCHEDULED, kept=job.run.kept))
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
        job.lost, job.cancel_wish = False, False
        if rescue and not wished:
            job.runs.append(Run(Trigger.RESCUE, kept=job.run.kept))
            job.status, job.worker = Status.QUEUED, None
        else:
            job.status = job.run.status

    # --- batches ------------------------------------------------------------------------------------------------------

    def begin_batch(self, job_id: UUID, kind: str, by: Actor, matched: Iterable[UUID]) -> None:
        eligible = {j: self.jobs[j].version for j in matched}
        may = [self.jobs[j] for j in eligible if self._may_retry(self.jobs[j])]
        ceiling = 0
        for cost in sorted(self.cost(job) for job in may):  # the cheapest first, as far as the balance goes
            ceiling += cost if ceiling + cost <= self.balance else 0
        self.submit(job_id, kind, by.user_id)
        self.batches[job_id] = Walk(ceiling, eligible=eligible)

    def _may_retry(self, job: Work) -> bool:
        policy = self.policies[job.kind]
        within = not policy.counts or policy.limit is None or job.retries < policy.limit
        return job.status in policy.statuses and within and not job.deleted

    def walk(self, batch_id: UUID, retried: Iterable[UUID]) -> None:
        """A chunk that retried these. Raises AssertionError where one of them may not be retried, or not again."""
        batch = self.batches[batch_id]
        for job_id in retried:
            job = self.jobs[job_id]
            assert batch.eligible.get(job_id) == job.version, "it has changed since the batch began"
            assert self._may_retry(job)
            cost = self.cost(job)
            assert cost <= self.balance
            self.retry(job_id, Trigger.BATCH)
            batch.retried[job_id] += 1
            batch.spent += cost
        assert max(batch.retried.values(), default=0) <= 1
        assert batch.spent <= batch.ceiling
        batch.chunks += 1

    def untouched(self, batch: Walk) -> list[UUID]:
        """What matched, was not retried, and has not changed since."""
        return [
            job_id
            for job_id, version in batch.eligible.items()
            if job_id not in batch.retried and self.jobs[job_id].version == version
        ]

    def waiting(self) -> list[UUID]:
        """Jobs that a worker, or their time, is still to come for."""
        return [job_id for job_id, job in self.jobs.items() if job.status in WAITING and not job.deleted]
