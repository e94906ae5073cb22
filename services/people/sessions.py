"""Signed-in browsers: sign in, out, and who a cookie stands for. A session is a row, so that it can be revoked."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from itsdangerous import BadSignature, Signer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import rate_limit
from services.database.database import db_now
from services.desk import Desk
from services.errors import NotFound, Unauthenticated
from services.ids import new_token, token_hash
from services.models import Membership, User, WebSession, Workspace, now
from services.people import passwords
from services.people.access import Accounts, Actor
from services.people.links import end_first_links
from services.settings import Settings

logger = logging.getLogger(__name__)

COOKIE = "mulligan_session"

_WINDOW_SECONDS = 300
_TRIES_PER_PERSON_AND_ADDRESS = 10
_TRIES_PER_ADDRESS = 100
_COOKIE_LIMIT = 300
_NOTE_USE_EVERY_SECONDS = 300
_ID_DIGITS = 16
_SHOWN = 100


@dataclass(frozen=True)
class SignedIn:
    """A new session: the cookie's value, to be kept by the browser for `max_age` seconds."""

    user: User
    cookie: str
    max_age: int


@dataclass(frozen=True)
class OpenSession:
    """A browser that a person is signed in with."""

    id: str
    """The beginning of the stored hash: it names the session, and opens nothing."""
    browser: str | None
    created_at: datetime
    seen_at: datetime
    is_this: bool
    """Whether it is the one that asks."""


async def sign_in(
    desk: Desk, email: str, password: str, address: str, browser: str | None = None
) -> SignedIn:
    """Signs in with a password, from a network address, with a browser that calls itself so.

    Raises:
        Unauthenticated: one of the two is wrong; which one, neither words nor time tell.
        RateLimited: too many tries.
    """
    email = email.strip().lower()
    person = f"{email} {address}"
    redis = desk.feed.redis
    await rate_limit.hit(redis, "address", address, limit=_TRIES_PER_ADDRESS, window=_WINDOW_SECONDS)
    await rate_limit.hit(
        redis, "sign-in", person, limit=_TRIES_PER_PERSON_AND_ADDRESS, window=_WINDOW_SECONDS
    )
    user = await _user_by_email(desk, email)
    if not await passwords.matches(user.password_hash if user else None, password) or user is None:
        raise Unauthenticated("The email or the password is wrong.")
    await rate_limit.forget(redis, "sign-in", person)
    # Counted before and not only when it failed, so that tries at the same time are limited as well.
    await rate_limit.take_back(redis, "address", address)
    stronger = None
    if user.password_hash and passwords.is_outdated(user.password_hash):
        stronger = await passwords.hash_password(password)

    async def work(session: AsyncSession) -> SignedIn:
        if stronger:
            change = sa.update(User).where(
                col(User.id) == user.id, col(User.password_hash) == user.password_hash
            )
            await session.execute(change.values(password_hash=stronger))
        return await open_session(session, desk.settings, user, browser)

    return await desk.db.transact(work)


async def open_session(
    session: AsyncSession, settings: Settings, user: User, browser: str | None = None
) -> SignedIn:
    """A new session in the caller's transaction, for a person who has proved to be the user.

    Raises:
        Unauthenticated: the user is a member of no workspace.
    """
    member = sa.select(col(Membership.user_id)).where(col(Membership.user_id) == user.id).limit(1)
    if (await session.scalars(member)).one_or_none() is None:
        raise Unauthenticated("This account is in no workspace. Ask an admin to add it to one.")
    token = new_token("sess")
    lifetime = timedelta(days=settings.session_days)
    await session.execute(sa.delete(WebSession).where(col(WebSession.expires_at) < db_now()))
    session.add(
        WebSession(
            token_hash=token_hash(token), user_id=user.id, browser=browser, seen_at=now(),
            expires_at=now() + lifetime,
        )
    )  # fmt: skip
    await end_first_links(session)
    return SignedIn(user, _signer(settings).sign(token).decode(), int(lifetime.total_seconds()))


async def sign_out(accounts: Accounts, cookie: str | None) -> None:
    """Ends the session that the cookie stands for, in every browser that has it. No session is no error."""
    if (key := _session_key(accounts.settings, cookie)) is None:
        return

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.delete(WebSession).where(col(WebSession.token_hash) == key))

    await accounts.db.transact(work)


async def resolve_session(accounts: Accounts, cookie: str | None, workspace_slug: str | None = None) -> Actor:
    """Who a cookie stands for, in the workspace of that slug, or else in the one looked at last.

    Raises:
        Unauthenticated: no session, or it has ended, or its user is in no workspace any more.
        NotFound: the user is not in that workspace, or there is none.
    """
    key = _session_key(accounts.settings, cookie)
    if key is None:
        raise Unauthenticated
    last_seen_first = sa.case((col(Workspace.id) == col(WebSession.workspace_id), 0), else_=1)
    query = (
        sa.select(User, Workspace, Membership, col(WebSession.seen_at))
        .select_from(WebSession)
        .join(User, col(User.id) == col(WebSession.user_id))
        .join(Membership, col(Membership.user_id) == col(User.id))
        .join(Workspace, col(Workspace.id) == col(Membership.workspace_id))
        .where(col(WebSession.token_hash) == key, col(WebSession.expires_at) > db_now())
        .order_by(last_seen_first, col(Membership.created_at), col(Workspace.id))
    )
    async with accounts.db.read() as session:
        found = (await session.execute(query)).all()
    for user, workspace, membership, seen_at in found:
        if workspace_slug in {None, workspace.slug}:
            await _note_use(accounts, key, seen_at)
            return Actor.of(user, workspace, membership)
    if not found:
        raise Unauthenticated
    raise NotFound(what="workspace")


