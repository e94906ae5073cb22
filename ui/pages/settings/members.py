"""Settings: who is in the workspace, who is invited, and what each may do. For admins."""

from typing import TYPE_CHECKING

from nicegui import ui

from services.models import Invitation, now
from services.people import invitations, members
from services.people.access import Actor
from services.people.members import Member
from services.vocabulary import Role
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.pager import Pager
from ui.components.people_lists import ROLE_WORDS, draw_invitations, draw_members, draw_role_options
from ui.components.section import Section
from ui.components.shown_once import ShownOnce
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage

_PAGE = 50
_INVITED = 200


class MembersSection:
    """A form to invite, the members, the invitations that wait."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._drawn = 0
        self._role = Role.MEMBER
        with card(
            "Invite somebody",
            "They get a link from you. Who has an account accepts with it; who is new chooses a password.",
        ):
            with Tag("div", classes="switch-form set-invite"):
                self._email = ui.input("Email").props(
                    "outlined dense type=email maxlength=254 autocomplete=off"
                )
                with Tag("select", classes="pick", aria_label="Role of the new member") as role:
                    draw_role_options(self._role)
                invite = Tag("button", "Invite", "btn primary", type="button", data_icon="person_add")
            self._role_words = Tag("p", "", "muted set-hint")
            self._link = ShownOnce("Link to hand on")
        self._say_role()
        self._members = Section(classes="grid-card set-list")
        self._pager = Pager(page.link, start="First", on="More")
        self._waiting = Section("Invited, and not here yet", classes="card set-waiting")
        role.on("change", lambda e: self._choose(e.args), js_handler="(e) => emit(e.target.value)")
        invite.on("click", self._invite, args=[])
        self._email.on("keydown.enter", self._invite, args=[])

    async def refresh(self, actor: Actor) -> None:
        """Reads members and invitations."""
        desk = self._page.visit.desk
        found, following = await members.list_members(desk, actor, self._page.cursor, _PAGE)
        invited, _ = await invitations.list_invitations(desk, actor, limit=_INVITED)
        self._members.show(
            (self._drawn, tuple(found)),
            lambda: draw_members(found, actor.user_id, self._set_role, self._ask_link, self._ask_remove),
        )
        self._pager.show(self._page.cursor, following)
        key = tuple((one.id, one.expires_at > now()) for one in invited)
        self._waiting.show(
            key, lambda: draw_invitations(invited, now(), self._ask_withdraw), visible=bool(invited)
        )

    # --- inviting -----------------------------------------------------------------------------------------------------

    def _choose(self, role: str) -> None:
        self._role = Role(role)
        self._say_role()

    def _say_role(self) -> None:
        self._role_words.say(f"{self._role.capitalize()}: {ROLE_WORDS[self._role]}.")

    async def _invite(self) -> None:
        async def work(actor: Actor) -> None:
            invited = await invitations.invite(
                self._page.visit.desk, actor, self._email.value or "", self._role
            )
            self._email.set_value("")
            words = f"Send this to {invited.email}. It works once, for 7 days, and is not shown again."
            self._link.show(words, self._page.visit.absolute(invited.link))
            self._page.frame.toasts.success(f"{invited.email} is invited.")

        if await self._page.do(work):
            await self._page.refresh()

    def _ask_withdraw(self, one: Invitation) -> None:
        question = Question(
            f"Withdraw the invitation of {one.email}?",
            "The link that you sent opens nothing any more.",
            "Withdraw",
        )

        async def work(actor: Actor) -> None:
            await invitations.withdraw(self._page.visit.desk, actor, one.id)

        self._page.ask(question, work, "The invitation is withdrawn.")

    # --- members ------------------------------------------------------------------------------------------------------

    async def _set_role(self, one: Member, role: Role) -> None:
        async def work(actor: Actor) -> None:
            await members.set_role(self._page.visit.desk, actor, one.id, role)

        async def give() -> None:
            await self._page.change(work, f"{one.name} is {role} now.")

        # Whatever comes of it, the list is drawn again: a choice that was not carried out must not stand there.
        self._drawn += 1
        if one.id == self._page.actor.user_id and role is not Role.ADMIN:
            text = "You will not be able to change members, credits and settings any more, nor to take this back."
            self._page.confirm.ask(Question(f"Become {role} yourself?", text, f"Become {role}"), give)
            await self._page.refresh()
            return
        await give()
        await self._page.refresh()

    def _ask_link(self, one: Member) -> None:
        text = (
            "Whoever opens it, once and within a day, is signed in as this person and can choose a new password. "
            "Links made before end."
        )

        async def work(actor: Actor) -> None:
            path = await members.sign_in_link(self._page.visit.desk, actor, one.id)
            words = f"Send this to {one.email}. It works once, for a day, and is not shown again."
            self._link.show(words, self._page.visit.absolute(path))

        self._page.ask(
            Question(f"Make a sign-in link for {one.name}?", text, "Make link", icon="key", is_harmless=True),
            work,
            "The link is at the top of the page.",
        )

    def _ask_remove(self, one: Member) -> None:
        is_me = one.id == self._page.actor.user_id
        text = "loses access at once, with every session and token for this workspace. The jobs stay."
        question = Question(f"Remove {one.name}?", f"{one.email} {text}", "Remove")
        if is_me:
            question = Question("Leave this workspace?", "Only an admin can let you in again.", "Leave")

        async def work(actor: Actor) -> None:
            await members.remove_member(self._page.visit.desk, actor, one.id)

        self._page.ask(question, work, "You have left." if is_me else f"{one.name} was removed.")
