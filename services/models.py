"""The tables. Times are aware UTC, ids UUIDv7 (`new_id`), so that order of key is order of creation.

`Job.status`, `attempt`, `worker`, `lease_expires_at` and `version` are written by `services/lifecycle.py` alone.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col

from services.database.database import UtcDateTime
from services.ids import new_id
from services.vocabulary import (
    STARTS_SWITCH,
    BatchAction,
    CreditReason,
    Density,
    FailureType,
    Priority,
    Role,
    Status,
    StepStatus,
    Trigger,
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def words(enumeration: type[StrEnum]) -> sa.Enum:
    """A column of an enumeration's words: plain text in the database, so that a new word needs no migration."""
    return sa.Enum(
        enumeration,
        native_enum=False,
        length=32,
        create_constraint=False,
        values_callable=lambda e: [m.value for m in e],
    )


def now() -> datetime:
    """This process's clock: for times that are shown, never for leases."""
    return datetime.now(UTC)


class Workspace(SQLModel, table=True):
    """Owns jobs, members and credits."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    slug: str = Field(unique=True, max_length=64)
    """The name in addresses."""
    name: str
    balance: int = 0
    retention_days: int | None = None
    """So long jobs are kept after they have ended; None: for ever."""
    webhook_secret: str | None = None
    """What signs its webhooks, encrypted."""
    webhook_secret_by: str | None = None
    webhook_secret_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (sa.CheckConstraint("balance >= 0", name="balance_not_negative"),)


class User(SQLModel, table=True):
    """A person who can sign in."""

    __tablename__ = "user_account"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(unique=True)
    """Lower case."""
    name: str
    password_hash: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Membership(SQLModel, table=True):
    """A user's role in a workspace."""

    user_id: UUID = Field(foreign_key="user_account.id", primary_key=True, ondelete="CASCADE")
    workspace_id: UUID = Field(foreign_key="workspace.id", primary_key=True, ondelete="CASCADE")
    role: Role = Field(sa_type=words(Role))
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_membership_workspace", "workspace_id", "user_id"),)


class WebSession(SQLModel, table=True):
    """A signed-in browser. A row, so that it can be revoked and every web process knows it."""

    __tablename__ = "web_session"

    token_hash: str = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    workspace_id: UUID | None = Field(default=None, foreign_key="workspace.id", ondelete="SET NULL")
    """The workspace looked at last."""
    browser: str | None = Field(default=None, max_length=64)
    """What it calls itself, for people: `Firefox on Linux`."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it was used last, to within some minutes."""
    expires_at: datetime = Field(sa_type=UtcDateTime)


class SignInLink(SQLModel, table=True):
    """A link that signs a user in, once."""

    __tablename__ = "sign_in_link"

    token_hash: str = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE")
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Invitation(SQLModel, table=True):
    """A link by which somebody becomes a member. A row until it is used, declined or withdrawn."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id", ondelete="CASCADE")
    email: str
    """Lower case."""
    role: Role = Field(sa_type=words(Role))
    token_hash: str = Field(unique=True)
    invited_by: str
    """The admin's email."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("workspace_id", "email"),
        sa.Index("ix_invitation_workspace", "workspace_id", "id"),
    )


class ApiToken(SQLModel, table=True):
    """A program's key to one workspace, in the name of one user."""

    __tablename__ = "api_token"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    token_hash: str = Field(unique=True)
    ending: str | None = Field(default=None, max_length=4)
    """Its last characters, by which its user tells it from others."""
    name: str
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    workspace_id: UUID = Field(foreign_key="workspace.id", ondelete="CASCADE")
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index(
            "ix_api_token_workspace",
            "workspace_id",
            "id",
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        ),
    )


