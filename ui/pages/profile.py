"""`/profile`: one's own name, colours, password, and where one is signed in."""

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services.people import hints, people, sessions
from services.people.access import Actor
from services.people.sessions import OpenSession
from ui.components.confirm_dialog import ConfirmDialog, Question
from ui.components.element import Tag
from ui.components.people_lists import ROLE_WORDS, draw_sessions
from ui.components.section import Section
from ui.components.skeleton import Skeleton
from ui.pages.open_page import OpenPage
from ui.pages.route import page_at
from ui.pages.settings.section import Work, card
from ui.visit import Visit, Web, enter

_EVERY_SECONDS = 15.0
_SCHEMES = (
    ("auto", "As the system", "brightness_auto"),
    ("light", "Light", "light_mode"),
    ("dark", "Dark", "dark_mode"),
)


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/profile", "Profile")
    async def profile_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        await ProfilePage(visit, request.cookies.get("mulligan_theme", "auto")).begin()
        return None


class ProfilePage(OpenPage):
    """A card for each of these."""

    rereads_every = _EVERY_SECONDS  # no change of a job tells of another browser

    def __init__(self, visit: Visit, scheme: str) -> None:
        super().__init__(visit, "Profile")
        actor = visit.actor
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Profile")
            with Tag("div", classes="settings"):
                with card("You"):
                    with Tag("div", classes="switch-form set-name"):
                        self._name = ui.input("Name", value=actor.name).props(
                            "outlined dense maxlength=100 autocomplete=name"
                        )
                        save = Tag("button", "Save", "btn primary", type="button")
                    words = (
                        f"{actor.email} · {actor.role} of {actor.workspace_name} ({ROLE_WORDS[actor.role]})"
                    )
                    Tag("p", words, "muted set-hint")
                with card("Colours", "The choice is this browser's own."):
                    self._schemes(scheme)
                    words = "Dates, times and numbers follow this browser's language and time zone."
                    Tag("p", words, "muted set-hint")
                with card("Password", "You can also come in by a sign-in link, which an admin makes."):
                    change = Tag("button", "Change password", "btn", type="button", data_icon="key")
                with card("Where you are signed in"):
                    self.skeleton = Skeleton((64,))
                    self._sessions = Section(classes="set-plain")
                    self._others = Tag(
                        "button", "Sign out the others", "hidden", type="button", data_icon="logout"
                    )
                with card("Programs", "They come in with tokens of yours, which end without your password."):
                    Tag("a", "API tokens", "btn", href=visit.link("/settings/tokens"), data_icon="vpn_key")
                with card("Notifications", "Channels of your own, and news by this browser itself."):
                    Tag(
                        "a", "Notifications", "btn", href=visit.link("/settings/notifications"),
                        data_icon="notifications",
                    )  # fmt: skip
                with card("Hints", "For who is new here. Each goes for good when you have said “Got it”."):
                    again = Tag("button", "Show them again", "btn", type="button", data_icon="lightbulb")
            self.confirm = ConfirmDialog()
        save.on("click", self._rename, args=[])
        self._name.on("keydown.enter", self._rename, args=[])
        change.on("click", self.ask_password, args=[])
        self._others.on("click", self._ask_others, args=[])
        again.on("click", self._hint_again, args=[])

    def _schemes(self, chosen: str) -> None:
        with Tag("fieldset", classes="choices set-schemes"):
            Tag("legend", "Colours", "sr-only")
            for value, words, icon in _SCHEMES:
                with Tag("label", classes="choice", data_icon=icon):
                    radio = Tag(
                        "input", type="radio", name="mulligan-theme", value=value,
                        checked=True if value == chosen else None,
                    )  # fmt: skip
                    radio.on("change", js_handler="(e) => mulliganScheme(e.target.value)")
                    Tag("span", words)

    async def refresh(self) -> None:
        """Reads where the person is signed in; draws what has changed."""
        actor = await self.visit.renew()
        found = await sessions.list_sessions(self.visit.desk, actor, self.visit.cookie)
        if self.ended:
            return
        self._sessions.show(tuple(found), lambda: draw_sessions(found, self._end_session))
        self._others.dress("btn set-others" if len(found) > 1 else "hidden")

    async def _rename(self) -> None:
        async def work(actor: Actor) -> None:
            self._name.set_value(await people.rename(self.visit.desk, actor, self._name.value or ""))

        await self._change(work, "Your name is saved.")

    async def _hint_again(self) -> None:
        async def work(actor: Actor) -> None:
            await hints.show_again(self.visit.desk, actor)

        await self._change(work, "Hints are shown once more.")

    async def _end_session(self, one: OpenSession) -> None:
        async def work(actor: Actor) -> None:
            await sessions.end_session(self.visit.desk, actor, one.id)

        await self._change(work, "That browser is signed out.")

    def _ask_others(self) -> None:
        async def work(actor: Actor) -> None:
            await sessions.end_other_sessions(self.visit.desk, actor, self.visit.cookie)

        async def then() -> None:
            await self._change(work, "You are signed in here only.")

        text = "Every other browser has to sign in again. Programs with a token go on."
        self.confirm.ask(Question("Sign out the others?", text, "Sign out the others", icon="logout"), then)

    async def _change(self, work: Work, done: str) -> None:
        if await self.do(work):
            self.frame.toasts.success(done)
            await self.reread()
