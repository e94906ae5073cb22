"""`/audit`: who did what in a workspace."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services import audit
from services.audit import Narrowed
from services.jobs import jobs
from services.models import AuditEntry
from ui.components import audit_words, wording
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.moment import Moment
from ui.components.skeleton import Skeleton
from ui.pages.open_page import OpenPage
from ui.pages.plain import not_found
from ui.pages.route import page_at
from ui.visit import Visit, Web, enter

_PAGE = 50
_VALUE = "(e) => emit(e.target.value)"


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/audit", "Audit log")
    async def audit_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        if not visit.actor.sees_all_jobs:
            return not_found("The audit log is read by admins, operators and viewers.")
        await AuditPage(visit, View.of(request.query_params)).begin()
        return None


@dataclass(frozen=True)
class View:
    """What the address says; words that mean nothing are left out."""

    by: str | None = None
    action: str | None = None
    job: UUID | None = None
    cursor: UUID | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """The view of an address."""
        by, action = query.get("by", "")[:320].strip(), query.get("action", "")
        known = {code for code, _ in audit_words.actions()}
        return cls(
            by if by.isprintable() and by else None, action if action in known else None,
            _id(query.get("job")), _id(query.get("cursor")),
        )  # fmt: skip

    def narrow(self, **changes: Any) -> "View":
        """Another view, from its newest entry on."""
        return replace(self, cursor=None, **changes)

    @property
    def words(self) -> dict[str, str]:
        """The view as words of an address."""
        said = {"by": self.by, "action": self.action, "job": self.job, "cursor": self.cursor}
        return {name: str(word) for name, word in said.items() if word}

    @property
    def is_narrowed(self) -> bool:
        """Whether some entries are left out."""
        return bool(self.by or self.action or self.job)


class AuditPage(OpenPage):
    """The newest entries, or those before a cursor: of everybody, or narrowed as the address says."""

    def __init__(self, visit: Visit, view: View) -> None:
        super().__init__(visit, "Audit log")
        self._view = view
        self._shown: list[UUID] | None = None
        self._knows_people = False
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Audit log")
                Tag("div", classes="grow")
                reload = Tag(
                    "button", "Reload", "btn", type="button", data_icon="refresh", title="Read the log again"
                )
            Tag("p", "Every change that a person makes, newest first.", "muted lead")
            self._build_filters()
            self.skeleton = Skeleton((36,) * 8)
            with Tag("section", classes="grid-card hidden", aria_label="Audit log") as self._card:
                with Tag("table", classes="log-table"):
                    with Tag("thead"), Tag("tr"):
                        for name in ("When", "Who", "What", "Job", "Details"):
                            Tag("th", name, scope="col")
                    self._body = Tag("tbody")
                with Tag("div", classes="pager"):
                    self._newest = Tag("a", "Newest", "hidden")
                    Tag("div", classes="grow")
                    self._older = Tag("a", "Older", "hidden")
            self._empty = Empty()
        reload.on("click", self.reload, args=[])

    def _build_filters(self) -> None:
        with Tag("div", classes="log-filters", role="search"):
            with Tag("select", classes="pick", aria_label="Who") as self._who:
                Tag("option", "Everybody", value="")
            with Tag("select", classes="pick", aria_label="What") as self._what:
                Tag("option", "Everything", value="")
                for code, words in audit_words.actions():
                    chosen = True if code == self._view.action else None
                    Tag("option", words, value=code, selected=chosen)
            self._job = Tag(
                "button", "", "hidden", type="button", data_icon="close", title="Of all jobs again"
            )
            self._all = Tag("button", "Clear", "hidden", type="button")
        self._who.on("change", lambda e: self._go(self._view.narrow(by=e.args or None)), js_handler=_VALUE)
        self._what.on(
            "change", lambda e: self._go(self._view.narrow(action=e.args or None)), js_handler=_VALUE
        )
        self._job.on("click", lambda: self._go(self._view.narrow(job=None)), args=[])
        self._all.on("click", lambda: self._go(View()), args=[])
        self._show_filters()

    def _show_filters(self) -> None:
        view = self._view
        self._who.put(value=view.by or "")
        self._what.put(value=view.action or "")
        self._job.say(f"Job {wording.short_id(view.job)}" if view.job else "")
        self._job.dress("btn chosen" if view.job else "hidden")
        self._all.dress("btn plain" if view.is_narrowed else "hidden")

    async def _go(self, view: View) -> None:
        """Another view, without loading the page again."""
        self._view, self._shown = view, None
        ui.navigate.history.push(self.visit.link("/audit", **view.words))
        self._show_filters()
        await self.reload()

    async def refresh(self) -> None:
        """Reads again; draws where something is new."""
        actor, view = await self.visit.renew(), self._view
        if not self._knows_people:
            self._show_people(await audit.lately_by(self.visit.desk, actor))
        narrowed = Narrowed(view.by, view.action, view.job)
        found, following = await audit.entries(self.visit.desk, actor, view.cursor, _PAGE, narrowed=narrowed)
        if view != self._view or [entry.id for entry in found] == self._shown:
            return
        about = {entry.job_id for entry in found if entry.job_id}
        titles = {job.id: job.title for job in await jobs.read_jobs(self.visit.desk, actor, about)}
        if not self.ended:
            self._show(found, following, titles)

    def _show_people(self, people: Collection[str]) -> None:
        """Once: who did something of late, and whom the address names, who may have done nothing."""
        if self._knows_people or self.ended:
            return
        self._knows_people = True
        with self._who:
            for name in sorted({*people, *filter(None, [self._view.by])}):
                Tag("option", name, value=name, selected=True if name == self._view.by else None)

    def _show(self, found: list[AuditEntry], following: UUID | None, titles: Mapping[UUID, str]) -> None:
        self._shown = [entry.id for entry in found]
        self._body.clear()
        with self._body:
            for entry in found:
                self._row(entry, titles.get(entry.job_id) if entry.job_id else None)
        view = self._view
        self._newest.dress("btn small" if view.cursor else "hidden")
        self._newest.put(href=self.visit.link("/audit", **view.narrow().words))
        self._older.dress("btn small" if following else "hidden")
        if following:
            self._older.put(href=self.visit.link("/audit", **replace(view, cursor=following).words))
        self._card.dress("grid-card" if found else "grid-card hidden")
        if found:
            self._empty.hide()
        elif view.is_narrowed:
            everything = ("Show everything", self.visit.link("/audit"))
            self._empty.say("Nothing of the kind", "Nobody did that.", icon="search_off", link=everything)
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


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        return None
