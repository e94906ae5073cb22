"""The one door for a job's status. Every change of it is a guarded statement in this module.

People are guarded by `version`, workers by `attempt` and `worker`; no row means that somebody else was first. Every
function works inside the caller's transaction and does nothing outside it: rings and publications come after commit.

    scheduled ──due──▶ queued ──claim──▶ running ──finish──▶ completed | failed | timeout | cancelled
        ▲                ▲  ▲    └─stuck─▶ failed (an operator)
        │                │  └──rescue───────┤ (handed back, or its lease ran out)
        ├── run_at       └──retry── failed, timeout, … (as the kind's policy says)
        └── retry later, by a person or by itself; taken back, it is again as it had ended
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import lineage
from services.database import db_now, rows_json
from services.errors import Conflict, JobNotFound
from services.failures import Failure
from services.feed import Change
from services.models import Attempt, AuditEntry, Job, Step, Switch, now
from services.models import is_now as _is
from services.queue import Doorbell
from services.statements import Statements, statements
from services.vocabulary import (
    PAUSABLE,
    RETRIES,
    RETRIES_SWITCH,
    WAITING,
    FailureType,
    Priority,
    Status,
    StepStatus,
    Trigger,
)

FIRST_KICK_AGAIN_SECONDS = 10
FIRST_LOOK_AGAIN_SECONDS = 10
_LONGEST_LOOK_SECONDS = 300
_MOST_DOUBLINGS = 6
_BATCH = 500

# An update's answer is the row as it is now, also where the session has an older copy.
_FRESH = {"populate_existing": True, "synchronize_session": False}

_CLEARED: dict[str, Any] = {
    "progress": 0, "step": None, "error": None, "failure_type": None, "advice": None, "fingerprint": None,
    "result": None,
    "worker": None, "lease_expires_at": None, "cancel_requested_at": None, "cancel_requested_by": None,
    "started_at": None, "finished_at": None, "due_at": None, "waits_for": None,
}  # fmt: skip

# What nobody may read of a tombstone.
_EMPTIED: dict[str, Any] = {
    "title": "", "args": {}, "result": None, "error": None, "advice": None, "upload_id": None,
    "idempotency_key": None, "output_attempt": None,
}  # fmt: skip

# What a record that takes another's place has of it; the rest is as with any new job.
_INHERITED = (
    "rank", "workspace_id", "owner_id", "kind", "title", "args", "upload_id", "version", "attempt", "retry_count",
    "auto_retry_count", "max_retries", "priority", "made_from",
)  # fmt: skip


class Claim(NamedTuple):
    """A worker's wish to run an attempt."""

    job_id: UUID
    attempt: int


class Claimed(NamedTuple):
    """What a worker needs of a job it has claimed."""

    change: Change
    attempt: int
    kind: str
    title: str
    args: dict[str, Any]
    upload_id: UUID | None
    output_attempt: int | None
    auto_retries: int
    """Automatic retries that the job has had."""
    is_paused: bool = False
    """It begins by holding on: paused while it was queued, or before its worker was lost."""
    trigger: Trigger = Trigger.FIRST
    trace: str | None = None
    """W3C `traceparent` of what asked for the attempt."""


class Outcome(NamedTuple):
    """How an attempt ended, as its worker saw it."""

    job_id: UUID
    attempt: int
    status: Status
    failure: Failure | None = None
    result: dict[str, Any] | None = None
    has_output: bool = False
    retry_in: float | None = None
    """Seconds until an automatic retry; None: there is none."""

    def row(self) -> dict[str, Any]:
        """The outcome as a row of the statement's parameter."""
        failure = self.failure
        return {
            "id": self.job_id,
            "attempt": self.attempt,
            "status": self.status,
            "error": failure and failure.message,
            "failure_type": failure and failure.type,
            "advice": failure and failure.advice,
            "fingerprint": failure and failure.fingerprint,
            "traceback": failure and failure.traceback,
            "result": self.result,
            "output_attempt": self.attempt if self.has_output else None,
        }


class Wish(NamedTuple):
    """What people want of a running attempt, and the job's version that says so."""

    version: int
    cancelled: bool = False
    cancelled_by: str | None = None
    paused: bool = False


class Progress(NamedTuple):
    """How far a running attempt is: 0 to 100, and what it does."""

    job_id: UUID
    attempt: int
    percent: float
    step: str | None


# --- the worker's side ------------------------------------------------------------------------------------------------


async def claim(
    session: AsyncSession, claims: Sequence[Claim], worker: str, lease_seconds: float
) -> dict[Claim, Claimed]:
    """Gives each attempt that is still queued to `worker`; the others are left out of the answer."""
    texts = _statements(session)
    pairs = {"rows": rows_json({"id": c.job_id, "attempt": c.attempt} for c in claims)}
    rows = (await session.execute(texts.claim, pairs | {"worker": worker, "lease": lease_seconds})).all()
    why: dict[UUID, Any] = {}
    if rows:
        won = {"rows": rows_json({"id": r.id, "attempt": r.attempt} for r in rows)}
        begun = await session.execute(texts.claim_attempt, won | {"worker": worker})
        why = {attempt.job_id: attempt for attempt in begun}
    return {
        Claim(r.id, r.attempt): Claimed(
            _change(r),
            r.attempt,
            r.kind,
            r.title,
            r.args or {},
            r.upload_id,
            r.output_attempt,
            r.auto_retry_count,
            r.paused_at is not None,
            why[r.id].trigger,
            why[r.id].trace,
        )
        for r in rows
    }