class Upload(SQLModel, table=True):
    """A file that a person handed in; the input of jobs. The bytes lie in storage under `storage_key`."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id", index=True)
    owner_id: UUID = Field(foreign_key="user_account.id")
    filename: str
    size: int = Field(sa_type=sa.BigInteger)
    content_type: str
    storage_key: str
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Job(SQLModel, table=True):
    """What people see: one piece of work, with the state of its latest attempt."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    rank: UUID = Field(default_factory=new_id)
    """Place in the grid's order: the job's own id; a replacement takes over its forebear's."""
    workspace_id: UUID = Field(foreign_key="workspace.id")
    owner_id: UUID = Field(foreign_key="user_account.id")
    kind: str = Field(max_length=100)
    title: str
    args: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    upload_id: UUID | None = Field(default=None, foreign_key="upload.id", index=True)
    """The upload that `args` names, so that no upload in use is removed."""
    idempotency_key: str | None = Field(default=None, max_length=200)

    status: Status = Field(default=Status.QUEUED, sa_type=words(Status))
    version: int = 1
    """Raised by every change but progress; people's commands name the one they saw."""
    attempt: int = 1
    """The latest attempt's number. A number is never used twice."""

    progress: float = 0
    step: str | None = None
    error: str | None = None
    failure_type: FailureType | None = Field(default=None, sa_type=words(FailureType))
    advice: str | None = None
    fingerprint: str | None = Field(default=None, max_length=32)
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)
    output_attempt: int | None = None
    """The attempt whose artifacts are the job's output. A retry unlinks it; the new attempt's start purges them."""

    retry_count: int = 0
    """Manual and batch retries that count, as the kind's policy says."""
    auto_retry_count: int = 0
    max_retries: int | None = None
    """Overrides the limit of the kind's policy."""

    worker: str | None = None
    lease_expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By the database's clock; the worker renews it, else the attempt is taken for lost."""
    cancel_requested_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancel_requested_by: str | None = None

    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When a scheduled job becomes queued."""
    waits_for: str | None = Field(default=None, max_length=100)
    """A scheduled retry that waits until a check passes, not for a time alone: that check's code. `due_at` is when it
    is looked at again."""
    priority: Priority = Field(default=Priority.NORMAL, sa_type=words(Priority))
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when a person wants it paused; the worker of a kind that can holds on."""
    kick_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When housekeeping rings again, if no worker has claimed the attempt by then."""
    kicks: int = 0
    """Doorbells rung for this attempt; housekeeping waits twice as long after each."""

    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    queued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    replaces: UUID | None = None
    replaced_by: UUID | None = None
    made_from: UUID | None = None
    """The job that this one is a copy of, or whose output it works on."""
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """A tombstone: hidden from everyone, kept for lineage, ledger and statistics."""

    __table_args__ = (
        # The grid: newest first in a workspace, narrowed by status or owner. `id` breaks no ties: rank is unique enough
        # to page by, since two live jobs never share one.
        sa.Index(
            "ix_job_grid",
            "workspace_id",
            "rank",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_grid_status",
            "workspace_id",
            "status",
            "rank",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_grid_owner",
            "workspace_id",
            "owner_id",
            "status",
            "rank",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_grid_kind",
            "workspace_id",
            "kind",
            "status",
            "rank",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index("ix_job_idempotency", "workspace_id", "owner_id", "idempotency_key", unique=True),
        # Groups of failures are counted without a look at the jobs.
        sa.Index(
            "ix_job_failures",
            "workspace_id",
            "kind",
            "fingerprint",
            "status",
            "finished_at",
            "id",
            "attempt",
            "owner_id",
            sqlite_where=sa.text("fingerprint IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text("fingerprint IS NOT NULL AND deleted_at IS NULL"),
        ),
        # Searches: one mistake, one type of them, in the grid's order; what ended then, what was run again.
        sa.Index(
            "ix_job_grid_fingerprint",
            "workspace_id",
            "fingerprint",
            "rank",
            sqlite_where=sa.text("fingerprint IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text("fingerprint IS NOT NULL AND deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_grid_type",
            "workspace_id",
            "failure_type",
            "rank",
            sqlite_where=sa.text("failure_type IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text("failure_type IS NOT NULL AND deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_ended",
            "workspace_id",
            "finished_at",
            sqlite_where=sa.text("finished_at IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text("finished_at IS NOT NULL AND deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_attempts",
            "workspace_id",
            "attempt",
            sqlite_where=sa.text("attempt > 1 AND deleted_at IS NULL"),
            postgresql_where=sa.text("attempt > 1 AND deleted_at IS NULL"),
        ),
        sa.Index(
            "ix_job_retries",
            "workspace_id",
            "retry_count",
            sqlite_where=sa.text("retry_count > 0 AND deleted_at IS NULL"),
            postgresql_where=sa.text("retry_count > 0 AND deleted_at IS NULL"),
        ),
        # Housekeeping: each looks at what is due, never at the whole table.
        sa.Index(
            "ix_job_due",
            "due_at",
            sqlite_where=sa.text("status = 'scheduled'"),
            postgresql_where=sa.text("status = 'scheduled'"),
        ),
        sa.Index(
            "ix_job_lease",
            "lease_expires_at",
            sqlite_where=sa.text("status = 'running'"),
            postgresql_where=sa.text("status = 'running'"),
        ),
        # A kind's limit over all workers: what runs of it, and which is next.
        sa.Index(
            "ix_job_running_kind",
            "kind",
            sqlite_where=sa.text("status = 'running'"),
            postgresql_where=sa.text("status = 'running'"),
        ),
        sa.Index(
            "ix_job_queued_kind",
            "kind",
            "priority",
            "queued_at",
            sqlite_where=sa.text("status = 'queued'"),
            postgresql_where=sa.text("status = 'queued'"),
        ),
        # Retention: what of a kind with an input was over long ago.
        sa.Index(
            "ix_job_retention",
            "kind",
            "finished_at",
            sqlite_where=sa.text("finished_at IS NOT NULL AND upload_id IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text(
                "finished_at IS NOT NULL AND upload_id IS NOT NULL AND deleted_at IS NULL"
            ),
        ),
        sa.Index(
            "ix_job_replaced_by",
            "replaced_by",
            sqlite_where=sa.text("replaced_by IS NOT NULL"),
            postgresql_where=sa.text("replaced_by IS NOT NULL"),
        ),
        sa.Index(
            "ix_job_made_from",
            "made_from",
            sqlite_where=sa.text("made_from IS NOT NULL"),
            postgresql_where=sa.text("made_from IS NOT NULL"),
        ),
        sa.Index(
            "ix_job_unclaimed",
            "kind",
            "kick_due_at",
            sqlite_where=sa.text("status = 'queued'"),
            postgresql_where=sa.text("status = 'queued'"),
        ),
    )


class JobCount(SQLModel, table=True):
    """How many jobs there are that can be seen. Written by triggers of `job` alone, read as the sum of its parts."""

    __tablename__ = "job_count"

    workspace_id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True, max_length=100)
    status: Status = Field(primary_key=True, sa_type=words(Status))
    part: int = Field(primary_key=True, sa_type=sa.BigInteger)
    """0 is the figure; on PostgreSQL each statement adds a part of its own, until `job_counts.fold`."""
    jobs: int = Field(sa_type=sa.BigInteger)


class DismissedHint(SQLModel, table=True):
    """A hint that a person need not see any more."""

    __tablename__ = "dismissed_hint"

    user_id: UUID = Field(foreign_key="user_account.id", primary_key=True, ondelete="CASCADE")
    name: str = Field(primary_key=True, max_length=32)


class SavedView(SQLModel, table=True):
    """A view of the grid that somebody has named, for themselves or for the whole workspace."""

    __tablename__ = "saved_view"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id", ondelete="CASCADE")
    owner_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE")
    name: str = Field(max_length=60)
    q: str = Field(default="", max_length=500)
    statuses: list[Status] = Field(default_factory=list, sa_type=Json)
    """None named: all."""
    sort: str = Field(default="newest", max_length=16)
    density: Density | None = Field(default=None, sa_type=words(Density))
    columns: list[str] | None = Field(default=None, sa_type=Json)
    """Both None: as each browser has it."""
    shared: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (sa.Index("uq_saved_view_name", "workspace_id", "owner_id", "name", unique=True),)


def is_now(status: Status) -> sa.ColumnElement[bool]:
    """`Job.status` with the word in the statement's text: a bound parameter would hide the partial indexes."""
    word = sa.bindparam(None, status, type_=words(Status), literal_execute=True)
    return col(Job.status) == word


