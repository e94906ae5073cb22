"""What a batch can do with its jobs: retry, cancel, delete. A row of a table each; the rails are the same for all."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.batch.match import Standing, cost_of, counts, has_checks, refusal
from services.batch.ready import goes_apart, replace_many
from services.credits import Charge
from services.desk import Desk
from services.errors import MulliganError, NotActive, NotDeletable, QueueUnavailable, ServiceUnavailable
from services.feed import Change
from services.jobs import deletion
from services.jobs.jobs import RETRY_TAKEN_BACK, take_back_retry
from services.lifecycle import Candidate
from services.models import Batch, Job, Switch
from services.people.access import Actor
from services.queue import Doorbell
from services.retry.preparing import Readied
from services.storage import uploads
from services.vocabulary import ACTIVE, TERMINAL, BatchAction, Priority, Status


@dataclass
class Done:
    """What came of a chunk: the jobs that changed. The others had been changed by somebody else before."""

    changes: dict[UUID, Change] = field(default_factory=dict)
    successors: list[Change] = field(default_factory=list)
    """New records in the places of some of them."""
    doorbells: list[Doorbell] = field(default_factory=list)
    spent: int = 0
    inputs: Collection[UUID] = ()
    """Uploads that deleted jobs named."""


@dataclass(frozen=True)
class Work:
    """A chunk that is to be done, in its transaction."""

    desk: Desk
    session: AsyncSession
    actor: Actor
    batch: Batch
    jobs: Sequence[Candidate]
    ready: Mapping[UUID, Readied] = field(default_factory=dict)
    """What stands prepared outside for some of the jobs."""


@dataclass(frozen=True)
class ActionRules:
    """An action: which jobs it refuses, what it costs, and how a chunk of jobs is done."""

    kind: str
    """Of the batch's own job."""
    title: str
    """What it says it does, before the words of the selection."""
    done: str
    """How the result names the jobs that it was done to."""
    refusal: Callable[[Desk, Standing, Sequence[Switch]], MulliganError | None]
    """Why a job is left alone, as far as the database alone can tell, and what is switched off in the workspace."""
    carry_out: Callable[[Work], Awaitable[Done]]
    """In the chunk's transaction. Raises InsufficientCredits where the balance was not enough after all."""
    afterwards: Callable[[Desk, Done], Awaitable[None]]
    """After commit. What fails here is made good by housekeeping."""
    cost: Callable[[Desk, Standing], int] = lambda _desk, _job: 0
    counts: Callable[[Desk, Standing], bool] = lambda _desk, _job: False
    one_by_one: Callable[[Desk, Standing], bool] = lambda _desk, _job: False
    """Whether a job takes statements of its own: then a chunk has fewer of them."""
    unchanged: bool = True
    """Whether a job that changed since the batch began is left alone, whatever it has become."""
    has_checks: Callable[[Desk, str], bool] = lambda _desk, _kind: False
    """Whether the checks of a kind's policy are made."""
    goes_apart: Callable[[Desk, Standing], bool] = lambda _desk, _job: False
    """Whether something is prepared for the job before its chunk's transaction."""


# --- retry ------------------------------------------------------------------------------------------------------------


async def _retry(work: Work) -> Done:
    session, by, batch_id = work.session, work.actor.name, work.batch.job_id
    replaced = {job.job_id: job for job in work.jobs if _is_replaced(work, job)}
    in_place = [job for job in work.jobs if job.job_id not in replaced]
    requeued = await lifecycle.requeue_many(session, in_place, by, batch_id) if in_place else {}
    made = await replace_many(session, replaced, work.ready, by, batch_id) if replaced else {}
    bells = {
        job_id: Doorbell(job_id, new.attempt, new.kind, Priority.LOW) for job_id, new in requeued.items()
    }
    bells |= {old: Doorbell(new.id, new.attempt, new.kind, Priority.LOW) for old, (_, new) in made.items()}
    charges = [
        Charge(bell.job_id, bell.attempt, job.cost)
        for job in work.jobs
        if job.cost and (bell := bells.get(job.job_id))
    ]
    if charges:
        await ledger.charge_many(session, work.actor.workspace_id, charges, actor=work.actor.email)
    changes = {job_id: new.change for job_id, new in requeued.items()}
    changes |= {before.id: Change.replaced(before, new) for before, new in made.values()}
    return Done(
        changes,
        [Change.of(new) for _, new in made.values()],
        list(bells.values()),
        sum(charge.cost for charge in charges),
    )


