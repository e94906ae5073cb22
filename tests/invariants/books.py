"""The state that the model keeps, and what every command asks of it: who may, what it costs, what is switched off."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from services.people.access import Actor
from services.policy import RetryPolicy
from services.vocabulary import WAITING, RetryMode, Status
from tests.invariants.parts import Later, Line, Walk, Weather, When, Work

OUTSIDE = "outside"
"""Where preparations are made, among what there is weather of."""


class Books:
    """All there is of a workspace."""

    def __init__(
        self,
        policies: Mapping[str, RetryPolicy],
        steps: tuple[str, ...],
        balance: int,
        limits: Mapping[str, int],
        checked: Mapping[str, tuple[str, ...]],
        weather: Mapping[str, Weather],
    ) -> None:
        self.policies = policies
        self.steps = steps
        self.limits = limits
        self.checked = checked
        """What the checks of a kind ask, in order."""
        self.weather = weather
        self.jobs: dict[UUID, Work] = {}
        self.lines: list[Line] = [Line(balance)]
        self.batches: dict[UUID, Walk] = {}
        self.off: set[str] = set()
        """Kinds whose retries are switched off; an empty one stands for all."""

    @property
    def balance(self) -> int:
        return sum(line.amount for line in self.lines)

    def cost(self, job: Work) -> int:
        return self.policies[job.kind].cost_after(job.retries)

    def is_off(self, kind: str) -> bool:
        return bool(self.off & {"", kind})

    def newest(self, job_id: UUID) -> UUID:
        """What stands in a job's place."""
        while (newer := self.jobs[job_id].replaced_by) is not None:
            job_id = newer
        return job_id

    def not_for(self, actor: Actor, job_id: UUID) -> set[str]:
        """Why the job is not the actor's to change."""
        job, newest = self.jobs[job_id], self.jobs[self.newest(job_id)]
        if newest.deleted or not (actor.sees_all_jobs or job.owner == actor.user_id):
            return {"job_not_found"}
        if newest is not job:
            return {"conflict"}
        return set() if actor.may_change else {"forbidden"}

    def later(self, job: Work, when: When) -> Later | None:
        """Whether a retry would not begin at once, as the weather is."""
        away = [name for name in self.checked.get(job.kind, ()) if self.weather[name] is Weather.AWAY]
        if away and when is When.BACK:
            return Later(away[0])
        return Later() if when is When.LATER else None

    def against_checks(self, job: Work, when: When) -> set[str]:
        """What the checks, and the preparation, have against a retry."""
        seen = [self.weather[name] for name in self.checked.get(job.kind, ())]
        found = {"input_missing"} if Weather.AGAINST in seen else set()
        if Weather.AWAY in seen and when is not When.BACK:
            found.add("service_unavailable")
        prepares = self.policies[job.kind].prepare is not None and self.later(job, when) is None
        if prepares and self.weather[OUTSIDE] is not Weather.UP:
            found.add("service_unavailable")
        return found

    def replaces(self, kind: str) -> bool:
        return self.policies[kind].mode is RetryMode.REPLACE

    def has_room(self, kind: str) -> bool:
        """Whether one more of the kind may run, over all workers."""
        running = Counter(job.kind for job in self.jobs.values() if job.status is Status.RUNNING)
        return kind not in self.limits or running[kind] < self.limits[kind]

    def may_retry(self, job: Work) -> bool:
        """As far as the database alone can tell."""
        policy = self.policies[job.kind]
        within = not policy.counts or policy.limit is None or job.retries < policy.limit
        return job.status in policy.statuses and within and not job.deleted

    def prepared(self) -> set[tuple[UUID, int]]:
        """The attempts for which something must stand ready outside."""
        return {
            (job_id, number)
            for job_id, job in self.jobs.items()
            for number, run in job.runs.items()
            if run.prepared
        }

    def made(self) -> set[tuple[UUID, int]]:
        """The attempts that came to be."""
        jobs = self.jobs.items()
        return {(job_id, number) for job_id, job in jobs for number, run in job.runs.items() if not run.void}

    def waiting(self) -> list[UUID]:
        """Jobs that a worker, or their time, is still to come for."""
        return [job_id for job_id, job in self.jobs.items() if job.status in WAITING and not job.deleted]

    def awaiting(self) -> list[UUID]:
        """Retries that wait for something outside, where retries may begin."""
        return [job_id for job_id, job in self.jobs.items() if job.waits_for and not self.is_off(job.kind)]