def is_held_back() -> sa.ColumnElement[bool]:
    """Its kind is paused in its workspace: no worker begins it. Mulligan's own jobs are not of any kind that is."""
    of_all = sa.and_(col(Switch.kind) == "", ~col(Job.kind).startswith("system."))
    return sa.exists().where(
        col(Switch.workspace_id) == col(Job.workspace_id),
        col(Switch.name) == STARTS_SWITCH,
        sa.or_(col(Switch.kind) == col(Job.kind), of_all),
    )


class Attempt(SQLModel, table=True):
    """One run of a job, with what came of it. History: never rewritten once it has ended."""

    job_id: UUID = Field(foreign_key="job.id", primary_key=True)
    number: int = Field(primary_key=True)
    trigger: Trigger = Field(sa_type=words(Trigger))
    requested_by: str | None = None
    """Who asked, as shown: a user's name."""
    from_step: str | None = None
    status: Status = Field(default=Status.QUEUED, sa_type=words(Status))
    void: bool = False
    """Could not be queued: counts for no limit and no odds."""
    cost: int = 0
    kind: str = Field(max_length=100)
    after_fingerprint: str | None = Field(default=None, max_length=32)
    """The failure that this retry followed: what the odds are computed from."""
    batch_id: UUID | None = None
    """The batch that asked for it."""
    changes: list[dict[str, Any]] | None = Field(default=None, sa_type=Json)
    """Arguments that were edited for it: `{"path", "before", "after"}` each, without secrets."""
    args_before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    """The job's arguments before that, for taking the retry back."""
    upload_before: UUID | None = None
    """The job's upload before that, kept for the same."""
    trace: str | None = Field(default=None, max_length=64)
    """W3C `traceparent` of the retry that asked for it."""
    error: str | None = None
    failure_type: FailureType | None = Field(default=None, sa_type=words(FailureType))
    advice: str | None = None
    fingerprint: str | None = Field(default=None, max_length=32)
    traceback: str | None = None
    worker: str | None = None
    queued_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    folded: bool | None = None
    """True once the roll-ups have it (`services/insights`); None until then, so that the index of these is small."""

    __table_args__ = (
        sa.Index(
            "ix_attempt_not_folded",
            "finished_at",
            sqlite_where=sa.text("finished_at IS NOT NULL AND folded IS NULL"),
            postgresql_where=sa.text("finished_at IS NOT NULL AND folded IS NULL"),
        ),
        sa.Index(
            "ix_attempt_odds",
            "kind",
            "after_fingerprint",
            "status",
            sqlite_where=sa.text("after_fingerprint IS NOT NULL"),
            postgresql_where=sa.text("after_fingerprint IS NOT NULL"),
        ),
        # The words of a failure that may stand on no job any more.
        sa.Index(
            "ix_attempt_words",
            "kind",
            "fingerprint",
            sqlite_where=sa.text("fingerprint IS NOT NULL AND error IS NOT NULL"),
            postgresql_where=sa.text("fingerprint IS NOT NULL AND error IS NOT NULL"),
        ),
        sa.Index(
            "ix_attempt_upload_before",
            "upload_before",
            sqlite_where=sa.text("upload_before IS NOT NULL"),
            postgresql_where=sa.text("upload_before IS NOT NULL"),
        ),
        sa.Index(
            "ix_attempt_batch",
            "batch_id",
            "status",
            sqlite_where=sa.text("batch_id IS NOT NULL"),
            postgresql_where=sa.text("batch_id IS NOT NULL"),
        ),
    )


