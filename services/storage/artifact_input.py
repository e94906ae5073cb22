"""Files of one job's output as the input of another: an argument `artifact: "JOB_ID/NAME"` names one.

The bytes are shared, not copied: where the first job is deleted or retried, the file is gone for the second one too.
"""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.errors import NotFound
from services.kinds import JobKind
from services.models import Artifact, Job
from services.people.access import Actor


class ArtifactName(NamedTuple):
    """A file of a job's output."""

    job_id: UUID
    name: str

    @classmethod
    def parse(cls, text: str) -> "ArtifactName":
        """Reads `JOB_ID/NAME`. Raises ValueError."""
        job_id, slash, name = text.partition("/")
        if not slash or not name:
            raise ValueError("expected JOB_ID/NAME: a job's id, a slash, the name of a file of its output")
        return cls(UUID(job_id), name)


async def artifact_of(session: AsyncSession, actor: Actor, kind: JobKind, args: BaseModel) -> Artifact | None:
    """The file of another job's output that the arguments name; None where they name none.

    Raises:
        NotFound: there is none, or none that the actor may see.
    """
    named = _named(kind, getattr(args, kind.artifact_field or "", None))
    if named is None:
        return None
    found = await _find(session, named, *actor.visible())
    if found is None:
        raise NotFound(what="file")
    return found


async def stored_artifact(desk: Desk, job: Job, kind: JobKind) -> Artifact | None:
    """The file that a job's arguments name, for who acts in the job's name; None where there is none (any more)."""
    return await artifact_for(desk, job.workspace_id, kind, job.args)


async def artifact_for(
    desk: Desk, workspace_id: UUID, kind: JobKind, args: dict[str, object]
) -> Artifact | None:
    """As `stored_artifact`, for a job of that workspace with these arguments."""
    named = _named(kind, args.get(kind.artifact_field or ""))
    if named is None:
        return None
    async with desk.db.read() as session:
        return await _find(
            session, named, col(Job.workspace_id) == workspace_id, col(Job.deleted_at).is_(None)
        )


def _named(kind: JobKind, value: object) -> ArtifactName | None:
    if kind.artifact_field is None or not value:
        return None
    try:
        return ArtifactName.parse(str(value))
    except ValueError:
        raise NotFound(what="file") from None


async def _find(
    session: AsyncSession, named: ArtifactName, *scope: sa.ColumnElement[bool]
) -> Artifact | None:
    query = (
        sa.select(Artifact)
        .join(
            Job,
            sa.and_(col(Job.id) == col(Artifact.job_id), col(Job.output_attempt) == col(Artifact.attempt)),
        )
        .where(col(Artifact.job_id) == named.job_id, col(Artifact.name) == named.name, *scope)
    )
    return (await session.scalars(query)).one_or_none()
