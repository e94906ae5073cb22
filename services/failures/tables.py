"""What people say of failures: of a group that it is muted, and a note; of one job that it needs no attention."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, col

from services.database.database import UtcDateTime
from services.models import Job, now


class FailureMark(SQLModel, table=True):
    """What is said of a group of failures in a workspace. A row while something is."""

    __tablename__ = "failure_mark"

    workspace_id: UUID = Field(foreign_key="workspace.id", primary_key=True)
    fingerprint: str = Field(primary_key=True, max_length=32)
    muted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    muted_by: str | None = None
    muted_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """None: until somebody unmutes it."""
    muted_above: int | None = None
    """Seen again once it has more jobs than that. None: however many."""
    note: str | None = None
    note_by: str | None = None
    note_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Dismissal(SQLModel, table=True):
    """A failed job that somebody says needs no attention. It holds for the attempt that failed: a retry ends it."""

    job_id: UUID = Field(foreign_key="job.id", primary_key=True)
    attempt: int
    reason: str
    by: str
    """Who did it, as shown."""
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


def is_dismissed() -> sa.ColumnElement[bool]:
    """The condition on `Job` that it stands dismissed."""
    return sa.exists().where(col(Dismissal.job_id) == col(Job.id), col(Dismissal.attempt) == col(Job.attempt))
