"""Members, invitations, tokens and sessions, as tables."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

from services.models import Invitation
from services.people.members import Member
from services.people.sessions import OpenSession
from services.people.tokens import OwnedToken
from services.vocabulary import Role
from ui.components.element import Tag
from ui.components.moment import Moment

ROLE_WORDS = {
    Role.ADMIN: "everything: jobs, members, credits, settings",
    Role.OPERATOR: "looks after every job",
    Role.MEMBER: "sees and runs own jobs only",
    Role.VIEWER: "sees every job, changes nothing",
}

OnRole = Callable[[Member, Role], Coroutine[Any, Any, None]]
OnMember = Callable[[Member], Any]


def draw_members(
    members: Sequence[Member], me: UUID, on_role: OnRole, on_link: OnMember, on_remove: OnMember
) -> None:
    """Each with a role to be chosen, and what else can be done. The only admin stays what they are."""
    with _table("Members", ("Person", "Role", "Since", "Actions")):
        for one in members:
            with Tag("tr"):
                with Tag("td", classes="who"):
                    Tag("div", f"{one.name} (you)" if one.id == me else one.name)
                    Tag("div", one.email, "muted")
                with Tag("td", classes="role"):
                    _role(one, on_role)
                with Tag("td", classes="when"):
                    Moment(one.since, "ago")
                with Tag("td", classes="deeds"):
                    if one.id != me:
                        _button("Sign-in link", f"Make a sign-in link for {one.name}", on_link, one)
                    if not one.is_only_admin:
                        word = "Leave" if one.id == me else "Remove"
                        about = "Leave the workspace" if one.id == me else f"Remove {one.name}"
                        _button(word, about, on_remove, one, danger=True)


def draw_role_options(chosen: Role) -> None:
    """The options of a native select."""
    for role in Role:
        Tag("option", str(role), value=str(role), selected=True if role is chosen else None)


def draw_invitations(found: Sequence[Invitation], now: Any, on_withdraw: Callable[[Invitation], Any]) -> None:
    """Those that nobody has used."""
    with _table("Invitations", ("Email", "Role", "Until", "Actions")):
        for one in found:
            with Tag("tr"):
                with Tag("td", classes="who"):
                    Tag("div", one.email)
                    Tag("div", f"invited by {one.invited_by}", "muted")
                Tag("td", str(one.role))
                with Tag("td", classes="when"):
                    if one.expires_at > now:
                        Moment(one.expires_at, "datetime")
                    else:
                        Tag("span", "too old; invite again", "lack", data_icon="warning_amber")
                with Tag("td", classes="deeds"):
                    _button(
                        "Withdraw", f"Withdraw the invitation of {one.email}", on_withdraw, one, danger=True
                    )


def draw_tokens(found: Sequence[OwnedToken], on_revoke: Callable[[OwnedToken], Any], *, owners: bool) -> None:
    """Each with what it can be told by. `owners`: whether it is said whose they are."""
    names = ("Name", "Made", "Last used", "Until", "Actions")
    with _table("API tokens", names):
        for one in found:
            token = one.token
            with Tag("tr"):
                with Tag("td", classes="who"):
                    Tag("div", token.name)
                    ending = f"ends in {token.ending}" if token.ending else "older than its last characters"
                    Tag("div", f"{one.email} · {ending}" if owners else ending, "muted")
                with Tag("td", classes="when"):
                    Moment(token.created_at, "ago")
                with Tag("td", classes="muted used" if token.last_used_at else "muted"):
                    if token.last_used_at:
                        Moment(token.last_used_at, "ago")
                    else:
                        Tag("span", "never used")
                with Tag("td", classes="muted until" if token.expires_at else "muted"):
                    if token.expires_at:
                        Moment(token.expires_at, "datetime")
                    else:
                        Tag("span", "no end")
                with Tag("td", classes="deeds"):
                    _button("Revoke", f"Revoke {token.name}", on_revoke, one, danger=True)


def draw_sessions(found: Sequence[OpenSession], on_end: Callable[[OpenSession], Any]) -> None:
    """Where somebody is signed in, this browser first."""
    with _table("Sessions", ("Browser", "Signed in", "Last seen", "Actions")):
        for one in found:
            with Tag("tr"):
                with Tag("td", classes="who"):
                    Tag("div", one.browser or "A browser that does not say which")
                    if one.is_this:
                        Tag("div", "this browser", "muted")
                with Tag("td", classes="when"):
                    Moment(one.created_at, "ago")
                with Tag("td", classes="muted seen"):
                    Moment(one.seen_at, "ago")
                with Tag("td", classes="deeds"):
                    if not one.is_this:
                        _button("Sign out", f"Sign out {one.browser or 'this one'}", on_end, one)


def _role(one: Member, on_role: OnRole) -> None:
    if one.is_only_admin:
        Tag("span", str(one.role))
        Tag("div", "the only admin", "muted")
        return
    with Tag("select", classes="pick small", aria_label=f"Role of {one.name}") as select:
        draw_role_options(one.role)
    select.on(
        "change", lambda event: on_role(one, Role(event.args)), js_handler="(e) => emit(e.target.value)"
    )


def _table(label: str, names: Sequence[str]) -> Tag:
    """A table's head; the answer is its body, to be drawn in."""
    with Tag("table", classes="log-table people", aria_label=label):
        with Tag("thead"), Tag("tr"):
            for name in names:
                Tag("th", name, scope="col")
        return Tag("tbody")


def _button(
    word: str, about: str, on_click: Callable[[Any], Any], one: object, *, danger: bool = False
) -> None:
    classes = "btn small danger" if danger else "btn small"
    button = Tag("button", word, classes, type="button", aria_label=about)
    button.on("click", lambda: on_click(one), args=[])
