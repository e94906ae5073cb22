"""Users, workspaces, sessions, links and tokens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import sqlalchemy as sa

from services.database.database import Database, db_now
from services.desk import Desk
from services.errors import Invalid, NotFound, RateLimited, Unauthenticated
from services.models import ApiToken, CreditEntry, Membership, SignInLink, User, WebSession, Workspace, now
from services.people import people, sessions, tokens
from services.people.access import Actor
from services.people.people import Records
from services.settings import Settings, SettingsError
from services.vocabulary import CreditReason, Role
from tests.support.desks import open_desk
from tests.support.valkey import ValkeyServer

EMAIL, PASSWORD = "mara@example.org", "correct horse"


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def the(desk: Desk, query: Any) -> Any:
    async with desk.db.read() as session:
        return (await session.scalars(query)).one()


async def change(desk: Desk, statement: Any) -> None:
    async with desk.db.write() as session:
        await session.execute(statement)


def link_token(path: str | None) -> str:
    assert path
    return path.removeprefix("/login?link=")


class TestAddUser:
    async def test_a_new_workspace_starts_with_credits_in_its_ledger(self, desk: Desk) -> None:
        added = await people.add_user(desk, "Mara@Example.org", workspace="Café Übersee", password=PASSWORD)
        assert (added.user.email, added.workspace.slug, added.role) == (EMAIL, "cafe-ubersee", Role.ADMIN)
        assert added.link is None
        workspace = await the(desk, sa.select(Workspace))
        entry = await the(desk, sa.select(CreditEntry))
        assert (workspace.balance, entry.amount, entry.balance_after) == (100, 100, 100)
        assert entry.reason is CreditReason.INITIAL

    async def test_a_known_workspace_takes_members_and_keeps_its_credits(self, desk: Desk) -> None:
        await people.add_user(desk, EMAIL)
        added = await people.add_user(desk, "tom@example.org", workspace="Default")
        assert added.role is Role.MEMBER
        assert (await the(desk, sa.select(Workspace))).balance == 100

    async def test_a_known_user_gets_the_new_role(self, desk: Desk) -> None:
        first = await people.add_user(desk, EMAIL, role=Role.VIEWER)
        second = await people.add_user(desk, EMAIL, role=Role.OPERATOR)
        assert first.user.id == second.user.id
        assert (await the(desk, sa.select(Membership))).role is Role.OPERATOR
        assert (await people.add_user(desk, EMAIL)).role is Role.OPERATOR

    async def test_many_at_once_make_one_workspace(self, desk: Desk) -> None:
        await asyncio.gather(
            *(people.add_user(desk, f"u{n % 3}@example.org", workspace="New") for n in range(9))
        )
        assert (await the(desk, sa.select(Workspace))).balance == 100
        assert await the(desk, sa.select(sa.func.count()).select_from(Membership)) == 3

    @pytest.mark.parametrize(
        "email", ["", "mara", "@example.org", "a b@c.org", "a\x00@b.org", "a@b@c", "x" * 65 + "@y"]
    )
    async def test_no_email_no_user(self, desk: Desk, email: str) -> None:
        with pytest.raises(Invalid, match="no email"):
            await people.add_user(desk, email)

    @pytest.mark.parametrize("name", ["", "!!!", "日本", "x" * 101, "a\x00b"])
    async def test_a_workspace_has_a_name_for_addresses(self, desk: Desk, name: str) -> None:
        with pytest.raises(Invalid, match="workspace's name"):
            await people.add_user(desk, EMAIL, workspace=name)


class TestFirstUser:
    async def test_two_web_processes_make_one(self, desk: Desk) -> None:
        other = Database(desk.settings.effective_database_url)
        made = await asyncio.gather(
            *(people.ensure_first_user(Records(desk.settings, d)) for d in (desk.db, other) * 3)
        )
        await other.close()
        assert len([user for user in made if user]) == 1
        assert (await the(desk, sa.select(User))).email == "admin@localhost"
        assert await people.ensure_first_user(desk) is None

    async def test_the_settings_name_them(self, desk: Desk) -> None:
        settings = desk.settings.model_copy(update={"admin_email": EMAIL, "admin_password": PASSWORD})
        await people.ensure_first_user(Records(settings, desk.db))
        signed_in = await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")
        actor = await people.resolve_session(desk, signed_in.cookie)
        assert (actor.email, actor.role, actor.workspace_slug) == (EMAIL, Role.ADMIN, "default")
        assert await people.first_link_path(settings) is None

    async def test_a_wrong_email_is_told_as_a_setting(self, desk: Desk) -> None:
        settings = desk.settings.model_copy(update={"admin_email": "nobody"})
        with pytest.raises(SettingsError, match="MULLIGAN_ADMIN_EMAIL"):
            await people.ensure_first_user(Records(settings, desk.db))

    async def test_links_of_the_first_start_work_until_somebody_is_in(self, desk: Desk) -> None:
        first = link_token(await people.first_link_path(desk.settings))
        second = link_token(await people.first_link_path(desk.settings))
        signed_in = await people.use_sign_in_link(desk, first)
        assert (await people.resolve_session(desk, signed_in.cookie)).is_admin
        with pytest.raises(Unauthenticated, match="used already"):
            await people.use_sign_in_link(desk, second)
        await sessions.sign_out(desk, signed_in.cookie)
        assert await people.first_link_path(desk.settings) is None


class TestLinks:
    async def test_a_link_works_once_though_ten_use_it_at_once(self, desk: Desk) -> None:
        token = link_token((await people.add_user(desk, EMAIL)).link)
        tries = await asyncio.gather(
            *(people.use_sign_in_link(desk, token) for _ in range(10)), return_exceptions=True
        )
        assert len([t for t in tries if not isinstance(t, BaseException)]) == 1
        assert all(isinstance(t, (Unauthenticated, sessions.SignedIn)) for t in tries)

    async def test_a_link_is_good_for_a_day(self, desk: Desk) -> None:
        token = link_token((await people.add_user(desk, EMAIL)).link)
        left = (await the(desk, sa.select(SignInLink))).expires_at - now()
        assert timedelta(hours=23) < left <= timedelta(hours=24)
        await change(desk, sa.update(SignInLink).values(expires_at=db_now(-1)))
        with pytest.raises(Unauthenticated):
            await people.use_sign_in_link(desk, token)

    @pytest.mark.parametrize("token", ["", "link_x", "\x00", "\ud800", "x" * 10_000])
    async def test_what_is_no_link_opens_nothing(self, desk: Desk, token: str) -> None:
        with pytest.raises(Unauthenticated):
            await people.use_sign_in_link(desk, token)


class TestSignIn:
    @pytest.fixture(autouse=True)
    async def somebody(self, desk: Desk) -> None:
        await people.add_user(desk, EMAIL, password=PASSWORD)

    async def test_the_session_stands_for_the_person(self, desk: Desk) -> None:
        signed_in = await sessions.sign_in(desk, " MARA@example.org ", PASSWORD, "::1")
        actor = await people.resolve_session(desk, signed_in.cookie)
        assert (actor.email, actor.role, actor.workspace_slug) == (EMAIL, Role.ADMIN, "default")
        stored = await the(desk, sa.select(WebSession))
        assert stored.token_hash not in signed_in.cookie
        assert PASSWORD not in (await the(desk, sa.select(User))).password_hash

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            (EMAIL, "wrong"),
            (EMAIL, ""),
            ("nobody@example.org", PASSWORD),
            ("\x00", "x"),
            (EMAIL, "\ud800"),
            (EMAIL, "x" * 5000),
        ],
    )
    async def test_one_answer_to_all_that_is_wrong(self, desk: Desk, email: str, password: str) -> None:
        with pytest.raises(Unauthenticated, match=r"The email or the password is wrong\."):
            await sessions.sign_in(desk, email, password, "::1")

    async def test_time_does_not_tell_who_is_known(self, desk: Desk) -> None:
        async def took(email: str, address: str) -> float:
            start = perf_counter()
            with pytest.raises(Unauthenticated):
                await sessions.sign_in(desk, email, "wrong", address)
            return perf_counter() - start

        await took("warm@example.org", "0")
        known = min([await took(EMAIL, str(n)) for n in range(4)])
        unknown = min([await took("nobody@example.org", str(n)) for n in range(4)])
        # Without the dummy it is a tenth; the machine may be busy with other things meanwhile.
        assert unknown > known / 4

    async def test_a_user_without_a_password_has_none_that_fits(self, desk: Desk) -> None:
        await people.add_user(desk, "link@example.org")
        for password in ("", "the password of nobody"):
            with pytest.raises(Unauthenticated):
                await sessions.sign_in(desk, "link@example.org", password, "::1")

    async def test_too_many_tries_wait_and_others_do_not(self, desk: Desk) -> None:
        for _ in range(10):
            with pytest.raises(Unauthenticated):
                await sessions.sign_in(desk, EMAIL, "wrong", "10.0.0.1")
        with pytest.raises(RateLimited) as refused:
            await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.1")
        assert 0 < refused.value.data["retry_after"] <= 300
        assert (await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.2")).cookie

    async def test_who_comes_in_counts_for_nothing(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "_TRIES_PER_ADDRESS", 2)
        for _ in range(4):
            await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.1")
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await sessions.sign_in(desk, "b@example.org", "wrong", "10.0.0.1")
        with pytest.raises(RateLimited):
            await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.1")

    async def test_redis_away_keeps_nobody_out(self, desk: Desk, valkey: ValkeyServer) -> None:
        valkey.stop()
        assert (await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.1")).cookie

    async def test_redis_hanging_keeps_nobody_out(self, desk: Desk, valkey: ValkeyServer) -> None:
        valkey.pause()
        assert (await sessions.sign_in(desk, EMAIL, PASSWORD, "10.0.0.1")).cookie


class TestSessions:
    @pytest.fixture
    async def cookie(self, desk: Desk) -> str:
        await people.add_user(desk, EMAIL, password=PASSWORD)
        return (await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")).cookie

    async def test_signing_out_revokes(self, desk: Desk, cookie: str) -> None:
        await sessions.sign_out(desk, cookie)
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, cookie)
        await sessions.sign_out(desk, cookie)

    async def test_a_session_ends_with_its_time(self, desk: Desk, cookie: str) -> None:
        await change(desk, sa.update(WebSession).values(expires_at=db_now(-1)))
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, cookie)

    async def test_a_cookie_signed_with_another_key_is_none(self, desk: Desk, cookie: str) -> None:
        other = Records(Settings(secret_key="another", _env_file=None), desk.db)
        with pytest.raises(Unauthenticated):
            await people.resolve_session(other, cookie)

    @pytest.mark.parametrize("cookie", [None, "", "x", "sess_x.y", "é", "\x00", ".", "x" * 10_000])
    async def test_what_is_no_cookie_is_nobody(self, desk: Desk, cookie: str | None) -> None:
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, cookie)

    async def test_the_workspace_is_the_one_named_else_the_one_seen_last(
        self, desk: Desk, cookie: str
    ) -> None:
        second = await people.add_user(desk, EMAIL, workspace="second", role=Role.VIEWER)
        await people.add_user(desk, "else@example.org", workspace="foreign")
        assert (await people.resolve_session(desk, cookie)).workspace_slug == "default"
        actor = await people.resolve_session(desk, cookie, "second")
        assert (actor.workspace_slug, actor.role) == ("second", Role.VIEWER)
        await sessions.remember_workspace(desk, cookie, second.workspace.id)
        assert (await people.resolve_session(desk, cookie)).workspace_slug == "second"
        for slug in ("foreign", "nowhere", "\x00"):
            with pytest.raises(NotFound):
                await people.resolve_session(desk, cookie, slug)
        seats = await people.workspaces_of(desk, actor.user_id)
        assert [(seat.slug, seat.role) for seat in seats] == [
            ("default", Role.ADMIN),
            ("second", Role.VIEWER),
        ]

    async def test_who_is_taken_out_of_every_workspace_is_out(self, desk: Desk, cookie: str) -> None:
        await change(desk, sa.delete(Membership))
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, cookie)
        with pytest.raises(Unauthenticated, match="no workspace"):
            await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")


class TestPassword:
    async def test_one_set_from_the_shell_ends_sessions_and_links(self, desk: Desk) -> None:
        link = link_token((await people.add_user(desk, EMAIL)).link)
        await people.add_user(desk, EMAIL, password=PASSWORD)
        with pytest.raises(Unauthenticated):
            await people.use_sign_in_link(desk, link)
        cookie = (await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")).cookie
        await people.add_user(desk, EMAIL, role=Role.VIEWER)
        await people.resolve_session(desk, cookie)  # a new role is no new password
        await people.add_user(desk, EMAIL, password="another one")
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, cookie)

    async def test_who_came_by_link_can_sign_in_again(self, desk: Desk) -> None:
        token = link_token((await people.add_user(desk, EMAIL)).link)
        cookie = (await people.use_sign_in_link(desk, token)).cookie
        actor = await people.resolve_session(desk, cookie)
        await people.set_password(desk, actor, PASSWORD, cookie=cookie)
        elsewhere = await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")
        await people.set_password(desk, actor, "another one", cookie=cookie)
        await people.resolve_session(desk, cookie)
        with pytest.raises(Unauthenticated):
            await people.resolve_session(desk, elsewhere.cookie)

    async def test_an_old_session_must_say_the_current_one(self, desk: Desk) -> None:
        await people.add_user(desk, EMAIL, password=PASSWORD)
        cookie = (await sessions.sign_in(desk, EMAIL, PASSWORD, "::1")).cookie
        actor = await people.resolve_session(desk, cookie)
        await change(desk, sa.update(WebSession).values(created_at=now() - timedelta(hours=1)))
        for current in (None, "wrong"):
            with pytest.raises(Unauthenticated, match="current password"):
                await people.set_password(desk, actor, "another one", cookie=cookie, current=current)
        await people.set_password(desk, actor, "another one", cookie=cookie, current=PASSWORD)
        assert (await sessions.sign_in(desk, EMAIL, "another one", "::1")).cookie

    async def test_the_current_one_is_not_found_out_by_trying(self, desk: Desk, valkey: ValkeyServer) -> None:
        await people.add_user(desk, EMAIL, password=PASSWORD)
        actor = await people.resolve_token(desk, await people.create_token(desk, EMAIL))
        for _ in range(10):
            with pytest.raises(Unauthenticated, match="current password"):
                await people.set_password(desk, actor, "another one", current="a guess")
        with pytest.raises(RateLimited):
            await people.set_password(desk, actor, "another one", current=PASSWORD)

    async def test_a_short_one_is_refused(self, desk: Desk) -> None:
        added = await people.add_user(desk, EMAIL)
        actor = Actor.of(added.user, added.workspace, await the(desk, sa.select(Membership)))
        with pytest.raises(Invalid, match="between 8 and 1000"):
            await people.set_password(desk, actor, "seven77")


class TestTokens:
    @pytest.fixture(autouse=True)
    async def somebody(self, desk: Desk) -> None:
        await people.add_user(desk, EMAIL, role=Role.OPERATOR)

    async def test_a_token_stands_for_a_user_in_a_workspace(self, desk: Desk) -> None:
        await people.add_user(desk, EMAIL, workspace="second", role=Role.VIEWER)
        first = await people.resolve_token(desk, await people.create_token(desk, EMAIL))
        second = await people.resolve_token(desk, await people.create_token(desk, EMAIL, workspace="second"))
        assert (first.workspace_slug, first.role) == ("default", Role.OPERATOR)
        assert (second.workspace_slug, second.role) == ("second", Role.VIEWER)

    async def test_only_its_hash_is_kept(self, desk: Desk) -> None:
        token = await people.create_token(desk, EMAIL, name="nightly")
        stored = await the(desk, sa.select(ApiToken))
        assert token.startswith("mull_")
        assert token not in stored.model_dump_json()

    async def test_its_use_is_noted_at_most_once_a_minute(self, desk: Desk) -> None:
        token = await people.create_token(desk, EMAIL)
        await people.resolve_token(desk, token)
        noted = (await the(desk, sa.select(ApiToken))).last_used_at
        assert noted
        await people.resolve_token(desk, token)
        assert (await the(desk, sa.select(ApiToken))).last_used_at == noted
        await change(desk, sa.update(ApiToken).values(last_used_at=now() - timedelta(seconds=61)))
        await people.resolve_token(desk, token)
        assert (await the(desk, sa.select(ApiToken))).last_used_at >= noted

    async def test_it_ends_when_revoked_by_its_owner(self, desk: Desk) -> None:
        token = await people.create_token(desk, EMAIL)
        actor = await people.resolve_token(desk, token)
        await people.add_user(desk, "other@example.org", role=Role.OPERATOR)
        stranger = await people.resolve_token(desk, await people.create_token(desk, "other@example.org"))
        ((mine,), _) = await tokens.list_tokens(desk, actor)
        assert (mine.email, mine.token.ending) == (EMAIL, token[-4:])
        with pytest.raises(NotFound):
            await tokens.revoke_token(desk, stranger, mine.token.id)
        await tokens.revoke_token(desk, actor, mine.token.id)
        with pytest.raises(Unauthenticated):
            await people.resolve_token(desk, token)
        assert await tokens.list_tokens(desk, actor) == ([], None)

    async def test_it_ends_with_its_time_and_with_the_membership(self, desk: Desk) -> None:
        short = await people.create_token(desk, EMAIL, lifetime=timedelta(seconds=-1))
        with pytest.raises(Unauthenticated):
            await people.resolve_token(desk, short)
        lasting = await people.create_token(desk, EMAIL)
        await change(desk, sa.delete(Membership))
        with pytest.raises(Unauthenticated):
            await people.resolve_token(desk, lasting)

    async def test_it_is_for_one_workspace(self, desk: Desk) -> None:
        token = await people.create_token(desk, EMAIL)
        assert (await tokens.resolve_token(desk, token, "default")).role is Role.OPERATOR
        with pytest.raises(NotFound):
            await tokens.resolve_token(desk, token, "second")

    @pytest.mark.parametrize("raw", ["", "mull_x", "\x00", "\ud800", "x" * 100_000])
    async def test_what_is_no_token_is_nobody(self, desk: Desk, raw: str) -> None:
        with pytest.raises(Unauthenticated):
            await people.resolve_token(desk, raw)

    async def test_there_is_none_for_strangers(self, desk: Desk) -> None:
        for email, workspace in (("nobody@example.org", None), (EMAIL, "second")):
            with pytest.raises(NotFound, match="There is no user"):
                await people.create_token(desk, email, workspace=workspace)
        with pytest.raises(Invalid, match="name"):
            await people.create_token(desk, EMAIL, name=" ")
