"""The grid: a real table with a fixed pool of rows, so that paging and live changes make no new elements."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from nicegui.events import GenericEventArguments

from ui.components.element import Tag
from ui.components.job_row import JobRow, OnAction
from ui.components.job_view import JobView

_COLUMNS = (
    ("Job", "c-job"),
    ("Status", "c-status"),
    ("Progress", "c-progress"),
    ("Retries", "c-retries"),
    ("Created", "c-created"),
)
_SKELETONS = 8


class OnPick(Protocol):
    """A row's box was ticked, or not any more."""

    def __call__(self, job_id: UUID, *, on: bool, ranged: bool) -> Awaitable[None]: ...


class OnPickPage(Protocol):
    """The box of the whole page."""

    def __call__(self, *, on: bool) -> Awaitable[None]: ...


OnMore = Callable[[UUID], Any]


class JobTable:
    """Shows views in order. Knows nothing of where they come from."""

    def __init__(self, on_action: OnAction, *, pickable: bool = False) -> None:
        self._on_action = on_action
        self._pickable = pickable
        self._page_box: Tag | None = None
        self._rows: list[JobRow] = []
        self._by_id: dict[UUID, JobRow] = {}
        self._skeletons: list[Tag] = []
        with Tag("table", classes=self._classes, aria_label="Jobs") as self.element:
            heads: dict[str, Tag] = {}
            with Tag("thead"), Tag("tr"):
                for name, css in _COLUMNS:
                    with Tag("th", classes=css, scope="col") as head:
                        heads[name] = head
                        if pickable and name == "Job":
                            self._page_box = Tag(
                                "input", classes="pickbox", type="checkbox", aria_label="Select this page"
                            )
                        if name == "Created":
                            self._sort = Tag(
                                "button", name, "sort", type="button", data_icon="arrow_downward"
                            )
                        else:
                            Tag("span", name)
                with Tag("th", classes="c-actions", scope="col"):
                    Tag("span", "Actions", "sr-only")
            self._created = heads["Created"]
            self.body = Tag("tbody")
        self.body.on(
            "keydown",
            self._open,
            # On the row itself only: on a button within it, Enter is the button's.
            js_handler="(e) => { if (e.key === 'Enter' && e.target.matches('tr[data-job-id]')) "
            "emit(e.target.dataset.jobId); }",
        )

    @property
    def _classes(self) -> str:
        return "jobs pickable" if self._pickable else "jobs"

    def reveal(self, *, on: bool) -> None:
        """Shows the table, or hides it where there is nothing to show."""
        self.element.dress(self._classes if on else f"{self._classes} hidden")

    def on_sort(self, sort: Callable[[], Any]) -> None:
        """Who is told that the other order is wanted."""
        self._sort.on("click", sort, args=[])

    def sorted(self, *, newest: bool) -> None:
        """Says which order it is."""
        self._created.put(aria_sort="descending" if newest else "ascending")
        self._sort.put(data_icon="arrow_downward" if newest else "arrow_upward")

    def on_pick(self, pick: OnPick, pick_page: OnPickPage) -> None:
        """Who is told of ticked boxes: one listener for all rows, with the key that makes it a range."""
        if self._page_box is None:
            return
        self.body.on(
            "click",
            lambda e: pick(UUID(e.args[0]), on=bool(e.args[1]), ranged=bool(e.args[2])),
            # A mouse leaves the focus on the row, so that the keys of the grid are heard.
            js_handler="(e) => { if (!e.target.matches('input.pickbox')) return; const row = e.target.closest('tr'); "
            "emit([row.dataset.jobId, e.target.checked, e.shiftKey]); "
            "if (e.detail) row.focus({preventScroll: true}); }",
        )
        self._page_box.on(
            "click",
            lambda e: pick_page(on=bool(e.args)),
            js_handler="(e) => { emit(e.target.checked); if (e.detail) e.target.blur(); }",
        )

    def on_more(self, more: OnMore) -> None:
        """Who is told that somebody wants to do more with a job: one listener for all rows."""
        self.body.on(
            "click",
            lambda e: more(UUID(e.args)),
            js_handler="(e) => { const more = e.target.closest('button.more'); "
            "if (more) emit(more.closest('tr').dataset.jobId); }",
        )

    def mark_page(self, *, on: bool) -> None:
        """Whether all rows in sight are ticked."""
        if self._page_box:
            self._page_box.put(checked=True if on else None)

    def wait(self) -> None:
        """Shows skeleton rows, until `fill`."""
        if self._skeletons:
            return
        for row in self._rows:
            row.hide()
        self._index()
        with self.body:
            for _ in range(_SKELETONS):
                with Tag("tr", classes="skeleton", aria_hidden="true") as skeleton:
                    for css in ("job", "status", "progress", "retries", "created", "actions"):
                        Tag("td", classes=css)
                self._skeletons.append(skeleton)

    def fill(self, views: Sequence[JobView]) -> None:
        """Shows these, in this order."""
        for skeleton in self._skeletons:
            skeleton.delete()
        self._skeletons.clear()
        with self.body:
            while len(self._rows) < len(views):
                self._rows.append(JobRow(views[len(self._rows)], self._on_action, pickable=self._pickable))
        for row, view in zip(self._rows, views, strict=False):
            row.fade(gone=False)
            row.show(view)
        for row in self._rows[len(views) :]:
            row.hide()
        self._index()

    def swap(self, old: UUID, view: JobView) -> None:
        """Shows another job in the row of `old`."""
        row = self._by_id[old]
        row.fade(gone=False)
        row.show(view)
        self._index()

    def rows(self) -> Iterator[JobRow]:
        """The rows in sight, in order."""
        return (row for row in self._rows if row.view is not None)

    def by_id(self) -> Mapping[UUID, JobRow]:
        """The rows in sight by the job that each shows, in order."""
        return self._by_id

    def row(self, job_id: UUID) -> JobRow | None:
        """The row that shows a job."""
        return self._by_id.get(job_id)

    def _index(self) -> None:
        self._by_id = {row.view.id: row for row in self.rows() if row.view}

    async def _open(self, event: GenericEventArguments) -> None:
        if row := self.row(UUID(event.args)):
            await self._on_action("open", row)
