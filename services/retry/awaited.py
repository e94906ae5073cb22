"""Retries that wait until something is back: looked at again and again, with the rights of the job's owner."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncSession

from services import lifecycle
from services.desk import Desk
from services.errors import Conflict, Forbidden, JobNotFound, RateLimited
from services.jobs.jobs import take_back_retry
from services.models import Attempt, Job
from services.people.access import owner_of
from services.policy import CheckResult
from services.retry.plan_checks import can_be_waited_for, run_check

logger = logging.getLogger(__name__)

_AT_ONCE = 16


async def look_again(desk: Desk) -> list[Job]:
    """Looks for what is due to be looked for; returns the jobs that have changed, those to ring for among them.

    A retry is queued where every check passes, and waits on where something still does not answer. Where a check
    refuses for another reason it is taken back, with its charge.
    """
    taken = await desk.db.transact(lambda session: lifecycle.take_looks(session, _AT_ONCE))
    found = await asyncio.gather(*(_look(desk, job) for job in taken), return_exceptions=True)
    for job, answer in zip(taken, found, strict=True):
        if isinstance(answer, BaseException):
            # Not its words: those of a database show the arguments of jobs.
            logger.warning("job %s: it waits on (%s)", job.id, type(answer).__name__)
    return [job for job in found if isinstance(job, Job)]


async def _look(desk: Desk, job: Job) -> Job | None:
    """The job as it is after the look; None where nothing has changed."""
    if (kind := desk.kinds.get(job.kind)) is None:
        return None  # a worker that knows it looks
    async with desk.db.read() as session:
        actor = await owner_of(session, job.id)
        as_it_ended = _without(job, await lifecycle.ended_as(session, job))
    if actor is None or not actor.may_change:
        role = actor.role if actor else "none"
        return await _take_back(desk, job, Forbidden(role=role).message)
    results = await asyncio.gather(
        *(run_check(check, desk, as_it_ended, actor) for check in kind.policy.checks)
    )
    against = [result for result in results if result.blocking and not result.passed]
    if refusal := next((result for result in against if not _may_pass(result)), None):
        return await _take_back(desk, job, refusal.message)
    if against:
        still = against[0]
        return await desk.db.transact(
            lambda session: lifecycle.wait_on(session, job, still.code, still.message)
        )
    return await desk.db.transact(lambda session: lifecycle.queue_awaited(session, job))


def _without(job: Job, ended: Attempt) -> Job:
    """A copy of the job as it was before its retry was scheduled: that is what checks are made for."""
    before = {
        "status": ended.status, "attempt": ended.number, "finished_at": ended.finished_at,
        "due_at": None, "waits_for": None,
    }  # fmt: skip
    return Job(**job.model_dump() | before)


def _may_pass(result: CheckResult) -> bool:
    return can_be_waited_for(result) or isinstance(result.error, RateLimited)


async def _take_back(desk: Desk, job: Job, why: str) -> Job | None:
    async def work(session: AsyncSession) -> Job:
        return await take_back_retry(session, desk, job, None, f"The retry was taken back: {why}", why)

    try:
        return await desk.db.transact(work)
    except (Conflict, JobNotFound):
        return None  # somebody was first