async def finish(session: AsyncSession, outcomes: Sequence[Outcome], worker: str) -> dict[Claim, Change]:
    """Ends attempts that `worker` still holds; those that were taken from it are left out of the answer."""
    texts = _statements(session)
    by_key = {Claim(o.job_id, o.attempt): o for o in outcomes}
    rows_param = {"rows": rows_json(o.row() for o in by_key.values())}
    rows = (await session.execute(texts.finish, rows_param | {"worker": worker})).all()
    ended = {Claim(r.id, r.attempt): _change(r) for r in rows}
    if ended:
        await session.execute(texts.finish_attempt, {"rows": rows_json(by_key[key].row() for key in ended)})
    waits = {key: wait for key in ended if (wait := by_key[key].retry_in) is not None}
    if waits:
        ended |= await retry_later(session, waits)
    return ended


async def retry_later(session: AsyncSession, waits: Mapping[Claim, float]) -> dict[Claim, Change]:
    """Schedules automatic retries, so many seconds from now, of attempts that have just failed, with their checkpoints.

    The error stays on the job until the retry begins, so that people see what it waits for. A job that somebody
    wanted cancelled, or whose retries are switched off, stays as it ended, and is left out of the answer.
    """
    texts = _statements(session)
    rows = rows_json({"id": c.job_id, "attempt": c.attempt, "wait": wait} for c, wait in waits.items())
    scheduled = (await session.execute(texts.schedule, {"rows": rows})).all()
    if scheduled:
        ended = rows_json({"id": r.id, "attempt": r.attempt - 1} for r in scheduled)
        await session.execute(texts.schedule_steps, {"rows": ended})
        traces = await _traces(session, [Claim(r.id, r.attempt - 1) for r in scheduled])
        session.add_all(
            Attempt(
                job_id=r.id, number=r.attempt, trigger=Trigger.AUTO, kind=r.kind, status=Status.SCHEDULED,
                after_fingerprint=r.fingerprint, trace=traces.get(Claim(r.id, r.attempt - 1)),
            )
            for r in scheduled
        )  # fmt: skip
        session.add_all(
            AuditEntry(
                workspace_id=r.workspace_id, actor="Mulligan", action="job.auto_retry", job_id=r.id,
                data={"attempt": r.attempt},
            )
            for r in scheduled
        )  # fmt: skip
    return {Claim(r.id, r.attempt - 1): _change(r) for r in scheduled}


async def renew(
    session: AsyncSession, held: Sequence[Claim], worker: str, lease_seconds: float
) -> dict[Claim, bool]:
    """Extends the leases that `worker` still holds. The answer says of each whether somebody wants it cancelled."""
    pairs = rows_json({"id": c.job_id, "attempt": c.attempt} for c in held)
    rows = await session.execute(
        _statements(session).renew, {"rows": pairs, "worker": worker, "lease": lease_seconds}
    )
    return {Claim(r.id, r.attempt): r.cancel_requested_at is not None for r in rows}


async def progress(session: AsyncSession, moved: Sequence[Progress], worker: str) -> list[Change]:
    """Notes progress of attempts that `worker` still holds. Does not raise their version."""
    rows = rows_json(
        {"id": p.job_id, "attempt": p.attempt, "progress": p.percent, "step": p.step} for p in moved
    )
    return [
        _change(r)
        for r in await session.execute(_statements(session).progress, {"rows": rows, "worker": worker})
    ]


async def hand_back(session: AsyncSession, held: Sequence[Claim], worker: str) -> list[Job]:
    """Queues what an orderly stopped worker could not finish, as free and uncounted `rescue` attempts."""
    failure = Failure(FailureType.WORKER_LOST, "Interrupted: the worker was stopped while the job ran")
    return [
        job
        for key in held
        if (job := await _interrupt(session, key, col(Job.worker) == worker, failure, rescue=True))
    ]


async def wishes(session: AsyncSession, worker: str) -> dict[Claim, Wish]:
    """What people want of each attempt that `worker` holds."""
    query = sa.select(
        col(Job.id), col(Job.attempt), col(Job.version),
        col(Job.cancel_requested_at).is_not(None), col(Job.cancel_requested_by), col(Job.paused_at).is_not(None),
    ).where(_is(Status.RUNNING), col(Job.worker) == worker)  # fmt: skip
    return {Claim(row[0], row[1]): Wish(*row[2:]) for row in await session.execute(query)}


async def is_held(session: AsyncSession, claim: Claim, worker: str) -> bool:
    """Whether `worker` still has the attempt; on PostgreSQL it keeps it until the transaction ends."""
    query = sa.select(col(Job.id)).where(
        col(Job.id) == claim.job_id,
        col(Job.attempt) == claim.attempt,
        col(Job.worker) == worker,
        col(Job.status) == Status.RUNNING,
    )
    return (await session.execute(query.with_for_update())).one_or_none() is not None


