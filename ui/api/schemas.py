"""What goes over the wire about jobs. Times are UTC, written as ISO 8601 with `Z`."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.desk import Desk
from services.failures.tables import FailureMark
from services.jobs.jobs import Actions, JobDetail, actions
from services.models import Artifact, Attempt, Job, LogLine, Step
from services.operations.waiting import Waiting
from services.people.access import Actor
from services.redaction import redact_args, redact_result
from services.vocabulary import FailureType, Priority, Status, StepStatus, Trigger

Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="The job's version that you saw.")]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time cannot be told in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Flag = Annotated[bool, Field(strict=True)]
"""Of what a client sends: `true` or `false`, and nothing that could be meant so or so, as `0` or `"no"`."""


class Wire(BaseModel):
    """Made from the attributes of a value of the services."""

    model_config = ConfigDict(from_attributes=True)


class Order(BaseModel):
    """What a client sends. A name that is not known is a mistake, not a wish that is silently dropped."""

    model_config = ConfigDict(extra="forbid")


class NewJob(Order):
    """A job to be made."""

    kind: str = Field(min_length=1, max_length=100, examples=["video.process"])
    args: dict[str, Any] = Field(default_factory=dict, description="As the kind's `args_schema` says.")
    title: str | None = Field(default=None, max_length=300)
    max_retries: int | None = Field(default=None, ge=0, le=1000)
    run_at: Moment | None = Field(default=None, description="Start then; the job is `scheduled` until.")
    priority: Priority = Field(default=Priority.NORMAL, description="`high` is for operators and admins.")


class VersionedOrder(Order):
    """A wish about the job as the caller saw it."""

    version: Version | None = None


class NoteOut(BaseModel):
    """What somebody wrote on a failure."""

    text: str
    by: str
    at: datetime

    @classmethod
    def of(cls, mark: FailureMark | None) -> "NoteOut | None":
        """The note of a mark; None where there is none."""
        if mark is None or mark.note is None or mark.note_by is None or mark.note_at is None:
            return None
        return cls(text=mark.note, by=mark.note_by, at=mark.note_at)


class DismissalOut(Wire):
    """Somebody says that a failed job needs no attention."""

    reason: str
    by: str
    at: datetime


class FatesOut(Wire):
    """How the retries of a batch stand, counted by attempt."""

    completed: int
    failed: int = Field(description="Timeouts among them.")
    cancelled: int
    under_way: int


class Can(Wire):
    """What the caller may do with the job now."""

    retry: bool
    edit: bool = Field(description="Retry with other arguments.")
    cancel: bool
    delete: bool
    download: bool
    start: bool = Field(description="Before its time.")
    copy_: bool = Field(alias="copy", description="Run it again as a new job.")
    pause: bool
    resume: bool
    dismiss: bool = Field(description="Say that it needs no attention, or that it does after all.")


class JobOut(BaseModel):
    """A job."""

    id: UUID
    kind: str
    title: str
    status: Status
    progress: float = Field(description="0 to 100.")
    step: str | None
    error: str | None
    failure_type: FailureType | None
    advice: str | None
    fingerprint: str | None
    args: dict[str, Any] = Field(description="Secrets are hidden.")
    result: dict[str, Any] | None
    attempt: int = Field(description="1 is the first run.")
    retry_count: int
    max_retries: int | None
    auto_retry_count: int
    priority: Priority = Field(
        description="Which of the waiting jobs are answered first. A batch's retries are `low`."
    )
    owner: str = Field(description="The email of who submitted it.")
    owner_id: UUID
    workspace: str
    workspace_id: UUID
    worker: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    next_retry_at: datetime | None
    run_at: datetime | None = Field(description="When a scheduled job starts.")
    waits_for: str | None = Field(
        description="The code of the check that a scheduled retry waits for; `run_at` is when it is looked at."
    )
    cancel_requested_at: datetime | None
    paused_at: datetime | None = Field(description="Since when somebody wants it to hold on.")
    replaces: UUID | None = Field(description="The record whose place it took; its address leads here.")
    replaced_by: UUID | None
    made_from: UUID | None = Field(description="The job that this one is a copy of.")
    can: Can

    @classmethod
    def of(cls, desk: Desk, actor: Actor, job: Job, owner: str) -> Self:
        """The job as this actor sees it."""
        return cls.model_validate(_job_fields(desk, actor, job, owner))


class JobList(BaseModel):
    """A page of jobs."""

    items: list[JobOut]
    next_cursor: str | None
    prev_cursor: str | None
    total: int = Field(description="Of all pages. Where `total_is_exact` is false: at least so many.")
    total_is_exact: bool = Field(
        description="False where `q` asks for more than status, kind and owner, and finds more than 10,000 of a status."
    )


class ChangeOut(Wire):
    """An argument that was edited. Secrets are hidden on both sides."""

    path: str = Field(examples=["headers.accept"])
    before: Any
    after: Any


class AttemptOut(Wire):
    """One run of a job."""

    job_id: UUID = Field(description="The job's, or that of a record whose place it took.")
    number: int
    trigger: Trigger
    requested_by: str | None
    from_step: str | None
    status: Status
    void: bool = Field(description="Could not be queued; counts for nothing.")
    cost: int
    changes: list[ChangeOut] | None = Field(description="Arguments that were edited for it.")
    error: str | None
    failure_type: FailureType | None
    advice: str | None
    fingerprint: str | None
    traceback: str | None
    worker: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class StepOut(Wire):
    """A step of the latest run."""

    name: str
    attempt: int
    position: int
    status: StepStatus
    started_at: datetime | None
    finished_at: datetime | None


class ArtifactOut(Wire):
    """A file of the job's output, at `/api/jobs/{id}/artifacts/{name}`."""

    name: str
    size: int
    content_type: str
    created_at: datetime


