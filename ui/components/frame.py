"""The frame of every page: what stands at the top and at the side, the toasts, and the voice for screen readers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ui.components import wording
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.menu import Menu
from ui.components.toasts import Toasts

RECONNECTING = "Reconnecting\N{HORIZONTAL ELLIPSIS}"
OUT_OF_DATE = "Not up to date"


@dataclass(frozen=True)
class Place:
    """A link of the navigation."""

    name: str
    icon: str
    href: str


@dataclass(frozen=True)
class FrameView:
    """What the frame says."""

    person: str
    email: str
    role: str
    workspace: str
    places: Sequence[Place]
    """Pages that exist; the first is home."""
    workspaces: Sequence[tuple[str, str, bool]]
    """Name, address and whether it is this one; the switcher shows where there is more than one."""
    current: str
    """The name of the place that this page belongs to."""
    profile: str
    """The address of the person's own page."""


class Frame:
    """Draws the frame. `main` is where the page goes."""

    def __init__(self, view: FrameView, on_password: Callable[[], Awaitable[None]]) -> None:
        self._live = True
        self._stale = False
        self._workers: int | None = None
        Tag("a", "Skip to content", "skip", href="#main")
        with Tag("header", classes="top"):
            self._top(view, on_password)
        with Tag("div", classes="shell"):
            with Tag("nav", classes="side", aria_label="Pages"), Tag("div", classes="side-inner"):
                for place in view.places:
                    is_here = place.name == view.current
                    Tag(
                        "a", place.name, "item current" if is_here else "item",
                        href=place.href, data_icon=place.icon, aria_current="page" if is_here else None,
                    )  # fmt: skip
            with Tag("main", classes="main", id="main", tabindex="-1") as self.main:
                pass
        self._voice = Tag("div", classes="sr-only", role="status", aria_live="polite")
        self.toasts = Toasts()

    def announce(self, words: str) -> None:
        """Tells a screen reader."""
        self._voice.say(words)

    def connected(self, *, live: bool) -> None:
        """Whether changes arrive."""
        self._live = live
        self._show_live()

    def stale(self, why: str | None) -> None:
        """That the page could not be read anew, and why; None: it is up to date."""
        self._stale = why is not None
        self.toasts.stale(why)
        self._show_live()

    def end(self, title: str, words: str, way_on: tuple[str, str]) -> None:
        """Takes everything away that stood on the page, and says why; `way_on` is a word and an address."""
        self.main.clear()
        self._pill.dress("hidden")
        self._credits.dress("hidden")
        self.toasts.stale(None)
        with self.main, Tag("div", role="alert"):
            Empty().say(title, words, icon="lock", link=way_on)

    def figures(self, *, workers: int | None = None, balance: int | None = None) -> None:
        """Workers online and credits left; None leaves what was said."""
        if workers is not None:
            self._workers = workers
            self._show_live()
        if balance is not None:
            self._credits.say(wording.number(balance))
            self._credits_word.say(" credit" if balance == 1 else " credits")
            self._credits.dress("pill credits")

    # --- parts --------------------------------------------------------------------------------------------------------

    def _top(self, view: FrameView, on_password: Callable[[], Awaitable[None]]) -> None:
        Tag(
            "a",
            "Mulligan",
            "brand",
            href=view.places[0].href,
            data_icon="golf_course",
            aria_label="Mulligan, home",
        )
        Tag("span", "/", "slash", aria_hidden="true")
        self._switcher(view)
        Tag("div", classes="grow")
        with Tag("span", classes="pill live", role="status") as self._pill:
            with Tag("span", classes="when-live"):
                self._live_text = Tag("span", "Live")
                self._workers_text = Tag("span", "", "hide-small")
            Tag("span", RECONNECTING, "when-cut")
            Tag("span", "Offline", "when-off")
        with Tag(
            "span", "", "pill credits hidden", data_icon="toll", title="Credits of this workspace"
        ) as self._credits:
            self._credits_word = Tag("span", "", "hide-small", style="white-space:pre;margin-left:-6px")
        scheme = Tag(
            "button", classes="btn round scheme", type="button", aria_label="Change colour scheme",
            title="Colours: system, light, dark", data_icon="",
        )  # fmt: skip
        # The choice is the browser's own: a cookie, so that the next page has it before its first paint.
        scheme.on("click", js_handler="() => mulliganNextScheme()")
        self._person(view, on_password)

    def _switcher(self, view: FrameView) -> None:
        if len(view.workspaces) < 2:
            Tag("span", view.workspace, "where hide-small", title=view.workspace)
            return
        with Tag("div", classes="workspace"), Tag(
            "button", classes="btn plain", type="button", data_icon="expand_more", aria_haspopup="menu",
            aria_label=f"Workspace {view.workspace}, change",
        ):  # fmt: skip
            Tag("span", view.workspace, "where")
            with Menu("Workspaces", auto_close=True).body:
                for name, href, current in view.workspaces:
                    Tag("a", name, "item current" if current else "item", href=href, role="menuitem")

    def _person(self, view: FrameView, on_password: Callable[[], Awaitable[None]]) -> None:
        initial = view.person[:1].upper() or "?"
        with Tag(
            "button",
            initial,
            "avatar",
            type="button",
            aria_label=f"Account of {view.person}",
            aria_haspopup="dialog",
        ):
            menu = Menu("Account", role="dialog")

        async def ask() -> None:
            menu.close()
            await on_password()

        with menu.body:
            with Tag("div", classes="who"):
                Tag("strong", view.person)
                Tag("div", view.email, "muted")
                Tag("div", f"{view.role} · {view.workspace}", "muted")
            Tag("a", "Profile", "item", href=view.profile, data_icon="person")
            password = Tag("button", "Set password", "item", type="button", data_icon="key")
            password.on("click", ask, args=[])
            with Tag("form", method="post", action="/logout"):
                Tag("button", "Sign out", "item", type="submit", data_icon="logout")

    def _show_live(self) -> None:
        self._live_text.say(OUT_OF_DATE if self._stale else "Live" if self._live else RECONNECTING)
        online = self._workers
        words = "" if online is None else wording.plural(online, "worker") if online else "no workers"
        right = self._live and not self._stale
        self._workers_text.say(f" · {words}" if words and right else "")
        self._pill.dress("pill live" if right else "pill live lost")
        self._pill.put(title=words or None)
