"""What surrounds the grid: heading, tabs with counters, search, order, pager, and what stands where nothing is."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from nicegui import ui

from services.errors import Invalid
from services.jobs.export import Format
from services.jobs.job_list import Counts, Rows
from services.jobs.terms import mended
from services.vocabulary import Status
from ui.components import wording
from ui.components.completion_list import CompletionList
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.grid_display import GridDisplay
from ui.components.job_row import Action, JobRow
from ui.components.job_table import JobTable
from ui.components.menu import Menu
from ui.pages.grid_address import GridAddress, Sort, Span, Tab, statuses_of
from ui.theme import STATUS_LOOKS
from ui.visit import Visit

_HINT = "Search: words, or status:failed kind:video.process error:ffmpeg owner:me age:<1d"
# A plain click stays in the page; one that asks for a new tab or window is the browser's.
PLAIN_CLICK = (
    "(e) => { if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return; e.preventDefault(); emit(); }"
)
_DISPLAY = "() => emit(document.documentElement.dataset.grid || '')"
_SPANS: dict[Tab, str] = {Span.ACTIVE: "Scheduled, queued and running", Span.HISTORY: "What is over"}
_NOTHING: dict[Tab, str] = {Span.ACTIVE: "Nothing waits or runs", Span.HISTORY: "Nothing is over yet"}


class Page(Protocol):
    """What the parts ask of the page."""

    visit: Visit
    address: GridAddress

    async def go(self, address: GridAddress, *, keep_history: bool = True) -> None:
        """Another view."""

    async def reload(self) -> None:
        """The same view anew."""

    async def show_newer(self) -> None:
        """What waits at the top."""

    async def keep_display(self) -> None:
        """Somebody has chosen columns or density."""

    def ask_views(self, display: str) -> None:
        """Somebody wants to save this view, or to change one; how the browser draws it, in its words."""

    async def retry_failing(self) -> None:
        """Everything that failed in this view is to be retried."""

    async def on_action(self, action: Action, row: JobRow) -> None:
        """A row's button."""


