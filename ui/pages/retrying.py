"""The way of a retry through a page: plan, question, optimistic row, answer. Shared by the grid and the job's page."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nicegui import background_tasks

from services.errors import Invalid, MulliganError
from services.jobs import jobs
from services.models import Job
from services.people.access import Actor
from services.redaction import redact_args
from services.retry.retrying import RetryPlan, Wish, plan_retry, retry
from ui.components.args_schema import arg_fields, filled_in
from ui.components.edit_dialog import EditDialog
from ui.components.retry_dialog import RetryDialog
from ui.pages.open_page import OpenPage

_PATIENCE_SECONDS = 10.0
_SKELETON_AFTER_SECONDS = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class _Hope:
    version: int


class Optimism:
    """Which jobs are shown as queued before the server has answered.

    A hope ends on the server's answer, on a greater version, or after a deadline followed by a reread. What arrives
    meanwhile of the version that was retried, or an older one, is not shown: a resync never flickers the row back.
    """

    def __init__(self) -> None:
        self._hopes: dict[UUID, _Hope] = {}

    def begin(self, job_id: UUID, version: int) -> Callable[[], bool]:
        """The job was retried at this version, as far as the page knows. Gives back whether this very hope still is."""
        hope = self._hopes[job_id] = _Hope(version)
        return lambda: self._hopes.get(job_id) is hope

    def end(self, job_id: UUID) -> None:
        """The server has answered."""
        self._hopes.pop(job_id, None)

    def holds(self, job_id: UUID) -> bool:
        """Whether the job is shown as hoped."""
        return job_id in self._hopes

    def hides(self, job_id: UUID, version: int) -> bool:
        """Whether news of this version must wait. A greater one ends the hope."""
        hope = self._hopes.get(job_id) if self._hopes else None
        if hope is None:
            return False
        if version > hope.version:
            self.end(job_id)
            return False
        return True


class Retrying:
    """Asks before a retry and carries it out. The page shows rows; this says when they hope and when they know."""

    def __init__(
        self,
        page: OpenPage,
        *,
        hope: Callable[[UUID], None],
        know: Callable[[Job], None],
        swap: Callable[[UUID, Job], None],
        reread: Callable[[UUID], Awaitable[None]],
    ) -> None:
        self._page = page
        self._hope = hope
        self._know = know
        self._swap = swap
        self._reread = reread
        self.optimism = Optimism()
        self.dialog = RetryDialog(self._carry_out, self._replan, self.edit, page.upload_url)
        self.editing = EditDialog(page.upload_url)

    @property
    def is_asking(self) -> bool:
        """Whether one of the dialogs is open."""
        return self.dialog.is_open or self.editing.is_open

    async def ask(self, job_id: UUID, title: str, kind: str, wish: Wish | None = None) -> None:
        """Opens the dialog with the plan; with a skeleton, where the plan takes a while."""
        if self.dialog.is_open or self.optimism.holds(job_id):
            return

        async def plan(actor: Actor) -> None:
            making = asyncio.ensure_future(plan_retry(self._page.visit.desk, actor, job_id, wish=wish))
            done, _ = await asyncio.wait({making}, timeout=_SKELETON_AFTER_SECONDS)
            if not done:
                self.dialog.wait(title, kind, job_id)
            try:
                self.dialog.show(await making)
            except MulliganError:
                self.dialog.close()
                raise

        await self._page.do(plan, trouble=f"“{title}” cannot be retried.")

    async def edit(self, job_id: UUID) -> None:
        """Opens the form of the job's arguments; what comes of it goes on as `ask` does."""
        if self.is_asking or self.optimism.holds(job_id):
            return

        async def open_form(actor: Actor) -> None:
            desk = self._page.visit.desk
            job = await jobs.get_job(desk, actor, job_id)
            kind = desk.kinds[job.kind]
            fields = arg_fields(kind.args_model.model_json_schema(), kind.upload_field)
            args = redact_args(kind, job.args)

            async def go_on(edited: dict[str, Any]) -> None:
                await self._ask_with(job_id, edited)

            self.editing.ask(job.title, filled_in(fields, args), args, go_on)

        await self._page.do(open_form)

    async def _ask_with(self, job_id: UUID, args: dict[str, Any]) -> None:
        """Shows the plan of a retry with these arguments, or says at the fields what is wrong with them."""
        wrong: list[Invalid] = []

        async def plan(actor: Actor) -> None:
            try:
                found = await plan_retry(self._page.visit.desk, actor, job_id, wish=Wish(args=args))
            except Invalid as error:
                wrong.append(error)
                return
            self.editing.close()
            self.dialog.show(found)

        await self._page.do(plan)
        if wrong:
            raise wrong[0]

    async def _replan(self, job_id: UUID, wish: Wish) -> RetryPlan | None:
        found: list[RetryPlan] = []

        async def plan(actor: Actor) -> None:
            found.append(await plan_retry(self._page.visit.desk, actor, job_id, wish=wish))

        await self._page.do(plan)
        return found[0] if found else None

    async def _carry_out(self, plan: RetryPlan, wish: Wish) -> None:
        if self.optimism.holds(plan.job_id):
            return
        if wish.at or plan.later:
            await self._put_off(plan, wish)
            return
        still_hoping = self.optimism.begin(plan.job_id, plan.version)
        self._hope(plan.job_id)
        _ = background_tasks.create(self._lose_patience(plan.job_id, still_hoping), name="optimistic row")

        async def work(actor: Actor) -> None:
            desk = self._page.visit.desk
            answer = await retry(desk, actor, plan.job_id, version=plan.version, wish=wish)
            self.optimism.end(plan.job_id)
            if answer.replaced:
                self._swap(answer.replaced, answer.job)
            self._know(answer.job)
            self._page.frame.toasts.success(plan.dialog.started.format(title=plan.title))

        if not await self._page.do(work, trouble=f"“{plan.title}” was not retried."):
            self.optimism.end(plan.job_id)
            await self._reread(plan.job_id)

    async def _put_off(self, plan: RetryPlan, wish: Wish) -> None:
        """A retry that begins later: nobody hopes for anything meanwhile."""

        async def work(actor: Actor) -> None:
            desk = self._page.visit.desk
            answer = await retry(desk, actor, plan.job_id, version=plan.version, wish=wish)
            self._know(answer.job)
            self._page.frame.toasts.success(f"Retry of “{plan.title}” scheduled")

        if not await self._page.do(work, trouble=f"“{plan.title}” was not scheduled."):
            await self._reread(plan.job_id)

    async def _lose_patience(self, job_id: UUID, still_hoping: Callable[[], bool]) -> None:
        await asyncio.sleep(_PATIENCE_SECONDS)
        if still_hoping() and not self._page.client.is_deleted:
            self.optimism.end(job_id)
            await self._reread(job_id)
