"""Many jobs at once, in the grid: what is selected, the question before, the banner meanwhile, the words at the end."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from nicegui import background_tasks

from services.batch import batch
from services.batch.batch import BatchPreview, Selection, Trial
from services.batch.report import active_batches
from services.jobs import jobs, pausing
from services.models import Job
from services.people.access import Actor
from services.vocabulary import TERMINAL, BatchAction, Status
from ui.components.batch_banner import BatchBanner, BatchView
from ui.components.batch_dialog import BatchDialog, BatchWish
from ui.components.batch_words import BY_KIND, summary
from ui.components.bulk_bar import BulkBar
from ui.components.element import Tag
from ui.components.job_row import JobRow
from ui.components.job_table import JobTable
from ui.components.toasts import Toasts
from ui.pages.grid_address import GridAddress
from ui.visit import Visit

_MOST_CHOSEN = 1_000

T = TypeVar("T")


class Page(Protocol):
    """What this asks of the grid's page."""

    visit: Visit
    address: GridAddress

    @property
    def actor(self) -> Actor:
        """Who looks."""

    @property
    def toasts(self) -> Toasts:
        """Where to say how it went."""

    @property
    def ended(self) -> bool:
        """Whether the page may do nothing any more."""

    def selected(self) -> None:
        """Somebody has selected rows."""

    async def load(self) -> None:
        """Reads the view anew."""

    def read_shared(self, *what: Hashable, load: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """What pages of the same scope read by one query."""

    async def do(self, action: Any, *, trouble: str | None = None) -> bool:
        """One way of handling what people do."""


class Bulk:
    """The selection of a grid, and the batches under way in its workspace."""

    def __init__(self, page: Page, table: JobTable, bar: Tag, banner: Tag) -> None:
        self._page = page
        self._table = table
        self._chosen: set[UUID] = set()
        self._everything = False
        self._marked = False
        """Whether rows are shown as selected."""
        self._matching: int | None = None
        """How many jobs match the view, once somebody may want them all."""
        self._anchor: UUID | None = None
        self._wish: tuple[BatchAction, Selection] | None = None
        self._batches: dict[UUID, Job] = {}
        with bar:
            self._bar = BulkBar(self._ask, self._choose_everything, self.clear)
        with banner:
            self._banner = BatchBanner(self._on_batch)
        self.dialog = BatchDialog(self._start)
        table.on_pick(self._pick, self._pick_page)

    # --- selecting ----------------------------------------------------------------------------------------------------

    @property
    def some(self) -> bool:
        """Whether anything is selected."""
        return bool(self._chosen) or self._everything

    async def toggle(self, row: JobRow) -> None:
        """The row's own key."""
        if row.view and row.selectable:
            await self._pick(row.view.id, on=row.view.id not in self._chosen, ranged=False)

    def clear(self) -> None:
        """Nothing is selected any more."""
        self._chosen.clear()
        self._everything, self._anchor, self._matching = False, None, None
        self.show()

    def show(self) -> bool:
        """The boxes of the rows in sight, and the bar. Whether all of them are ticked."""
        if not self.some and not self._marked:
            return False
        self._marked = self.some
        rows = [row for row in self._table.rows() if row.view and row.selectable]
        for row in rows:
            row.select(on=self._everything or (row.view is not None and row.view.id in self._chosen))
        all_here = bool(rows) and all(row.selected for row in rows)
        self._table.mark_page(on=all_here)
        count = self._matching or 0 if self._everything else len(self._chosen)
        offered = self._matching if all_here else None
        self._bar.show(count, everything=self._everything, matching=offered)
        return all_here

    async def _show_and_count(self) -> None:
        """Where the whole page is selected, all that match are offered; nobody is offered what is refused."""
        all_here, address = self.show(), self._page.address
        if self.some:
            self._page.selected()
        self._matching = None
        if all_here and address.narrowed:

            async def work(actor: Actor) -> None:
                self._matching = await batch.count(self._page.visit.desk, actor, _everything(address))
                self.show()

            await self._page.do(work)

    async def _pick(self, job_id: UUID, *, on: bool, ranged: bool) -> None:
        if self._everything:  # from all that match to those in sight
            self._chosen = {row.view.id for row in self._table.rows() if row.view and row.selectable}
            self._everything = False
        for each in self._between(job_id) if ranged else [job_id]:
            if on and len(self._chosen) < _MOST_CHOSEN:
                self._chosen.add(each)
            else:
                self._chosen.discard(each)
        self._anchor = job_id
        await self._show_and_count()

    def _between(self, job_id: UUID) -> list[UUID]:
        ids = [row.view.id for row in self._table.rows() if row.view and row.selectable]
        if self._anchor not in ids or job_id not in ids:
            return [job_id]
        first, last = sorted((ids.index(self._anchor), ids.index(job_id)))
        return ids[first : last + 1]

    async def _pick_page(self, *, on: bool) -> None:
        self._everything = False
        here = {row.view.id for row in self._table.rows() if row.view and row.selectable}
        self._chosen = set(list(self._chosen | here)[:_MOST_CHOSEN]) if on else self._chosen - here
        await self._show_and_count()

    def _choose_everything(self) -> None:
        self._everything = True
        self.show()

    def _selection(self) -> Selection:
        if not self._everything:
            return Selection(ids=sorted(self._chosen))
        return _everything(self._page.address)

    # --- doing --------------------------------------------------------------------------------------------------------

    async def ask_failing(self) -> None:
        """Asks about a retry of everything that failed in the view, whatever is selected."""
        address = self._page.address
        await self._ask_about(BatchAction.RETRY, Selection(q=address.q, status=list(address.failing)))

    async def _ask(self, action: BatchAction) -> None:
        if self.some:
            await self._ask_about(action, self._selection())

    async def _ask_about(self, action: BatchAction, selection: Selection) -> None:
        if self.dialog.is_open:
            return

        async def work(actor: Actor) -> None:
            seen: BatchPreview = await batch.preview(self._page.visit.desk, actor, selection, action)
            self._wish = action, selection
            self.dialog.show(BatchWish(action, str(selection), seen))

        await self._page.do(work)

    async def _start(self, trial: Trial) -> None:
        if self._wish is None:
            return
        (action, selection), self._wish = self._wish, None

        async def work(actor: Actor) -> None:
            job = await batch.start(self._page.visit.desk, actor, selection, action, trial)
            self.clear()
            self._batches[job.id] = job
            self._show_batches()
            self._page.toasts.success(f"Started in the background: {job.title}")

        await self._page.do(work, trouble="The batch was not started.")

    # --- batches under way --------------------------------------------------------------------------------------------

    def versions(self) -> dict[UUID, int]:
        """The batches that are shown, as the bridge wants to know."""
        return {job.id: job.version for job in self._batches.values()}

    async def read(self) -> tuple[Sequence[Job], Sequence[Job]]:
        """The batches that are under way now, and what came of those that are shown and are not."""
        desk, actor = self._page.visit.desk, self._page.actor
        active = await self._page.read_shared("batches", load=lambda: active_batches(desk, actor))
        over = self._batches.keys() - {job.id for job in active}
        return active, await jobs.read_jobs(desk, actor, over) if over else []

    def show_batches(self, active: Sequence[Job], over: Sequence[Job]) -> None:
        """What was read."""
        self._learn([*active, *over])
        for job_id in self._batches.keys() - {job.id for job in active}:
            self._batches.pop(job_id)
        self._show_batches()

    def know(self, changed: Sequence[Job]) -> None:
        """News of jobs, some of them batches."""
        if any(job.kind in BY_KIND for job in changed):
            self._learn(changed)
            self._show_batches()

    def _learn(self, changed: Sequence[Job]) -> None:
        for job in changed:
            if job.kind not in BY_KIND:
                continue
            known = self._batches.get(job.id)
            if job.status in TERMINAL:
                if self._batches.pop(job.id, None):
                    self._tell(job)
            elif known is None or job.version >= known.version:
                self._batches[job.id] = job

    def progress(self, job_id: UUID, percent: float, step: str | None) -> None:
        """A batch is further on."""
        if job_id in self._batches:
            self._banner.progress(job_id, percent, step)

    def _show_batches(self) -> None:
        visit, actor = self._page.visit, self._page.actor
        self._banner.show(
            [
                BatchView(job, jobs.actions(visit.desk, actor, job), visit.link(f"/jobs/{job.id}"))
                for job in sorted(self._batches.values(), key=lambda job: job.id)
            ]
        )

    def _tell(self, job: Job) -> None:
        if job.owner_id != self._page.actor.user_id:
            return
        # Whoever asked for it wants to see what came of it, wherever the pointer is.
        _ = background_tasks.create(self._page.load(), name="after a batch")
        words, details = (
            summary(BY_KIND[job.kind], job.result or {}),
            self._page.visit.link(f"/jobs/{job.id}"),
        )
        if job.status is Status.COMPLETED:
            stopped = (job.result or {}).get("stopped")
            self._page.toasts.summary(words, details, why=f"Stopped: {stopped}" if stopped else None)
        else:
            said = "was cancelled" if job.status is Status.CANCELLED else "did not come to its end"
            self._page.toasts.summary(f"{job.title} {said}: {words}", details, why=job.error)

    async def _on_batch(self, action: str, job: Job) -> None:
        act = {"pause": pausing.pause, "resume": pausing.resume, "cancel": jobs.cancel}[action]

        async def work(actor: Actor) -> None:
            self.know([await act(self._page.visit.desk, actor, job.id, version=job.version)])

        await self._page.do(work, trouble=f"“{job.title}” goes on as it was.")


def _everything(address: GridAddress) -> Selection:
    return Selection(q=address.q, status=list(address.query.statuses))
