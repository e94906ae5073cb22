"""Invitations: how somebody becomes a member, by a link that an admin hands on.

Nothing else proves whose address an email is, so nobody becomes a member without the link. Where the email has an
account that is in a workspace, the link alone opens nothing either: its holder accepts as that account, signed in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import db_now
from services.errors import AccountExists, AlreadyMember, NotFound, Unauthenticated, WrongAccount
from services.ids import new_token, token_hash
from services.models import AuditEntry, Invitation, Membership, User, Workspace, now
from services.people import links, passwords, sessions
from services.people.access import Accounts, Actor
from services.people.names import valid_email, valid_name
from services.people.sessions import SignedIn
from services.people.turns import take_turn
from services.vocabulary import Role

_VALID_DAYS = 7
_FORGOTTEN_SECONDS = 30 * 86_400
_ENDED = "This invitation was used already, was withdrawn, or is too old. Ask an admin for a new one."


@dataclass(frozen=True)
class Invited:
    """An invitation, with its link to hand on."""

    id: UUID
    """The invitation's."""
    email: str
    role: Role
    link: str
    """The path that it leads to."""
    expires_at: datetime


@dataclass(frozen=True)
class Offer:
    """What the holder of a link is offered."""

    workspace: str
    email: str
    role: Role
    invited_by: str
    has_account: bool
    """Whether the email has an account that is in a workspace: it has to accept, signed in."""


async def invite(accounts: Accounts, actor: Actor, email: str, role: Role) -> Invited:
    """Invites somebody, for seven days; an invitation of before ends. The answer is the same whether the email
    has an account or not; who opens the link sees it.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: that is no email.
        AlreadyMember: they are in the workspace.
    """
    actor.require_admin()
    email = valid_email(email)

    async def work(session: AsyncSession) -> Invited:
        await take_turn(session)
        user = await _user_of(session, email)
        if user is not None:
            await _require_stranger(session, actor.workspace_id, user)
        token, expires = new_token("inv"), now() + timedelta(days=_VALID_DAYS)
        too_old = sa.delete(Invitation).where(
            col(Invitation.workspace_id) == actor.workspace_id,
            col(Invitation.expires_at) < db_now(-_FORGOTTEN_SECONDS),
        )
        await session.execute(too_old)
        await end_invitations_of(session, actor.workspace_id, email)
        invitation = Invitation(
            workspace_id=actor.workspace_id, email=email, role=role, token_hash=token_hash(token),
            invited_by=actor.email, expires_at=expires,
        )  # fmt: skip
        session.add(invitation)
        audit.record(session, actor, "member.invite", email=email, role=role)
        return Invited(invitation.id, email, role, f"/join?invitation={token}", expires)

    return await accounts.db.transact(work)


async def list_invitations(
    accounts: Accounts, actor: Actor, cursor: UUID | None = None, limit: int = 50
) -> tuple[list[Invitation], UUID | None]:
    """Invitations that nobody has used, newest first, and where the next page starts.

    Raises:
        Forbidden: the actor is no admin.
    """
    actor.require_admin()
    query = sa.select(Invitation).where(col(Invitation.workspace_id) == actor.workspace_id)
    if cursor:
        query = query.where(col(Invitation.id) < cursor)
    async with accounts.db.read() as session:
        found = list(
            (await session.scalars(query.order_by(col(Invitation.id).desc()).limit(limit + 1))).all()
        )
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def withdraw(accounts: Accounts, actor: Actor, invitation_id: UUID) -> None:
    """Ends an invitation.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: there is none, or it was used.
    """
    actor.require_admin()
    gone = (
        sa.delete(Invitation)
        .where(col(Invitation.id) == invitation_id, col(Invitation.workspace_id) == actor.workspace_id)
        .returning(col(Invitation.email))
    )

    async def work(session: AsyncSession) -> None:
        email = (await session.scalars(gone)).one_or_none()
        if email is None:
            raise NotFound(what="invitation")
        audit.record(session, actor, "invitation.withdraw", email=email)

    await accounts.db.transact(work)


async def look_at(accounts: Accounts, token: str) -> Offer:
    """What a link offers; it is not used up by looking.

    Raises:
        Unauthenticated: no such invitation, or it has ended.
    """
    query = (
        sa.select(Invitation, col(Workspace.name), _is_in_a_workspace(col(Invitation.email)))
        .join(Workspace, col(Workspace.id) == col(Invitation.workspace_id))
        .where(*_open(token))
    )
    async with accounts.db.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise Unauthenticated(_ENDED)
    invitation, workspace, has_account = row
    return Offer(workspace, invitation.email, invitation.role, invitation.invited_by, has_account)


