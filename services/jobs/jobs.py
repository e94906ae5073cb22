"""Jobs as people and programs handle them: what may be done with one, reading it, cancelling it, starting it now."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.batch.fates import Fates, fates
from services.desk import Desk
from services.errors import Conflict, NotFound, RetriesDisabled
from services.failures.tables import Dismissal
from services.feed import Change
from services.jobs.submission import ring
from services.kinds import JobKind
from services.models import Artifact, Attempt, Job, LogLine, Step, Upload, User
from services.operations import switches
from services.people.access import Actor
from services.retry import lineage
from services.vocabulary import ACTIVE, PAUSABLE, RETRIES, TERMINAL, UNSUCCESSFUL, Status

_LIST_LIMIT = 200
_COPIES = 10
RETRY_TAKEN_BACK = "The retry was taken back."


@dataclass(frozen=True)
class JobDetail:
    """A job with everything that its page shows."""

    job: Job
    attempts: list[Attempt]
    """Newest first; of the jobs whose place it took, too."""
    steps: list[Step]
    """Of the latest attempt that was not void, in order."""
    artifacts: list[Artifact]
    """The job's output."""
    owner: User
    upload: Upload | None
    origin: Job | None
    """What it was made from, where the actor sees that."""
    dismissal: Dismissal | None
    """Who said that it needs no attention, and why."""
    copies: list[Job]
    """What was made from it, the newest few that the actor sees."""
    fates: Fates | None = None
    """Of a batch: how its retries stand."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What an actor may do with a job now: what every button and the API's `can` ask."""

    retry: bool
    edit: bool
    """Retry with other arguments."""
    cancel: bool
    delete: bool
    download: bool
    start: bool
    """Before its time."""
    copy: bool
    """Run again as a new job."""
    pause: bool
    resume: bool
    dismiss: bool
    """Say that it needs no attention; or that it does, after all."""


def actions(desk: Desk, actor: Actor, job: Job) -> Actions:
    """The one predicate of each action. The services enforce the same, with the reason."""
    kind = desk.kinds.get(job.kind)
    retry = actor.may_change and kind is not None and kind.policy.allows(job)
    ours = job.kind.startswith("system.")
    return Actions(
        retry=retry,
        edit=retry and not ours,
        cancel=actor.may_change and job.status in ACTIVE and job.cancel_requested_at is None,
        delete=actor.may_change and job.status in TERMINAL,
        download=job.output_attempt is not None and job.status is Status.COMPLETED,
        start=actor.may_change and job.status is Status.SCHEDULED,
        copy=actor.may_change and kind is not None and job.status in TERMINAL and not ours,
        pause=_may_pause(actor, job, kind) and job.paused_at is None,
        resume=_may_pause(actor, job, kind) and job.paused_at is not None,
        dismiss=actor.may_change and job.status in UNSUCCESSFUL,
    )


def _may_pause(actor: Actor, job: Job, kind: JobKind | None) -> bool:
    can = kind is not None and kind.can_pause and job.cancel_requested_at is None
    return actor.may_change and can and job.status in PAUSABLE


# --- read -------------------------------------------------------------------------------------------------------------


async def find_job(session: AsyncSession, actor: Actor, job_id: UUID) -> Job:
    """The job in the caller's session.

    Raises:
        JobNotFound: there is none, or none that is the actor's to see.
        JobReplaced: another took its place.
    """
    query = sa.select(Job).where(col(Job.id) == job_id, *actor.visible())
    job = (await session.scalars(query)).one_or_none()
    if job is None:
        raise await lineage.missing(session, job_id, actor)
    return job


async def get_job(desk: Desk, actor: Actor, job_id: UUID) -> Job:
    """A job. Raises JobNotFound, also for what is not the actor's to see, and JobReplaced."""
    async with desk.db.read() as session:
        return await find_job(session, actor, job_id)


async def read_jobs(desk: Desk, actor: Actor, ids: Iterable[UUID]) -> list[Job]:
    """Those of the jobs that the actor sees, in no order: what a page rereads after a change."""
    query = sa.select(Job).where(col(Job.id).in_(list(ids)), *actor.visible())
    async with desk.db.read() as session:
        return list((await session.scalars(query)).all())


async def replacements(desk: Desk, actor: Actor, ids: Iterable[UUID]) -> dict[UUID, Job]:
    """The jobs that took the place of these, where the actor sees them: what a page shows instead."""
    async with desk.db.read() as session:
        found = await lineage.newest(session, ids)
    return {
        old: job
        for old, job in found.items()
        if job.deleted_at is None and actor.sees(job.workspace_id, job.owner_id)
    }


async def job_detail(desk: Desk, actor: Actor, job_id: UUID) -> JobDetail:
    """A job with its attempts, steps and artifacts. Raises JobNotFound, JobReplaced."""
    async with desk.db.read() as session:
        job = await find_job(session, actor, job_id)
        line = [job.id, *await lineage.forebears(session, job, lineage.MOST_FOREBEARS)]
        attempts = (
            sa.select(Attempt).where(col(Attempt.job_id).in_(line)).order_by(col(Attempt.number).desc())
        )
        history = list((await session.scalars(attempts.limit(_LIST_LIMIT))).all())
        ran = next((a for a in history if not a.void), None)
        steps = (
            sa.select(Step)
            .where(
                col(Step.job_id) == (ran.job_id if ran else job_id),
                col(Step.attempt) == (ran.number if ran else job.attempt),
            )
            .order_by(col(Step.position))
        )
        return JobDetail(
            job=job,
            attempts=history,
            steps=list((await session.scalars(steps)).all()),
            artifacts=await _output(session, job),
            owner=await session.get_one(User, job.owner_id),
            upload=await session.get(Upload, job.upload_id) if job.upload_id else None,
            origin=await _origin(session, actor, job),
            dismissal=await _dismissal(session, job),
            copies=await _copies(session, actor, job),
            fates=await fates(session, job.id) if job.kind.startswith("system.") else None,
        )


