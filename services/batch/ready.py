"""Jobs of a batch whose retry prepares something outside, or puts a new record in their place: a few at a time."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import lifecycle
from services.batch.checks import Verdict, broken
from services.batch.match import Standing
from services.desk import Desk
from services.errors import Conflict, JobNotFound, MulliganError
from services.lifecycle import Candidate, Requeue
from services.models import Job
from services.retry.preparing import Readied, ready_for
from services.vocabulary import RetryMode, Trigger

_AT_ONCE = 8


@dataclass
class Ready:
    """What stands ready outside, and why it does not for some."""

    jobs: dict[UUID, Readied] = field(default_factory=dict)
    against: dict[UUID, Verdict] = field(default_factory=dict)

    async def undo(self, but: Collection[UUID] = ()) -> None:
        """Takes back what stands ready for all jobs, but for these."""
        await asyncio.gather(*(readied.undo() for job_id, readied in self.jobs.items() if job_id not in but))


def goes_apart(desk: Desk, job: Standing) -> bool:
    """Whether a retry of the job is more than a change of its row."""
    policy = desk.kinds[job.kind].policy
    return policy.prepare is not None or policy.mode is RetryMode.REPLACE


async def ready_many(desk: Desk, ids: Sequence[UUID]) -> Ready:
    """Readies the outside for the next attempt of each job."""
    ready = Ready()
    if not ids:
        return ready
    async with desk.db.read() as session:
        jobs = (await session.scalars(sa.select(Job).where(col(Job.id).in_(ids)))).all()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(job: Job) -> None:
        async with gate:
            try:
                ready.jobs[job.id] = await ready_for(desk, job, desk.kinds[job.kind].policy)
            except MulliganError as error:
                ready.against[job.id] = Verdict(error.code, error.message)
            except Exception as error:  # noqa: BLE001 - one job's trouble must not end the batch
                ready.against[job.id] = broken(desk, job, "Preparing the retry failed", error)

    try:
        await asyncio.gather(*(one(job) for job in jobs))
    except BaseException:
        await ready.undo()
        raise
    return ready


async def replace_many(
    session: AsyncSession,
    jobs: Mapping[UUID, Candidate],
    ready: Mapping[UUID, Readied],
    requested_by: str,
    batch_id: UUID,
) -> dict[UUID, tuple[Job, Job]]:
    """Puts new records in the places of these jobs: each as it was, and what replaced it.

    Those that have changed since they were read are left out of the answer.
    """
    made = {}
    for before in (await session.scalars(sa.select(Job).where(col(Job.id).in_(jobs)))).all():
        job = jobs[before.id]
        if before.version != job.version:
            continue
        retry = Requeue(
            before=before, allowed=frozenset({job.status}), trigger=Trigger.BATCH, requested_by=requested_by,
            counts=job.counts, cost=job.cost, replacement=ready[before.id].attempt.job_id, batch_id=batch_id,
        )  # fmt: skip
        try:
            made[before.id] = before, await lifecycle.replace(session, retry)
        except (Conflict, JobNotFound):
            continue
    return made