# --- housekeeping -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chores:
    """What housekeeping would find to do."""

    due: bool
    lost: bool
    unclaimed: list[str]
    """Kinds with jobs whose doorbell may have been lost."""


async def chores(session: AsyncSession, kinds: Sequence[str], limited: Collection[str] = ()) -> Chores:
    """A look that costs next to nothing: probes of small indexes, one for each of `kinds`.

    The doorbells of `limited` kinds are forgotten where no slot is free: whatever waits may need another.
    """
    looks = (
        (_is(Status.SCHEDULED), col(Job.due_at) <= db_now(), col(Job.waits_for).is_(None), _may_start()),
        (_is(Status.RUNNING), col(Job.lease_expires_at) < db_now()),
        *(
            (_is(Status.QUEUED), *((col(Job.kind) == kind,) if kind in limited else _unclaimed(kind)))
            for kind in kinds
        ),
    )
    due, lost, *some = (await session.execute(sa.select(*(sa.exists().where(*look) for look in looks)))).one()
    return Chores(bool(due), bool(lost), [kind for kind, found in zip(kinds, some, strict=True) if found])


async def lost_leases(session: AsyncSession) -> list[Job]:
    """Running jobs whose worker has not renewed in time."""
    query = sa.select(Job).where(_is(Status.RUNNING), col(Job.lease_expires_at) < db_now()).limit(_BATCH)
    return list((await session.scalars(query)).all())


async def rescues_in_a_row(session: AsyncSession, job: Job) -> int:
    """How many of the latest attempts were rescues: a job that kills its workers must not do so for ever."""
    query = (
        sa.select(col(Attempt.trigger))
        .where(col(Attempt.job_id) == job.id)
        .order_by(col(Attempt.number).desc())
        .limit(10)
    )
    triggers = (await session.scalars(query)).all()
    return next((n for n, trigger in enumerate(triggers) if trigger is not Trigger.RESCUE), len(triggers))


async def expire(session: AsyncSession, job: Job, failure: Failure, *, rescue: bool) -> Job | None:
    """Ends an attempt whose lease ran out, and queues another if `rescue`. None: it was renewed or ended meanwhile."""
    key = Claim(job.id, job.attempt)
    return await _interrupt(session, key, col(Job.lease_expires_at) < db_now(), failure, rescue=rescue)


async def queue_due(session: AsyncSession) -> list[Job]:
    """Queues scheduled jobs whose time has come, but for those that wait for something else than a time.

    Retries wait on while they are switched off.
    """
    due = _is(Status.SCHEDULED), col(Job.due_at) <= db_now(), col(Job.waits_for).is_(None), _may_start()
    return await _begin(session, col(Job.id).in_(_batch(*due, order=col(Job.due_at))))


async def is_awaited(session: AsyncSession) -> bool:
    """Whether it is time to look again for what some retry waits for."""
    awaited = (
        _is(Status.SCHEDULED),
        col(Job.due_at) <= db_now(),
        col(Job.waits_for).is_not(None),
        _may_start(),
    )
    return bool((await session.execute(sa.select(sa.exists().where(*awaited)))).scalar())


async def take_looks(session: AsyncSession, most: int) -> list[Job]:
    """Retries that wait for something, each marked as looked at; twice as long until the next look, up to 5 min."""
    awaited = (
        _is(Status.SCHEDULED),
        col(Job.due_at) <= db_now(),
        col(Job.waits_for).is_not(None),
        _may_start(),
    )
    taken = _batch(*awaited, order=col(Job.due_at), most=most)
    jobs = (await session.scalars(sa.select(Job).where(col(Job.id).in_(taken)))).all()
    for looks in {job.kicks for job in jobs}:
        ids = [job.id for job in jobs if job.kicks == looks]
        wait = min(FIRST_LOOK_AGAIN_SECONDS * 2 ** min(looks + 1, _MOST_DOUBLINGS), _LONGEST_LOOK_SECONDS)
        await session.execute(
            sa.update(Job)
            .where(col(Job.id).in_(ids), col(Job.status) == Status.SCHEDULED)
            .values(due_at=db_now(wait), kicks=looks + 1),
            execution_options={"synchronize_session": False},
        )
    return list(jobs)


async def queue_awaited(session: AsyncSession, job: Job) -> Job | None:
    """Queues a retry for which everything is back. None: somebody was first."""
    begun = await _begin(session, col(Job.id) == job.id, col(Job.version) == job.version)
    return begun[0] if begun else None


async def wait_on(session: AsyncSession, job: Job, waits_for: str, why: str) -> Job | None:
    """Notes that a retry waits for something else than before. None: it does not, or somebody was first."""
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == job.id,
            col(Job.version) == job.version,
            col(Job.status) == Status.SCHEDULED,
            col(Job.waits_for) != waits_for,
        )
        .values(waits_for=waits_for, **_moved())
        .returning(Job)
    )
    changed = await _changed(session, change)
    if changed is not None:
        await _set_attempt(session, job.id, job.attempt, error=why)
    return changed


