"""Jobs: make, list, read, cancel, delete."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from services.jobs import copying, deletion, dismissal, job_list, jobs, pausing, submission
from services.jobs.dismissal import REASON_LIMIT
from services.jobs.export import Format, export
from services.jobs.job_list import JobQuery
from services.operations.waiting import waiting_reasons
from services.storage.filenames import content_disposition
from services.vocabulary import Status
from ui.api.caller import Caller, JobId, TheDesk
from ui.api.schemas import JobDetailOut, JobList, JobOut, LogPage, NewJob, Order, VersionedOrder, log_page

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class DismissOrder(Order):
    """Why a failed job needs no attention."""

    reason: str = Field(min_length=1, max_length=REASON_LIMIT)


IdempotencyKey = Annotated[
    str | None,
    Header(pattern=r"^[\x21-\x7e]{1,200}$", description="The same key gives the job made at first."),
]


@router.post("", status_code=201)
async def create_job(
    desk: TheDesk,
    actor: Caller,
    order: NewJob,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Makes a job and queues it."""
    job = await submission.submit(
        desk, actor, order.kind, order.args, title=order.title, max_retries=order.max_retries,
        run_at=order.run_at, priority=order.priority, idempotency_key=idempotency_key,
    )  # fmt: skip
    return JobOut.of(desk, actor, job, actor.email)


class CopyOrder(Order):
    """How a copy differs; by default in nothing."""

    args: dict[str, Any] | None = Field(
        default=None,
        description="All arguments. What is shown hidden keeps its value where it comes back as it was.",
    )
    title: str | None = Field(default=None, max_length=300)


@router.post("/{job_id}/copy", status_code=201)
async def copy_job(
    desk: TheDesk,
    actor: Caller,
    job_id: JobId,
    order: CopyOrder | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Runs a job that is over again as a new job of the caller's; `made_from` says where it is from."""
    order = order or CopyOrder()
    job = await copying.copy(
        desk, actor, job_id, args=order.args, title=order.title, idempotency_key=idempotency_key
    )
    return JobOut.of(desk, actor, job, actor.email)


class Which(BaseModel):
    """Which jobs, and in which order. `status` and `kind` may be repeated."""

    status: list[Status] = Field(default_factory=list)
    kind: list[str] = Field(default_factory=list, max_length=50)
    q: str = Field(default="", description="The search language: `status:failed age:<1d ffmpeg`.")
    owner: str | None = Field(default=None, max_length=254, description="An email, or `me`.")
    sort: Literal["newest", "oldest"] = "newest"

    @property
    def query(self) -> JobQuery:
        """What to ask the service."""
        return JobQuery(
            statuses=tuple(self.status), kinds=tuple(self.kind), q=self.q, owner=self.owner, sort=self.sort
        )


class Filter(Which):
    """Which page of them."""

    limit: int = Field(default=25, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=64)


class Export(Which):
    """As a file of which format."""

    format: Format = Format.CSV


@router.get("")
async def list_jobs(desk: TheDesk, actor: Caller, wanted: Annotated[Filter, Query()]) -> JobList:
    """Jobs that match, a page at a time."""
    page = await job_list.list_jobs(
        desk, actor, replace(wanted.query, limit=wanted.limit, cursor=wanted.cursor)
    )
    owners = await jobs.owners(desk, page.items)
    return JobList(
        items=[JobOut.of(desk, actor, job, owners[job.owner_id].email) for job in page.items],
        next_cursor=page.next_cursor,
        prev_cursor=page.prev_cursor,
        total=page.total,
        total_is_exact=page.total_is_exact,
    )


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {form.content_type.partition(";")[0]: {} for form in Format}}},
)
async def export_jobs(desk: TheDesk, actor: Caller, wanted: Annotated[Export, Query()]) -> StreamingResponse:
    """All jobs that match, as a file: CSV, or a JSON array with one job a line. However many, streamed."""
    rows = export(desk, actor, wanted.query, wanted.format)
    headers = {"Content-Disposition": content_disposition(f"jobs.{wanted.format}")}
    return StreamingResponse(rows, headers=headers, media_type=wanted.format.content_type)


@router.get("/{job_id}")
async def get_job(desk: TheDesk, actor: Caller, job_id: JobId) -> JobDetailOut:
    """A job with its attempts, steps and files."""
    detail = await jobs.job_detail(desk, actor, job_id)
    reasons = await waiting_reasons(desk, [detail.job])
    return JobDetailOut.of_detail(desk, actor, detail, reasons.get(job_id))


@router.post("/{job_id}/cancel", status_code=202)
async def cancel_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: VersionedOrder | None = None
) -> JobOut:
    """Cancels a job. A running one is `running` until its worker has stopped, within two seconds.

    A retry that waits is taken back: the job is again as it had ended, and the charge is given back.
    """
    job = await jobs.cancel(desk, actor, job_id, version=order.version if order else None)
    owners = await jobs.owners(desk, [job])
    return JobOut.of(desk, actor, job, owners[job.owner_id].email)


@router.post("/{job_id}/start", status_code=202)
async def start_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: VersionedOrder | None = None
) -> JobOut:
    """Starts a scheduled job, or a retry that waits, before its time.

    A retry that waits until something is back stays `scheduled`: it is looked for at once.
    """
    job = await jobs.start_now(desk, actor, job_id, version=order.version if order else None)
    owners = await jobs.owners(desk, [job])
    return JobOut.of(desk, actor, job, owners[job.owner_id].email)


@router.post("/{job_id}/pause", status_code=202)
async def pause_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: VersionedOrder | None = None
) -> JobOut:
    """Asks a job of a kind that can to hold on, within two seconds. It keeps its place and what it has done."""
    job = await pausing.pause(desk, actor, job_id, version=order.version if order else None)
    owners = await jobs.owners(desk, [job])
    return JobOut.of(desk, actor, job, owners[job.owner_id].email)


@router.post("/{job_id}/resume", status_code=202)
async def resume_job(
    desk: TheDesk, actor: Caller, job_id: JobId, order: VersionedOrder | None = None
) -> JobOut:
    """Lets a paused job go on."""
    job = await pausing.resume(desk, actor, job_id, version=order.version if order else None)
    owners = await jobs.owners(desk, [job])
    return JobOut.of(desk, actor, job, owners[job.owner_id].email)


@router.post("/{job_id}/dismiss")
async def dismiss_job(desk: TheDesk, actor: Caller, job_id: JobId, order: DismissOrder) -> JobDetailOut:
    """Says of a failed job that it needs no attention, and why. It stays failed; a retry ends it."""
    await dismissal.dismiss(desk, actor, job_id, order.reason)
    return await get_job(desk, actor, job_id)


@router.delete("/{job_id}/dismiss")
async def restore_job(desk: TheDesk, actor: Caller, job_id: JobId) -> JobDetailOut:
    """Undoes that: the job needs attention again."""
    await dismissal.restore(desk, actor, job_id)
    return await get_job(desk, actor, job_id)


@router.delete("/{job_id}", status_code=204)
async def delete_job(desk: TheDesk, actor: Caller, job_id: JobId) -> None:
    """Deletes a job that is over, with its files."""
    await deletion.delete(desk, actor, job_id)


@router.get("/{job_id}/logs")
async def get_logs(desk: TheDesk, actor: Caller, job_id: JobId, cursor: UUID | None = None) -> LogPage:
    """What the job said of its runs, after `cursor`."""
    return log_page(*await jobs.logs(desk, actor, job_id, cursor))
