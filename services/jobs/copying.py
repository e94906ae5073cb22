"""A finished job, run again as a new one: `copy`."""

from typing import Any
from uuid import UUID

from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, NotOver
from services.ids import new_id
from services.jobs.jobs import find_job
from services.jobs.submission import make
from services.models import Job
from services.people.access import Actor
from services.receivers import edited_args
from services.vocabulary import TERMINAL


async def copy(
    desk: Desk,
    actor: Actor,
    job_id: UUID,
    *,
    args: dict[str, Any] | None = None,
    title: str | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Makes a new job of the actor's with the arguments of one that is over, or with these instead.

    What is shown hidden in the arguments, and comes back so, is taken over as it is. The input is shared: it is kept
    as long as one of the jobs names it.

    Raises:
        JobNotFound, Forbidden: not there, or not the actor's to change.
        NotOver: the job waits or runs.
        Invalid: arguments that do not fit the kind as it is now; a job that Mulligan made itself.
        NotFound: the upload that the arguments name is not there, or not the actor's to see.
    """
    async with desk.db.read() as session:
        job = await find_job(session, actor, job_id)
    actor.require_change()
    if job.kind.startswith("system."):
        raise Invalid("system.* jobs are made by Mulligan itself.")
    if job.status not in TERMINAL:
        raise NotOver(current=job.status, version=job.version)
    kind = desk.kinds[job.kind]
    if args is not None:
        require_storable(args)
    parsed = kind.parse_args(job.args) if args is None else edited_args(kind, job.args, args)
    made = Job(
        id=new_id(), workspace_id=actor.workspace_id, owner_id=actor.user_id, kind=job.kind, title="",
        args=kind.dump_args(parsed), max_retries=job.max_retries, made_from=job.id,
        idempotency_key=idempotency_key,
    )  # fmt: skip
    return await make(desk, actor, made, parsed, title or job.title, like=job)