async def join(
    accounts: Accounts, token: str, name: str, password: str, browser: str | None = None
) -> SignedIn:
    """Makes the account and signs it in; of two who use the link at once, one does. An account that is in no workspace,
    where it can do nothing, counts as none: it gets this name and password.

    Raises:
        Unauthenticated: no such invitation, or it has ended.
        AccountExists: the email has an account that is in a workspace, which has to accept by itself.
        Invalid: a name or a password that will not do.
    """
    name = valid_name(name)
    passwords.require_good(password)
    await look_at(accounts, token)
    hashed = await passwords.hash_password(password)

    async def work(session: AsyncSession) -> SignedIn:
        await take_turn(session)
        invitation = await _use_up(session, token)
        if await session.scalar(sa.select(_is_in_a_workspace(sa.literal(invitation.email)))):
            raise AccountExists(email=invitation.email)
        user = await _user_of(session, invitation.email)
        if user is None:
            user = User(email=invitation.email, name=name)
            session.add(user)
            await session.flush()
        user.name, user.password_hash = name, hashed
        # Whoever knew the password of before is out, and so is whoever holds a link.
        await sessions.end_others(session, accounts.settings, user.id, cookie=None)
        await _make_member(session, user, invitation)
        return await sessions.open_session(session, accounts.settings, user, browser)

    return await accounts.db.transact(work)


async def accept(accounts: Accounts, actor: Actor, token: str) -> str:
    """Makes the actor a member of the inviting workspace; its slug.

    Raises:
        Forbidden: a program asks, with a token of the actor's.
        Unauthenticated: no such invitation, or it has ended.
        WrongAccount: it is for another email.
        AlreadyMember: they are in that workspace.
    """
    actor.require_person()

    async def work(session: AsyncSession) -> str:
        await take_turn(session)
        invitation = await _use_up(session, token)
        if invitation.email != actor.email:
            raise WrongAccount(email=invitation.email, signed_in=actor.email)
        user = await session.get_one(User, actor.user_id)
        await _require_stranger(session, invitation.workspace_id, user)
        return (await _make_member(session, user, invitation)).slug

    return await accounts.db.transact(work)


async def decline(accounts: Accounts, token: str) -> None:
    """Ends an invitation, as whoever holds its link wishes. Its admins find it in the audit log.

    Raises:
        Unauthenticated: no such invitation, or it has ended.
    """

    async def work(session: AsyncSession) -> None:
        invitation = await _use_up(session, token)
        said = {"role": invitation.role, "invited_by": invitation.invited_by}
        session.add(
            AuditEntry(
                workspace_id=invitation.workspace_id, actor=invitation.email, action="invitation.decline", data=said
            )
        )  # fmt: skip

    await accounts.db.transact(work)


async def end_invitations_of(session: AsyncSession, workspace_id: UUID, email: str) -> None:
    """Ends what waits for an email in a workspace, in the caller's transaction."""
    theirs = col(Invitation.workspace_id) == workspace_id, col(Invitation.email) == email
    await session.execute(
        sa.delete(Invitation).where(*theirs), execution_options={"synchronize_session": False}
    )


# --- parts ------------------------------------------------------------------------------------------------------------


async def _use_up(session: AsyncSession, token: str) -> Invitation:
    used = sa.delete(Invitation).where(*_open(token)).returning(Invitation)
    invitation = (await session.scalars(used)).one_or_none()
    if invitation is None:
        raise Unauthenticated(_ENDED)
    return invitation


async def _make_member(session: AsyncSession, user: User, invitation: Invitation) -> Workspace:
    """Links that other workspaces' admins hold end: they would open this one, too."""
    membership = Membership(user_id=user.id, workspace_id=invitation.workspace_id, role=invitation.role)
    session.add(membership)
    await links.end_links(session, user.id)
    workspace = await session.get_one(Workspace, invitation.workspace_id)
    actor = Actor.of(user, workspace, membership)
    audit.record(session, actor, "member.join", role=invitation.role, invited_by=invitation.invited_by)
    return workspace


async def _require_stranger(session: AsyncSession, workspace_id: UUID, user: User) -> None:
    here = await session.get(Membership, (user.id, workspace_id))
    if here is not None:
        raise AlreadyMember(email=user.email, role=here.role)


async def _user_of(session: AsyncSession, email: str) -> User | None:
    return (await session.scalars(sa.select(User).where(col(User.email) == email))).one_or_none()


def _is_in_a_workspace(email: "sa.SQLColumnExpression[str]") -> sa.ColumnElement[bool]:
    return sa.exists().where(col(User.email) == email, col(Membership.user_id) == col(User.id))


def _open(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    hashed = token_hash(token.encode("utf-8", "replace").decode())
    return col(Invitation.token_hash) == hashed, col(Invitation.expires_at) > db_now()
