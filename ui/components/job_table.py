"""The grid: a real table with a fixed pool of rows, so that paging and live changes make no new elements."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

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


class JobTable:
    """Shows views in order. Knows nothing of where they come from."""

    def __init__(self, on_action: OnAction) -> None:
        self._on_action = on_action
        self._rows: list[JobRow] = []
        self._skeletons: list[Tag] = []
        with Tag("table", classes="jobs", aria_label="Jobs") as self.element:
            with Tag("thead"), Tag("tr"):
                for name, css in _COLUMNS:
                    Tag("th", name, css, scope="col")
                with Tag("th", classes="c-actions", scope="col"):
                    Tag("span", "Actions", "sr-only")
            self.body = Tag("tbody")

    def wait(self) -> None:
        """Shows skeleton rows, until `fill`."""
        if self._skeletons:
            return
        for row in self._rows:
            row.hide()
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
                self._rows.append(JobRow(views[len(self._rows)], self._on_action))
        for row, view in zip(self._rows, views, strict=False):
            row.reveal(view)
        for row in self._rows[len(views) :]:
            row.hide()

    def rows(self) -> Iterator[JobRow]:
        """The rows in sight, in order."""
        return (row for row in self._rows if row.view is not None)

    def row(self, job_id: UUID) -> JobRow | None:
        """The row that shows a job."""
        return next((row for row in self.rows() if row.view and row.view.id == job_id), None)

    def change(self, views: Iterable[JobView]) -> None:
        """Shows changed jobs where they are."""
        changed = {view.id: view for view in views}
        for row in self.rows():
            if row.view and (view := changed.get(row.view.id)):
                row.show(view)