async def unclaimed(session: AsyncSession, kinds: Iterable[str]) -> list[Job]:
    """Queued jobs whose doorbell may have been lost, each marked as rung again; twice as long until the next time."""
    jobs: list[Job] = []
    for kind in kinds:  # one by one, so that each goes by its index and sorts nothing
        due = _batch(_is(Status.QUEUED), *_unclaimed(kind), order=col(Job.kick_due_at))
        jobs += (await session.scalars(sa.select(Job).where(col(Job.id).in_(due)))).all()
        if len(jobs) >= _BATCH:
            break
    for kicks in {job.kicks for job in jobs}:
        ids = [job.id for job in jobs if job.kicks == kicks]
        wait = FIRST_KICK_AGAIN_SECONDS * 2 ** min(kicks, _MOST_DOUBLINGS)
        await session.execute(
            sa.update(Job)
            .where(col(Job.id).in_(ids), col(Job.status) == Status.QUEUED)
            .values(kick_due_at=db_now(wait), kicks=kicks + 1)
        )
    return jobs


# --- people's side ----------------------------------------------------------------------------------------------------


async def create(session: AsyncSession, job: Job, requested_by: str) -> None:
    """A new job with its first attempt: `scheduled` where `due_at` is set, else `queued`."""
    job.rank = job.id
    job.status = Status.SCHEDULED if job.due_at else Status.QUEUED
    session.add(job)
    await session.flush()
    if job.status is Status.QUEUED:
        job.queued_at = job.created_at
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**_kick_values()))
    session.add(
        Attempt(
            job_id=job.id,
            number=1,
            trigger=Trigger.FIRST,
            kind=job.kind,
            requested_by=requested_by,
            status=job.status,
        )
    )


@dataclass(frozen=True, slots=True)
class Edit:
    """Arguments that a retry runs with instead of the job's own."""

    args: dict[str, Any]
    upload_id: UUID | None
    changes: list[dict[str, Any]]
    """What differs, `{"path", "before", "after"}` each, without secrets."""


@dataclass(frozen=True, slots=True)
class Later:
    """When a retry begins that does not begin at once."""

    at: datetime | None = None
    """None: as soon as what it waits for is there."""
    waits_for: str | None = None
    """The code of a check that must pass first."""
    why: str | None = None
    """What that check found."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """A retry, as decided: `before` is the job as it was read in the same transaction."""

    before: Job
    allowed: frozenset[Status]
    trigger: Trigger
    requested_by: str
    counts: bool
    cost: int = 0
    from_step: str | None = None
    batch_id: UUID | None = None
    replacement: UUID | None = None
    """The id of the record that takes the job's place; None: the job goes on as it is."""
    edit: Edit | None = None
    trace: str | None = None
    """W3C `traceparent` of the span that asks for it."""


async def requeue(session: AsyncSession, retry: Requeue) -> Job:
    """Queues a new attempt of a job that has ended; unlinks its output.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    values = (
        {"status": Status.QUEUED, "output_attempt": None, "queued_at": db_now()} | _CLEARED | _kick_values()
    )
    job = await _try_again(session, retry, values)
    session.add(_attempt_of(retry, job))
    return job


async def schedule_retry(session: AsyncSession, retry: Requeue, later: Later) -> Job:
    """Makes a new attempt of a job that has ended, to be queued later.

    Until then the job keeps what it ended with: error, result, output. Taken back, nothing of it was lost.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    values = {
        "status": Status.SCHEDULED, "due_at": later.at or db_now(FIRST_LOOK_AGAIN_SECONDS),
        "waits_for": later.waits_for, "kicks": 0, "kick_due_at": None, "finished_at": None,
        "cancel_requested_at": None,
    }  # fmt: skip
    job = await _try_again(session, retry, values)
    attempt = _attempt_of(retry, job)
    attempt.error = later.why
    session.add(attempt)
    return job


async def _try_again(session: AsyncSession, retry: Requeue, values: dict[str, Any]) -> Job:
    before = retry.before
    if before in session:  # else the update's answer would overwrite what it was
        session.expunge(before)
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == before.id,
            col(Job.version) == before.version,
            col(Job.status).in_(retry.allowed),
            col(Job.deleted_at).is_(None),
        )
        .values(
            attempt=col(Job.attempt) + 1,
            retry_count=col(Job.retry_count) + (1 if retry.counts else 0),
            # Low is what a batch made of it. Of a single retry, somebody waits for the outcome.
            priority=Priority.NORMAL if before.priority is Priority.LOW else before.priority,
            **_edited(retry),
            **values,
            **_moved(),
        )
        .returning(Job)
    )
    job = await _changed(session, change)
    if job is None:
        raise await _conflict(session, before.id)
    return job


