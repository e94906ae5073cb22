"""Jobs as people and programs handle them: submit, read, list, cancel, delete."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.access import Actor
from services.desk import Desk
from services.errors import (
    Conflict,
    Invalid,
    JobNotFound,
    NotFound,
    QueueUnavailable,
    ServiceUnavailable,
    StillActive,
)
from services.failures import clean
from services.feed import Change
from services.ids import new_id
from services.kinds import JobKind
from services.models import Artifact, Attempt, BatchSkip, Job, LogLine, Step, Upload, User
from services.models import now as wall_clock
from services.search import conditions
from services.storable import require_storable
from services.vocabulary import ACTIVE, TERMINAL, Status, Trigger

_TITLE_LIMIT = 300
_LIST_LIMIT = 200
_MOST_RETRIES = 1_000
_PURGED_AT_ONCE = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobQuery:
    """Which jobs, in which order, and which page of them."""

    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    q: str = ""
    """The search language of `services/search.py`."""
    owner: str | None = None
    """An email, or `me`."""
    sort: Literal["newest", "oldest"] = "newest"
    limit: int = 25
    cursor: str | None = None
    """As a page's `next_cursor` or `prev_cursor` gave it."""


@dataclass(frozen=True)
class JobPage:
    """A page of jobs. A cursor is None where there is nothing in that direction."""

    items: list[Job]
    next_cursor: str | None
    prev_cursor: str | None
    total: int


@dataclass(frozen=True)
class JobDetail:
    """A job with everything that its page shows."""

    job: Job
    attempts: list[Attempt]
    """Newest first."""
    steps: list[Step]
    """Of the latest attempt that was not void, in order."""
    artifacts: list[Artifact]
    """The job's output."""
    owner: User
    upload: Upload | None


@dataclass(frozen=True, slots=True)
class Actions:
    """What an actor may do with a job now: what every button and the API's `can` ask."""

    retry: bool
    cancel: bool
    delete: bool
    download: bool
    start: bool
    """Before its time."""


def actions(desk: Desk, actor: Actor, job: Job) -> Actions:
    """The one predicate of each action. The services enforce the same, with the reason."""
    kind = desk.kinds.get(job.kind)
    return Actions(
        retry=actor.may_change and kind is not None and job.status in kind.policy.statuses,
        cancel=actor.may_change and job.status in ACTIVE and job.cancel_requested_at is None,
        delete=actor.may_change and job.status in TERMINAL,
        download=job.output_attempt is not None and job.status is Status.COMPLETED,
        start=actor.may_change and job.status is Status.SCHEDULED,
    )


# --- submit -----------------------------------------------------------------------------------------------------------


