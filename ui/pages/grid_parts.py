"""What surrounds the grid: heading, tabs with counters, search, order, pager, and what stands where nothing is."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from nicegui import ui

from services.jobs.job_list import Counts, Rows
from services.vocabulary import Status
from ui.components import wording
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.job_row import Action, JobRow
from ui.components.job_table import JobTable
from ui.pages.grid_address import GridAddress
from ui.theme import STATUS_LOOKS
from ui.visit import Visit

_HINT = "Search: words, or status:failed kind:video.process error:ffmpeg owner:me age:<1d"
# A plain click stays in the page; one that asks for a new tab or window is the browser's.
_PLAIN_CLICK = (
    "(e) => { if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return; e.preventDefault(); emit(); }"
)


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

    async def on_action(self, action: Action, row: JobRow) -> None:
        """A row's button."""


class GridParts:
    """Draws the parts, once; then sets what differs."""

    def __init__(self, page: Page, address: GridAddress) -> None:
        self._page = page
        self._cursors: tuple[str | None, str | None] = (None, None)
        self._tabs: dict[Status | None, tuple[Tag, Tag]] = {}
        self._heading()
        with Tag("nav", classes="tabs", aria_label="Status"):
            for status in (None, *STATUS_LOOKS):
                self._tab(status)
        self.banner_place = Tag("div")
        with Tag("section", classes="grid-card", aria_label="Jobs"):
            self._search(address)
            self._mistake = Tag(
                "div", "", "mistake hidden", role="alert", data_icon="error_outline", id="search-mistake"
            )
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
        self.show_address(address)

    # --- what differs -------------------------------------------------------------------------------------------------

    def show_address(self, address: GridAddress) -> None:
        """The tab that is chosen, and where each tab leads."""
        for status, (tab, _) in self._tabs.items():
            chosen = status is address.status
            tab.dress("tab current" if chosen else "tab")
            tab.put(href=address.change(status=status).path, aria_current="page" if chosen else None)

    def show_counts(self, counts: Counts, address: GridAddress) -> None:
        """How many jobs stand behind each tab, and on all pages of this one."""
        for status, (_, count) in self._tabs.items():
            count.say(wording.at_least(*counts.of((status,) if status else ())))
        number, exact = counts.of(address.query.statuses)
        self._total.say(wording.plural(number, "job") if exact else f"{wording.at_least(number, exact)} jobs")

    def show_mistake(self, words: str | None) -> None:
        """What is wrong with the search, under its field."""
        self._mistake.say(words or "")
        self._mistake.dress("mistake" if words else "mistake hidden")

    def show_newer(self, count: int, *, more: bool) -> None:
        """How many new jobs wait, so that nothing moves under somebody's pointer."""
        words = f"{count}{'+' if more else ''} new job{'' if count == 1 else 's'}"
        self._newer.say(words if count else "")
        self._newer.dress("newer" if count else "newer hidden")

    def show_pager(self, page: Rows, address: GridAddress) -> None:
        """Where one can go from here."""
        for link, cursor in ((self._previous, page.prev_cursor), (self._next, page.next_cursor)):
            link.dress("btn small" if cursor else "hidden")
            link.put(href=address.change(cursor=cursor).path if cursor else None)
        self._cursors = page.prev_cursor, page.next_cursor
        self._first.dress("btn small" if address.cursor else "hidden")
        self._first.put(href=address.change().path)

    def show_empty(self, address: GridAddress, *, empty: bool) -> None:
        """What to do where nothing is."""
        self.table.reveal(on=not empty)
        if not empty:
            self._empty.hide()
        elif address.narrowed:
            what = f"No {address.status} jobs" if address.status and not address.q else "Nothing matches"
            text = "Take a word away, or look at all jobs." if address.q else "That may be good news."
            show_all = address.change(status=None, q="").path
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
        link = ("Show all jobs", address.change(status=None, q="").path)
        self._empty.say(
            "Nothing was searched",
            "Correct the search above, or look at all jobs.",
            icon="search_off",
            link=link,
        )

    def show_unread(self, words: str, address: GridAddress) -> None:
        """What went wrong, in place of rows that could not be read; `show_empty` ends it."""
        self.table.fill([])
        self.table.element.dress("jobs hidden")
        self._empty.say("The jobs could not be read", words, icon="cloud_off", link=("Reload", address.path))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _heading(self) -> None:
        with Tag("div", classes="page-head"):
            Tag("h1", "Jobs")
            Tag("div", classes="grow")
            reload = Tag(
                "button", "Reload", "btn", type="button", data_icon="refresh", title="Read the list anew"
            )
            reload.on("click", self._page.reload, args=[])
            if self._page.visit.actor.may_change:
                Tag("a", "New job", "btn primary", href=self._page.visit.link("/new"), data_icon="add")

    def _tab(self, status: Status | None) -> None:
        with Tag("a", STATUS_LOOKS[status].label.capitalize() if status else "All", "tab") as tab:
            count = Tag("span", "", "count")
        tab.on(
            "click", lambda: self._page.go(self._page.address.change(status=status)), js_handler=_PLAIN_CLICK
        )
        self._tabs[status] = (tab, count)

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
            Tag("kbd", "/", "hide-small", aria_hidden="true")
            with Tag("select", classes="pick", aria_label="Order") as order:
                for sort, words in (("newest", "Newest first"), ("oldest", "Oldest first")):
                    Tag("option", words, value=sort, selected=True if sort == address.sort else None)
            order.on(
                "change",
                lambda e: self._page.go(
                    self._page.address.change(sort="oldest" if e.args == "oldest" else "newest")
                ),
                js_handler="(e) => emit(e.target.value)",
            )

    async def _go_search(self, q: str) -> None:
        if q != self._page.address.q:
            await self._page.go(self._page.address.change(q=q), keep_history=False)

    def _step(self, name: str, icon: str, cursor: Callable[[], str | None]) -> Tag:
        def go() -> Awaitable[None]:
            return self._page.go(self._page.address.change(cursor=cursor()))

        link = Tag("a", name, "hidden", data_icon=icon)
        link.on("click", go, js_handler=_PLAIN_CLICK)
        return link