async def replace(session: AsyncSession, retry: Requeue) -> Job:
    """Queues a new record in the place of a job that has ended; the old one is hidden, with its history.

    The numbers of attempts and versions go on from the old record's, so that both order the whole line.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    before = retry.before
    if before in session:  # else the update's answer would overwrite what it was
        session.expunge(before)
    hide = (
        sa.update(Job)
        .where(
            col(Job.id) == before.id,
            col(Job.version) == before.version,
            col(Job.status).in_(retry.allowed),
            col(Job.deleted_at).is_(None),
        )
        .values(deleted_at=db_now(), replaced_by=retry.replacement, **_moved())
        .returning(Job)
    )
    old = await _changed(session, hide)
    if old is None:
        raise await _conflict(session, before.id)
    inherited = {name: getattr(old, name) for name in _INHERITED}
    values = inherited | {
        "id": retry.replacement, "replaces": old.id, "status": Status.QUEUED, "attempt": old.attempt + 1,
        "retry_count": old.retry_count + (1 if retry.counts else 0), "created_at": db_now(),
        "updated_at": db_now(), "queued_at": db_now(),
    } | _edited(retry)  # fmt: skip
    add = sa.insert(Job).values(**values, **_kick_values()).returning(Job)
    job = (await session.scalars(add)).one()
    session.add(_attempt_of(retry, job))
    return job


def _edited(retry: Requeue) -> dict[str, Any]:
    return {"args": retry.edit.args, "upload_id": retry.edit.upload_id} if retry.edit else {}


def _attempt_of(retry: Requeue, job: Job) -> Attempt:
    before, edit = retry.before, retry.edit
    return Attempt(
        job_id=job.id, number=job.attempt, trigger=retry.trigger, kind=job.kind, status=job.status,
        requested_by=retry.requested_by, from_step=retry.from_step, cost=retry.cost, batch_id=retry.batch_id,
        after_fingerprint=before.fingerprint if retry.trigger in RETRIES else None,
        changes=edit.changes if edit else None,
        args_before=before.args if edit else None,
        upload_before=before.upload_id if edit else None,
        trace=retry.trace,
    )  # fmt: skip


class Candidate(NamedTuple):
    """A job of a batch, as it was read: it is queued again only if it is still so."""

    job_id: UUID
    version: int
    status: Status
    fingerprint: str | None
    counts: bool
    cost: int


class Requeued(NamedTuple):
    """A job that has a new attempt."""

    attempt: int
    change: Change
    kind: str


async def requeue_many(
    session: AsyncSession, candidates: Sequence[Candidate], requested_by: str, batch_id: UUID
) -> dict[UUID, Requeued]:
    """As `requeue`, for very many, with trigger `batch`: those that have changed are left out of the answer.

    Whether a status may be retried is decided by whoever read it; here it must still be the same.
    """
    texts = _statements(session)
    chosen = rows_json(
        {"id": c.job_id.hex, "version": c.version, "status": c.status, "counts": int(c.counts)}
        for c in candidates
    )
    rows = (await session.execute(texts.requeue, {"rows": chosen})).all()
    requeued = {row.id: Requeued(row.attempt, _change(row), row.kind) for row in rows}
    if requeued:
        attempts = rows_json(
            {"id": c.job_id.hex, "cost": c.cost, "fingerprint": c.fingerprint}
            for c in candidates
            if c.job_id in requeued
        )
        await session.execute(
            texts.requeue_attempt, {"rows": attempts, "by": requested_by, "batch": batch_id}
        )
    return requeued


async def cancel_many(
    session: AsyncSession, candidates: Sequence[Candidate], by: str
) -> tuple[dict[UUID, Change], list[Claim]]:
    """As `cancel`, for very many: the jobs that it was done to, and the attempts that it ended.

    Retries that wait for their time are left out: those are taken back. A job that began to run since it was read is
    cancelled all the same; one that has ended is left out of the answer.
    """
    texts, rows = _statements(session), rows_json({"id": job.job_id} for job in candidates)
    ended = {"rows": rows, "error": cancelled(by).message}
    waited = (await session.execute(texts.cancel_waiting, ended)).all()
    asked = (await session.execute(texts.cancel_running, {"rows": rows, "by": by})).all()
    if waited:
        await session.execute(texts.cancel_attempt, ended | {"rows": rows_json(_key(r) for r in waited)})
    changes = {row.id: _change(row) for row in (*waited, *asked)}
    return changes, [Claim(row.id, row.attempt) for row in waited]


async def bury_many(session: AsyncSession, candidates: Sequence[Candidate]) -> dict[UUID, Change]:
    """As `bury`, for very many that have ended: those that have changed are left out of the answer."""
    rows = rows_json({"id": job.job_id, "version": job.version} for job in candidates)
    buried = (await session.execute(_statements(session).bury, {"rows": rows})).all()
    return {row.id: _change(row) for row in buried}


async def revert_requeue(session: AsyncSession, retry: Requeue, job: Job, failure: Failure) -> Job | None:
    """Takes a retry back whose doorbell could not be rung. None: a worker, or somebody else, has the attempt already.

    The attempt's number stays used. A job that had failed says `failure`; the original error is on its attempt.
    """
    before = retry.before
    restored = {
        name: getattr(before, name)
        for name in (*_CLEARED, "retry_count", "output_attempt", "queued_at", "priority", "args", "upload_id")
    }
    if before.status is Status.FAILED:
        restored |= {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.attempt) == job.attempt, col(Job.status) == Status.QUEUED)
        .values(status=before.status, kick_due_at=None, kicks=0, **restored, **_moved())
        .returning(Job)
    )
    reverted = await _changed(session, change)
    if reverted is not None:
        ended = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
        await _set_attempt(
            session,
            job.id,
            job.attempt,
            status=Status.FAILED,
            void=True,
            cost=0,
            finished_at=db_now(),
            **ended,
        )
    return reverted


async def revert_replace(session: AsyncSession, retry: Requeue, job: Job, failure: Failure) -> Job | None:
    """As `revert_requeue`, where `job` took the place of another: it is gone as if it had never been, and the old
    record is there again, with the void attempt. None: a worker, or somebody else, has the attempt already.
    """
    still = sa.select(col(Job.id)).where(
        col(Job.id) == job.id, col(Job.attempt) == job.attempt, col(Job.status) == Status.QUEUED
    )
    if (await session.execute(still.with_for_update())).one_or_none() is None:
        return None
    for part in (Step, Attempt):
        await session.execute(sa.delete(part).where(col(part.job_id) == job.id))
    await session.execute(sa.delete(Job).where(col(Job.id) == job.id))
    before = retry.before
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    show = (
        sa.update(Job)
        .where(col(Job.id) == before.id, col(Job.replaced_by) == job.id)
        .values(
            deleted_at=None, replaced_by=None, attempt=job.attempt,
            **(said if before.status is Status.FAILED else {}), **_moved(),
        )
        .returning(Job)
    )  # fmt: skip
    shown = (await session.scalars(show, execution_options=_FRESH)).one()
    void = _attempt_of(retry, shown)
    void.status, void.void, void.cost = Status.FAILED, True, 0
    void.error, void.failure_type, void.advice = failure.message, failure.type, failure.advice
    void.queued_at, void.finished_at = job.queued_at or job.created_at, now()
    session.add(void)
    return shown


async def cancel(session: AsyncSession, job: Job, by: str) -> Job:
    """Cancels a waiting job, or asks the worker of a running one to stop; until it has, the job is still running.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    guard = (col(Job.id) == job.id, col(Job.version) == job.version)
    failure = cancelled(by)
    waiting = (
        sa.update(Job)
        .where(*guard, col(Job.status).in_(WAITING))
        .values(
            status=Status.CANCELLED, error=failure.message, failure_type=failure.type, fingerprint=None,
            finished_at=db_now(),
            due_at=None, kick_due_at=None, paused_at=None, **_moved(),
        )
        .returning(Job)
    )  # fmt: skip
    changed = await _changed(session, waiting)
    if changed is not None:
        await _set_attempt(
            session, job.id, job.attempt, status=Status.CANCELLED, finished_at=db_now(),
            error=failure.message, failure_type=failure.type,
        )  # fmt: skip
        return changed
    running = (
        sa.update(Job)
        .where(*guard, col(Job.status) == Status.RUNNING)
        .values(cancel_requested_at=db_now(), cancel_requested_by=by, **_moved())
        .returning(Job)
    )
    changed = await _changed(session, running)
    if changed is None:
        raise await _conflict(session, job.id)
    return changed