async def submit(
    desk: Desk,
    actor: Actor,
    kind: str,
    args: dict[str, Any],
    *,
    title: str | None = None,
    max_retries: int | None = None,
    run_at: datetime | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Makes a job and rings for it. With an idempotency key seen before, the job made then.

    A queue that does not answer is no error: the job is `queued`, and housekeeping rings when the queue is back.

    Raises:
        Forbidden: the actor is a viewer.
        Invalid: no such kind, arguments that do not fit, a limit or time out of range.
        NotFound: the upload that the arguments name is not there, or not the actor's to see.
    """
    actor.require_change()
    declared = desk.kinds[kind]
    if kind.startswith("system."):
        raise Invalid("system.* jobs are made by Mulligan itself.")
    require_storable(args)
    parsed = declared.parse_args(args)
    if max_retries is not None and not 0 <= max_retries <= _MOST_RETRIES:
        raise Invalid(f"max_retries must be between 0 and {_MOST_RETRIES}.")
    if run_at is not None and run_at.tzinfo is None:
        raise Invalid("run_at needs a time zone, for example 2026-11-22T14:05:00Z.")
    starts_later = run_at is not None and run_at > wall_clock()
    job = Job(
        id=new_id(), workspace_id=actor.workspace_id, owner_id=actor.user_id, kind=kind, title="",
        args=declared.dump_args(parsed),
        max_retries=max_retries, due_at=run_at if starts_later else None, idempotency_key=idempotency_key,
    )  # fmt: skip

    async def work(session: AsyncSession) -> Job:
        upload = await _input_of(session, actor, declared, parsed)
        job.upload_id = upload.id if upload else None
        job.title = _title(
            title or declared.title_from(parsed) or (upload.filename if upload else declared.title)
        )
        await lifecycle.create(session, job, actor.name)
        audit.record(session, actor, "job.submit", job.id, kind=kind)
        return job

    try:
        if idempotency_key and (earlier := await _by_idempotency_key(desk, actor, idempotency_key)):
            return earlier
        made = await desk.db.transact(work)
    except IntegrityError:
        # Two requests with the same key at once: the unique index let one in.
        earlier = await _by_idempotency_key(desk, actor, idempotency_key) if idempotency_key else None
        if earlier is None:
            raise
        return earlier
    await ring(desk, [made])
    await desk.feed.publish([Change.of(made)])
    return made


async def ring(desk: Desk, jobs: Sequence[Job]) -> None:
    """Rings for queued jobs where nobody waits for the answer: housekeeping rings again if this fails."""
    try:
        await desk.queue.kick(lifecycle.doorbells(jobs))
    except QueueUnavailable:
        return


def _title(text: str) -> str:
    return " ".join(clean(text).split())[:_TITLE_LIMIT] or "Untitled"


async def _input_of(session: AsyncSession, actor: Actor, kind: JobKind, args: Any) -> Upload | None:
    if kind.upload_field is None or (upload_id := getattr(args, kind.upload_field, None)) is None:
        return None
    try:
        key = UUID(str(upload_id))  # a kind's model may call it a string
    except ValueError:
        raise NotFound(what="upload") from None
    query = sa.select(Upload).where(col(Upload.id) == key, col(Upload.workspace_id) == actor.workspace_id)
    if not actor.sees_all_jobs:
        query = query.where(col(Upload.owner_id) == actor.user_id)
    upload = (await session.scalars(query)).one_or_none()
    if upload is None:
        raise NotFound(what="upload")
    return upload


async def _by_idempotency_key(desk: Desk, actor: Actor, key: str) -> Job | None:
    query = sa.select(Job).where(
        col(Job.workspace_id) == actor.workspace_id,
        col(Job.owner_id) == actor.user_id,
        col(Job.idempotency_key) == key,
    )
    async with desk.db.read() as session:
        return (await session.scalars(query)).one_or_none()


# --- read -------------------------------------------------------------------------------------------------------------


async def find_job(session: AsyncSession, actor: Actor, job_id: UUID) -> Job:
    """The job in the caller's session. Raises JobNotFound, also for what is not the actor's to see."""
    query = sa.select(Job).where(col(Job.id) == job_id, *actor.visible())
    job = (await session.scalars(query)).one_or_none()
    if job is None:
        raise JobNotFound
    return job


async def get_job(desk: Desk, actor: Actor, job_id: UUID) -> Job:
    """A job. Raises JobNotFound, also for what is not the actor's to see."""
    async with desk.db.read() as session:
        return await find_job(session, actor, job_id)


async def read_jobs(desk: Desk, actor: Actor, ids: Iterable[UUID]) -> list[Job]:
    """Those of the jobs that the actor sees, in no order: what a page rereads after a change."""
    query = sa.select(Job).where(col(Job.id).in_(list(ids)), *actor.visible())
    async with desk.db.read() as session:
        return list((await session.scalars(query)).all())


async def job_detail(desk: Desk, actor: Actor, job_id: UUID) -> JobDetail:
    """A job with its attempts, steps and artifacts. Raises JobNotFound."""
    async with desk.db.read() as session:
        job = await find_job(session, actor, job_id)
        attempts = (
            sa.select(Attempt).where(col(Attempt.job_id) == job_id).order_by(col(Attempt.number).desc())
        )
        history = list((await session.scalars(attempts.limit(_LIST_LIMIT))).all())
        ran = next((a.number for a in history if not a.void), job.attempt)
        steps = (
            sa.select(Step)
            .where(col(Step.job_id) == job_id, col(Step.attempt) == ran)
            .order_by(col(Step.position))
        )
        return JobDetail(
            job=job,
            attempts=history,
            steps=list((await session.scalars(steps)).all()),
            artifacts=await _output(session, job),
            owner=await session.get_one(User, job.owner_id),
            upload=await session.get(Upload, job.upload_id) if job.upload_id else None,
        )


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


# --- list -------------------------------------------------------------------------------------------------------------


async def list_jobs(desk: Desk, actor: Actor, query: JobQuery) -> JobPage:
    """A page of the jobs that match, by key: the page after a million is as fast as the first.

    Raises:
        Invalid: the search, the cursor or the limit makes no sense.
    """
    if not 1 <= query.limit <= _LIST_LIMIT:
        raise Invalid(f"limit must be between 1 and {_LIST_LIMIT}.")
    matching = _matching(actor, query)
    backwards, position = _parse_cursor(query.cursor)
    ascending = (query.sort == "oldest") != backwards
    page = sa.select(Job).where(*matching)
    if position:
        page = page.where(col(Job.rank) > position if ascending else col(Job.rank) < position)
    page = page.order_by(col(Job.rank).asc() if ascending else col(Job.rank).desc()).limit(query.limit + 1)
    async with desk.db.read() as session:
        found = list((await session.scalars(page)).all())
        total = (await session.scalars(sa.select(sa.func.count()).select_from(Job).where(*matching))).one()
    more, items = len(found) > query.limit, found[: query.limit]
    if backwards:
        items.reverse()
    has_next = more if not backwards else position is not None
    has_prev = position is not None if not backwards else more
    return JobPage(
        items,
        next_cursor=f"a{items[-1].rank.hex}" if items and has_next else None,
        prev_cursor=f"b{items[0].rank.hex}" if items and has_prev else None,
        total=total,
    )


async def count_by_status(desk: Desk, actor: Actor, query: JobQuery) -> dict[Status, int]:
    """How many jobs of each status match, whatever statuses the query names."""
    matching = _matching(actor, JobQuery(kinds=query.kinds, q=query.q, owner=query.owner))
    count = sa.select(col(Job.status), sa.func.count()).where(*matching).group_by(col(Job.status))
    async with desk.db.read() as session:
        found = {row[0]: row[1] for row in await session.execute(count)}
    return {status: found.get(status, 0) for status in Status}


def _matching(actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    matching = [*actor.visible(), *conditions(query.q, actor)]
    if query.statuses:
        matching.append(col(Job.status).in_(query.statuses))
    if query.kinds:
        matching.append(col(Job.kind).in_(query.kinds))
    if query.owner == "me":
        matching.append(col(Job.owner_id) == actor.user_id)
    elif query.owner:
        owner = sa.select(col(User.id)).where(col(User.email) == query.owner.lower()).scalar_subquery()
        matching.append(col(Job.owner_id) == owner)
    return matching


def _parse_cursor(cursor: str | None) -> tuple[bool, UUID | None]:
    if not cursor:
        return False, None
    try:
        if cursor[0] not in "ab":
            raise ValueError(cursor)
        return cursor[0] == "b", UUID(hex=cursor[1:])
    except ValueError:
        raise Invalid("That cursor is not one of ours. Start again from the first page.") from None


# --- change -----------------------------------------------------------------------------------------------------------


async def cancel(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Cancels a job. A running one stays `running` until its worker has stopped, within two seconds.

    An automatic retry that waits is taken back: the job is failed again, and can be retried by a person.

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
            return await lifecycle.stop_retrying(session, job)
        changed = await lifecycle.cancel(session, job, actor.name)
        if changed.status is Status.CANCELLED:
            await ledger.refund_unused(session, actor, changed)
        audit.record(session, actor, "job.cancel", job_id)
        return changed

    job = await desk.db.transact(work)
    await desk.feed.publish([Change.of(job)])
    return job


async def start_now(desk: Desk, actor: Actor, job_id: UUID, *, version: int | None = None) -> Job:
    """Queues a scheduled job, or an automatic retry that waits, before its time.

    A queue that does not answer is no error: housekeeping rings when it is back.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        Conflict: the job does not wait for a time, or is not at `version` any more.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status is not Status.SCHEDULED or (version is not None and version != job.version):
            raise Conflict(current=job.status, version=job.version)
        changed = await lifecycle.start_now(session, job)
        audit.record(session, actor, "job.start_now", job_id)
        return changed

    job = await desk.db.transact(work)
    await ring(desk, [job])
    await desk.feed.publish([Change.of(job)])
    return job


async def _waits_to_retry(session: AsyncSession, job: Job) -> bool:
    """Whether an automatic retry is due later: to cancel it is to leave the job failed, not to cancel the job."""
    if job.status is not Status.SCHEDULED:
        return False
    attempt = await session.get(Attempt, (job.id, job.attempt))
    return attempt is not None and attempt.trigger is Trigger.AUTO


async def delete(desk: Desk, actor: Actor, job_id: UUID) -> None:
    """Deletes a job that is over, with its files. Ledger and figures stay.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        StillActive: it must be cancelled first.
    """

    async def work(session: AsyncSession) -> Job:
        job = await find_job(session, actor, job_id)
        actor.require_change()
        if job.status not in TERMINAL:
            raise StillActive(current=job.status, version=job.version)
        for content in (LogLine, Step):
            await session.execute(sa.delete(content).where(col(content.job_id) == job_id))
        await session.execute(sa.delete(BatchSkip).where(col(BatchSkip.batch_id) == job_id))
        said = {"error": None, "traceback": None, "advice": None}
        await session.execute(sa.update(Attempt).where(col(Attempt.job_id) == job_id).values(**said))
        audit.record(session, actor, "job.delete", job_id, kind=job.kind)
        return await lifecycle.bury(session, job, TERMINAL)

    buried = await desk.db.transact(work)
    await desk.feed.publish([Change.of(buried)])
    try:
        await purge_deleted(desk, job_id)
    except ServiceUnavailable as error:
        # The job is gone for everyone; its files' rows stay, so that housekeeping finds them when storage is back.
        logger.warning("job %s: its files are not removed yet (%s)", job_id, error)


async def purge_deleted(desk: Desk, job_id: UUID | None = None) -> int:
    """Removes files of deleted jobs, of one or of any (some hundred at a time): objects, then rows. How many.

    Raises:
        ServiceUnavailable: storage does not answer; what is left is found again.
    """
    query = (
        sa.select(Artifact)
        .join(Job, col(Job.id) == col(Artifact.job_id))
        .where(col(Job.deleted_at).is_not(None))
        .limit(_PURGED_AT_ONCE)
    )
    async with desk.db.read() as session:
        found = (
            await session.scalars(query.where(col(Artifact.job_id) == job_id) if job_id else query)
        ).all()
    if not found:
        return 0
    await desk.storage.delete([artifact.storage_key for artifact in found])
    keys = [(artifact.job_id, artifact.attempt, artifact.name) for artifact in found]
    row = sa.tuple_(col(Artifact.job_id), col(Artifact.attempt), col(Artifact.name))
    await desk.db.transact(lambda session: session.execute(sa.delete(Artifact).where(row.in_(keys))))
    return len(found)
