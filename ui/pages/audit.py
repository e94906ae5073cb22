"""`/audit`: who did what in a workspace."""

from collections.abc import Mapping
from uuid import UUID

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services import audit
from services.errors import NotFound
from services.jobs import jobs
from services.models import AuditEntry
from services.people.access import Actor
from ui.components import audit_words, wording
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.moment import Moment
from ui.pages.not_found import not_found
from ui.pages.open_page import BUILD_SECONDS, OpenPage
from ui.visit import Unauthenticated, Visit, Web, enter, to_sign_in

_PAGE = 50


def install(web: Web) -> None:
    """Adds the page to this process."""

    @ui.page("/audit", title="Audit log · Mulligan", response_timeout=BUILD_SECONDS)
    async def audit_page(request: Request) -> Response | None:
        try:
            visit = await enter(web, request)
        except Unauthenticated:
            return to_sign_in(request)
        except NotFound:
            return not_found("There is no such workspace here.")
        if not visit.actor.sees_all_jobs:
            return not_found("The audit log is read by admins, operators and viewers.")
        await AuditPage(visit, _cursor(request.query_params.get("cursor"))).begin()
        return None


class AuditPage(OpenPage):
    """The newest entries, or those before a cursor, which the address holds."""

    def __init__(self, visit: Visit, cursor: UUID | None) -> None:
        super().__init__(visit, "Audit log")
        self._cursor = cursor
        self._shown: list[UUID] = []
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Audit log")
                Tag("div", classes="grow")
                reload = Tag(
                    "button", "Reload", "btn", type="button", data_icon="refresh", title="Read the log again"
                )
            Tag("p", "Every change that a person makes, newest first.", "muted lead")
            with Tag("section", classes="grid-card hidden", aria_label="Audit log") as self._card:
                with Tag("table", classes="log-table"):
                    with Tag("thead"), Tag("tr"):
                        for name in ("When", "Who", "What", "Job", "Details"):
                            Tag("th", name, scope="col")
                    self._body = Tag("tbody")
                with Tag("div", classes="pager"):
                    self._newest = Tag("a", "Newest", "hidden", href=visit.link("/audit"))
                    Tag("div", classes="grow")
                    self._older = Tag("a", "Older", "hidden")
            self._empty = Empty()
        reload.on("click", self.refresh, args=[])

    async def begin(self) -> None:
        """Reads and draws."""
        self.open()
        await self.refresh()
        await self.show_figures()

    async def refresh(self) -> None:
        """Reads again; draws where something is new."""

        async def work(actor: Actor) -> None:
            found, following = await audit.entries(self.visit.desk, actor, self._cursor, _PAGE)
            if self.ended or [entry.id for entry in found] == self._shown:
                return
            about = {entry.job_id for entry in found if entry.job_id}
            titles = {job.id: job.title for job in await jobs.read_jobs(self.visit.desk, actor, about)}
            self._show(found, following, titles)

        await self.do(work, trouble="The audit log could not be read.")

    def _show(self, found: list[AuditEntry], following: UUID | None, titles: Mapping[UUID, str]) -> None:
        self._shown = [entry.id for entry in found]
        self._body.clear()
        with self._body:
            for entry in found:
                self._row(entry, titles.get(entry.job_id) if entry.job_id else None)
        self._newest.dress("btn small" if self._cursor else "hidden")
        self._older.dress("btn small" if following else "hidden")
        if following:
            self._older.put(href=self.visit.link("/audit", cursor=following.hex))
        self._card.dress("grid-card" if found else "grid-card hidden")
        if found:
            self._empty.hide()
        else:
            self._empty.say(
                "Nothing was done yet", "What people do with jobs and credits is written down here."
            )

    def _row(self, entry: AuditEntry, title: str | None) -> None:
        with Tag("tr"):
            with Tag("td", classes="when"):
                Moment(entry.created_at, "ago")
            Tag("td", entry.actor, "who")
            Tag("td", audit_words.sentence(entry))
            with Tag("td"):
                if title and entry.job_id:
                    Tag("a", title, "link", href=self.visit.link(f"/jobs/{entry.job_id}"))
                elif entry.job_id:
                    Tag(
                        "span",
                        f"{wording.short_id(entry.job_id)}… (deleted)",
                        "muted mono",
                        title=str(entry.job_id),
                    )
            Tag("td", audit_words.details(entry.data), "muted")


def _cursor(text: str | None) -> UUID | None:
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        return None