def _is_replaced(work: Work, job: Candidate) -> bool:
    readied = work.ready.get(job.job_id)
    return readied is not None and readied.attempt.job_id != job.job_id


async def _ring(desk: Desk, done: Done) -> None:
    with suppress(QueueUnavailable):
        await desk.queue.kick(done.doorbells)


# --- cancel -----------------------------------------------------------------------------------------------------------


def _not_to_cancel(_desk: Desk, job: Standing, _off: Sequence[Switch]) -> MulliganError | None:
    return None if job.status in ACTIVE else NotActive(current=job.status)


def _waits_for_its_time(_desk: Desk, job: Standing) -> bool:
    return job.status is Status.SCHEDULED


async def _cancel(work: Work) -> Done:
    session, actor = work.session, work.actor
    waiting = await _retries_that_wait(session, work.jobs)
    changed, ended = await lifecycle.cancel_many(session, work.jobs, actor.name)
    await ledger.refund_unused_many(session, actor, ended)
    for job in waiting:
        taken_back = await take_back_retry(session, work.desk, job, actor.email, RETRY_TAKEN_BACK)
        changed[job.id] = Change.of(taken_back)
    return Done(changed)


async def _retries_that_wait(session: AsyncSession, jobs: Sequence[Candidate]) -> Sequence[Job]:
    """To cancel one of these is to leave the job as it had ended, which takes several statements each.

    On PostgreSQL they are held: none begins before it is taken back. One that just began is cancelled as queued.
    """
    ids = [job.job_id for job in jobs if job.status is Status.SCHEDULED]
    if not ids:
        return []
    query = sa.select(Job).where(
        col(Job.id).in_(ids), col(Job.status) == Status.SCHEDULED, col(Job.attempt) > 1
    )
    return (await session.scalars(query.with_for_update())).all()


# --- delete -----------------------------------------------------------------------------------------------------------


def _not_to_delete(_desk: Desk, job: Standing, _off: Sequence[Switch]) -> MulliganError | None:
    return None if job.status in TERMINAL else NotDeletable(current=job.status)


async def _delete(work: Work) -> Done:
    buried, inputs = await deletion.delete_many(work.session, work.jobs)
    return Done(buried, inputs=inputs)


async def _purge(desk: Desk, done: Done) -> None:
    with suppress(ServiceUnavailable):
        while await deletion.purge_deleted(desk, list(done.changes)):
            pass
        await uploads.remove_unused(desk, done.inputs)


async def _nothing(desk: Desk, done: Done) -> None:
    """Workers notice by themselves what they are to stop."""


ACTIONS: dict[BatchAction, ActionRules] = {
    BatchAction.RETRY: ActionRules(
        "system.batch_retry",
        "Retry",
        "retried",
        refusal,
        _retry,
        _ring,
        cost=cost_of,
        counts=counts,
        one_by_one=goes_apart,
        has_checks=has_checks,
        goes_apart=goes_apart,
    ),
    BatchAction.CANCEL: ActionRules(
        "system.batch_cancel",
        "Cancel",
        "cancelled",
        _not_to_cancel,
        _cancel,
        _nothing,
        one_by_one=_waits_for_its_time,
        unchanged=False,
    ),
    BatchAction.DELETE: ActionRules(
        "system.batch_delete", "Delete", "deleted", _not_to_delete, _delete, _purge
    ),
}
