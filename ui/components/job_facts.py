"""The sober part of a job's page: details and log."""

from collections.abc import Callable, Sequence

from services.jobs.jobs import JobDetail
from services.kinds import JobKind
from services.models import Job, LogLine
from services.vocabulary import FailureType, Priority
from ui.components import wording
from ui.components.copy_button import copy_button
from ui.components.element import Tag
from ui.components.job_view import NOTHING, retries
from ui.components.moment import Moment


def draw_details(
    detail: JobDetail, kind: JobKind | None, link: Callable[..., str], *, has_log: bool = False
) -> None:
    """Names and figures; with a way to the audit log for whoever reads that."""
    job = detail.job
    cost = sum(attempt.cost for attempt in detail.attempts if not attempt.void)
    with Tag("dl", classes="facts"):
        Tag("dt", "Job")
        with Tag("dd", classes="mono with-copy"):
            Tag("span", str(job.id), "one-line", title=str(job.id))
            copy_button(str(job.id), "the job's id")
        _draw_lineage(detail, link)
        _fact("Kind", job.kind, mono=True)
        _fact("Owner", detail.owner.name)
        for name, at in (
            ("Created", job.created_at),
            ("Starts", None if job.waits_for else job.due_at),
            ("Finished", job.finished_at),
        ):
            if at:
                Tag("dt", name)
                with Tag("dd"):
                    Moment(at, "datetime")
        if took := wording.span(job.started_at, job.finished_at):
            _fact("Ran for", took)
        if detail.upload:
            _fact("Input", f"{detail.upload.filename} · {wording.size(detail.upload.size)}")
        if job.worker:
            _fact("Worker", job.worker)
        if job.priority is not Priority.NORMAL:
            _fact("Priority", str(job.priority))
        if (used := retries(job, kind)) != NOTHING:
            _fact("Retries", used)
        _fact("Cost so far", wording.plural(cost, "credit") if cost else "free")
        if job.failure_type and job.failure_type is not FailureType.CANCELLED:
            _fact("Failure", str(job.failure_type).replace("_", " "))
        if has_log:
            Tag("dt", "Who did what")
            with Tag("dd"):
                Tag("a", "Audit log", "link", href=link("/audit", job=str(job.id)))


def _draw_lineage(detail: JobDetail, link: Callable[[str], str]) -> None:
    if detail.job.replaces:
        _fact("Replaces", str(detail.job.replaces), mono=True)
    if detail.origin:
        _jobs("Made from", [detail.origin], link)
    if detail.copies:
        _jobs("Made from this", detail.copies, link)


def _jobs(name: str, jobs: Sequence[Job], link: Callable[[str], str]) -> None:
    Tag("dt", name)
    with Tag("dd"):
        for job in jobs:
            with Tag("div"):
                Tag("a", f"{job.title} · {wording.short_id(job.id)}", "link", href=link(f"/jobs/{job.id}"))


def _fact(name: str, value: str, *, mono: bool = False) -> None:
    Tag("dt", name)
    Tag("dd", value, "mono" if mono else "")


class Log:
    """The job's own lines. They only ever grow; the browser keeps to the end while somebody is at the end."""

    _MOST = 1_000

    def __init__(self) -> None:
        self._count = 0
        with Tag("section", classes="card hidden") as self.element:
            Tag("h2", "Log")
            self._lines = Tag("div", classes="log", role="log", tabindex="0", aria_label="Log lines")

    def clear(self) -> None:
        """Begins anew, with another job's lines."""
        self._lines.clear()
        self._count = 0
        self.element.dress("card hidden")

    def add(self, lines: Sequence[LogLine]) -> None:
        """Adds lines at the end."""
        room = self._MOST - self._count
        if not lines or room <= 0:
            return
        with self._lines:
            for line in lines[:room]:
                with Tag("div"):
                    Moment(line.at, "time")
                    Tag("span", line.message)
        self._count += len(lines)
        self.element.dress("card")
