"""`/`: the jobs of a workspace, live."""

import asyncio
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from nicegui import ui
from nicegui.events import KeyEventArguments
from starlette.requests import Request
from starlette.responses import Response

from services.desk import Desk
from services.errors import Invalid
from services.feed import Change
from services.jobs import deletion, job_list, jobs
from services.jobs.job_list import Counts, JobQuery, Rows
from services.models import Job
from services.operations.waiting import Waiting, waiting_reasons
from services.people.access import Actor
from services.people.hints import Hint
from services.vocabulary import UNSUCCESSFUL
from ui.components.job_row import Action, JobRow
from ui.components.job_view import JobView
from ui.components.row_menu import RowMenu, items_of
from ui.components.toasts import Toasts
from ui.pages.bulk import Bulk
from ui.pages.grid_address import PAGE_SIZE, GridAddress
from ui.pages.grid_parts import PLAIN_CLICK, GridParts
from ui.pages.hints import Hints
from ui.pages.job_deeds import JobDeeds
from ui.pages.open_page import OpenPage
from ui.pages.retrying import Retrying
from ui.pages.route import page_at
from ui.pages.saved_views import SavedViews
from ui.theme import STATUS_LOOKS
from ui.visit import Visit, Web, enter

logger = logging.getLogger(__name__)

_SKELETON_AFTER_SECONDS = 0.4
_ANNOUNCED = 3


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/", "Jobs")
    async def jobs_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        workspace = visit.actor.workspace_slug if len(visit.seats) > 1 else None
        page = JobsPage(visit, GridAddress.of(request.query_params, workspace))
        await page.begin()
        return None


@dataclass(frozen=True, slots=True)
class _Read:
    """What the page shows, as it was read."""

    page: Rows
    waits: Mapping[UUID, Waiting]
    counts: Counts
    batches: tuple[Sequence[Job], Sequence[Job]]
    """Those under way, and those that were when the page last looked."""