async def list_sessions(accounts: Accounts, actor: Actor, cookie: str | None) -> list[OpenSession]:
    """The actor's sessions, the one of this cookie first, then those used last; of very many, the newest."""
    key = _session_key(accounts.settings, cookie)
    query = sa.select(WebSession).where(
        col(WebSession.user_id) == actor.user_id, col(WebSession.expires_at) > db_now()
    )
    async with accounts.db.read() as session:
        rows = (await session.scalars(query.order_by(col(WebSession.created_at).desc()).limit(_SHOWN))).all()
    found = [
        OpenSession(
            row.token_hash[:_ID_DIGITS], row.browser, row.created_at, row.seen_at or row.created_at,
            row.token_hash == key,
        )
        for row in rows
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.is_this, one.seen_at), reverse=True)


async def end_session(accounts: Accounts, actor: Actor, session_id: str) -> None:
    """Signs one of the actor's sessions out.

    Raises:
        NotFound: there is none of that id.
    """
    if len(session_id) != _ID_DIGITS or not session_id.isalnum():
        raise NotFound(what="session")
    gone = (
        sa.delete(WebSession)
        .where(
            col(WebSession.user_id) == actor.user_id,
            sa.func.substr(col(WebSession.token_hash), 1, _ID_DIGITS) == session_id,
        )
        .returning(col(WebSession.token_hash))
    )

    async def work(session: AsyncSession) -> None:
        if not (await session.scalars(gone)).all():
            raise NotFound(what="session")

    await accounts.db.transact(work)


async def end_other_sessions(accounts: Accounts, actor: Actor, cookie: str | None) -> None:
    """Signs the actor out everywhere but where this cookie is."""
    await accounts.db.transact(lambda session: end_others(session, accounts.settings, actor.user_id, cookie))


async def remember_workspace(accounts: Accounts, cookie: str | None, workspace_id: UUID) -> None:
    """Notes the workspace looked at, where the person comes back to next time."""
    key = _session_key(accounts.settings, cookie)

    async def work(session: AsyncSession) -> None:
        seen = sa.update(WebSession).where(col(WebSession.token_hash) == key)
        await session.execute(seen.values(workspace_id=workspace_id))

    await accounts.db.transact(work)


async def is_recent(accounts: Accounts, cookie: str | None, seconds: int) -> bool:
    """Whether the person of this cookie has proved who they are within the last seconds."""
    key = _session_key(accounts.settings, cookie)
    query = sa.select(col(WebSession.created_at)).where(col(WebSession.token_hash) == key)
    async with accounts.db.read() as session:
        made = (await session.scalars(query)).one_or_none()
    return made is not None and now() - made < timedelta(seconds=seconds)


async def end_others(session: AsyncSession, settings: Settings, user_id: UUID, cookie: str | None) -> None:
    """Ends a user's sessions but the one of this cookie, in the caller's transaction."""
    others = sa.delete(WebSession).where(col(WebSession.user_id) == user_id)
    await session.execute(others.where(col(WebSession.token_hash) != (_session_key(settings, cookie) or "")))


async def _note_use(accounts: Accounts, key: str, seen_at: datetime | None) -> None:
    if seen_at is not None and now() - seen_at < timedelta(seconds=_NOTE_USE_EVERY_SECONDS):
        return
    noted = sa.update(WebSession).where(col(WebSession.token_hash) == key).values(seen_at=now())
    try:
        await accounts.db.transact(lambda session: session.execute(noted))
    except DBAPIError as error:
        # A database that only reads at the moment is no reason to turn somebody away.
        logger.warning("use of a session not noted (%s)", type(error).__name__)


def _session_key(settings: Settings, cookie: str | None) -> str | None:
    if not cookie or len(cookie) > _COOKIE_LIMIT:
        return None
    try:
        return token_hash(_signer(settings).unsign(cookie.encode("utf-8", "replace")).decode())
    except (BadSignature, UnicodeDecodeError):
        return None


def _signer(settings: Settings) -> Signer:
    return Signer(settings.signing_key, salt="mulligan.session")


async def _user_by_email(accounts: Accounts, email: str) -> User | None:
    # What no database stores is nobody's address.
    if "\x00" in email or not email.isprintable():
        return None
    async with accounts.db.read() as session:
        return (await session.scalars(sa.select(User).where(col(User.email) == email))).one_or_none()
