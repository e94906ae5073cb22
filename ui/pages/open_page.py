"""What every open page has: the frame, its place on the live bridge, and one way of handling what people do."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from nicegui import Client, ui
from nicegui.events import KeyEventArguments

from services import credits as ledger
from services.database.database import outage_of
from services.errors import MulliganError, NotFound, Unauthenticated
from services.feed import Change
from services.models import Job
from services.operations import workers
from services.people import people
from services.people.access import Actor
from ui.components.frame import Frame, FrameView, Place
from ui.components.shortcuts import DIALOGS, JOB, JOBS, KeyGroup, ShortcutsDialog
from ui.components.skeleton import Skeleton
from ui.live import scope_of
from ui.pages.browser_news import BrowserNews
from ui.pages.password import PasswordDialog
from ui.visit import Visit

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIGURES_SHARED_SECONDS = 4.0
_RENEW_EVERY = 3
"""Figures between two looks at who the person is: half a minute."""
# Name, icon, address, and whether it is only for those who see every job.
_PLACES = (
    ("Jobs", "view_list", "/", False),
    ("Failures", "bug_report", "/failures", False),
    ("Insights", "insights", "/insights", False),
    ("Workers", "dns", "/workers", True),
    ("Audit log", "history", "/audit", True),
    ("Settings", "settings", "/settings", False),
)
_GO_SECONDS = 1.5
"""After `g`, how long the letter of a page may take."""
SHARED_SECONDS = 0.5
_SKELETON_AFTER_SECONDS = 0.4
_UNREAD = "This page could not be read."


class OpenPage:
    """The base of the pages. A subclass draws in `frame.main`, and says what it shows."""

    every_seconds = 0.0
    """However fast changes come, what is costly to read is read once in so long."""
    rereads_every = math.inf
    """Seconds after which everything is read anew, for a page that shows what no change of a job tells of."""

    def __init__(self, visit: Visit, place: str) -> None:
        self.visit = visit
        self.client = ui.context.client
        _unwrap(self.client)
        self._stirred_at = 0.0
        self._ticks = 0
        self._ended = False
        self._has_read = self._unread = False
        self._read_at = 0.0
        self.skeleton: Skeleton | None = None
        """What stands where the page has not read anything yet; drawn by the page."""
        self.frame = Frame(_frame_view(visit, place), self.ask_password)
        self._password: PasswordDialog | None = None
        self._shortcuts: ShortcutsDialog | None = None
        self._browser_news: BrowserNews | None = None
        self._going_until = 0.0
        ui.keyboard(self._on_way_key, repeating=False, ignore=["input", "select", "textarea"])
        self.frame.connected(live=visit.web.live.live)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Reads and draws; with a skeleton first, where reading takes a while."""
        self.open()
        reading = asyncio.gather(self.reread(), self.show_figures())
        await asyncio.wait({reading}, timeout=_SKELETON_AFTER_SECONDS)
        if self.skeleton and not self._has_read:
            self.skeleton.show()

    def open(self) -> None:
        """Takes its place on the bridge, for as long as the browser has the page."""
        self.follow()
        self.client.on_delete(lambda: self.visit.web.live.unsubscribe(self))
        self.client.on_delete(lambda: self.tell_browser(on=False))
        self.tell_browser(on=self.visit.tells_browser)
        # Whatever happened between reading and subscribing, or while the connection was down, is read now.
        self.client.on_connect(self._on_connect)

    def follow(self) -> None:
        """Is told of changes from now on; not where the page has ended or its browser has gone."""
        if not self.ended and not self.client.is_deleted:
            self.visit.web.live.subscribe(self)

    def tell_browser(self, *, on: bool) -> None:
        """Whether this page tells its person by the browser's own notifications, while it is out of sight."""
        if on and self._browser_news is None:
            self._browser_news = BrowserNews(self)
        elif not on and self._browser_news is not None:
            self._browser_news.stop()
            self._browser_news = None

    @property
    def ended(self) -> bool:
        """The page may do and show nothing any more."""
        return self._ended

    async def _on_connect(self) -> None:
        # First who the person is now: the connection may have been away for longer than the membership lasted.
        if await self._is_let_in():
            await asyncio.gather(self.reread(), self.show_figures())

    async def tick(self) -> None:
        """Figures, and now and then who the person is.

        By the bridge's clock: a `ui.timer` waits for the browser, whereupon NiceGUI sends the page without its rows.
        """
        if self.ended:
            return
        self._ticks += 1
        if self._ticks % _RENEW_EVERY == 0:
            await self._is_let_in()
        if self._unread:
            await self.reread()
        await self.show_figures()

    # --- what people do -----------------------------------------------------------------------------------------------

    async def do(self, action: Callable[[Actor], Awaitable[None]], *, trouble: str | None = None) -> bool:
        """Runs what somebody asked for, as who they are now. Every error becomes words; True where there was none."""
        if self.ended:
            return False
        try:
            await action(await self.visit.renew())
        except Exception as error:  # noqa: BLE001 - logged where it is no refusal
            if not self._ends_with(error):
                words = self._words(error, "Try again in a moment.")
                self.frame.toasts.error(trouble or words, words if trouble else None)
            return False
        return True

    async def look(self, reading: Callable[[], Awaitable[object]]) -> bool:
        """Runs what the page reads by itself; True where it could be read.

        Where it could not, a sign says so until it works again, which is tried every few seconds.
        """
        if self.ended:
            return False
        try:
            await reading()
        except Exception as error:  # noqa: BLE001 - logged where it is no refusal
            self._is_unread(error)
            return False
        self._is_read()
        return True

    async def _is_let_in(self) -> bool:
        """Looks again who the person is; False where that cannot be learnt, or ends the page."""
        if self.ended:
            return False
        try:
            await self.visit.renew()
        except Exception as error:  # noqa: BLE001 - as above
            self._is_unread(error)
            return False
        return True

    def _is_unread(self, error: Exception) -> None:
        if not self._ends_with(error):
            self._unread = True
            self.frame.stale(self._words(error, "This page tries again by itself."))

    def _is_read(self) -> None:
        self._has_read, self._unread = True, False
        self._read_at = time.monotonic()
        self.frame.stale(None)
        if self.skeleton:
            self.skeleton.hide()

    def _ends_with(self, error: Exception) -> bool:
        """Whether the person is not let in any more, which ends the page."""
        if isinstance(error, Unauthenticated):
            words = "Your session was ended, here, in another browser or by an admin. Nothing was lost."
            back = f"/login?next={quote(self.visit.address, safe='')}"
            self._end("You have been signed out", words, ("Sign in again", back))
        elif isinstance(error, NotFound) and error.data.get("what") == "workspace":
            words = "Somebody took you out of it while this page was open."
            self._end("You are no member of this workspace any more", words, ("Go on", "/"))
        else:
            return False
        return True

    def _words(self, error: Exception, then: str) -> str:
        """What happened and, where it is our fault, what `then`. A refusal says for itself what to do."""
        if isinstance(error, MulliganError):
            return error.message
        if outage := outage_of(error):
            logger.warning("the database does not answer: %r", error)
            return f"{outage.message} Nothing was lost. {then}"
        logger.error("a page failed", exc_info=error)
        return f"Something went wrong on our side; Mulligan's log says more. Nothing was lost. {then}"

    def _end(self, title: str, words: str, way_on: tuple[str, str]) -> None:
        """The page may show and do nothing any more: says why, and where to go."""
        if self._ended:
            return
        self._ended = True
        self.visit.web.live.unsubscribe(self)
        self.frame.end(title, words, way_on)

    async def ask_password(self) -> None:
        """Opens the dialog that sets one's own password."""

        async def work(actor: Actor) -> None:
            asks_current = await people.asks_for_current(self.visit.desk, actor, self.visit.cookie)
            if self._password is None:
                with self.frame.main:
                    self._password = PasswordDialog(self._set_password)
            self._password.open(asks_current=asks_current)

        await self.do(work)

    async def _set_password(self, current: str, new: str) -> str | None:
        try:
            actor = await self.visit.renew()
            await people.set_password(
                self.visit.desk, actor, new, cookie=self.visit.cookie, current=current or None
            )
        except MulliganError as error:
            return error.message
        self.frame.toasts.success("The password was set. Other browsers are signed out.")
        return None

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _on_way_key(self, event: KeyEventArguments) -> None:
        """The keys of every page: `?` shows them all, `g` and a letter go to a page."""
        mods = event.modifiers
        if not event.action.keydown or mods.ctrl or mods.alt or mods.meta or self.ended:
            return
        key = str(event.key.name).lower()
        if key == "?":
            self._show_shortcuts()
        elif key == "g":
            self._going_until = time.monotonic() + _GO_SECONDS
        elif time.monotonic() < self._going_until:
            self._going_until = 0.0
            if path := _ways(self.actor).get(key):
                ui.navigate.to(self.visit.link(path[1]))

    def _show_shortcuts(self) -> None:
        if self._shortcuts is None:
            ways = [(f"g {letter}", name) for letter, (name, _) in _ways(self.actor).items()]
            everywhere = KeyGroup("Everywhere", [("?", "This list"), *ways])
            with self.frame.main:
                self._shortcuts = ShortcutsDialog([everywhere, JOBS, JOB, DIALOGS])
        self._shortcuts.open()

    # --- figures ------------------------------------------------------------------------------------------------------

    async def show_figures(self) -> None:
        """Workers online and credits, read once for all pages that ask about the same time."""
        if self.ended:
            return
        desk, actor, shared = self.visit.desk, self.actor, self.visit.web.live.shared
        try:
            async with asyncio.timeout(3):
                online = await shared.get("workers", _FIGURES_SHARED_SECONDS, lambda: workers.online(desk))
                balance = await shared.get(
                    ("balance", actor.workspace_id),
                    SHARED_SECONDS,
                    lambda: ledger.balance(desk, actor),
                    not_before=self._stirred_at,
                )
        except Exception:
            logger.info("figures could not be read", exc_info=True)
            return
        if self.ended:
            return
        self.frame.figures(workers=len(online), balance=balance)

    # --- the live bridge ----------------------------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """Who looks, as of the last look."""
        return self.visit.actor

    def shown(self) -> Mapping[UUID, int]:
        """No jobs, unless a subclass shows some."""
        return {}

    def progressed(self, change: Change) -> None:
        """Nothing shown goes on."""

    def changed(self, jobs: Sequence[Job], gone: Collection[UUID]) -> None:
        """Nothing shown changes."""

    def replaced(self, old: UUID, job: Job) -> None:
        """Nothing shown is replaced."""

    def stirred(self) -> None:
        """Reads lists and figures a moment later, however many changes come meanwhile."""
        # Also of what comes while the page waits already: what is read then must know of it.
        self._stirred_at = time.monotonic()
        if not self.ended:
            self.visit.web.live.settle(self)

    async def settle(self) -> None:
        """Lists and figures, not oftener than every so many seconds."""
        await asyncio.sleep(max(0.0, self._read_at + self.every_seconds - time.monotonic()))
        if not self.ended and not self.client.is_deleted:
            with self.frame.main:
                await asyncio.gather(self.look(self.refresh), self.show_figures())

    def connected(self, *, live: bool) -> None:
        """Says so at the top."""
        self.frame.connected(live=live)

    @property
    def upload_url(self) -> str:
        """Where the browser sends files to."""
        return f"/api/uploads?w={quote(self.actor.workspace_slug)}"

    async def reread(self) -> None:
        """Everything anew: something may have been missed. Never raises."""
        await self.look(self.read_all)

    async def reload(self) -> None:
        """Everything anew, because somebody asked for it."""

        async def work(_: Actor) -> None:
            await self.load()

        if await self.do(work, trouble=_UNREAD):
            self._is_read()

    async def load(self) -> None:
        """Reads everything as it is now; what was held back comes in."""
        await self.read_all()

    async def read_all(self) -> None:
        """Reads everything that the page shows, where it stands."""
        await self.refresh()

    async def refresh(self) -> None:
        """Reads what may differ after a change somewhere in the workspace."""

    def read_shared(self, *what: Hashable, load: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """What pages of the same scope read by one query: never from before the last change this page was told of."""
        key = (scope_of(self.actor), *what)
        return self.visit.web.live.shared.get(key, SHARED_SECONDS, load, not_before=self._stirred_at)


def _unwrap(client: Client) -> None:
    """Quasar's page is a `main` around everything; ours is only the page's own part."""
    slot = client.content.parent_slot
    if slot is not None:
        slot.parent.tag = "div"


def _ways(actor: Actor) -> dict[str, tuple[str, str]]:
    """The letter of each page that this person has, its name and path."""
    ways = {
        name[0].lower(): (name, path)
        for name, _, path, overview in _PLACES
        if actor.sees_all_jobs or not overview
    }
    return ways | ({"n": ("New job", "/new")} if actor.may_change else {})


def _frame_view(visit: Visit, place: str) -> FrameView:
    actor = visit.actor
    return FrameView(
        person=actor.name,
        email=actor.email,
        role=str(actor.role),
        workspace=actor.workspace_name,
        places=[
            Place(name, icon, visit.link(path))
            for name, icon, path, overview in _PLACES
            if actor.sees_all_jobs or not overview
        ],
        workspaces=[
            (seat.name, f"/?w={seat.slug}", seat.workspace_id == actor.workspace_id) for seat in visit.seats
        ],
        current=place,
        profile=visit.link("/profile"),
    )
