"""What people do with one job, on its page and in the grid: asked first where it should be, then carried out."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from nicegui import ui

from services.jobs import copying, dismissal, jobs, pausing
from services.models import Job
from services.people.access import Actor
from services.vocabulary import Status
from ui.components.confirm_dialog import ConfirmDialog, Question
from ui.components.job_view import JobView
from ui.components.reason_dialog import ReasonDialog
from ui.pages.open_page import OpenPage
from ui.pages.retrying import Retrying

Deed = Callable[[JobView], Awaitable[Any]]


class JobDeeds:
    """Begins what somebody chose, by the name that `Actions` has for it."""

    def __init__(
        self, page: OpenPage, retrying: Retrying, *, know: Callable[[Job], None], delete: Deed
    ) -> None:
        """`know` shows a job that has changed; `delete` removes one, after it was asked about."""
        self._page, self._retrying = page, retrying
        self._know, self._delete = know, delete
        self.confirm = ConfirmDialog()
        self._reason = ReasonDialog()
        self._deeds: dict[str, Deed] = {
            "retry": lambda view: retrying.ask(view.id, view.title, view.kind),
            "edit": lambda view: retrying.edit(view.id),
            "copy": self._copy, "cancel": self._cancel, "start": self._start, "pause": self._pause,
            "resume": self._resume, "dismiss": self._ask_dismiss, "delete": self._ask_delete,
        }  # fmt: skip

    @property
    def is_asking(self) -> bool:
        """Whether a dialog is open."""
        return self._retrying.is_asking or self.confirm.is_open or self._reason.is_open

    async def begin(self, action: str, view: JobView) -> None:
        """Does it, or asks about it, where the job's actions have it."""
        if action in self._deeds and not view.retrying and getattr(view.actions, action):
            await self._deeds[action](view)

    async def _cancel(self, view: JobView) -> None:
        if view.status is not Status.RUNNING:
            await self._carry_out_cancel(view)
            return
        text = f"“{view.title}” is at {view.percent or 0:.0f}%. What it has done so far is lost."
        question = Question("Cancel this job?", text, "Cancel job", no="Keep running", icon="block")
        self.confirm.ask(question, lambda: self._carry_out_cancel(view))

    async def _carry_out_cancel(self, view: JobView) -> None:
        await self._change(jobs.cancel, view, trouble=f"“{view.title}” goes on.")

    async def _start(self, view: JobView) -> None:
        await self._change(jobs.start_now, view, trouble=f"“{view.title}” waits on.")

    async def _pause(self, view: JobView) -> None:
        await self._change(pausing.pause, view, trouble=f"“{view.title}” goes on.")

    async def _resume(self, view: JobView) -> None:
        await self._change(pausing.resume, view, trouble=f"“{view.title}” is still paused.")

    async def _change(self, change: Callable[..., Awaitable[Job]], view: JobView, *, trouble: str) -> None:
        async def work(actor: Actor) -> None:
            self._know(await change(self._page.visit.desk, actor, view.id, version=view.version))

        await self._page.do(work, trouble=trouble)

    async def _copy(self, view: JobView) -> None:
        async def work(actor: Actor) -> None:
            made = await copying.copy(self._page.visit.desk, actor, view.id)
            ui.navigate.to(self._page.visit.link(f"/jobs/{made.id}"))

        await self._page.do(work, trouble=f"“{view.title}” was not copied.")

    async def _ask_dismiss(self, view: JobView) -> None:
        text = f"“{view.title}” stays failed, and is not counted among what needs attention any more."
        question = Question("Dismiss this failure?", text, "Dismiss", icon="visibility_off")
        self._reason.ask(question, lambda reason: self._dismiss(view.id, reason))

    async def _dismiss(self, job_id: UUID, reason: str) -> None:
        async def work(actor: Actor) -> None:
            await dismissal.dismiss(self._page.visit.desk, actor, job_id, reason)

        if await self._page.do(work, trouble="The failure was not dismissed."):
            self._page.frame.toasts.success("The failure was dismissed.")
            await self._page.reread()

    async def _ask_delete(self, view: JobView) -> None:
        text = f"“{view.title}” is removed with its files and its input. Its credits stay in the ledger."
        self.confirm.ask(
            Question("Delete this job?", text, "Delete job", icon="delete"), lambda: self._delete(view)
        )