async def _origin(session: AsyncSession, actor: Actor, job: Job) -> Job | None:
    if job.made_from is None:
        return None
    query = sa.select(Job).where(col(Job.id) == job.made_from, *actor.visible())
    return (await session.scalars(query)).one_or_none()


async def _dismissal(session: AsyncSession, job: Job) -> Dismissal | None:
    found = await session.get(Dismissal, job.id)
    return found if found and found.attempt == job.attempt and job.status in UNSUCCESSFUL else None


async def _copies(session: AsyncSession, actor: Actor, job: Job) -> list[Job]:
    query = sa.select(Job).where(col(Job.made_from) == job.id, *actor.visible())
    return list((await session.scalars(query.order_by(col(Job.id).desc()).limit(_COPIES))).all())


async def _output(session: AsyncSession, job: Job) -> list[Artifact]:
    query = (
        sa.select(Artifact)
        .where(col(Artifact.job_id) == job.id, col(Artifact.attempt) == job.output_attempt)
        .order_by(col(Artifact.name))
    )
    return list((await session.scalars(query)).all()) if job.output_attempt is not None else []


async def get_artifact(desk: Desk, actor: Actor, job_id: UUID, name: str) -> Artifact:
    """A file of the job's output.

    Raises:
        JobNotFound: there is no such job to see.
        NotFound: its output has no such file, or was unlinked by a retry.
    """
    async with desk.db.read() as session:
        job = await find_job(session, actor, job_id)
        found = [artifact for artifact in await _output(session, job) if artifact.name == name]
    if not found:
        raise NotFound(what="file")
    return found[0]


async def owners(desk: Desk, jobs: Iterable[Job]) -> dict[UUID, User]:
    """Who submitted these jobs."""
    query = sa.select(User).where(col(User.id).in_({job.owner_id for job in jobs}))
    async with desk.db.read() as session:
        return {user.id: user for user in (await session.scalars(query)).all()}


async def logs(
    desk: Desk, actor: Actor, job_id: UUID, cursor: UUID | None = None, limit: int = 500
) -> tuple[list[LogLine], UUID | None]:
    """The job's own lines after `cursor`, oldest first, and the cursor to go on from (also when nothing came yet)."""
    query = sa.select(LogLine).where(col(LogLine.job_id) == job_id)
    if cursor:
        query = query.where(col(LogLine.id) > cursor)
    async with desk.db.read() as session:
        await find_job(session, actor, job_id)
        lines = list((await session.scalars(query.order_by(col(LogLine.id)).limit(limit))).all())
    return lines, lines[-1].id if lines else cursor


# --- change -----------------------------------------------------------------------------------------------------------


async def cancel(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Cancels a job. A running one stays `running` until its worker has stopped, within two seconds.

    A retry that waits is taken back: the job is again as it had ended, and what the retry cost is given back.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Conflict: the job is over, or not at `version` any more.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status not in ACTIVE or (version is not None and version != job.version):
            raise Conflict(current=job.status, version=job.version)
        if job.cancel_requested_at is not None:
            return job
        if await _waits_to_retry(session, job):
            audit.record(session, actor, "job.stop_retrying", job_id)
            return await take_back_retry(session, desk, job, actor.email, RETRY_TAKEN_BACK)
        changed = await lifecycle.cancel(session, job, actor.name)
        if changed.status is Status.CANCELLED:
            await ledger.refund_unused(session, changed, actor.email)
        audit.record(session, actor, "job.cancel", job_id)
        return changed

    job = await desk.db.transact(work)
    await desk.feed.publish([Change.of(job)])
    return job


async def start_now(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Queues a scheduled job, or a retry that waits, before its time.

    A retry that waits until something is back stays `scheduled`: that is looked for at once. A queue that does not
    answer is no error: housekeeping rings when it is back.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Conflict: the job does not wait for a time, or is not at `version` any more.
        RetriesDisabled: it waits for a retry, and they are switched off.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status is not Status.SCHEDULED or (version is not None and version != job.version):
            raise Conflict(current=job.status, version=job.version)
        if switches.concern(job):
            if not desk.settings.retries_enabled:
                raise RetriesDisabled
            await switches.require_on(session, job)
        changed = await (lifecycle.look_now if job.waits_for else lifecycle.start_now)(session, job)
        audit.record(session, actor, "job.start_now", job_id)
        return changed

    job = await desk.db.transact(work)
    await ring(desk, [job])
    await desk.feed.publish([Change.of(job)])
    return job


async def take_back_retry(
    session: AsyncSession, desk: Desk, job: Job, by: str | None, note: str, why: str | None = None
) -> Job:
    """Takes a retry back that waits, in the caller's transaction, and gives back what it cost.

    Args:
        by: whose wish it was, for the ledger.
        why: what spoke against it, where it was nobody's wish.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    kind = desk.kinds.get(job.kind)
    counts = job.retry_count > 0 and (kind is None or kind.policy.counts)
    taken_back = await lifecycle.take_back_retry(session, job, counts=counts, why=why)
    await ledger.refund_unused(session, taken_back, by, note)
    return taken_back


async def _waits_to_retry(session: AsyncSession, job: Job) -> bool:
    """Whether a retry is due later: to cancel it is to leave the job as it had ended, not to cancel the job."""
    if job.status is not Status.SCHEDULED:
        return False
    attempt = await session.get(Attempt, (job.id, job.attempt))
    return attempt is not None and attempt.trigger in RETRIES