class JobsPage(OpenPage):
    """The grid, what surrounds it, and what people do with it."""

    def __init__(self, visit: Visit, address: GridAddress) -> None:
        super().__init__(visit, "Jobs")
        self.address = address
        self._page: Rows | None = None
        self._waits: Mapping[UUID, Waiting] = {}
        self._turn = 0
        self._asked = 0
        self._answered = 0
        self._said: list[str] = []
        self._hovered = False
        self._scrolled = False
        self._cursor = -1
        with self.frame.main:
            self.parts = GridParts(self, address)
            self.retrying = Retrying(
                self, hope=self._hope, know=self._know, swap=self.replaced, reread=self._reread_job
            )
            self.deeds = JobDeeds(self, self.retrying, know=self._know, delete=self._delete)
            self.menu = RowMenu(self._on_menu)
            self.hints = Hints(self)
            self.views = SavedViews(self, self.parts.views_place, PLAIN_CLICK)
            self.bulk = Bulk(self, self.parts.table, self.parts.bulk_place, self.parts.banner_place)
        self.parts.table.on_more(self._open_menu)
        body = self.parts.table.body
        body.on("mouseenter", lambda: self._hover(on=True), args=[])
        body.on("mouseleave", lambda: self._hover(on=False), args=[])
        self.client.layout.on(
            "scroll",
            lambda e: self._scroll(away=bool(e.args)),
            js_handler="(e) => { const away = e.position > 60; if (away !== window.mulliganAway) "
            "{ window.mulliganAway = away; emit(away); } }",
        )
        self._keyboard = ui.keyboard(self._on_key, repeating=True, ignore=["input", "select", "textarea"])

    async def begin(self) -> None:
        """Reads and draws; with skeletons first, where reading takes a while."""
        self.open()
        reading = asyncio.gather(
            self._read_first(), self.show_figures(), self._read_views(), self.hints.read()
        )
        reading.add_done_callback(lambda _: self._offer_hints())
        done, _ = await asyncio.wait({reading}, timeout=_SKELETON_AFTER_SECONDS)
        if not done:
            self.parts.table.wait()

    def _offer_hints(self) -> None:
        """As the page opens, never later: a line that comes while somebody reads would move the rows."""
        self.hints.offer(Hint.WELCOME, self.parts.hint_place)
        if any(row.view and row.view.status in UNSUCCESSFUL for row in self.parts.table.rows()):
            self.hints.offer(Hint.FAILURE, self.parts.hint_place)

    def selected(self) -> None:
        """Somebody has selected rows."""
        self.hints.offer(Hint.SELECTION, self.parts.bulk_place)

    async def _read_first(self) -> None:
        """Never raises: where reading takes a while, nobody waits for it any more."""
        if not await self.look(self.load) and not self.ended:
            self.parts.show_unread(self.address)

    async def _read_views(self) -> None:
        """Never raises: the grid works without."""
        try:
            await self.views.read()
        except Exception:
            logger.exception("the saved views could not be read")

    # --- reading ------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Reads what the address says, and shows it."""
        self._turn += 1
        turn, address = self._turn, self.address
        try:
            read = await self._read(address)
        except Invalid as error:
            if turn == self._turn:
                self.parts.show_mistake(error, address)
                self.parts.show_unsearched(self.address)
            return
        if turn != self._turn or self.ended:
            return
        self.parts.show_mistake(None, address)
        self._waits = read.waits
        self._show_page(read.page)
        self.parts.show_counts(read.counts, address)
        self.bulk.show_batches(*read.batches)

    async def _read(self, address: GridAddress) -> "_Read":
        desk, actor, listed = self.visit.desk, self.actor, address.query
        counted = address.change(tab=None, sort="newest").query
        # Words may mean another thing for another person: owner:me.
        who = actor.user_id if address.q else None
        (page, waits), counts, batches = await asyncio.gather(
            self.read_shared("list", listed, who, load=lambda: _list_jobs(desk, actor, listed)),
            self.read_shared(
                "counts", counted, who, load=lambda: job_list.count_by_status(desk, actor, counted)
            ),
            self.bulk.read(),
        )
        return _Read(page, waits, counts, batches)

    async def refresh(self) -> None:
        """Reads anew. What is looked at changes where it stands; what is new waits where it would shift the page."""
        if self.ended:
            return
        turn, address = self._turn, self.address
        self._asked += 1
        asked = self._asked
        try:
            read = await self._read(address)
        except Invalid:
            return
        if turn != self._turn or asked < self._answered or self.ended:
            return
        self._answered = asked
        self._waits = read.waits
        # From here on nothing is waited for, so that the browser gets all of it by one message.
        self._announce()
        self.parts.show_counts(read.counts, address)
        self.bulk.show_batches(*read.batches)
        shown, items = self._rows(), read.page.items
        if not shown or not self._is_looked_at() or list(shown) == [job.id for job in items]:
            self._show_page(read.page)
            return
        self.changed([job for job in items if job.id in shown], ())
        newer = [job for job in items if job.id not in shown] if address.at_start else []
        self.parts.show_newer(len(newer), more=len(newer) == PAGE_SIZE)

    async def read_all(self) -> None:
        """The rows that are shown, too: some may be on no page any more."""
        known = list(self._rows())
        if known and not self.ended:
            await self._reread_rows(known)
        await self.refresh()

    async def show_newer(self) -> None:
        """Lets in what waited at the top."""
        _ = ui.run_javascript("window.scrollTo({top: 0})")
        await self.reload()

    async def go(self, address: GridAddress, *, keep_history: bool = True) -> None:
        """Another view, without loading the page again."""
        if (address.tab, address.q) != (self.address.tab, self.address.q):
            self.bulk.clear()
        if address.show != self.address.show:
            _ = ui.run_javascript(f"mulliganShowGrid({json.dumps(address.show)})")
        self.address = address
        (ui.navigate.history.push if keep_history else ui.navigate.history.replace)(address.path)
        self.parts.show_address(address)
        self.views.show_address()
        await self.reload()

    async def retry_failing(self) -> None:
        """Asks about a retry of everything that failed in this view."""
        await self.bulk.ask_failing()

    def ask_views(self, display: str) -> None:
        """Opens the dialog of saved views."""
        self.views.ask(display)

    async def keep_display(self) -> None:
        """What somebody chooses is the browser's own from then on, whatever the address of a view had said."""
        if self.address.show is not None:
            self.address = self.address.change(cursor=self.address.cursor, show=None)
            ui.navigate.history.replace(self.address.path)
            self.parts.show_address(self.address)
            self.views.show_address()

    # --- showing ------------------------------------------------------------------------------------------------------

    def _show_page(self, page: Rows) -> None:
        self._page = page
        rows = self.parts.table.by_id()
        self.parts.table.fill([self._view(job, rows.get(job.id)) for job in page.items])
        self.parts.show_newer(0, more=False)
        self.parts.show_pager(page, self.address)
        self.parts.show_empty(self.address, empty=not page.items)
        self.bulk.show()

    @property
    def toasts(self) -> Toasts:
        """Where to say how something went."""
        return self.frame.toasts

    def _view(self, job: Job, row: JobRow | None) -> JobView:
        """How a job is to be shown in the row that shows it already, if any does."""
        view = self.visit.web.views.of(self.actor, job, self._waits.get(job.id) if self._waits else None)
        if row and (shown := row.view) and view is not shown:
            # A list may be older than what the row was told since, and the database hears of progress after the feed.
            is_older = view.version < shown.version or (
                view.version == shown.version and (view.percent or 0) < (shown.percent or 0)
            )
            if is_older or self.retrying.optimism.hides(view.id, view.version):
                return shown
        return view

    def _is_looked_at(self) -> bool:
        return self._hovered or self._scrolled or self._is_asked or self.bulk.some

    @property
    def _is_asked(self) -> bool:
        return (
            self.deeds.is_asking or self.menu.is_open or self.bulk.dialog.is_open or self.views.dialog.is_open
        )

    def _hover(self, *, on: bool) -> None:
        self._hovered = on

    def _scroll(self, *, away: bool) -> None:
        self._scrolled = away

    # --- live ---------------------------------------------------------------------------------------------------------

    def shown(self) -> Mapping[UUID, int]:
        """The rows in sight, and the batches above them."""
        return self._rows() | self.bulk.versions()

    def _rows(self) -> dict[UUID, int]:
        """A hoped-for row counts with the version that was retried."""
        return {job_id: row.view.version for job_id, row in self.parts.table.by_id().items() if row.view}

    def progressed(self, change: Change) -> None:
        """Moves a bar."""
        self.bulk.progress(change.id, change.progress, change.step)
        row = self.parts.table.row(change.id)
        if row and row.view and not row.view.retrying:
            row.show(row.view.with_progress(change.progress, change.step))

    def changed(self, jobs: Sequence[Job], gone: Collection[UUID]) -> None:
        """Shows changed rows where they are; one that is gone stays, pale, until the next reading."""
        if self.ended:
            return
        self.bulk.know(jobs)
        said = []
        rows = self.parts.table.by_id()
        for job in jobs:
            row = rows.get(job.id)
            if row is None or row.view is None:
                continue
            before, view = row.view.status, self._view(job, row)
            row.show(view)
            if view.status is not before and not view.retrying:
                said.append(f"{view.title}: {STATUS_LOOKS[view.status].label}")
        self._say(said)
        for job_id in gone:
            if row := self.parts.table.row(job_id):
                row.fade(gone=True)

    def _say(self, said: Sequence[str]) -> None:
        """Tells a screen reader, when the page settles: many changes come at once."""
        if said:
            self._said += said
            self.visit.web.live.settle(self)

    def _announce(self) -> None:
        said, self._said = self._said, []
        if said:
            more = f", and {len(said) - _ANNOUNCED} more" if len(said) > _ANNOUNCED else ""
            self.frame.announce("; ".join(said[:_ANNOUNCED]) + more)

    def replaced(self, old: UUID, job: Job) -> None:
        """Shows the job that took another's place in that one's row."""
        row = self.parts.table.row(old)
        if row is None or self.ended:
            return
        self.retrying.optimism.end(old)
        if self.parts.table.row(job.id):  # a list was read meanwhile, and has it already
            row.fade(gone=True)
        else:
            self.parts.table.swap(old, self._view(job, None))

    # --- what people do -----------------------------------------------------------------------------------------------

    async def on_action(self, action: Action, row: JobRow) -> None:
        """A button of a row, or its key."""
        view = row.view
        if view is None or view.retrying:
            return
        if action == "open":
            ui.navigate.to(self.visit.link(f"/jobs/{view.id}"))
        else:
            await self.deeds.begin(action, view)

    def _open_menu(self, job_id: UUID) -> None:
        row = self.parts.table.row(job_id)
        if row and row.view and not row.view.retrying:
            self.menu.open(row.view, items_of(row.view, self.visit.link))

    async def _on_menu(self, job_id: UUID, action: str) -> None:
        row = self.parts.table.row(job_id)
        if row and row.view:
            await self.deeds.begin(action, row.view)

    async def _delete(self, view: JobView) -> None:
        async def work(actor: Actor) -> None:
            await deletion.delete(self.visit.desk, actor, view.id)
            self.changed([], {view.id})

        if await self.do(work, trouble=f"“{view.title}” was not deleted."):
            self.toasts.success(f"“{view.title}” was deleted.")

    def _hope(self, job_id: UUID) -> None:
        row = self.parts.table.row(job_id)
        if row and row.view:
            row.show(row.view.while_retrying())
            row.focus()

    def _know(self, job: Job) -> None:
        self.changed([job], ())

    async def _reread_job(self, job_id: UUID) -> None:
        if not self.ended:
            await self._reread_rows([job_id])

    async def _reread_rows(self, ids: Sequence[UUID]) -> None:
        found = await jobs.read_jobs(self.visit.desk, self.actor, ids)
        gone = set(ids) - {job.id for job in found}
        taken = await jobs.replacements(self.visit.desk, self.actor, gone) if gone else {}
        for old, job in taken.items():
            self.replaced(old, job)
        self.changed(found, gone - taken.keys())

    # --- keyboard -----------------------------------------------------------------------------------------------------

    async def _on_key(self, event: KeyEventArguments) -> None:
        mods = event.modifiers
        if not event.action.keydown or mods.ctrl or mods.alt or mods.meta:
            return
        if self._is_asked:
            return
        match event.key.name:
            case "j":
                self._move(+1)
            case "k":
                self._move(-1)
            case "x" if (row := self._current()) is not None:
                await self.bulk.toggle(row)
            case "m" if (row := self._current()) is not None and row.view is not None:
                self._open_menu(row.view.id)
            case "Escape" if self.bulk.some:
                self.bulk.clear()
            case "r" | "c" if (row := self._current()) is not None:
                await self.on_action("retry" if event.key.name == "r" else "cancel", row)

    def _move(self, by: int) -> None:
        rows = list(self.parts.table.rows())
        if rows:
            self._cursor = min(max(self._cursor + by, 0), len(rows) - 1)
            rows[self._cursor].focus()

    def _current(self) -> JobRow | None:
        rows = list(self.parts.table.rows())
        return rows[self._cursor] if 0 <= self._cursor < len(rows) else None


async def _list_jobs(desk: Desk, actor: Actor, query: JobQuery) -> tuple[Rows, Mapping[UUID, Waiting]]:
    """A page of jobs, and why those wait that do."""
    page = await job_list.read_page(desk, actor, query)
    return page, await waiting_reasons(desk, page.items)