class UploadOut(Wire):
    """A file that was handed in."""

    id: UUID
    filename: str
    size: int
    content_type: str


class WaitingOut(Wire):
    """Why a queued or scheduled job does not run."""

    code: str = Field(
        description="`in_line`, `no_slot`, `no_engine`, `no_worker`, `not_before`, `waits_for`, `retries_disabled`."
    )
    message: str
    place: int | None = Field(description="In its queue, over all workspaces; 1 is next.")
    not_before: datetime | None


class JobDetailOut(JobOut):
    """A job with its history."""

    attempts: list[AttemptOut] = Field(description="Newest first.")
    steps: list[StepOut]
    artifacts: list[ArtifactOut]
    upload: UploadOut | None
    waiting: WaitingOut | None
    dismissal: DismissalOut | None = Field(description="Why it needs no attention, where somebody says so.")
    fates: FatesOut | None = Field(description="Of a batch that retries: what has become of the retries.")

    @classmethod
    def of_detail(cls, desk: Desk, actor: Actor, detail: JobDetail, waiting: Waiting | None) -> Self:
        """The job as this actor sees it."""
        return cls.model_validate(
            _job_fields(desk, actor, detail.job, detail.owner.email)
            | {
                "attempts": _all(AttemptOut, detail.attempts),
                "steps": _all(StepOut, detail.steps),
                "artifacts": _all(ArtifactOut, detail.artifacts),
                "upload": UploadOut.model_validate(detail.upload) if detail.upload else None,
                "waiting": WaitingOut.model_validate(waiting) if waiting else None,
                "dismissal": DismissalOut.model_validate(detail.dismissal) if detail.dismissal else None,
                "fates": FatesOut.model_validate(detail.fates) if detail.fates else None,
            }
        )


class LogLineOut(Wire):
    """A line that a job said of its run."""

    id: UUID
    attempt: int
    at: datetime
    message: str


class LogPage(BaseModel):
    """Lines, oldest first. `next_cursor` goes on from here, also when nothing new has come yet."""

    lines: list[LogLineOut]
    next_cursor: UUID | None


def _job_fields(desk: Desk, actor: Actor, job: Job, owner: str) -> dict[str, Any]:
    same = JobOut.model_fields.keys() & Job.model_fields.keys()
    waits_again = job.status is Status.SCHEDULED and job.attempt > 1
    may: Actions = actions(desk, actor, job)
    return {name: getattr(job, name) for name in same} | {
        "args": redact_args(desk.kinds.get(job.kind), job.args),
        "result": redact_result(job.result),
        "owner": owner,
        "workspace": actor.workspace_slug,
        "run_at": job.due_at,
        "next_retry_at": job.due_at if waits_again else None,
        "can": Can.model_validate(may),
    }


def _all(model: type[Any], rows: list[Attempt] | list[Step] | list[Artifact] | list[LogLine]) -> list[Any]:
    return [model.model_validate(row) for row in rows]


def log_page(lines: list[LogLine], cursor: UUID | None) -> LogPage:
    """A page of log lines."""
    return LogPage(lines=_all(LogLineOut, lines), next_cursor=cursor)
