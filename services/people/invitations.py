"""Invitations: how somebody without an account becomes a member, by a link that an admin hands on.

Whoever holds the link makes the account of that email, and no more: where the email has an account already, it becomes
a member without a link, since a link would let its holder into somebody else's account.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import db_now
from services.errors import AlreadyMember, NotFound, Unauthenticated
from services.ids import new_token, token_hash
from services.models import Invitation, Membership, User, Workspace, now
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
    """What came of an invitation: a link to hand on, or a member at once, whose account was there."""

    email: str
    role: Role
    id: UUID | None = None
    """The invitation's."""
    link: str | None = None
    """The path that it leads to."""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Offer:
    """What the holder of a link is offered."""

    workspace: str
    email: str
    role: Role
    invited_by: str


async def invite(accounts: Accounts, actor: Actor, email: str, role: Role) -> Invited:
    """Invites somebody, for seven days; an invitation of before ends. Who has an account is a member at once.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: that is no email.
        AlreadyMember: they are in the workspace.
    """
    actor.require_admin()
    email = valid_email(email)

    async def work(session: AsyncSession) -> Invited:
        await take_turn(session)
        user = (await session.scalars(sa.select(User).where(col(User.email) == email))).one_or_none()
        if user is not None:
            await _join(session, actor.workspace_id, user, role)
            audit.record(session, actor, "member.add", email=email, role=role)
            return Invited(email, role)
        token, expires = new_token("inv"), now() + timedelta(days=_VALID_DAYS)
        await session.execute(
            sa.delete(Invitation).where(
                col(Invitation.workspace_id) == actor.workspace_id,
                sa.or_(
                    col(Invitation.email) == email, col(Invitation.expires_at) < db_now(-_FORGOTTEN_SECONDS)
                ),
            )
        )
        invitation = Invitation(
            workspace_id=actor.workspace_id, email=email, role=role, token_hash=token_hash(token),
            invited_by=actor.email, expires_at=expires,
        )  # fmt: skip
        session.add(invitation)
        audit.record(session, actor, "member.invite", email=email, role=role)
        return Invited(email, role, invitation.id, f"/join?invitation={token}", expires)

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
        sa.select(Invitation, col(Workspace.name))
        .join(Workspace, col(Workspace.id) == col(Invitation.workspace_id))
        .where(*_open(token))
    )
    async with accounts.db.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise Unauthenticated(_ENDED)
    invitation, workspace = row
    return Offer(workspace, invitation.email, invitation.role, invitation.invited_by)


async def accept(
    accounts: Accounts, token: str, name: str, password: str, browser: str | None = None
) -> SignedIn | None:
    """Makes the account and signs it in; of two who use the link at once, one does.

    None where the email has got an account since: that one is a member now, and signs in as always.

    Raises:
        Unauthenticated: no such invitation, or it has ended.
        Invalid: a name or a password that will not do.
    """
    name = valid_name(name)
    passwords.require_good(password)
    await look_at(accounts, token)
    hashed = await passwords.hash_password(password)

    async def work(session: AsyncSession) -> SignedIn | None:
        await take_turn(session)
        used = sa.delete(Invitation).where(*_open(token)).returning(Invitation)
        invitation = (await session.scalars(used)).one_or_none()
        if invitation is None:
            raise Unauthenticated(_ENDED)
        user = (
            await session.scalars(sa.select(User).where(col(User.email) == invitation.email))
        ).one_or_none()
        is_new = user is None
        if user is None:
            user = User(email=invitation.email, name=name, password_hash=hashed)
            session.add(user)
            await session.flush()
        membership = await _join(session, invitation.workspace_id, user, invitation.role)
        workspace = await session.get_one(Workspace, invitation.workspace_id)
        actor = Actor.of(user, workspace, membership)
        audit.record(session, actor, "member.join", role=invitation.role, invited_by=invitation.invited_by)
        if not is_new:
            return None
        return await sessions.open_session(session, accounts.settings, user, browser)

    return await accounts.db.transact(work)


async def _join(session: AsyncSession, workspace_id: UUID, user: User, role: Role) -> Membership:
    """Makes a user a member. Links that other workspaces' admins hold end: they would open this one, too."""
    here = await session.get(Membership, (user.id, workspace_id))
    if here is not None:
        raise AlreadyMember(email=user.email, role=here.role)
    membership = Membership(user_id=user.id, workspace_id=workspace_id, role=role)
    session.add(membership)
    await links.end_links(session, user.id)
    return membership


def _open(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    hashed = token_hash(token.encode("utf-8", "replace").decode())
    return col(Invitation.token_hash) == hashed, col(Invitation.expires_at) > db_now()
