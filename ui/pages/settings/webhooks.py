"""Settings: the secret by which receivers know this workspace's webhooks. For admins."""

from typing import TYPE_CHECKING

from services.people import webhook_secret
from services.people.access import Actor
from services.people.webhook_secret import SecretMade
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.moment import Moment
from ui.components.section import Section
from ui.components.shown_once import ShownOnce
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage

_LEAD = (
    "Signs every webhook that brings no secret of its own, as Standard Webhooks says. Receivers verify it with one of "
    "its libraries."
)


class WebhooksSection:
    """What signs webhooks, and the way to another."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._made: SecretMade | None = None
        with card("Signing secret", _LEAD):
            self._state = Section(classes="set-now")
            with Tag("div", classes="switch-form"):
                self._make = Tag("button", "Make a secret", "btn primary", type="button", data_icon="key")
                self._remove = Tag("button", "Sign no more", "hidden", type="button")
            self._once = ShownOnce("Signing secret")
        self._make.on("click", self._ask_make, args=[])
        self._remove.on("click", self._ask_remove, args=[])

    async def refresh(self, actor: Actor) -> None:
        """Reads whether there is one."""
        made = await webhook_secret.made(self._page.visit.desk, actor)
        self._made = made
        self._state.show(made, lambda: _draw_state(made))
        self._make.say("Make another" if made else "Make a secret")
        self._make.dress("btn" if made else "btn primary")
        self._remove.dress("btn" if made else "hidden")

    async def _ask_make(self) -> None:
        async def work(actor: Actor) -> None:
            secret = await webhook_secret.make(self._page.visit.desk, actor)
            self._once.show("Give it to your receivers now: it is not shown again.", secret)

        done = "The secret is made."
        if self._made is None:
            await self._page.change(work, done)
            return
        text = "The present one signs nothing from now on: receivers refuse what comes until they have the new one."
        self._page.ask(Question("Make another secret?", text, "Make another", icon="key"), work, done)

    def _ask_remove(self) -> None:
        async def work(actor: Actor) -> None:
            await webhook_secret.remove(self._page.visit.desk, actor)
            self._once.hide()

        text = "Receivers that ask for a signature refuse what brings no secret of its own."
        question = Question("Sign webhooks no more?", text, "Sign no more", icon="no_encryption")
        self._page.ask(question, work, "Webhooks are not signed any more.")


def _draw_state(made: SecretMade | None) -> None:
    if made is None:
        Tag(
            "p",
            "There is none: only webhooks with a secret of their own are signed.",
            "set-state",
            data_icon="lock_open",
        )
        return
    with Tag("p", classes="set-state on", data_icon="lock"), Tag("span"):
        Tag("span", f"Webhooks are signed. Made by {made.by} ")
        Moment(made.at, "ago")
