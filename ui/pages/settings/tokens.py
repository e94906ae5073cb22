"""Settings: keys for programs. One's own; an admin sees everybody's for this workspace."""

from typing import TYPE_CHECKING

from nicegui import ui

from services.people import tokens
from services.people.access import Actor
from services.people.tokens import OwnedToken
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.pager import Pager
from ui.components.people_lists import draw_tokens
from ui.components.section import Section
from ui.components.shown_once import ShownOnce
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage

_PAGE = 50
_LIFETIMES = {"30": "for 30 days", "90": "for 90 days", "365": "for a year", "": "until revoked"}
_USUAL = "90"


class TokensSection:
    """A form to make one, and those that work."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._days = _USUAL
        with card("New token", "It acts in your name, with your role, in this workspace."):
            with Tag("div", classes="switch-form set-invite"):
                self._name = ui.input("What is it for?").props(
                    "outlined dense maxlength=100 autocomplete=off"
                )
                with Tag("select", classes="pick", aria_label="How long it works") as days:
                    for value, words in _LIFETIMES.items():
                        Tag("option", words, value=value, selected=True if value == _USUAL else None)
                make = Tag("button", "Create", "btn primary", type="button", data_icon="add")
            self._once = ShownOnce("API token")
        self._list = Section(classes="grid-card set-list")
        self._pager = Pager(page.link)
        self._empty = Empty()
        days.on("change", lambda e: self._last(e.args), js_handler="(e) => emit(e.target.value)")
        make.on("click", self._create, args=[])
        self._name.on("keydown.enter", self._create, args=[])

    async def refresh(self, actor: Actor) -> None:
        """Reads the tokens."""
        found, following = await tokens.list_tokens(
            self._page.visit.desk, actor, self._page.cursor, _PAGE, everyones=actor.is_admin
        )
        key = (actor.is_admin, tuple((one.token.id, one.token.last_used_at) for one in found))
        self._list.show(
            key, lambda: draw_tokens(found, self._ask_revoke, owners=actor.is_admin), visible=bool(found)
        )
        self._pager.show(self._page.cursor, following)
        if found:
            self._empty.hide()
        else:
            words = "Programs come in with one: Authorization: Bearer and the token. Make one above."
            self._empty.say("No tokens yet", words, icon="vpn_key")

    def _last(self, days: str) -> None:
        self._days = days if days in _LIFETIMES else _USUAL

    async def _create(self) -> None:
        async def work(actor: Actor) -> None:
            name = (self._name.value or "").strip()
            days = int(self._days) if self._days else None
            token = await tokens.create_own_token(self._page.visit.desk, actor, name, days)
            self._once.show(f"The token “{name}”. Copy it now: it is not shown again.", token)
            self._name.set_value("")

        await self._page.change(work, "The token is made.")

    def _ask_revoke(self, one: OwnedToken) -> None:
        question = Question(
            f"Revoke “{one.token.name}”?",
            f"Programs that use it are refused from now on. It belongs to {one.email}.",
            "Revoke",
        )

        async def work(actor: Actor) -> None:
            await tokens.revoke_token(self._page.visit.desk, actor, one.token.id)

        self._page.ask(question, work, "The token is revoked.")