class GridParts:
    """Draws the parts, once; then sets what differs."""

    def __init__(self, page: Page, address: GridAddress) -> None:
        self._page = page
        self._cursors: tuple[str | None, str | None] = (None, None)
        self._counted: object = None
        self._paged: object = None
        """What was counted and where one can go, as shown: nothing is done where that is still so."""
        self._meant: str | None = None
        self._tabs: dict[Tab, tuple[Tag, Tag]] = {}
        self._exports: dict[Format, Tag] = {}
        self._heading()
        with Tag("nav", classes="tabs", aria_label="Status"):
            for tab in (None, *Span, *STATUS_LOOKS):
                self._tab(tab)
        self.banner_place = Tag("div")
        self.hint_place = Tag("div")
        with Tag("section", classes="grid-card", aria_label="Jobs"):
            self._search(address)
            self._mistake_line()
            self.views_place = Tag("div")
            self._newer = Tag("button", "", "newer hidden", type="button", data_icon="arrow_upward")
            self.bulk_place = Tag("div")
            self.table = JobTable(page.on_action, pickable=page.visit.actor.may_change)
            self._empty = Empty()
            with Tag("nav", classes="pager", aria_label="Pages of jobs"):
                self._total = Tag("span")
                Tag("div", classes="grow")
                self._first = self._step("First", "first_page", lambda: None)
                self._previous = self._step("Previous", "chevron_left", lambda: self._cursors[0])
                self._next = self._step("Next", "chevron_right", lambda: self._cursors[1])
        self._newer.on("click", page.show_newer, args=[])
        self.table.on_sort(lambda: self._sort("newest" if page.address.sort == "oldest" else "oldest"))
        self.show_address(address)

    # --- what differs -------------------------------------------------------------------------------------------------

    def show_address(self, address: GridAddress) -> None:
        """The tab that is chosen, and where each tab leads."""
        for shown, (tab, _) in self._tabs.items():
            chosen = shown is address.tab
            last = " last" if shown is Span.HISTORY else ""  # a line before the single statuses
            tab.dress(f"tab current{last}" if chosen else f"tab{last}")
            tab.put(href=address.change(tab=shown).path, aria_current="page" if chosen else None)
        # On a narrow screen the chosen tab may stand out of sight.
        _ = ui.run_javascript(
            "document.querySelector('.tab.current')?.scrollIntoView({block: 'nearest', inline: 'center'})"
        )
        self.table.sorted(newest=address.sort == "newest")
        self._order.put(value=address.sort)
        if self.search.value != address.q:  # the page has it already, so that this searches for nothing
            self.search.value = address.q
        for form, link in self._exports.items():
            link.put(href=address.export(form))

    def show_counts(self, counts: Counts, address: GridAddress) -> None:
        """How many jobs stand behind each tab, and on all pages of this one."""
        if self._counted == (counts, address):
            return
        self._counted = counts, address
        for shown, (_, count) in self._tabs.items():
            count.say(wording.at_least(*counts.of(statuses_of(shown))))
        may = self._page.visit.actor.may_change and address.narrowed
        failing = may and bool(address.failing) and counts.of(address.failing)[0] > 0
        self._retry_failing.say(f"Retry all {'matching' if address.q else 'failed'}\N{HORIZONTAL ELLIPSIS}")
        self._retry_failing.dress("btn retry-line icon-small" if failing else "hidden")
        number, exact = counts.of(address.query.statuses)
        self._total.say(wording.plural(number, "job") if exact else f"{wording.at_least(number, exact)} jobs")

    def show_mistake(self, mistake: Invalid | None, address: GridAddress) -> None:
        """What is wrong with the search, under its field; and, at a press, what was meant."""
        said = mistake.data if mistake else {}
        self._mistake.dress("mistake" if mistake else "mistake hidden")
        self._mistake_words.say(str(said.get("explanation") or mistake or ""))
        self._meant = mended(address.q, mistake) if mistake else None
        self._mend.say(f"Use {said.get('suggestion')}" if self._meant else "")
        self._mend.dress("link mono" if self._meant else "hidden")

    def show_newer(self, count: int, *, more: bool) -> None:
        """How many new jobs wait, so that nothing moves under somebody's pointer."""
        words = f"{count}{'+' if more else ''} new job{'' if count == 1 else 's'}"
        self._newer.say(words if count else "")
        self._newer.dress("newer" if count else "newer hidden")

    def show_pager(self, page: Rows, address: GridAddress) -> None:
        """Where one can go from here."""
        cursors = page.prev_cursor, page.next_cursor
        if self._paged == (cursors, address):
            return
        self._paged = cursors, address
        for link, cursor in ((self._previous, page.prev_cursor), (self._next, page.next_cursor)):
            link.dress("btn small" if cursor else "hidden")
            link.put(href=address.change(cursor=cursor).path if cursor else None)
        self._cursors = cursors
        self._first.dress("btn small" if address.cursor else "hidden")
        self._first.put(href=address.change().path)

    def show_empty(self, address: GridAddress, *, empty: bool) -> None:
        """What to do where nothing is."""
        self.table.reveal(on=not empty)
        if not empty:
            self._empty.hide()
        elif address.narrowed:
            what = "Nothing matches" if address.q else _NOTHING.get(address.tab, f"No {address.tab} jobs")
            text = "Take a word away, or look at all jobs." if address.q else "That may be good news."
            show_all = address.change(tab=None, q="").path
            self._empty.say(
                what, text, icon="search_off" if address.q else "task_alt", link=("Show all jobs", show_all)
            )
        elif address.cursor:
            self._empty.say(
                "No more jobs", "This page has emptied meanwhile.", link=("First page", address.change().path)
            )
        else:
            link = ("New job", self._page.visit.link("/new")) if self._page.visit.actor.may_change else None
            text = (
                "Upload a video and choose what to make of it; it shows here at once."
                if link
                else "Nobody has made one."
            )
            self._empty.say("No jobs yet", text, icon="golf_course", link=link)

    def show_unsearched(self, address: GridAddress) -> None:
        """A way out of a search that cannot be understood, where no earlier rows are in sight."""
        if any(self.table.rows()):
            return
        self.table.fill([])
        self.table.reveal(on=False)
        for _, count in self._tabs.values():
            count.say("\N{EN DASH}")
        self._counted = None
        link = ("Show all jobs", address.change(tab=None, q="").path)
        self._empty.say(
            "Nothing was searched",
            "Correct the search above, or look at all jobs.",
            icon="search_off",
            link=link,
        )

    def show_unread(self, address: GridAddress) -> None:
        """In place of rows that could not be read; a sign of the page says why, and `show_empty` ends it."""
        self.table.fill([])
        self.table.element.dress("jobs hidden")
        words = "Nothing was lost. This page tries again by itself."
        self._empty.say("The jobs could not be read", words, icon="cloud_off", link=("Reload", address.path))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _heading(self) -> None:
        with Tag("div", classes="page-head"):
            Tag("h1", "Jobs")
            Tag("div", classes="grow")
            reload = Tag(
                "button",
                "Reload",
                "btn icon-small",
                type="button",
                data_icon="refresh",
                title="Read the list anew",
            )
            reload.on("click", self._page.reload, args=[])
            self._export()
            self._retry_failing = Tag(
                "button", "", "hidden", type="button", data_icon="replay",
                title="Shows first how many, at which cost, and what is left alone",
            )  # fmt: skip
            if self._page.visit.actor.may_change:
                self._retry_failing.on("click", self._page.retry_failing, args=[])
                Tag("a", "New job", "btn primary", href=self._page.visit.link("/new"), data_icon="add")

    def _export(self) -> None:
        """Everything that the view shows, as a file."""
        with (
            Tag(
                "button",
                "Export",
                "btn icon-small",
                type="button",
                data_icon="download",
                aria_haspopup="menu",
            ),
            Menu("Export", auto_close=True).body,
        ):
            for form, words in ((Format.CSV, "CSV, for a spreadsheet"), (Format.JSON, "JSON, for a program")):
                self._exports[form] = Tag("a", words, "item", role="menuitem", download=True)

    def _tab(self, shown: Tab) -> None:
        words = STATUS_LOOKS[shown].label if isinstance(shown, Status) else shown or "all"
        with Tag("a", words.capitalize(), "tab", title=_SPANS.get(shown)) as tab:
            count = Tag("span", "", "count")
        tab.on("click", lambda: self._page.go(self._page.address.change(tab=shown)), js_handler=PLAIN_CLICK)
        self._tabs[shown] = (tab, count)

    def _mistake_line(self) -> None:
        with Tag("div", classes="mistake hidden", role="alert", data_icon="error_outline") as self._mistake:
            self._mistake_words = Tag("span", "", id="search-mistake")
            self._mend = Tag("button", "", "hidden", type="button")

        def mend() -> None:
            self.search.value = self._meant  # the field's change searches
            _ = self.search.run_method("focus")

        self._mend.on("click", mend, args=[])

    def _search(self, address: GridAddress) -> None:
        with Tag("div", classes="searchbar", role="search"):
            self.search = ui.input(value=address.q, on_change=lambda e: self._go_search(e.value or ""))
            # Out of the field, so that the keys of the grid are heard again.
            self.search.on("keydown.escape", js_handler="(e) => e.target.blur()")
            self.search.classes("search").props(
                f'outlined dense clearable debounce=250 aria-label="Search jobs" placeholder="{_HINT}" '
                "aria-describedby=search-mistake"
            )
            with self.search.add_slot("prepend"):
                Tag("span", data_icon="search", aria_hidden="true")
            CompletionList(self._page.visit.actor.workspace_slug, "search-completions")
            Tag("kbd", "/", "hide-small", aria_hidden="true")
            with Tag("select", classes="pick", aria_label="Order") as self._order:
                for sort, words in (("newest", "Newest first"), ("oldest", "Oldest first")):
                    Tag("option", words, value=sort, selected=True if sort == address.sort else None)
            self._order.on(
                "change",
                lambda e: self._sort("oldest" if e.args == "oldest" else "newest"),
                js_handler="(e) => emit(e.target.value)",
            )
            views = Tag("button", "Views", "btn icon-small", type="button", data_icon="bookmark_border")
            views.on("click", lambda e: self._page.ask_views(str(e.args)), js_handler=_DISPLAY)
            GridDisplay(self._page.keep_display)

    def _sort(self, sort: Sort) -> Awaitable[None]:
        return self._page.go(self._page.address.change(sort=sort))

    async def _go_search(self, q: str) -> None:
        if q != self._page.address.q:
            await self._page.go(self._page.address.change(q=q), keep_history=False)

    def _step(self, name: str, icon: str, cursor: Callable[[], str | None]) -> Tag:
        def go() -> Awaitable[None]:
            return self._page.go(self._page.address.change(cursor=cursor()))

        link = Tag("a", name, "hidden", data_icon=icon)
        link.on("click", go, js_handler=PLAIN_CLICK)
        return link
