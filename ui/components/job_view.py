"""A job as a row shows it: words and numbers, nothing to ask and nothing to decide."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from services.jobs.jobs import Actions
from services.kinds import JobKind
from services.models import Job
from services.operations.waiting import Waiting, awaited
from services.vocabulary import TERMINAL, UNSUCCESSFUL, WAITING, Status
from ui.components import wording

NOTHING = "\N{EM DASH}"
_NOTE_LIMIT = 240
_AGAIN = "Re-queue this completed job and run it again"


@dataclass(frozen=True, slots=True, eq=False)
class JobView:
    """What a row says. All pages that show the same share one view, so that whether it differs is soon asked."""

    id: UUID
    version: int
    status: Status
    title: str
    kind: str
    icon: str
    note: str
    note_is_error: bool
    percent: float | None
    """0 to 100 while it runs."""
    progress: str
    retries: str
    created_at: datetime
    actions: Actions
    retrying: bool = False
    """Somebody pressed Retry here, and the server has not answered yet."""
    cancelling: bool = False
    paused: bool = False
    due_at: datetime | None = None
    """When a scheduled job starts."""
    will_retry: bool = False
    """It has ended, and waits for a retry."""
    waits: str = ""
    """Why it waits, where that is more than a time."""
    waits_for: str = ""
    """What that retry waits for, where that is no time."""

    @property
    def retry_hint(self) -> str | None:
        """What Retry means where nothing went wrong."""
        return _AGAIN if self.status is Status.COMPLETED and self.actions.retry else None

    @property
    def selectable(self) -> bool:
        """Whether it can be one of many. Mulligan's own jobs are handled one at a time."""
        return not self.kind.startswith("system.")

    def with_progress(self, percent: float, step: str | None) -> "JobView":
        """The same row, further on."""
        if self.status is not Status.RUNNING or self.cancelling:
            return self
        return _further(self, percent, step)

    def while_retrying(self) -> "JobView":
        """The row between the click and the answer: queued, without its error."""
        none = Actions(
            retry=False,
            edit=False,
            cancel=False,
            delete=False,
            download=False,
            start=False,
            copy=False,
            pause=False,
            resume=False,
            dismiss=False,
        )
        return replace(
            self, status=Status.QUEUED, note="", note_is_error=False, percent=None, progress=NOTHING,
            actions=none, retrying=True, cancelling=False, paused=False, due_at=None, will_retry=False, waits_for="",
            waits="",
        )  # fmt: skip


@lru_cache(1_000)
def _further(view: JobView, percent: float, step: str | None) -> JobView:
    """Once for all pages."""
    progress = _paused(percent) if view.paused else _progress(percent, step)
    return replace(view, percent=percent, progress=progress)


def job_view(job: Job, kind: JobKind | None, actions: Actions, waiting: Waiting | None = None) -> JobView:
    """A job as a row. `kind` is None where this process does not know it; `waiting` says why it waits."""
    waits = waiting.message if waiting and waiting.code != "not_before" and job.status in WAITING else ""
    cancelling = job.status is Status.RUNNING and job.cancel_requested_at is not None
    running = job.status is Status.RUNNING
    return JobView(
        id=job.id,
        version=job.version,
        status=job.status,
        title=job.title,
        kind=job.kind,
        icon=kind.icon if kind else "extension",
        note=_note(job) or waits,
        note_is_error=job.status in UNSUCCESSFUL,
        percent=job.progress if running else None,
        progress=_progress_of(job, cancelling=cancelling),
        retries=retries(job, kind),
        created_at=job.created_at,
        actions=actions,
        cancelling=cancelling,
        paused=_is_paused(job),
        due_at=job.due_at if job.status is Status.SCHEDULED and not job.waits_for else None,
        will_retry=job.status is Status.SCHEDULED and job.attempt > 1,
        waits_for=awaited(job.waits_for) if job.waits_for else "",
        waits=waits,
    )


def retries(job: Job, kind: JobKind | None) -> str:
    """Retries used and allowed, automatic ones apart: `2 of 3`, `4`, `1 auto`."""
    limit = job.max_retries if job.max_retries is not None else (kind.policy.limit if kind else None)
    words = []
    if job.retry_count:
        words.append(f"{job.retry_count} of {limit}" if limit is not None else str(job.retry_count))
    if job.auto_retry_count:
        words.append(f"{job.auto_retry_count} auto")
    return " · ".join(words) or NOTHING


def _note(job: Job) -> str:
    if job.status is Status.CANCELLED:
        return f"Cancelled by {job.cancel_requested_by}" if job.cancel_requested_by else "Cancelled"
    if job.status in UNSUCCESSFUL or job.status is Status.SCHEDULED:
        lines = (job.error or "").strip().splitlines()
        return lines[0][:_NOTE_LIMIT] if lines else ""
    return ""


def _is_paused(job: Job) -> bool:
    return job.paused_at is not None and job.cancel_requested_at is None


def _paused(percent: float) -> str:
    return f"paused · {percent:.0f}%"


def _progress(percent: float, step: str | None) -> str:
    return f"{step} · {percent:.0f}%" if step else f"{percent:.0f}%"


def _progress_of(job: Job, *, cancelling: bool) -> str:
    if cancelling:
        return "cancelling\N{HORIZONTAL ELLIPSIS}"
    if _is_paused(job):
        return _paused(job.progress)
    if job.status is Status.RUNNING:
        return _progress(job.progress, job.step)
    if job.waits_for:
        return f"waits for {awaited(job.waits_for)}"
    took = wording.span(job.started_at, job.finished_at) if job.status in TERMINAL else None
    return f"done in {took}" if took and job.status is Status.COMPLETED else NOTHING
