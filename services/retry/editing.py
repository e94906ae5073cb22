"""Arguments that are edited for a retry: checked as at submission, and compared with those before."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.database.storable import require_storable
from services.errors import Invalid
from services.kinds import JobKind
from services.lifecycle import Edit
from services.models import Job
from services.people.access import Actor
from services.receivers import edited_args
from services.redaction import differences
from services.storage.artifact_input import artifact_of
from services.storage.uploads import input_of


async def edit(
    session: AsyncSession, actor: Actor, kind: JobKind, job: Job, args: dict[str, Any]
) -> Edit | None:
    """The job's arguments replaced by these; None where they are the same.

    Raises:
        Invalid: they do not fit the kind, something hidden stands where it did not stand or would be sent elsewhere,
            or Mulligan made the job.
        NotFound: the upload that they name is not there, or not the actor's to see.
    """
    if job.kind.startswith("system."):
        raise Invalid("system.* jobs are made by Mulligan itself: they go on as they were asked for.")
    require_storable(args)
    parsed = edited_args(kind, job.args, args)
    stored = kind.dump_args(parsed)
    changes = differences(kind, _whole(kind, job.args), kind.dump_whole(parsed))
    if not changes:
        return None
    upload = await input_of(session, actor, kind, parsed, kept=job.upload_id)
    await artifact_of(session, actor, kind, parsed)
    return Edit(stored, upload.id if upload else None, changes)


def as_edited(job: Job, edit: Edit) -> Job:
    """A copy of the job as it would run, which no session knows."""
    return Job(**job.model_dump() | {"args": edit.args, "upload_id": edit.upload_id})


def _whole(kind: JobKind, args: dict[str, Any]) -> dict[str, Any]:
    """Arguments with the defaults of what was not given, so that a default that is written out is no difference."""
    try:
        parsed: BaseModel = kind.parse_args(args)
    except Invalid:  # the kind has changed since
        return args
    return kind.dump_whole(parsed)
