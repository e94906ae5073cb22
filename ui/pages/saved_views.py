"""Views that have names, in the grid: as links above the rows, and a dialog that saves, renames, shares and removes."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

from services.errors import MulliganError
from services.jobs import views
from services.jobs.terms import in_words
from services.jobs.views import COLUMNS, Display, Look
from services.jobs.views import display_of as display_kept
from services.models import SavedView
from services.people.access import Actor
from services.vocabulary import Status
from ui.components.element import Tag
from ui.components.toasts import Toasts
from ui.components.views_dialog import ViewLine, ViewsDialog, ViewWish
from ui.pages.grid_address import GridAddress, display_of, show_words
from ui.visit import Visit


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

    async def go(self, address: GridAddress, *, keep_history: bool = True) -> None:
        """Another view."""

    async def do(self, action: Any, *, trouble: str | None = None) -> bool:
        """One way of handling what people do."""


class SavedViews:
    """The views that a person sees, one link each."""

    def __init__(self, page: Page, place: Tag, plain_click: str) -> None:
        self._page = page
        self._plain_click = plain_click
        self._views: list[SavedView] = []
        self._display = Display()
        self._links: dict[UUID, tuple[Tag, GridAddress]] = {}
        with place:
            self._nav = Tag("nav", classes="hidden", aria_label="Saved views")
        self.dialog = ViewsDialog(self._save, self._change, self._remove, may_share=page.actor.operates)

    async def read(self) -> None:
        """Which there are now."""
        found = await views.list_views(self._page.visit.desk, self._page.actor)
        if self._page.ended:
            return
        self._views = found
        self._links.clear()
        self._nav.clear()
        with self._nav:
            for view in found:
                self._link(view)
        self.show_address()

    def show_address(self) -> None:
        """Which of them is the present one."""
        self._nav.dress("views" if self._links else "hidden")
        for link, address in self._links.values():
            here = address.change() == self._page.address.change()
            link.dress("chip current" if here else "chip")
            link.put(aria_current="page" if here else None)

    def ask(self, display: str) -> None:
        """Opens the dialog; `display` is how the browser draws the present view."""
        self._display = display_of(display) or Display()
        address = self._page.address
        try:
            words = in_words(address.q)
        except MulliganError:
            words = address.q
        said = [
            str(address.tab) if address.tab else "",
            words,
            "oldest first" if address.sort == "oldest" else "",
        ]
        self.dialog.open(
            " · ".join(filter(None, said)) or "all jobs",
            self._lines(),
            display=_in_words(self._display),
            keep_display=self._display != Display(),
        )

    def _link(self, view: SavedView) -> None:
        look = Look(view.q, tuple(map(Status, view.statuses)), view.sort, display_kept(view))
        address = GridAddress.showing(look, self._page.address.workspace)
        link = Tag("a", view.name, href=address.path, data_icon="group" if view.shared else "bookmark_border")
        link.put(title="Shared with the workspace" if view.shared else "Your own")
        link.on("click", self._going(address), js_handler=self._plain_click)
        self._links[view.id] = link, address

    def _going(self, address: GridAddress) -> Callable[[], Awaitable[None]]:
        return lambda: self._page.go(address)

    def _lines(self) -> list[ViewLine]:
        me = self._page.actor
        return [
            ViewLine(view.id, view.name, view.shared, view.owner_id == me.user_id)
            for view in self._views
            if views.may_change(me, view)
        ]

    async def _save(self, wish: ViewWish) -> str | None:
        address, wrong = self._page.address, None

        async def work(actor: Actor) -> None:
            nonlocal wrong
            display = self._display if wish.display else None
            look = Look(address.q, address.query.statuses, address.sort, display)
            try:
                await views.save(self._page.visit.desk, actor, wish.name, look, shared=wish.shared)
            except MulliganError as error:
                wrong = error.message
                return
            self.dialog.close()
            self._page.toasts.success(f"The view “{' '.join(wish.name.split())}” was saved")
            await self.read()
            if display:  # so that the present view is the one that was saved
                await self._page.go(address.change(show=show_words(display)), keep_history=False)

        await self._page.do(work)
        return wrong

    async def _change(self, view_id: UUID, *, name: str | None = None, shared: bool | None = None) -> None:
        async def work(actor: Actor) -> None:
            await views.change(self._page.visit.desk, actor, view_id, name=name, shared=shared)

        await self._page.do(work, trouble="The view is as it was.")
        await self.read()
        self.dialog.show(self._lines())

    async def _remove(self, view_id: UUID) -> None:
        async def work(actor: Actor) -> None:
            await views.remove(self._page.visit.desk, actor, view_id)

        await self._page.do(work, trouble="The view is still there.")
        await self.read()
        self.dialog.show(self._lines())


def _in_words(display: Display) -> str:
    hidden = [column for column in COLUMNS if column not in display.columns]
    columns = f"without {', '.join(hidden)}" if hidden else "all columns"
    return f"{display.density} rows, {columns}"
