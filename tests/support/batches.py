"""Many jobs at once, as if they had been run and had ended; and a batch walked by a worker that the test plays."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.batch.match import Selection
from services.batch.walk import advance, tell
from services.desk import Desk
from services.ids import new_id
from services.lifecycle import Claim
from services.models import Attempt, Batch, CreditEntry, Job, now
from services.people.access import Actor
from services.vocabulary import FailureType, Status, Trigger

_INSERTED_TOGETHER = 2_000


async def ended_jobs(
    desk: Desk,
    owner: Actor,
    count: int,
    kind: str = "test.priced",
    status: Status = Status.FAILED,
    **more: Any,
) -> list[UUID]:
    """Makes jobs whose only attempt has ended a minute ago. `more` are further columns of the jobs."""
    ids = [new_id() for _ in range(count)]
    ended = now() - timedelta(minutes=1)
    failed = {"error": "Connection reset", "failure_type": FailureType.TRANSIENT, "fingerprint": "f" * 16}
    said = failed if status is Status.FAILED else dict.fromkeys(failed)
    shared = {
        "workspace_id": owner.workspace_id, "owner_id": owner.user_id, "kind": kind, "title": "Clip",
        "status": status, "version": 3, "created_at": ended, "updated_at": ended, "finished_at": ended,
    } | said | more  # fmt: skip
    run: dict[str, Any] = {
        "number": 1,
        "trigger": Trigger.FIRST,
        "kind": kind,
        "status": status,
        "queued_at": ended,
        "fingerprint": said["fingerprint"],
    }
    # One of each is validated; the others differ by their keys.
    job, attempt = Job(**shared).model_dump(), Attempt(job_id=new_id(), **run).model_dump()
    jobs = [job | {"id": job_id, "rank": job_id} for job_id in ids]
    runs = [attempt | {"job_id": job_id} for job_id in ids]
    for start in range(0, count, _INSERTED_TOGETHER):
        async with desk.db.write() as session:
            await session.execute(sa.insert(Job), jobs[start : start + _INSERTED_TOGETHER])
            await session.execute(sa.insert(Attempt), runs[start : start + _INSERTED_TOGETHER])
    return ids


async def claim_batch(desk: Desk, job: Job, worker: str = "batcher") -> Claim:
    """A worker takes the latest attempt of the batch."""
    async with desk.db.read() as session:
        fresh = await session.get_one(Job, job.id)
    key = Claim(job.id, fresh.attempt)
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], worker, 60)
    return key


async def walk_on(desk: Desk, held: Claim, worker: str, selection: Selection) -> Batch:
    """Does the next chunk, and rings for it."""
    chunk = await advance(desk, held, worker, selection)
    await tell(desk, chunk)
    return chunk.batch


async def walk(desk: Desk, job: Job, worker: str = "batcher") -> Batch:
    """A worker takes the batch and walks to its end."""
    held = await claim_batch(desk, job, worker)
    while not (batch := await walk_on(desk, held, worker, Selection.model_validate(job.args))).done:
        pass
    return batch


async def new_attempts(desk: Desk, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many attempts each of the jobs has beyond the first."""
    found: dict[UUID, int] = dict.fromkeys(ids, 0)
    query = (
        sa.select(col(Attempt.job_id), sa.func.count())
        .where(col(Attempt.number) > 1)
        .group_by(col(Attempt.job_id))
    )
    async with desk.db.read() as session:
        for job_id, count in await session.execute(query):
            if job_id in found:
                found[job_id] = count
    return found


async def money(desk: Desk, actor: Actor) -> tuple[int, int, int]:
    """The balance, the sum of the ledger, and how many charges there are."""
    from services import credits as ledger

    charges = sa.func.count(sa.case((col(CreditEntry.reason) == "charge", 1)))
    query = sa.select(sa.func.coalesce(sa.func.sum(col(CreditEntry.amount)), 0), charges).where(
        col(CreditEntry.workspace_id) == actor.workspace_id
    )
    async with desk.db.read() as session:
        total, count = (await session.execute(query)).one()
    return await ledger.balance(desk, actor), total, count