class Step(SQLModel, table=True):
    """A step of an attempt. Its JSON result is a checkpoint that a later attempt can start from."""

    job_id: UUID = Field(foreign_key="job.id", primary_key=True)
    attempt: int = Field(primary_key=True)
    name: str = Field(primary_key=True, max_length=100)
    position: int
    status: StepStatus = Field(sa_type=words(StepStatus))
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)
    """`{"value": …}` where the step keeps its result."""
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Artifact(SQLModel, table=True):
    """A file that an attempt made. It is the job's output while `Job.output_attempt` is its attempt."""

    job_id: UUID = Field(foreign_key="job.id", primary_key=True)
    attempt: int = Field(primary_key=True)
    name: str = Field(primary_key=True, max_length=255)
    size: int = Field(sa_type=sa.BigInteger)
    content_type: str
    storage_key: str = Field(index=True)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class ArchiveEntry(SQLModel, table=True):
    """A download that its workspace keeps, so that nobody there downloads the same twice."""

    __tablename__ = "archive_entry"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id")
    source: str = Field(max_length=64)
    """A hash of the site, its name for the video, and the wishes; `address` one of the address and the wishes."""
    address: str = Field(max_length=64)
    job_id: UUID
    """The job that had it last."""
    result: dict[str, Any] = Field(sa_type=Json)
    gone: bool = False
    """Its files are lost or being removed: it is not found any more."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index(
            "uq_archive_entry_source", "workspace_id", "source", unique=True,
            sqlite_where=sa.text("NOT gone"), postgresql_where=sa.text("NOT gone"),
        ),
        sa.Index("ix_archive_entry_address", "workspace_id", "address"),
    )  # fmt: skip


class ArchiveFile(SQLModel, table=True):
    """A file of such a download. Artifacts of several jobs may show its object."""

    __tablename__ = "archive_file"

    entry_id: UUID = Field(foreign_key="archive_entry.id", primary_key=True)
    name: str = Field(primary_key=True, max_length=255)
    size: int = Field(sa_type=sa.BigInteger)
    content_type: str
    storage_key: str = Field(index=True)


class LogLine(SQLModel, table=True):
    """What a job said of its own run."""

    __tablename__ = "log_line"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    job_id: UUID = Field(foreign_key="job.id")
    attempt: int
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    message: str

    __table_args__ = (sa.Index("ix_log_line_job", "job_id", "id"),)


class CreditEntry(SQLModel, table=True):
    """A line of the ledger. The balance of a workspace is the sum of its lines."""

    __tablename__ = "credit_entry"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id")
    amount: int
    """Credits; negative for a charge."""
    balance_after: int
    reason: CreditReason = Field(sa_type=words(CreditReason))
    note: str | None = None
    actor: str | None = None
    job_id: UUID | None = None
    attempt: int | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index("ix_credit_entry_workspace", "workspace_id", "id"),
        # One charge and at most one refund an attempt, whatever happens.
        sa.UniqueConstraint("job_id", "attempt", "reason"),
    )


class AuditEntry(SQLModel, table=True):
    """Who did what."""

    __tablename__ = "audit_entry"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id")
    actor: str
    action: str = Field(max_length=64)
    job_id: UUID | None = None
    data: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index("ix_audit_entry_workspace", "workspace_id", "id"),
        sa.Index("ix_audit_entry_actor", "workspace_id", "actor", "id"),
        sa.Index("ix_audit_entry_action", "workspace_id", "action", "id"),
        sa.Index("ix_audit_entry_job", "job_id"),
    )


class Batch(SQLModel, table=True):
    """How far a batch has come. Written together with the jobs of each chunk, so that it is never ahead."""

    job_id: UUID = Field(foreign_key="job.id", primary_key=True)
    """The batch as a job."""
    action: BatchAction = Field(default=BatchAction.RETRY, sa_type=words(BatchAction))
    canary: int = 0
    """So many jobs are tried first; the rest follows only if they recover. 0: none."""
    stop_at: float | None = None
    """The share of its retries that may fail, 0 to 1; beyond it the batch stops. None: any."""
    stopped: str | None = None
    """Why it stopped before its end."""
    cut_off: UUID
    """Jobs with a later id do not belong."""
    started_at: datetime = Field(sa_type=UtcDateTime)
    """By the database's clock. Jobs that changed later are left alone."""
    expected: int
    """How many jobs matched at the start."""
    ceiling: int = Field(sa_type=sa.BigInteger)
    """Credits that it may use, as its preview said."""
    spent: int = Field(default=0, sa_type=sa.BigInteger)
    cursor: UUID | None = None
    """The key (rank of a search's jobs, id of chosen ones) up to which it is through."""
    chunks: int = 0
    """Raised by each chunk, which names the one it follows."""
    done: bool = False
    matched: int = 0
    """Jobs that were come across so far: those retried, skipped and failed."""
    retried: int = 0
    """To how many its action was done, whichever it is."""
    failed: int = 0
    skipped: dict[str, int] = Field(default_factory=dict, sa_type=Json)
    """Code → how many."""


