"""Users, workspaces and memberships, and how the first user comes to be. The roles: `docs/features/people.md`."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, rate_limit
from services import credits as ledger
from services.database.database import Database
from services.desk import Desk
from services.errors import Invalid, Unauthenticated
from services.models import AuditEntry, Membership, User, Workspace
from services.people import links, passwords, sessions
from services.people.access import Accounts, Actor
from services.people.invitations import end_invitations_of
from services.people.names import slug_of, valid_email, valid_name, valid_workspace
from services.people.sessions import SignedIn, resolve_session, sign_in, sign_out
from services.people.tokens import create_token, resolve_token
from services.people.turns import take_turn
from services.settings import Settings, SettingsError
from services.vocabulary import CreditReason, Role

__all__ = [
    "Added",
    "Seat",
    "add_user",
    "create_token",
    "ensure_first_user",
    "first_admin",
    "first_link_path",
    "resolve_session",
    "resolve_token",
    "set_password",
    "sign_in",
    "sign_out",
    "slug_of",
    "use_sign_in_link",
    "workspaces_of",
]

FIRST_WORKSPACE = "default"
_FIRST_EMAIL = "admin@localhost"
_RECENT_SECONDS = 15 * 60
# Of saying the current password: who has but a session or a token must not find it out by trying.
_TRIES, _TRIES_SECONDS = 10, 300


@dataclass(frozen=True)
class Added:
    """A user who was added to a workspace. `link` is the path of a one-time sign-in link, if no password was given."""

    user: User
    workspace: Workspace
    role: Role
    link: str | None = None


@dataclass(frozen=True)
class Seat:
    """A workspace that a user is a member of."""

    workspace_id: UUID
    slug: str
    name: str
    role: Role


@dataclass(frozen=True)
class _Newcomer:
    email: str
    workspace: str
    role: Role | None
    password_hash: str | None


async def add_user(
    accounts: Accounts,
    email: str,
    *,
    workspace: str = FIRST_WORKSPACE,
    role: Role | None = None,
    password: str | None = None,
    by: str = "shell",
) -> Added:
    """Adds a user to a workspace; makes each of the two where it is new. A known user gets the new role or password.

    Without a role, a new workspace's first user is its admin and a new member is a `member`.

    Raises:
        Invalid: no email, no password in it, or no letter or digit in the workspace's name.
    """
    if password == "":
        raise Invalid("The password is empty.")
    newcomer = _Newcomer(
        email=valid_email(email),
        workspace=valid_workspace(workspace),
        role=role,
        password_hash=await passwords.hash_password(password) if password else None,
    )

    async def work(session: AsyncSession) -> Added:
        await take_turn(session)
        added = await _add(session, accounts.settings, newcomer, by)
        link = None if newcomer.password_hash else links.link_path(links.add_link(session, added.user.id))
        return Added(added.user, added.workspace, added.role, link)

    return await accounts.db.transact(work)


async def ensure_first_user(accounts: Accounts) -> User | None:
    """Makes the first user, admin of workspace `default`, where nobody is there. Safe in several processes at once.

    They are whom `ADMIN_EMAIL` and `ADMIN_PASSWORD` name, else one without a password, who comes in by a link.

    Raises:
        SettingsError: `ADMIN_EMAIL` is no email.
    """
    settings = accounts.settings
    try:
        email = valid_email(settings.admin_email or _FIRST_EMAIL)
    except Invalid as error:
        raise SettingsError(f"MULLIGAN_ADMIN_EMAIL: {error.message}") from None
    if not await _is_empty(accounts.db):
        return None
    password = settings.admin_password
    newcomer = _Newcomer(
        email, FIRST_WORKSPACE, Role.ADMIN, await passwords.hash_password(password) if password else None
    )

    async def work(session: AsyncSession) -> User | None:
        await take_turn(session)
        if (await session.scalars(sa.select(col(User.id)).limit(1))).first() is not None:
            return None
        return (await _add(session, settings, newcomer, "first start")).user

    return await accounts.db.transact(work)


async def first_link_path(settings: Settings) -> str | None:
    """The path of a one-time link for the first user, or None where somebody can or could sign in already."""
    database = Database(settings.effective_database_url)
    accounts = Records(settings, database)

    async def work(session: AsyncSession) -> str | None:
        await take_turn(session)
        if not await links.nobody_was_ever_in(session):
            return None
        query = sa.select(col(Membership.user_id)).where(col(Membership.role) == Role.ADMIN)
        first = (await session.scalars(query.order_by(col(Membership.created_at)))).first()
        return links.link_path(links.add_link(session, first, first_start=True)) if first else None

    try:
        await ensure_first_user(accounts)
        return await database.transact(work)
    finally:
        await database.close()


async def first_admin(accounts: Accounts) -> Actor | None:
    """The admin who came first, in their workspace; None where there is none."""
    query = (
        sa.select(User, Workspace, Membership)
        .join(Membership, col(Membership.user_id) == col(User.id))
        .join(Workspace, col(Workspace.id) == col(Membership.workspace_id))
        .where(col(Membership.role) == Role.ADMIN)
        .order_by(col(Membership.created_at), col(User.id))
    )
    async with accounts.db.read() as session:
        row = (await session.execute(query.limit(1))).one_or_none()
    return Actor.of(*row) if row else None


async def use_sign_in_link(accounts: Accounts, token: str, browser: str | None = None) -> SignedIn:
    """Signs in by a one-time link, which is used up by it.

    Raises:
        Unauthenticated: no such link, or used, or too old.
    """

    async def work(session: AsyncSession) -> SignedIn:
        user = await links.use_link(session, token)
        return await sessions.open_session(session, accounts.settings, user, browser)

    return await accounts.db.transact(work)


async def set_password(
    desk: Desk, actor: Actor, password: str, *, cookie: str | None = None, current: str | None = None
) -> None:
    """Gives the actor a new password, and ends their other sessions than that of the cookie.

    Raises:
        Invalid: it is too short.
        Unauthenticated: they have a password, did not say it right, and did not sign in within the last 15 minutes; or
            no browser of theirs asks.
        RateLimited: too many tries.
    """
    passwords.require_good(password)
    if cookie is None or await asks_for_current(desk, actor, cookie):
        who = f"{actor.user_id}"
        await rate_limit.hit(desk.feed.redis, "password", who, limit=_TRIES, window=_TRIES_SECONDS)
        # Also where there is none yet: a program's token must not become a person's password.
        async with desk.db.read() as session:
            old = (await session.get_one(User, actor.user_id)).password_hash
        if not await passwords.matches(old, current or ""):
            raise Unauthenticated("The current password is wrong.")
        await rate_limit.forget(desk.feed.redis, "password", who)
    new = await passwords.hash_password(password)

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.update(User).where(col(User.id) == actor.user_id).values(password_hash=new))
        await sessions.end_others(session, desk.settings, actor.user_id, cookie)
        await links.end_links(session, actor.user_id)
        audit.record(session, actor, "password.set")

    await desk.db.transact(work)


async def asks_for_current(accounts: Accounts, actor: Actor, cookie: str | None) -> bool:
    """Whether a new password takes the current one: not where there is none, or within 15 minutes of signing in."""
    async with accounts.db.read() as session:
        has_one = (await session.get_one(User, actor.user_id)).password_hash is not None
    return has_one and not await sessions.is_recent(accounts, cookie, _RECENT_SECONDS)


async def rename(accounts: Accounts, actor: Actor, name: str) -> str:
    """Gives the actor another name, in every workspace. The name as it is kept.

    Raises:
        Invalid: a name that will not do.
    """
    name = valid_name(name)

    async def work(session: AsyncSession) -> None:
        user = await session.get_one(User, actor.user_id)
        if user.name != name:
            audit.record(session, actor, "profile.name", name=name, before=user.name)
            user.name = name

    await accounts.db.transact(work)
    return name


async def workspaces_of(accounts: Accounts, user_id: UUID) -> list[Seat]:
    """The workspaces that a user is a member of, by name."""
    query = (
        sa.select(Workspace, col(Membership.role))
        .join(Membership, col(Membership.workspace_id) == col(Workspace.id))
        .where(col(Membership.user_id) == user_id)
        .order_by(col(Workspace.name), col(Workspace.id))
    )
    async with accounts.db.read() as session:
        return [Seat(w.id, w.slug, w.name, role) for w, role in (await session.execute(query)).all()]


@dataclass(frozen=True)
class Records:
    """What this module works with where no whole desk is needed: a shell."""

    settings: Settings
    db: Database


# --- parts ------------------------------------------------------------------------------------------------------------


async def _add(session: AsyncSession, settings: Settings, newcomer: _Newcomer, by: str) -> Added:
    workspace, is_new = await _workspace(session, settings, newcomer.workspace)
    query = sa.select(User).where(col(User.email) == newcomer.email)
    user = (await session.scalars(query)).one_or_none()
    if user is None:
        user = User(email=newcomer.email, name=newcomer.email.partition("@")[0])
        session.add(user)
        await session.flush()
    if newcomer.password_hash:
        # Whoever knew the old one is out, and so is whoever holds a link.
        user.password_hash = newcomer.password_hash
        await sessions.end_others(session, settings, user.id, cookie=None)
        await links.end_links(session, user.id)
    membership = await session.get(Membership, (user.id, workspace.id))
    if membership is None:
        # Links that admins of other workspaces hold would open this one, too.
        await links.end_links(session, user.id, but_first=True)
        role = newcomer.role or (Role.ADMIN if is_new else Role.MEMBER)
        membership = Membership(user_id=user.id, workspace_id=workspace.id, role=role)
        session.add(membership)
        await end_invitations_of(session, workspace.id, user.email)
    membership.role = newcomer.role or membership.role
    said = {"email": user.email, "role": membership.role}
    session.add(AuditEntry(workspace_id=workspace.id, actor=by, action="member.add", data=said))
    return Added(user, workspace, membership.role)


async def _workspace(session: AsyncSession, settings: Settings, name: str) -> tuple[Workspace, bool]:
    slug = slug_of(name)
    found = (await session.scalars(sa.select(Workspace).where(col(Workspace.slug) == slug))).one_or_none()
    if found is not None:
        return found, False
    workspace = Workspace(slug=slug, name="Default" if name == FIRST_WORKSPACE else name)
    session.add(workspace)
    await session.flush()
    if settings.initial_credits:
        amount = settings.initial_credits
        await ledger.post(session, workspace.id, amount, CreditReason.INITIAL, note="New workspace")
    return workspace, True


async def _is_empty(database: Database) -> bool:
    async with database.read() as session:
        return (await session.scalars(sa.select(col(User.id)).limit(1))).first() is None
