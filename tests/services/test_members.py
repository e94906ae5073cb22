"""Members and invitations: who may be let in, let go, and let back in, and by whom."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.errors import (
    AccountExists,
    AlreadyMember,
    Forbidden,
    LastAdmin,
    MemberElsewhere,
    NotFound,
    Unauthenticated,
    WrongAccount,
)
from services.models import AuditEntry, Invitation, Membership, User
from services.people import invitations, members, people, sessions
from services.people.access import Actor
from services.people.sessions import SignedIn
from services.vocabulary import Role
from tests.support.desks import a_person, open_desk

PASSWORD = "correct horse"


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def ada(desk: Desk) -> Actor:
    return await a_person(desk, name="ada")


def token_of(path: str | None) -> str:
    assert path
    return path.partition("=")[2].partition("&")[0]


async def a_session(desk: Desk, actor: Actor) -> str:
    async with desk.db.write() as session:
        user = await session.get_one(User, actor.user_id)
        return (await sessions.open_session(session, desk.settings, user, "Firefox on Linux")).cookie


async def seats(desk: Desk, actor: Actor) -> dict[str, Role]:
    return {seat.slug: seat.role for seat in await people.workspaces_of(desk, actor.user_id)}


async def told(desk: Desk, action: str) -> list[AuditEntry]:
    async with desk.db.read() as session:
        return list(
            (await session.scalars(sa.select(AuditEntry).where(col(AuditEntry.action) == action))).all()
        )


class TestMembers:
    async def test_two_admins_who_demote_each_other_leave_one(self, desk: Desk, ada: Actor) -> None:
        bob = await a_person(desk, name="bob")
        tries = await asyncio.gather(
            members.set_role(desk, ada, bob.user_id, Role.VIEWER),
            members.set_role(desk, bob, ada.user_id, Role.VIEWER),
            return_exceptions=True,
        )
        assert [type(one) for one in tries if isinstance(one, BaseException)] == [LastAdmin]
        async with desk.db.read() as session:
            roles = (await session.scalars(sa.select(col(Membership.role)))).all()
        assert sorted(roles) == [Role.ADMIN, Role.VIEWER]

    async def test_the_last_admin_stays(self, desk: Desk, ada: Actor) -> None:
        await a_person(desk, Role.OPERATOR, name="olaf")
        with pytest.raises(LastAdmin, match=r"ada@example\.org is the only admin"):
            await members.remove_member(desk, ada, ada.user_id)
        assert (await members.set_role(desk, ada, ada.user_id, Role.ADMIN)).role is Role.ADMIN

    async def test_who_is_removed_is_out_here_and_goes_on_elsewhere(self, desk: Desk, ada: Actor) -> None:
        bob = await a_person(desk, Role.MEMBER, name="bob")
        await people.add_user(desk, bob.email, workspace="other", role=Role.VIEWER)
        cookie = await a_session(desk, bob)
        here = await people.create_token(desk, bob.email, workspace="default")
        there = await people.create_token(desk, bob.email, workspace="other")
        await members.remove_member(desk, ada, bob.user_id)
        with pytest.raises(Unauthenticated):
            await people.resolve_token(desk, here)
        assert (await people.resolve_token(desk, there)).workspace_slug == "other"
        assert (await people.resolve_session(desk, cookie)).workspace_slug == "other"
        with pytest.raises(NotFound):
            await people.resolve_session(desk, cookie, "default")
        with pytest.raises(NotFound):
            await members.remove_member(desk, ada, bob.user_id)

    async def test_a_link_opens_no_workspace_that_its_maker_does_not_look_after(
        self, desk: Desk, ada: Actor
    ) -> None:
        bob = await a_person(desk, Role.MEMBER, name="bob")
        path = await members.sign_in_link(desk, ada, bob.user_id)
        # Her link would open the other workspace, too, from the moment that Bob is in it.
        await people.add_user(desk, bob.email, workspace="other", role=Role.ADMIN)
        with pytest.raises(Unauthenticated):
            await people.use_sign_in_link(desk, token_of(path))
        with pytest.raises(MemberElsewhere):
            await members.sign_in_link(desk, ada, bob.user_id)
        await people.add_user(desk, ada.email, workspace="other", role=Role.ADMIN)
        # A token of hers reaches no further than its workspace, and does not become a session of hers.
        program = replace(ada, by_token=True)
        with pytest.raises(MemberElsewhere):
            await members.sign_in_link(desk, program, bob.user_id)
        with pytest.raises(Forbidden):
            await members.sign_in_link(desk, program, ada.user_id)
        assert await members.sign_in_link(desk, ada, ada.user_id)
        path = await members.sign_in_link(desk, ada, bob.user_id)
        assert (await people.use_sign_in_link(desk, token_of(path))).user.email == bob.email

    async def test_pages_are_paged_by_key_and_hold_this_workspace_only(self, desk: Desk, ada: Actor) -> None:
        await a_person(desk, workspace="elsewhere")
        for n in range(4):
            await a_person(desk, Role.MEMBER, name=f"m{n}")
        first, cursor = await members.list_members(desk, ada, limit=3)
        second, end = await members.list_members(desk, ada, cursor, limit=3)
        assert [one.name for one in first + second] == ["ada", "m0", "m1", "m2", "m3"]
        assert end is None


class TestInvitations:
    async def test_ten_who_use_a_link_at_once_are_one(self, desk: Desk, ada: Actor) -> None:
        invited = await invitations.invite(desk, ada, "New@Example.org", Role.OPERATOR)
        token = token_of(invited.link)
        offer = await invitations.look_at(desk, token)
        assert (offer.email, offer.role, offer.invited_by) == ("new@example.org", Role.OPERATOR, ada.email)
        tries = await asyncio.gather(
            *(invitations.join(desk, token, f"New {n}", PASSWORD) for n in range(10)),
            return_exceptions=True,
        )
        (signed_in,) = [one for one in tries if isinstance(one, SignedIn)]
        assert all(isinstance(one, (SignedIn, Unauthenticated)) for one in tries)
        actor = await people.resolve_session(desk, signed_in.cookie)
        assert (actor.email, actor.role) == ("new@example.org", Role.OPERATOR)
        assert (await sessions.sign_in(desk, "new@example.org", PASSWORD, "::1")).cookie
        async with desk.db.read() as session:
            told = (await session.scalars(sa.select(AuditEntry).order_by(col(AuditEntry.id)))).all()
        assert [entry.action for entry in told] == ["member.invite", "member.join"]
        assert token not in str([entry.data for entry in told])

    async def test_many_invitations_of_one_person_leave_the_last_link(self, desk: Desk, ada: Actor) -> None:
        made = await asyncio.gather(
            *(invitations.invite(desk, ada, "new@example.org", Role.MEMBER) for _ in range(3))
        )
        (left,), _ = await invitations.list_invitations(desk, ada)
        for one in made:
            if one.id == left.id:
                assert (await invitations.look_at(desk, token_of(one.link))).email == left.email
            else:
                with pytest.raises(Unauthenticated):
                    await invitations.look_at(desk, token_of(one.link))
        await invitations.withdraw(desk, ada, left.id)
        with pytest.raises(NotFound):
            await invitations.withdraw(desk, ada, left.id)

    async def test_a_link_never_opens_an_account_that_is_there(self, desk: Desk, ada: Actor) -> None:
        token = token_of((await invitations.invite(desk, ada, "bob@example.org", Role.VIEWER)).link)
        assert not (await invitations.look_at(desk, token)).has_account
        bob = await a_person(desk, workspace="other", name="bob")  # meanwhile
        assert (await invitations.look_at(desk, token)).has_account
        with pytest.raises(AccountExists):
            await invitations.join(desk, token, "Mallory", "mallory's own")
        assert await seats(desk, bob) == {"other": Role.ADMIN}
        with pytest.raises(Unauthenticated):
            await sessions.sign_in(desk, bob.email, "mallory's own", "::1")
        assert await invitations.accept(desk, bob, token) == "default"  # a refusal did not use it up
        assert await seats(desk, bob) == {"default": Role.VIEWER, "other": Role.ADMIN}

    async def test_who_has_an_account_joins_by_accepting_as_that_account(
        self, desk: Desk, ada: Actor
    ) -> None:
        # Whoever made Bob's account elsewhere may sign in as Bob: only the link shows that this one is meant.
        bob, eve = [await a_person(desk, workspace="other", name=name) for name in ("bob", "eve")]
        invited = await invitations.invite(desk, ada, bob.email, Role.MEMBER)
        token = token_of(invited.link)
        assert await seats(desk, bob) == {"other": Role.ADMIN}
        with pytest.raises(
            WrongAccount, match=r"for bob@example\.org, and you are signed in as eve@example\.org"
        ):
            await invitations.accept(desk, eve, token)
        with pytest.raises(Forbidden):
            await invitations.accept(desk, replace(bob, by_token=True), token)
        tries = await asyncio.gather(
            *(invitations.accept(desk, bob, token) for _ in range(5)), return_exceptions=True
        )
        assert [one for one in tries if not isinstance(one, Unauthenticated)] == ["default"]
        assert await seats(desk, bob) == {"default": Role.MEMBER, "other": Role.ADMIN}
        with pytest.raises(AlreadyMember, match="as member"):
            await invitations.invite(desk, ada, bob.email, Role.ADMIN)
        (entry,) = await told(desk, "member.join")
        assert (entry.actor, entry.data) == (bob.email, {"role": "member", "invited_by": ada.email})

    async def test_one_of_two_accounts_at_once_becomes_nobody_elses(self, desk: Desk, ada: Actor) -> None:
        """The account is made by one link and needed by the other, at the same time."""
        carl = await a_person(desk, workspace="other", name="carl")
        first, second = [
            token_of((await invitations.invite(desk, admin, "new@example.org", Role.ADMIN)).link)
            for admin in (ada, carl)
        ]
        tries = await asyncio.gather(
            invitations.join(desk, first, "New", PASSWORD),
            invitations.join(desk, second, "Mallory", "mallory's own"),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in tries) == ["AccountExists", "SignedIn"]
        async with desk.db.read() as session:
            assert (
                len(
                    (await session.scalars(sa.select(User).where(col(User.email) == "new@example.org"))).all()
                )
                == 1
            )
            assert len((await session.scalars(sa.select(Invitation))).all()) == 1, "the other still waits"

    async def test_an_account_in_no_workspace_is_opened_by_the_link_anew(
        self, desk: Desk, ada: Actor
    ) -> None:
        await people.add_user(desk, "bob@example.org", role=Role.MEMBER, password=PASSWORD)
        bob = (await sessions.sign_in(desk, "bob@example.org", PASSWORD, "::1")).user
        await members.remove_member(desk, ada, bob.id)
        token = token_of((await invitations.invite(desk, ada, bob.email, Role.VIEWER)).link)
        assert not (await invitations.look_at(desk, token)).has_account
        signed_in = await invitations.join(desk, token, "Bob again", "another password")
        assert signed_in.user.id == bob.id
        assert (await people.resolve_session(desk, signed_in.cookie)).role is Role.VIEWER
        with pytest.raises(Unauthenticated):
            await sessions.sign_in(desk, bob.email, PASSWORD, "::1")

    async def test_declined_it_opens_nothing_and_the_log_says_so(self, desk: Desk, ada: Actor) -> None:
        bob = await a_person(desk, workspace="other", name="bob")
        token = token_of((await invitations.invite(desk, ada, bob.email, Role.MEMBER)).link)
        await invitations.decline(desk, token)
        for use in (invitations.accept(desk, bob, token), invitations.decline(desk, token)):
            with pytest.raises(Unauthenticated):
                await use
        (entry,) = await told(desk, "invitation.decline")
        assert (entry.workspace_id, entry.actor) == (ada.workspace_id, bob.email)
        assert await invitations.list_invitations(desk, ada) == ([], None)

    async def test_who_is_added_from_the_shell_needs_no_invitation_any_more(
        self, desk: Desk, ada: Actor
    ) -> None:
        token = token_of((await invitations.invite(desk, ada, "bob@example.org", Role.ADMIN)).link)
        await people.add_user(desk, "bob@example.org", role=Role.VIEWER)
        with pytest.raises(Unauthenticated):
            await invitations.look_at(desk, token)

    async def test_those_of_who_is_no_admin_any_more_end(self, desk: Desk, ada: Actor) -> None:
        kept = await invitations.invite(desk, ada, "kept@example.org", Role.MEMBER)
        bob, eve = [await a_person(desk, name=name) for name in ("bob", "eve")]
        made = [
            await invitations.invite(desk, one, f"again-{one.name}@example.org", Role.ADMIN)
            for one in (bob, eve)
        ]
        await members.set_role(desk, ada, bob.user_id, Role.VIEWER)
        await members.remove_member(desk, ada, eve.user_id)
        for one in made:
            with pytest.raises(Unauthenticated):
                await invitations.join(desk, token_of(one.link), "Again", PASSWORD)
        assert (await invitations.look_at(desk, token_of(kept.link))).email == "kept@example.org"

    async def test_too_old_or_made_up_opens_nothing(self, desk: Desk, ada: Actor) -> None:
        token = token_of((await invitations.invite(desk, ada, "new@example.org", Role.VIEWER)).link)
        async with desk.db.write() as session:
            await session.execute(sa.update(Invitation).values(expires_at=db_now(-1)))
        for one in (token, "", "inv_x", "\x00", "\ud800"):
            with pytest.raises(Unauthenticated):
                await invitations.join(desk, one, "New", PASSWORD)


class TestSessions:
    async def test_a_person_sees_their_own_and_ends_one_or_the_others(self, desk: Desk, ada: Actor) -> None:
        bob = await a_person(desk, name="bob")
        his = await a_session(desk, bob)
        mine, other, third = [await a_session(desk, ada) for _ in range(3)]
        found = await sessions.list_sessions(desk, ada, mine)
        assert [one.is_this for one in found] == [True, False, False]
        assert {one.browser for one in found} == {"Firefox on Linux"}
        (its_id,) = [one.id for one in await sessions.list_sessions(desk, ada, other) if one.is_this]
        await sessions.end_session(desk, ada, its_id)
        for one in (its_id, "", "%" * 16, (await sessions.list_sessions(desk, bob, his))[0].id):
            with pytest.raises(NotFound):
                await sessions.end_session(desk, ada, one)
        await sessions.end_other_sessions(desk, ada, mine)
        for cookie in (other, third):
            with pytest.raises(Unauthenticated):
                await people.resolve_session(desk, cookie)
        assert (await people.resolve_session(desk, mine)).email == ada.email
        assert (await people.resolve_session(desk, his)).email == bob.email
