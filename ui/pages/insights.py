"""`/insights`: what became of all runs in a period: how they ended, how long they took, what retries brought."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services.insights.figures import Insights, insights
from services.insights.periods import Period
from ui.components import wording
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.insight_chart import OUTCOMES, InsightChart
from ui.components.insight_tables import FigureCards, draw_errors, draw_kinds
from ui.components.moment import Moment
from ui.components.section import Section
from ui.components.skeleton import Skeleton
from ui.pages.open_page import OpenPage
from ui.pages.route import page_at
from ui.visit import Visit, Web, enter

_ALL_KINDS = "All kinds"
_NAMES = {
    Period.DAY: "24 hours", Period.WEEK: "7 days", Period.MONTH: "30 days", Period.QUARTER: "90 days",
}  # fmt: skip


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/insights", "Insights")
    async def insights_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        await InsightsPage(visit, View.of(request.query_params)).begin()
        return None


@dataclass(frozen=True)
class View:
    """What the address says; words that mean nothing are left out."""

    period: Period = Period.WEEK
    kind: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """The view of an address."""
        period = query.get("period")
        return cls(
            Period(period) if period in set(Period) else Period.WEEK, query.get("kind", "")[:100] or None
        )

    @property
    def words(self) -> dict[str, str]:
        """The view as words of an address."""
        return {"period": str(self.period)} | ({"kind": self.kind} if self.kind else {})


class InsightsPage(OpenPage):
    """Cards, a chart and two tables, read anew while things happen, and drawn where they changed."""

    every_seconds = 5.0

    def __init__(self, visit: Visit, view: View) -> None:
        super().__init__(visit, "Insights")
        self._view = view
        self._periods: dict[Period, Tag] = {}
        with self.frame.main:
            self._build_head()
            self._counting = Tag("p", classes="hidden", role="status", data_icon="hourglass_top")
            self.skeleton = Skeleton((110, 240))
            with Tag("div", classes="hidden") as self._body:
                self._cards = FigureCards(self._find)
                with Tag("section", classes="card", aria_label="What runs came to"):
                    self.chart = InsightChart(self._jobs_of_span)
                    self._build_legend()
                Tag("h2", "By kind", "ops-title")
                Tag(
                    "p",
                    "Times are those of half of the runs, and of 95 % of them; within 9 %.",
                    "muted small",
                )
                self._kinds = Section(classes="grid-card")
                Tag("h2", "Retries by failure", "ops-title")
                Tag(
                    "p",
                    "Retries with the job's arguments as they were, by the failure that they followed.",
                    "muted small",
                )
                self._errors = Section(classes="grid-card")
                self._no_errors = Tag("p", "No retry of a failure has ended in this time.", "muted hidden")
            self._empty = Empty()
        self._span = timedelta(hours=1)

    def _build_head(self) -> None:
        with Tag("div", classes="page-head"):
            Tag("h1", "Insights")
            Tag("div", classes="grow")
            with Tag("div", classes="segments", role="group", aria_label="Period"):
                for period, name in _NAMES.items():
                    button = Tag("button", name, "segment", type="button")
                    button.on("click", lambda p=period: self._go(replace(self._view, period=p)), args=[])
                    self._periods[period] = button
            kinds = [kind.name for kind in self.visit.desk.kinds if not kind.name.startswith("system.")]
            chosen = self._view.kind or _ALL_KINDS
            names = [_ALL_KINDS, *sorted({*kinds, *({chosen} - {_ALL_KINDS})})]
            self._kind = ui.select(names, value=chosen, on_change=self._choose)
            self._kind.props("outlined dense options-dense aria-label=Kind").classes("kind-choice")
            reload = Tag(
                "button", "Reload", "btn", type="button", data_icon="refresh", title="Read the figures again"
            )
        reload.on("click", self.reload, args=[])
        with Tag("p", classes="hidden") as self._lead:
            Tag("span", "Runs that ended since ")
            self._since = Moment(None, "datetime")
            Tag("span", ". A job that was deleted is still counted.")
        self._mark_period()

    def _build_legend(self) -> None:
        self._legend: dict[str, Tag] = {}
        with Tag("ul", classes="legend"):
            for outcome in OUTCOMES:
                with Tag("li"):
                    self._legend[outcome] = Tag("a", classes=f"key k-{outcome}")

    # --- reading ------------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """The figures anew."""
        desk, actor, view = self.visit.desk, self.actor, self._view
        seen = await self.read_shared(
            "insights", view, load=lambda: insights(desk, actor, view.period, view.kind)
        )
        if not self.ended and view == self._view:
            self._show(seen)

    def _show(self, seen: Insights) -> None:
        self._since.point(seen.since)
        self._lead.dress("muted lead")
        self._span = timedelta(seconds=seen.span_seconds)
        self._counting.say(
            "" if seen.complete else "A long history is still being counted: the figures will grow."
        )
        self._counting.dress("hidden" if seen.complete else "notice-line")
        if not seen.total.runs:
            self._show_empty()
            return
        self._empty.hide()
        self._body.dress("")
        now = min(seen.until, datetime.now(seen.until.tzinfo))
        self._cards.show(seen.total, (now - seen.since) / timedelta(days=1))
        self.chart.show(seen.bars, by_day=self._span >= timedelta(days=1))
        for outcome in OUTCOMES:
            count = seen.total.ended[outcome]
            self._legend[outcome].say(f"{outcome} {wording.number(count)}")
            self._legend[outcome].put(href=self._find(f"status:{outcome}"))
        self._kinds.show(repr(seen.kinds), lambda: draw_kinds(seen.kinds, self._find))
        self._errors.show(
            repr(seen.errors), lambda: draw_errors(seen.errors, self._find), visible=bool(seen.errors)
        )
        self._no_errors.dress("hidden" if seen.errors else "muted")

    def _show_empty(self) -> None:
        self._body.dress("hidden")
        what = f"No run of {self._view.kind}" if self._view.kind else "No run"
        self._empty.say(
            f"{what} has ended in the last {_NAMES[self._view.period]}",
            "What jobs come to is told here, as soon as the first is over.",
            icon="insights", link=("All jobs", self.visit.link("/")),
        )  # fmt: skip

    # --- ways ---------------------------------------------------------------------------------------------------------

    async def _choose(self) -> None:
        kind = None if self._kind.value == _ALL_KINDS else self._kind.value
        await self._go(replace(self._view, kind=kind))

    async def _go(self, view: View) -> None:
        if view == self._view:
            return
        self._view = view
        self._mark_period()
        ui.navigate.history.replace(self.visit.link("/insights", **view.words))
        await self.reload()

    def _mark_period(self) -> None:
        for period, button in self._periods.items():
            chosen = period is self._view.period
            button.dress("segment current" if chosen else "segment")
            button.put(aria_pressed="true" if chosen else "false")

    def _find(self, q: str) -> str:
        """The jobs that a search finds among those that ended in the period."""
        kind = f"kind:{self._view.kind}" if self._view.kind and "kind:" not in q else ""
        return self.visit.link("/", q=" ".join(filter(None, [kind, q, f"ended:<{self._view.period}"])))

    def _jobs_of_span(self, start: datetime) -> str:
        kind = f"kind:{self._view.kind} " if self._view.kind else ""
        end = start + self._span
        return self.visit.link("/", q=f"{kind}ended:{start:%Y-%m-%dT%H:%M}..{end:%Y-%m-%dT%H:%M}")