class BatchSkip(SQLModel, table=True):
    """A job that a batch left alone, and why."""

    __tablename__ = "batch_skip"

    batch_id: UUID = Field(foreign_key="job.id", primary_key=True)
    job_id: UUID = Field(primary_key=True)
    """As it was asked for; perhaps no job at all."""
    status: Status | None = Field(default=None, sa_type=words(Status))
    code: str = Field(max_length=64)
    message: str


class Switch(SQLModel, table=True):
    """What an operator has switched off in a workspace: a row while it is off."""

    workspace_id: UUID = Field(foreign_key="workspace.id", primary_key=True)
    name: str = Field(primary_key=True, max_length=32)
    """What is off, `retries` for instance."""
    kind: str = Field(default="", primary_key=True, max_length=100)
    """Of which kind; empty: of all."""
    reason: str = ""
    by: str
    """Who did it, as shown."""
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Worker(SQLModel, table=True):
    """A worker process that was seen lately."""

    name: str = Field(primary_key=True, max_length=100)
    host: str
    pid: int
    version: str
    engines: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    """What it can run: engine name → version, or null where it is missing."""
    queues: list[str] = Field(default_factory=list, sa_type=Json)
    """The queues that it listens to: those whose engines it has."""
    running: int = 0
    started_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    missed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When people were told that it is lost."""
