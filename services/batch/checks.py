"""The checks of many jobs that need I/O, a bounded number of jobs at a time."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.errors import NeverRecovered
from services.insights.odds import Odds, odds_after
from services.models import Job
from services.people.access import Actor
from services.redaction import secret_values
from services.retry.plan_checks import is_hopeless, run_check, wrong_status
from services.scrubbing import scrub

_AT_ONCE = 16
_BROKEN = "error"


class Verdict(NamedTuple):
    """Why a job is not retried. `broke`: a check itself went wrong, which is nobody's decision."""

    code: str
    message: str
    broke: bool = False


def broken(desk: Desk, job: Job, what: str, error: Exception) -> Verdict:
    """Says what went wrong, without the job's secrets."""
    secrets = secret_values(desk.kinds.get(job.kind), job.args)
    return Verdict(_BROKEN, scrub(f"{what}: {type(error).__name__}: {error}", secrets)[:500], broke=True)


async def check_many(desk: Desk, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, Verdict]:
    """The jobs that a blocking check is against; those that may go on are left out of the answer."""
    if not ids:
        return {}
    async with desk.db.read() as session:
        jobs = (await session.scalars(sa.select(Job).where(col(Job.id).in_(ids)))).all()
        hopeless = await _hopeless(session, desk, jobs)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(job: Job) -> Verdict | None:
        async with gate:
            return await _check(desk, actor, job)

    asked = [job for job in jobs if job.id not in hopeless]
    found = await asyncio.gather(*(one(job) for job in asked))
    return hopeless | {job.id: verdict for job, verdict in zip(asked, found, strict=True) if verdict}


async def _hopeless(session: AsyncSession, desk: Desk, jobs: Sequence[Job]) -> dict[UUID, Verdict]:
    """Jobs of which the policy says that the same was tried often enough. A batch forces nothing."""
    known: dict[tuple[UUID, str], Odds] = {}
    against = {}
    for job in jobs:
        policy = desk.kinds[job.kind].policy
        if policy.hopeless_after is None or not job.fingerprint:
            continue
        mistake = job.workspace_id, job.fingerprint
        if mistake not in known:
            known[mistake] = await odds_after(session, *mistake)
        if is_hopeless(policy, known[mistake]):
            error = NeverRecovered(tried=known[mistake].tried)
            against[job.id] = Verdict(error.code, error.message)
    return against


async def _check(desk: Desk, actor: Actor, job: Job) -> Verdict | None:
    policy = desk.kinds[job.kind].policy
    try:
        if not policy.is_left(job):
            nothing = wrong_status(job.status, policy)
            return Verdict(nothing.code, nothing.message)
        results = await asyncio.gather(*(run_check(check, desk, job, actor) for check in policy.checks))
    except Exception as error:  # noqa: BLE001 - one job's trouble must not end the batch
        return broken(desk, job, "A check failed", error)
    against = next((result for result in results if result.blocking and not result.passed), None)
    if against is None:
        return None
    return Verdict(against.error.code if against.error else against.code, against.message)
