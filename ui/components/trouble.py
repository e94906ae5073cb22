"""What went wrong with a job, in large, and whether it is retried."""

from collections.abc import Awaitable, Callable

from services.failures.tables import Dismissal
from services.models import Job
from services.operations.waiting import awaited
from services.vocabulary import Status
from ui.components.copy_button import copy_button
from ui.components.element import Tag
from ui.components.moment import Moment

_TROUBLES = {
    Status.FAILED: "Failed",
    Status.TIMEOUT: "Timed out",
    Status.SCHEDULED: "Failed, and is retried ",
}


def draw_trouble(job: Job) -> None:
    """The error, and what can be done about it."""
    with Tag("div", classes="trouble", role="alert", data_icon="error"), Tag("div"):
        with Tag("h2"):
            Tag("span", _TROUBLES[job.status])
            if job.waits_for:
                Tag("span", f"as soon as {awaited(job.waits_for)} is back")
            elif job.due_at:
                Moment(job.due_at, "datetime")
        with Tag("div", classes="with-copy"):
            Tag("div", job.error, "err")
            copy_button(job.error or "", "the error")
        if job.advice:
            Tag("p", job.advice, "advice")


def draw_dismissal(said: Dismissal, undo: Callable[[], Awaitable[None]] | None) -> None:
    """Who says that it needs no attention, and why; with a way back where `undo` is given."""
    with Tag("div", classes="dismissed", role="status", data_icon="visibility_off"):
        with Tag("div"):
            Tag("strong", "Dismissed: ")
            Tag("span", said.reason)
            with Tag("div", classes="muted"):
                Tag("span", f"by {said.by}, ")
                Moment(said.at, "ago")
        if undo:
            button = Tag("button", "Undo", "btn small", type="button")
            button.on("click", undo, args=[])
