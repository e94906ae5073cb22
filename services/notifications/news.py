"""Notices, read: what happened to which jobs. Whoever reads takes them away, in the transaction that answers them."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col

from services.failures.marks import muted_among
from services.kinds import KindRegistry
from services.models import Attempt, Job
from services.notifications.rules import News, asked_for, events_of
from services.notifications.tables import Notice
from services.operations import workers
from services.vocabulary import NoticeEvent, Trigger

# A transaction stays under some 50 ms.
_TOGETHER = 100


async def are_there_any(session: AsyncSession) -> bool:
    """A look that costs next to nothing: whether `take` would find something."""
    noted = bool(
        (await session.execute(sa.select(sa.exists().where(sa.true()).select_from(Notice)))).scalar()
    )
    return noted or await workers.is_one_missed(session)


async def take(session: AsyncSession, kinds: KindRegistry) -> list[News]:
    """Takes some notices away, and says what they are. Nobody else ever gets them."""
    return [*await _of_jobs(session, kinds), *await _of_workers(session)]


async def of_attempts(
    session: AsyncSession, keys: Sequence[tuple[UUID, int]], kinds: KindRegistry
) -> list[News]:
    """What the ends of these attempts are to people; nothing of those that are no news."""
    ids = [job_id for job_id, _ in keys]
    shown = sa.select(Job).where(col(Job.id).in_(ids), col(Job.deleted_at).is_(None))
    jobs = {job.id: job for job in (await session.scalars(shown)).all()}
    attempts: dict[UUID, dict[int, Attempt]] = defaultdict(dict)
    runs = sa.select(Attempt).where(col(Attempt.job_id).in_(ids)).options(defer(Attempt.traceback))  # type: ignore[arg-type]
    for attempt in (await session.scalars(runs)).all():
        attempts[attempt.job_id][attempt.number] = attempt
    found = (_one(number, jobs.get(job_id), attempts[job_id], kinds) for job_id, number in keys)
    return await _not_muted(session, [news for news in found if news])


async def _not_muted(session: AsyncSession, found: Sequence[News]) -> list[News]:
    """Those of which people want to hear: of a muted group of failures nobody is told."""
    failed: dict[UUID, set[str]] = defaultdict(set)
    for news in found:
        if news.workspace_id and news.fingerprint:
            failed[news.workspace_id].add(news.fingerprint)
    muted = {
        (home, fingerprint)
        for home, fingerprints in failed.items()
        for fingerprint in await muted_among(session, home, fingerprints)
    }
    return [news for news in found if (news.workspace_id, news.fingerprint) not in muted]


async def _of_jobs(session: AsyncSession, kinds: KindRegistry) -> list[News]:
    query = sa.select(Notice).order_by(col(Notice.job_id), col(Notice.attempt)).limit(_TOGETHER)
    notices = (await session.scalars(query.with_for_update(skip_locked=True))).all()
    for notice in notices:
        await session.delete(notice)
    return await of_attempts(session, [(n.job_id, n.attempt) for n in notices], kinds) if notices else []


def _one(number: int, job: Job | None, attempts: dict[int, Attempt], kinds: KindRegistry) -> News | None:
    """What the end of an attempt is; None where it is no news: the job is gone, or goes on by itself."""
    ended, following = attempts.get(number), attempts.get(number + 1)
    if job is None or ended is None or (following and following.trigger is Trigger.AUTO):
        return None
    kind = kinds.get(job.kind)
    asked = asked_for([(n, attempt.trigger) for n, attempt in attempts.items()], number)
    events = events_of(job, ended, asked, kind.policy if kind else None)
    if not events:
        return None
    return News(events, job.workspace_id, job.owner_id, job.kind, ended.fingerprint, job.id, number)


async def _of_workers(session: AsyncSession) -> list[News]:
    return [
        News(
            (NoticeEvent.WORKER_LOST,),
            facts={"worker": worker.name, "host": worker.host, "running": worker.running},
        )
        for worker in await workers.miss(session)
    ]