async def pause(session: AsyncSession, job: Job) -> Job:
    """Asks the run of a job to hold on, the one that is under way or the one that is to come. Its status stays.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    return await _flag_pause(session, job, col(Job.paused_at).is_(None), db_now())


async def resume(session: AsyncSession, job: Job) -> Job:
    """Lets a paused job go on.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    return await _flag_pause(session, job, col(Job.paused_at).is_not(None), None)


async def fail_stuck(session: AsyncSession, job: Job, failure: Failure) -> Job:
    """Ends an attempt that no worker has taken.

    Raises:
        Conflict: the job is no longer as it was read; a worker may have it by now.
    """
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    said |= {"fingerprint": failure.fingerprint}
    change = (
        sa.update(Job)
        .where(
            col(Job.id) == job.id,
            col(Job.version) == job.version,
            col(Job.attempt) == job.attempt,
            col(Job.status) == Status.QUEUED,
        )
        .values(status=Status.FAILED, finished_at=db_now(), kick_due_at=None, **said, **_moved())
        .returning(Job)
    )
    ended = await _changed(session, change)
    if ended is None:
        raise await _conflict(session, job.id)
    await _set_attempt(session, job.id, job.attempt, status=Status.FAILED, finished_at=db_now(), **said)
    return ended


async def start_now(session: AsyncSession, job: Job) -> Job:
    """Queues a scheduled job before its time.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    begun = await _begin(session, col(Job.id) == job.id, col(Job.version) == job.version)
    if not begun:
        raise await _conflict(session, job.id)
    return begun[0]


async def look_now(session: AsyncSession, job: Job) -> Job:
    """Has housekeeping look at once for what a retry waits for.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status) == Status.SCHEDULED)
        .values(due_at=db_now(), kicks=0, **_moved())
        .returning(Job)
    )
    changed = await _changed(session, change)
    if changed is None:
        raise await _conflict(session, job.id)
    return changed


