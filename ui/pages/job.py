"""`/jobs/{id}`: one job, with everything that happened to it, live."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from nicegui import ui
from nicegui.events import KeyEventArguments
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.errors import JobNotFound, JobReplaced, MulliganError
from services.failures.tables import Dismissal
from services.feed import Change
from services.jobs import deletion, dismissal, jobs
from services.jobs.jobs import JobDetail
from services.models import Job
from services.operations.waiting import Waiting, waiting_reasons
from services.people.access import Actor
from services.people.hints import Hint
from services.redaction import redact_args
from services.storage import pages
from services.storage.previews import text_preview
from services.vocabulary import TERMINAL, UNSUCCESSFUL, Status
from ui.components.batch_outcome import draw_batch
from ui.components.batch_words import BY_KIND
from ui.components.copy_button import copy_json
from ui.components.element import Tag
from ui.components.job_facts import Log, draw_details
from ui.components.job_files import FileLinks, draw_files, draw_input
from ui.components.job_head import JobHead
from ui.components.job_story import draw_attempts, draw_steps, draw_timeline, step_views, timeline
from ui.components.job_view import JobView, job_view
from ui.components.paper import PageLook
from ui.components.result_views import result_view
from ui.components.section import Section
from ui.components.tree import tree
from ui.components.trouble import draw_dismissal, draw_trouble
from ui.pages.hints import Hints
from ui.pages.job_deeds import JobDeeds
from ui.pages.open_page import OpenPage
from ui.pages.plain import not_found
from ui.pages.retrying import Retrying
from ui.pages.route import page_at
from ui.theme import STATUS_LOOKS
from ui.visit import Unauthenticated, Visit, Web, enter_for_job, to_sign_in

_LOG_LINES = 500
_PROCESS = "video.process"


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/jobs/{job_id}")
    async def job_page(request: Request, job_id: str) -> Response | None:
        try:
            identity = UUID(job_id)
            visit = await enter_for_job(web, request, identity)
            detail = await jobs.job_detail(web.desk, visit.actor, identity)
            waiting = (await waiting_reasons(web.desk, [detail.job])).get(identity)
        except Unauthenticated:
            return to_sign_in(request)
        except JobReplaced as led:
            return RedirectResponse(f"/jobs/{led.data['replaced_by']}", status_code=303)
        except (ValueError, MulliganError):
            return not_found(
                "There is no such job here. It may have been deleted, or belong to another workspace."
            )
        ui.page_title(f"{detail.job.title} · Mulligan")
        page = JobPage(visit, detail, waiting)
        page.open()
        await asyncio.gather(page.show_figures(), page.hints.read())
        page.offer_hints()
        return None


class JobPage(OpenPage):
    """A job's sections, each drawn anew only when what it shows has changed."""

    def __init__(self, visit: Visit, detail: JobDetail, waiting: Waiting | None = None) -> None:
        super().__init__(visit, "Jobs")
        self._id = detail.job.id
        self._log_cursor: UUID | None = None
        self._waiting: Waiting | None = None
        self._reading_log = asyncio.Lock()
        with self.frame.main:
            self._build()
            self.retrying = Retrying(
                self, hope=self._hope, know=self._know, swap=self.replaced, reread=self._reread_job
            )
            self.hints = Hints(self)
            self.deeds = JobDeeds(self, self.retrying, know=self._know, delete=lambda _: self._delete())
        ui.keyboard(self._on_key, repeating=False, ignore=["input", "select", "textarea"])
        self._show(detail, waiting)

    def _build(self) -> None:
        self._head = JobHead(self.visit.link("/"), self._on_action)
        self._hint_place = Tag("div")
        self._dismissal = Section(classes="waits-holder")
        self._trouble = Section(classes="trouble-holder")
        self._waits = Section(classes="waits-holder")
        with Tag("div", classes="job-grid"):
            with Tag("div"):
                self._outcome = Section()
                self._steps = Section("Steps")
                self._files = Section("Output")
                self._input = Section("Input")
                self._attempts = Section("Attempts")
                self._args = Section("Arguments")
                self._result = Section("Result")
                self._log = Log()
            with Tag("div"):
                self._details = Section("Details")
                self._timeline = Section("Timeline")

    def offer_hints(self) -> None:
        """As the page opens, or when its job has just failed: then all below moves anyway."""
        if self._head.view and self._head.view.status in UNSUCCESSFUL:
            self.hints.offer(Hint.FAILURE, self._hint_place)

    # --- showing ------------------------------------------------------------------------------------------------------

    def _show(self, detail: JobDetail, waiting: Waiting | None = None) -> None:
        known = self._head.view
        if known and detail.job.version < known.version:
            return  # read before what the page was told meanwhile, which stirs another reading
        if self.retrying.optimism.hides(self._id, detail.job.version):
            return
        job, kind = detail.job, self.visit.desk.kinds.get(detail.job.kind)
        self._waiting = waiting
        view = self._view(job)
        self._show_waiting(view.waits)
        self._head.show(view, deletable=jobs.actions(self.visit.desk, self.actor, job).delete)
        self._show_trouble(job)
        self._show_dismissal(detail.dismissal)
        views = step_views(kind.steps if kind else (), detail.steps, job.status)
        self._steps.show(tuple(views), lambda: draw_steps(views), visible=bool(views))
        files = detail.artifacts
        key = tuple((a.name, a.attempt) for a in files)
        links = self._file_links(self.actor.workspace_slug)
        self._files.show(
            key, lambda: draw_files(files, links, self._read_text, self._look_at), visible=bool(files)
        )
        upload = detail.upload
        self._input.show(
            upload and upload.id, lambda: draw_input(upload, links, self._look_at) if upload else None,
            visible=upload is not None,
        )  # fmt: skip
        runs = detail.attempts
        self._attempts.show(
            tuple((a.number, a.status, a.worker, a.error) for a in runs), lambda: draw_attempts(runs)
        )
        args = redact_args(kind, job.args)
        self._args.show(str(args), lambda: _draw_tree(args, "the arguments"), visible=bool(args))
        result = redact_args(None, job.result or {})
        drawn = self._drawn(detail, result)
        self._outcome.show((str(result), detail.fates), drawn or (lambda: None), visible=drawn is not None)
        self._result.show(
            str(result), lambda: _draw_tree(result, "the result"), visible=bool(result) and drawn is None
        )
        copies = tuple(copy.id for copy in detail.copies)
        self._details.show(
            (job.id, job.version, copies),
            lambda: draw_details(detail, kind, self.visit.link, has_log=self.actor.sees_all_jobs),
        )
        events = timeline(job.created_at, detail.owner.name, runs)
        self._timeline.show(tuple(events), lambda: draw_timeline(events))

    def _drawn(self, detail: JobDetail, result: dict[str, Any]) -> Callable[[], None] | None:
        """What draws the result; None where it is shown as a tree, or there is none."""
        job = detail.job
        if (action := BY_KIND.get(job.kind)) is None:
            return result_view(job.kind, result)
        if not result and not detail.fates:
            return None

        def find(statuses: str) -> str:
            return self.visit.link("/", q=f"batch:{job.id} status:{statuses}")

        return lambda: draw_batch(action, result, detail.fates, find)

    def _show_trouble(self, job: Job) -> None:
        broken = job.status in UNSUCCESSFUL | {Status.SCHEDULED} and bool(job.error)
        self._trouble.show(
            (broken, job.status, job.error, job.advice, job.due_at, job.waits_for),
            lambda: draw_trouble(job),
            visible=broken,
        )
        self.offer_hints()

    def _show_dismissal(self, said: Dismissal | None) -> None:
        undo = self._restore if said and self.actor.may_change else None
        key = said and (said.reason, said.at, undo is None)
        self._dismissal.show(
            key, lambda: draw_dismissal(said, undo) if said else None, visible=said is not None
        )

    def _show_waiting(self, waits: str) -> None:
        self._waits.show(waits, lambda: _draw_waiting(waits), visible=bool(waits))

    def _view(self, job: Job) -> JobView:
        return job_view(
            job,
            self.visit.desk.kinds.get(job.kind),
            jobs.actions(self.visit.desk, self.actor, job),
            self._waiting,
        )

    def _file_links(self, workspace: str) -> FileLinks:
        process = None
        if self.actor.may_change and self.visit.desk.kinds.get(_PROCESS):
            process = f"{self.visit.link('/new', kind=_PROCESS)}&artifact={self._id}/"
        return FileLinks(f"/api/jobs/{self._id}", workspace, process)

    async def _read_text(self, name: str) -> tuple[str, bool] | None:
        """The beginning of a file; None where it cannot be read, which a toast says."""
        read: list[tuple[str, bool]] = []

        async def work(actor: Actor) -> None:
            read.append(await text_preview(self.visit.desk, actor, self._id, name))

        await self.do(work, trouble=f"{name} cannot be shown.")
        return read[0] if read else None

    async def _look_at(self, name: str | None, number: int) -> PageLook | str:
        """A page of a PDF, made ready to be shown; or why it cannot be shown."""
        found: PageLook | str = "It cannot be shown."

        async def work(actor: Actor) -> None:
            nonlocal found
            try:
                count, sheet = await pages.page(self.visit.desk, actor, self._id, number, name)
            except MulliganError as error:
                found = error.message
            else:
                found = PageLook(count, pages.MOST_PAGES, sheet.width, sheet.height)

        await self.do(work)
        return found

    # --- live ---------------------------------------------------------------------------------------------------------

    def shown(self) -> Mapping[UUID, int]:
        """This job."""
        return {self._id: self._head.view.version} if self._head.view else {}

    def progressed(self, change: Change) -> None:
        """Moves the bar."""
        if self._head.view and not self._head.view.retrying:
            self._head.progress(self._head.view.with_progress(change.progress, change.step))

    def changed(self, jobs: Sequence[Job], gone: Collection[UUID]) -> None:
        """The head at once; the rest is read a moment later, as `stirred` asks."""
        for job in jobs:
            self._know(job)
        if gone:
            self._gone()

    def replaced(self, old: UUID, job: Job) -> None:
        """Another record took the job's place: the page and its address go on with that one."""
        if self.ended or old != self._id:
            return
        self.retrying.optimism.end(old)
        self._id = job.id
        self._log_cursor = None
        self._log.clear()
        with self.client:  # the bridge tells of it, too, which stands in no page
            ui.navigate.history.replace(self.visit.link(f"/jobs/{job.id}"))
        self._know(job)
        self.stirred()

    async def refresh(self) -> None:
        """Reads the job with its history, and what it has said since."""
        if self.ended:
            return
        try:
            detail = await jobs.job_detail(self.visit.desk, self.actor, self._id)
            waiting = (await waiting_reasons(self.visit.desk, [detail.job])).get(self._id)
        except JobReplaced as led:
            found = await jobs.read_jobs(self.visit.desk, self.actor, [led.data["replaced_by"]])
            for job in found:
                self.replaced(self._id, job)
            return
        except JobNotFound:
            self._gone()
            return
        if self.ended:
            return
        self._show(detail, waiting)
        await self._read_log()

    async def _read_log(self) -> None:
        # One reader at a time, else two would add the same lines.
        async with self._reading_log:
            lines, self._log_cursor = await jobs.logs(
                self.visit.desk, self.actor, self._id, self._log_cursor, limit=_LOG_LINES
            )
            if not self.ended:
                self._log.add(lines)

    def _gone(self) -> None:
        words = "Somebody deleted it, or it is not yours to see any more."
        self._end("This job is not here any more", words, ("All jobs", self.visit.link("/")))

    # --- what people do -----------------------------------------------------------------------------------------------

    async def _on_action(self, action: str) -> None:
        view = self._head.view
        if view is None or view.retrying or not getattr(view.actions, action):
            return
        await self.deeds.begin(action, view)

    async def _restore(self) -> None:
        async def work(actor: Actor) -> None:
            await dismissal.restore(self.visit.desk, actor, self._id)

        if await self.do(work, trouble="It stays dismissed."):
            await self.reread()

    async def _delete(self) -> None:
        async def work(actor: Actor) -> None:
            self.visit.web.live.unsubscribe(self)
            await deletion.delete(self.visit.desk, actor, self._id)
            ui.navigate.to(self.visit.link("/"))

        if not await self.do(work, trouble="The job was not deleted."):
            self.follow()

    def _hope(self, job_id: UUID) -> None:  # noqa: ARG002 - there is only one here
        if self._head.view:
            self._head.show(self._head.view.while_retrying(), deletable=False)
            self._show_waiting("")
            self._trouble.show(None, lambda: None, visible=False)

    def _know(self, job: Job) -> None:
        view = self._head.view
        if self.ended:
            return
        if (view and job.version < view.version) or self.retrying.optimism.hides(job.id, job.version):
            return
        new = self._view(job)
        if view and new.status is not view.status:
            self.frame.announce(f"{job.title}: {STATUS_LOOKS[job.status].label}")
        self._head.show(new, deletable=job.status in TERMINAL and new.actions.delete)
        self._show_waiting(new.waits)
        self._show_trouble(job)

    async def _reread_job(self, job_id: UUID) -> None:  # noqa: ARG002 - there is only one here
        await self.refresh()

    async def _on_key(self, event: KeyEventArguments) -> None:
        mods = event.modifiers
        if not event.action.keydown or mods.ctrl or mods.alt or mods.meta:
            return
        if self.deeds.is_asking:
            return
        match event.key.name:
            case "r":
                await self._on_action("retry")
            case "c":
                await self._on_action("cancel")


def _draw_waiting(waits: str) -> None:
    Tag("p", waits, "waits", data_icon="hourglass_empty")


def _draw_tree(value: object, what: str) -> None:
    copy_json(value, what)
    with Tag("div", classes="tree"):
        tree(value)
