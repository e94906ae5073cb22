"""Which jobs a batch is about, and which of them may be retried as far as the database alone can tell."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import col

from services.desk import Desk
from services.errors import Invalid, MulliganError, RetriesDisabled, RetryLimitReached
from services.jobs import counts as job_counts
from services.jobs import search
from services.jobs.terms import in_words
from services.models import Job, JobCount, Switch
from services.operations.switches import among, disabled
from services.people.access import Actor
from services.retry.plan_checks import wrong_status
from services.vocabulary import Status

MOST_IDS = 1_000


class Selection(BaseModel):
    """Jobs by their ids, or by a search of everything that the actor sees."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] | None = Field(default=None, max_length=MOST_IDS)
    q: str = Field(default="", max_length=500, description="The search language: `kind:video.* age:<1d`.")
    status: list[Status] = Field(default_factory=list, max_length=len(Status))

    def require_some(self) -> None:
        """Raises Invalid where nothing is chosen, which must not mean everything, or both ways are used."""
        searches = bool(self.q.strip() or self.status)
        if self.ids and searches:
            raise Invalid("Choose jobs either by ids or by a search, not by both.")
        if not self.ids and not searches:
            raise Invalid("Choose jobs: ids, a search or a status. An empty search is refused.")

    def __str__(self) -> str:
        """In words, for a title."""
        if self.ids:
            many = len(set(self.ids))
            return f"{many} chosen job{'' if many == 1 else 's'}"
        statuses = [f"status {' or '.join(self.status)}"] if self.status else []
        return ", ".join([*statuses, *filter(None, [in_words(self.q)])])


class Standing(NamedTuple):
    """What decides whether a job may be retried, and at which cost."""

    kind: str
    status: Status
    retry_count: int
    max_retries: int | None


STANDING = (col(Job.kind), col(Job.status), col(Job.retry_count), col(Job.max_retries))
"""The columns of a `Standing`."""


def matching(actor: Actor, selection: Selection, at: datetime | None = None) -> list[sa.ColumnElement[bool]]:
    """The selection as conditions on `Job`: what the actor sees of it, without Mulligan's own jobs.

    Args:
        at: the moment that ages in the search are counted back from.

    Raises:
        Invalid: a mistake in the search.
    """
    matching = [*actor.visible(), col(Job.kind).not_like("system.%")]
    if selection.ids:
        matching.append(col(Job.id).in_(selection.ids))
    matching += search.conditions(selection.q, actor, at)
    if selection.status:
        matching.append(col(Job.status).in_(selection.status))
    return matching


def counted(actor: Actor, selection: Selection) -> list[sa.ColumnElement[bool]] | None:
    """As `matching`, as conditions on `JobCount`; None where the kept counters do not know. Raises Invalid."""
    if selection.ids or (kept := search.counted(selection.q, actor)) is None:
        return None
    kept = [*job_counts.seen_by(actor), col(JobCount.kind).not_like("system.%"), *kept]
    return [*kept, col(JobCount.status).in_(selection.status)] if selection.status else kept


def refusal(desk: Desk, job: Standing, off: Sequence[Switch]) -> MulliganError | None:
    """Why a job may not be retried, in the plan's words; None where nothing speaks against it but checks with I/O.

    `off` is what is switched off in the workspace.
    """
    kind = desk.kinds.get(job.kind)
    if kind is None:
        return Invalid(f"There is no kind {job.kind!r} here any more.")
    if not desk.settings.retries_enabled:
        return RetriesDisabled()
    if switch := among(off, job.kind):
        return disabled(switch)
    if job.status not in kind.policy.statuses:
        return wrong_status(job.status, kind.policy)
    limit = kind.policy.limit if job.max_retries is None else job.max_retries
    if kind.policy.counts and limit is not None and job.retry_count >= limit:
        return RetryLimitReached(limit=limit, used=job.retry_count)
    return None


def cost_of(desk: Desk, job: Standing) -> int:
    """What a retry of the job costs, in credits."""
    return desk.kinds[job.kind].policy.cost_after(job.retry_count)


def counts(desk: Desk, job: Standing) -> bool:
    """Whether a retry of the job counts as one."""
    return desk.kinds[job.kind].policy.counts


def has_checks(desk: Desk, kind: str) -> bool:
    """Whether its policy looks at each job: checks that need I/O, how retries after the same failure have done."""
    if (declared := desk.kinds.get(kind)) is None:
        return False
    policy = declared.policy
    return bool(policy.checks or policy.hopeless_after or policy.looks_at_each)
