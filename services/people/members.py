"""The members of a workspace, for its admins: who they are, which role each has, letting them back in, and out."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import db_now
from services.errors import LastAdmin, MemberElsewhere, NotFound
from services.models import ApiToken, Invitation, Membership, User, WebSession
from services.notifications.tables import Channel
from services.people import links
from services.people.access import Accounts, Actor
from services.people.turns import take_turn
from services.vocabulary import Role

LINK_HOURS = links.VALID_HOURS


@dataclass(frozen=True)
class Member:
    """A user with their role in the workspace."""

    id: UUID
    """The user's."""
    email: str
    name: str
    role: Role
    since: datetime
    is_only_admin: bool = False
    """Whether nobody else could look after the workspace: role and membership stay."""


async def list_members(
    accounts: Accounts, actor: Actor, cursor: UUID | None = None, limit: int = 50
) -> tuple[list[Member], UUID | None]:
    """Members in the order in which their accounts were made, and where the next page starts.

    Raises:
        Forbidden: the actor is no admin.
    """
    actor.require_admin()
    query = _members(actor.workspace_id)
    if cursor:
        query = query.where(col(Membership.user_id) > cursor)
    async with accounts.db.read() as session:
        rows = await session.execute(query.order_by(col(Membership.user_id)).limit(limit + 1))
        found = [_member(user, membership) for user, membership in rows]
        admins = (await session.scalars(_admins(actor.workspace_id).limit(2))).all()
    if len(admins) == 1:
        found = [replace(one, is_only_admin=one.role is Role.ADMIN) for one in found]
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def set_role(accounts: Accounts, actor: Actor, user_id: UUID, role: Role) -> Member:
    """Gives a member another role. It counts at once, also on pages that are open. Invitations of who is no admin any
    more end: their links would bring an admin back.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: no such member.
        LastAdmin: nobody else could look after the workspace.
    """
    actor.require_admin()

    async def work(session: AsyncSession) -> Member:
        user, membership = await _held(session, actor.workspace_id, user_id, stays_admin=role is Role.ADMIN)
        if (before := membership.role) is not role:
            membership.role = role
            if before is Role.ADMIN:
                await _end_invitations(session, actor.workspace_id, user)
            audit.record(session, actor, "member.role", email=user.email, role=role, before=before)
        return _member(user, membership)

    return await accounts.db.transact(work)


async def remove_member(accounts: Accounts, actor: Actor, user_id: UUID) -> None:
    """Takes a member out of the workspace; their jobs stay. Their tokens for it and the invitations that they made end
    at once, their own notification channels in it are gone, and so are their sessions where they are in no other
    workspace.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: no such member.
        LastAdmin: nobody else could look after the workspace.
    """
    actor.require_admin()

    async def work(session: AsyncSession) -> None:
        user, membership = await _held(session, actor.workspace_id, user_id, stays_admin=False)
        await session.delete(membership)
        await session.flush()
        tokens = sa.update(ApiToken).where(
            col(ApiToken.user_id) == user_id,
            col(ApiToken.workspace_id) == actor.workspace_id,
            col(ApiToken.revoked_at).is_(None),
        )
        await session.execute(
            tokens.values(revoked_at=db_now()), execution_options={"synchronize_session": False}
        )
        own = col(Channel.owner_id) == user_id, col(Channel.workspace_id) == actor.workspace_id
        await session.execute(sa.delete(Channel).where(*own))
        await _end_invitations(session, actor.workspace_id, user)
        await _end_sessions(session, actor.workspace_id, user_id)
        audit.record(session, actor, "member.remove", email=user.email, role=membership.role)

    await accounts.db.transact(work)


async def sign_in_link(accounts: Accounts, actor: Actor, user_id: UUID) -> str:
    """The path of a one-time link that lets a member in to choose a new password. Links made before end.

    Raises:
        Forbidden: the actor is no admin; or a program wants to come in as the person whose token it has.
        NotFound: no such member.
        MemberElsewhere: the link would open a workspace that the actor does not look after.
    """
    actor.require_admin()
    if user_id == actor.user_id:
        actor.require_person()

    async def work(session: AsyncSession) -> str:
        # Who is added to another workspace meanwhile must not be missed: their links end when they are.
        await take_turn(session)
        query = _members(actor.workspace_id).where(col(Membership.user_id) == user_id)
        if (row := (await session.execute(query)).one_or_none()) is None:
            raise NotFound(what="member")
        user, _ = row
        if user_id != actor.user_id and await _is_beyond(session, actor, user_id):
            raise MemberElsewhere(email=user.email)
        await links.end_links(session, user_id)
        audit.record(session, actor, "member.link", email=user.email)
        return links.link_path(links.add_link(session, user_id), then="/profile")

    return await accounts.db.transact(work)


# --- parts ------------------------------------------------------------------------------------------------------------


def _members(workspace_id: UUID) -> Any:
    return (
        sa.select(User, Membership)
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(col(Membership.workspace_id) == workspace_id)
    )


def _admins(workspace_id: UUID) -> "sa.Select[Membership]":
    return sa.select(Membership).where(
        col(Membership.workspace_id) == workspace_id, col(Membership.role) == Role.ADMIN
    )


def _member(user: User, membership: Membership) -> Member:
    return Member(user.id, user.email, user.name, membership.role, membership.created_at)


async def _held(
    session: AsyncSession, workspace_id: UUID, user_id: UUID, *, stays_admin: bool
) -> tuple[User, Membership]:
    """A member, with every admin of the workspace held: two admins who demote each other come one after the other."""
    admins = _admins(workspace_id).order_by(col(Membership.user_id)).with_for_update()
    held = (await session.scalars(admins)).all()
    query = _members(workspace_id).where(col(Membership.user_id) == user_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFound(what="member")
    user, membership = row
    if not stays_admin and [admin.user_id for admin in held] == [user_id]:
        raise LastAdmin(email=user.email)
    return user, membership


async def _end_invitations(session: AsyncSession, workspace_id: UUID, user: User) -> None:
    """Those that a user made: whoever kept such a link could come back by it, as an admin too."""
    theirs = col(Invitation.workspace_id) == workspace_id, col(Invitation.invited_by) == user.email
    await session.execute(
        sa.delete(Invitation).where(*theirs), execution_options={"synchronize_session": False}
    )


async def _end_sessions(session: AsyncSession, workspace_id: UUID, user_id: UUID) -> None:
    """In other workspaces a session goes on; here it stands for nobody, since the membership is gone."""
    elsewhere = sa.select(col(Membership.user_id)).where(col(Membership.user_id) == user_id).limit(1)
    theirs = col(WebSession.user_id) == user_id
    if (await session.scalars(elsewhere)).first() is not None:
        here = sa.update(WebSession).where(theirs, col(WebSession.workspace_id) == workspace_id)
        await session.execute(here.values(workspace_id=None))
        return
    await session.execute(sa.delete(WebSession).where(theirs))
    await links.end_links(session, user_id)


async def _is_beyond(session: AsyncSession, actor: Actor, user_id: UUID) -> bool:
    """Whether a user is in a workspace where the actor is no admin. A token reaches no further than its workspace."""
    administered = sa.select(col(Membership.workspace_id)).where(
        col(Membership.user_id) == actor.user_id, col(Membership.role) == Role.ADMIN
    )
    if actor.by_token:
        administered = administered.where(col(Membership.workspace_id) == actor.workspace_id)
    others = sa.select(col(Membership.workspace_id)).where(
        col(Membership.user_id) == user_id, col(Membership.workspace_id).not_in(administered)
    )
    return (await session.scalars(others.limit(1))).first() is not None