async def take_back_retry(session: AsyncSession, job: Job, *, counts: bool, why: str | None = None) -> Job:
    """Takes a retry back that has not begun: the job is again as it had ended, the attempt is void.

    Args:
        counts: whether it was counted among the retries that people asked for.
        why: what spoke against it, where it was no person's wish.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    retry = await session.get_one(Attempt, (job.id, job.attempt))
    ended = await ended_as(session, job)
    by_itself = retry.trigger is Trigger.AUTO
    before = (
        {"args": retry.args_before, "upload_id": retry.upload_before} if retry.args_before is not None else {}
    )
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status) == Status.SCHEDULED)
        .values(
            {
                "status": ended.status,
                "finished_at": ended.finished_at,
                "auto_retry_count": col(Job.auto_retry_count) - (1 if by_itself else 0),
                "retry_count": col(Job.retry_count) - (1 if counts and not by_itself else 0),
                "due_at": None,
                "waits_for": None,
                "kicks": 0,
            }
            | before
            | _moved()
        )
        .returning(Job)
    )
    changed = await _changed(session, change)
    if changed is None:
        raise await _conflict(session, job.id)
    said = {"status": Status.CANCELLED, "void": True, "finished_at": db_now(), "error": why}
    await _set_attempt(session, job.id, job.attempt, **said)
    return changed


async def ended_as(session: AsyncSession, job: Job) -> Attempt:
    """How a job had ended that waits for a retry: the attempt before the latest that was not void."""
    query = (
        sa.select(Attempt)
        .where(
            col(Attempt.job_id) == job.id,
            col(Attempt.number) < job.attempt,
            col(Attempt.void).is_(False),
        )
        .order_by(col(Attempt.number).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one()


async def bury(session: AsyncSession, job: Job, allowed: frozenset[Status]) -> Job:
    """Turns a job that has ended into a tombstone: nothing of its content is left, its history of figures is.

    Raises:
        Conflict: the job is no longer as it was read.
    """
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status).in_(allowed))
        .values(deleted_at=db_now(), **_EMPTIED, **_moved())
        .returning(Job)
    )
    buried = await _changed(session, change)
    if buried is None:
        raise await _conflict(session, job.id)
    return buried


async def bury_forebears(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Empties records that are hidden already, since another took their place."""
    hidden = col(Job.id).in_(ids), col(Job.replaced_by).is_not(None)
    await session.execute(
        sa.update(Job).where(*hidden).values(**_EMPTIED), execution_options={"synchronize_session": False}
    )


def cancelled(by: str | None) -> Failure:
    """What a cancelled attempt says."""
    return Failure(FailureType.CANCELLED, f"Cancelled by {by}" if by else "Cancelled")


def doorbells(jobs: Sequence[Job]) -> list[Doorbell]:
    """What to ring for queued jobs."""
    return [
        Doorbell(job.id, job.attempt, job.kind, job.priority) for job in jobs if job.status is Status.QUEUED
    ]


# --- parts ------------------------------------------------------------------------------------------------------------


async def _interrupt(
    session: AsyncSession, key: Claim, guard: sa.ColumnElement[bool], failure: Failure, *, rescue: bool
) -> Job | None:
    """Closes a running attempt. A wish to cancel wins over a rescue."""
    held = (
        col(Job.id) == key.job_id,
        col(Job.attempt) == key.attempt,
        col(Job.status) == Status.RUNNING,
        guard,
    )
    query = sa.select(col(Job.cancel_requested_at), col(Job.cancel_requested_by)).where(*held)
    row = (await session.execute(query.with_for_update())).one_or_none()
    if row is None:
        return None
    if row.cancel_requested_at is not None:
        failure, rescue = cancelled(row.cancel_requested_by), False
    ended = Status.CANCELLED if failure.type is FailureType.CANCELLED else Status.FAILED
    said = {"error": failure.message, "failure_type": failure.type, "advice": failure.advice}
    if rescue:
        values = (
            {"status": Status.QUEUED, "attempt": key.attempt + 1, "queued_at": db_now()}
            | _CLEARED
            | _kick_values()
        )
    else:
        values = {
            "status": ended,
            "finished_at": db_now(),
            "lease_expires_at": None,
            "cancel_requested_at": None,
            "paused_at": None,
        }
        values |= said | {"fingerprint": failure.fingerprint}
    change = sa.update(Job).where(*held).values(**values, **_moved()).returning(Job)
    job = await _changed(session, change)
    if job is None:
        return None
    await _set_attempt(
        session,
        key.job_id,
        key.attempt,
        status=ended,
        finished_at=db_now(),
        fingerprint=failure.fingerprint,
        **said,
    )
    await session.execute(
        sa.update(Step)
        .where(
            col(Step.job_id) == key.job_id,
            col(Step.attempt) == key.attempt,
            col(Step.status) == StepStatus.RUNNING,
        )
        .values(status=StepStatus.FAILED, finished_at=db_now()),
        execution_options={"synchronize_session": False},
    )
    if rescue:
        # What asked for the interrupted run asked for this one.
        batch = sa.select(col(Attempt.batch_id)).where(
            col(Attempt.job_id) == job.id, col(Attempt.number) == key.attempt
        )
        session.add(
            Attempt(
                job_id=job.id, number=job.attempt, trigger=Trigger.RESCUE, kind=job.kind,
                batch_id=(await session.scalars(batch)).one_or_none(),
            )
        )  # fmt: skip
        await keep_steps(session, key, Claim(job.id, job.attempt), before=None)
    return job


async def _begin(session: AsyncSession, *which: sa.ColumnElement[bool]) -> list[Job]:
    """Queues scheduled jobs; what a retry kept while it waited is cleared now."""
    values = (
        {"status": Status.QUEUED, "queued_at": db_now(), "output_attempt": None} | _CLEARED | _kick_values()
    )
    change = (
        sa.update(Job)
        .where(*which, col(Job.status) == Status.SCHEDULED)
        .values(**values, **_moved())
        .returning(Job)
    )
    jobs = list((await session.scalars(change, execution_options=_FRESH)).all())
    await session.execute(
        sa.update(Attempt)
        .where(col(Attempt.job_id).in_([job.id for job in jobs]), col(Attempt.status) == Status.SCHEDULED)
        .values(status=Status.QUEUED, queued_at=db_now(), error=None),
        execution_options={"synchronize_session": False},
    )
    return jobs


async def keep_steps(session: AsyncSession, old: Claim, new: Claim, before: str | None) -> list[Step]:
    """Gives attempt `new` the checkpoints of attempt `old`, those before the step `before` or all."""
    done = (StepStatus.COMPLETED, StepStatus.KEPT)
    query = (
        sa.select(Step)
        .where(col(Step.job_id) == old.job_id, col(Step.attempt) == old.attempt, col(Step.status).in_(done))
        .where(col(Step.result).is_not(None))
        .order_by(col(Step.position))
    )
    kept = []
    for step in (await session.scalars(query)).all():
        if step.name == before:
            break
        kept.append(
            Step(
                job_id=new.job_id, attempt=new.attempt, name=step.name, position=step.position, status=StepStatus.KEPT,
                result=step.result, started_at=step.started_at, finished_at=step.finished_at,
            )
        )  # fmt: skip
    session.add_all(kept)
    return kept


def _may_start() -> sa.ColumnElement[bool]:
    """A first attempt, or a retry where no operator has switched retries off."""
    off = sa.exists().where(
        col(Switch.workspace_id) == col(Job.workspace_id),
        col(Switch.name) == RETRIES_SWITCH,
        sa.or_(col(Switch.kind) == "", col(Switch.kind) == col(Job.kind)),
    )
    is_first = sa.and_(col(Job.attempt) == 1, col(Job.replaces).is_(None))
    return is_first | ~off


def _unclaimed(kind: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return col(Job.kind) == kind, col(Job.kick_due_at) < db_now()


def _batch(*conditions: sa.ColumnElement[bool], order: Any, most: int = _BATCH) -> Any:
    """Ids of a batch of due jobs; on PostgreSQL, two housekeepers take different ones instead of waiting."""
    return (
        sa.select(col(Job.id))
        .where(*conditions)
        .order_by(order)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


async def _traces(session: AsyncSession, claims: Sequence[Claim]) -> dict[Claim, str]:
    """In which trace these attempts were asked for; a retry that follows by itself goes on with it."""
    query = sa.select(col(Attempt.job_id), col(Attempt.number), col(Attempt.trace)).where(
        col(Attempt.job_id).in_([claim.job_id for claim in claims]), col(Attempt.trace).is_not(None)
    )
    return {Claim(row[0], row[1]): str(row[2]) for row in await session.execute(query)}


async def _changed(session: AsyncSession, change: Any) -> Job | None:
    return (await session.scalars(change, execution_options=_FRESH)).one_or_none()


async def _flag_pause(session: AsyncSession, job: Job, guard: sa.ColumnElement[bool], since: Any) -> Job:
    change = (
        sa.update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version, col(Job.status).in_(PAUSABLE), guard)
        .values(paused_at=since, **_moved())
        .returning(Job)
    )
    changed = await _changed(session, change)
    if changed is None:
        raise await _conflict(session, job.id)
    return changed


async def _set_attempt(session: AsyncSession, job_id: UUID, number: int, **values: Any) -> None:
    await session.execute(
        sa.update(Attempt)
        .where(col(Attempt.job_id) == job_id, col(Attempt.number) == number)
        .values(**values),
        execution_options={"synchronize_session": False},
    )


async def _conflict(session: AsyncSession, job_id: UUID) -> Conflict | JobNotFound:
    query = sa.select(col(Job.status), col(Job.version)).where(
        col(Job.id) == job_id, col(Job.deleted_at).is_(None)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return await lineage.missing(session, job_id)
    return Conflict(current=row.status, version=row.version)


def _moved() -> dict[str, Any]:
    return {"version": col(Job.version) + 1, "updated_at": db_now()}


def _kick_values() -> dict[str, Any]:
    return {"kick_due_at": db_now(FIRST_KICK_AGAIN_SECONDS), "kicks": 1}


def _statements(session: AsyncSession) -> Statements:
    return statements(is_sqlite=session.get_bind().dialect.name == "sqlite")


def _key(row: Any) -> dict[str, Any]:
    return {"id": row.id, "attempt": row.attempt}


def _change(row: Any) -> Change:
    return Change(row.id, row.workspace_id, row.owner_id, row.status, row.version, row.progress, row.step)
