"""API tokens: a program's key to one workspace, in the name of one user. Only the hash is stored."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import db_now
from services.errors import Invalid, NotFound, Unauthenticated
from services.ids import new_token, token_hash
from services.models import ApiToken, AuditEntry, Membership, User, Workspace, now
from services.people.access import Accounts, Actor

logger = logging.getLogger(__name__)

_NAME_LIMIT = 100
_LONGEST_DAYS = 3650
_NOTE_USE_EVERY_SECONDS = 60
_KEEP_EXPIRED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class OwnedToken:
    """A token, and whose it is."""

    token: ApiToken
    email: str


async def create_token(
    accounts: Accounts,
    email: str,
    *,
    name: str = "API token",
    workspace: str | None = None,
    lifetime: timedelta | None = None,
    by: str | None = None,
) -> str:
    """A new token of a user for a workspace (a slug; default the user's first). It is never shown again.

    `by` is who made it, for the audit log; None leaves it out there.

    Raises:
        NotFound: no such user, or not a member of that workspace.
        Invalid: the name is empty or too long.
    """
    if not 0 < len(name.strip()) <= _NAME_LIMIT or not name.isprintable():
        raise Invalid(f"A token's name has between 1 and {_NAME_LIMIT} characters.")
    token = new_token("mull")
    query = (
        sa.select(Membership)
        .join(User, col(User.id) == col(Membership.user_id))
        .join(Workspace, col(Workspace.id) == col(Membership.workspace_id))
        .where(col(User.email) == email.strip().lower())
        .order_by(col(Membership.created_at), col(Workspace.id))
    )
    if workspace is not None:
        query = query.where(col(Workspace.slug) == workspace)

    async def work(session: AsyncSession) -> None:
        membership = (await session.scalars(query)).first()
        if membership is None:
            raise NotFound(
                f"There is no user {email} in {f'workspace {workspace}' if workspace else 'any workspace'}."
            )
        await session.execute(
            sa.delete(ApiToken).where(col(ApiToken.expires_at) < db_now(-_KEEP_EXPIRED_SECONDS))
        )
        if by:
            said = {"email": email.strip().lower(), "name": name.strip(), "ending": token[-4:]}
            session.add(
                AuditEntry(workspace_id=membership.workspace_id, actor=by, action="token.create", data=said)
            )
        session.add(
            ApiToken(
                token_hash=token_hash(token), ending=token[-4:], name=name.strip(), user_id=membership.user_id,
                workspace_id=membership.workspace_id, expires_at=now() + lifetime if lifetime else None,
            )
        )  # fmt: skip

    await accounts.db.transact(work)
    return token


async def resolve_token(accounts: Accounts, raw: str, workspace_slug: str | None = None) -> Actor:
    """Who a token stands for. Notes its use, at most once a minute.

    Raises:
        Unauthenticated: no such token, revoked, too old, or its user is no member of its workspace any more.
        NotFound: the token is for another workspace than that of the slug.
    """
    query = (
        sa.select(ApiToken, User, Workspace, Membership)
        .join(User, col(User.id) == col(ApiToken.user_id))
        .join(Workspace, col(Workspace.id) == col(ApiToken.workspace_id))
        .join(
            Membership,
            (col(Membership.user_id) == col(User.id)) & (col(Membership.workspace_id) == col(Workspace.id)),
        )
        .where(
            col(ApiToken.token_hash) == token_hash(raw.encode("utf-8", "replace").decode()),
            col(ApiToken.revoked_at).is_(None),
            sa.or_(col(ApiToken.expires_at).is_(None), col(ApiToken.expires_at) > db_now()),
        )
    )
    async with accounts.db.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise Unauthenticated("This token is unknown, revoked or too old.")
    token, user, workspace, membership = row
    if workspace_slug not in {None, workspace.slug}:
        raise NotFound(what="workspace")
    await _note_use(accounts, token)
    return Actor.of(user, workspace, membership, by_token=True)


async def create_own_token(accounts: Accounts, actor: Actor, name: str, days: int | None = None) -> str:
    """A new token of the actor's for this workspace, for so many days or for good. It is never shown again.

    Raises:
        Forbidden: a program asks: a token that made others would live on in them when it is revoked.
        Invalid: the name is empty or too long, or the days are none.
    """
    actor.require_person()
    if days is not None and not 1 <= days <= _LONGEST_DAYS:
        raise Invalid(f"A token lasts between 1 and {_LONGEST_DAYS:,} days, or until it is revoked.")
    lifetime = timedelta(days=days) if days else None
    return await create_token(
        accounts, actor.email, name=name, workspace=actor.workspace_slug, lifetime=lifetime, by=actor.email
    )


async def list_tokens(
    accounts: Accounts, actor: Actor, cursor: UUID | None = None, limit: int = 50, *, everyones: bool = False
) -> tuple[list[OwnedToken], UUID | None]:
    """Tokens for this workspace that still work, newest first, and where the next page starts: the actor's, or all.

    Raises:
        Forbidden: everyone's, and the actor is no admin.
    """
    if everyones:
        actor.require_admin()
    query = (
        sa.select(ApiToken, col(User.email))
        .join(User, col(User.id) == col(ApiToken.user_id))
        .where(
            col(ApiToken.workspace_id) == actor.workspace_id,
            col(ApiToken.revoked_at).is_(None),
            sa.or_(col(ApiToken.expires_at).is_(None), col(ApiToken.expires_at) > db_now()),
        )
    )
    if not everyones:
        query = query.where(col(ApiToken.user_id) == actor.user_id)
    if cursor:
        query = query.where(col(ApiToken.id) < cursor)
    async with accounts.db.read() as session:
        rows = await session.execute(query.order_by(col(ApiToken.id).desc()).limit(limit + 1))
        found = [OwnedToken(token, email) for token, email in rows]
    return found[:limit], found[limit - 1].token.id if len(found) > limit else None


async def revoke_token(accounts: Accounts, actor: Actor, token_id: UUID) -> None:
    """Ends a token for this workspace: one of the actor's own, or any where the actor is an admin.

    Raises:
        NotFound: there is none of that id, or none that is theirs, or it was revoked before.
    """
    ours = [col(ApiToken.workspace_id) == actor.workspace_id, col(ApiToken.revoked_at).is_(None)]
    if not actor.is_admin:
        ours.append(col(ApiToken.user_id) == actor.user_id)
    change = (
        sa.update(ApiToken)
        .where(col(ApiToken.id) == token_id, *ours)
        .values(revoked_at=db_now())
        .returning(col(ApiToken.name), col(ApiToken.ending), col(ApiToken.user_id))
    )

    async def work(session: AsyncSession) -> None:
        row = (await session.execute(change, execution_options={"synchronize_session": False})).one_or_none()
        if row is None:
            raise NotFound(what="token")
        email = (await session.get_one(User, row.user_id)).email
        audit.record(session, actor, "token.revoke", email=email, name=row.name, ending=row.ending)

    await accounts.db.transact(work)


async def _note_use(accounts: Accounts, token: ApiToken) -> None:
    noted_lately = now() - timedelta(seconds=_NOTE_USE_EVERY_SECONDS)
    if token.last_used_at is not None and token.last_used_at > noted_lately:
        return

    async def work(session: AsyncSession) -> None:
        await session.execute(
            sa.update(ApiToken).where(col(ApiToken.id) == token.id).values(last_used_at=now())
        )

    try:
        await accounts.db.transact(work)
    except DBAPIError as error:
        # A database that only reads at the moment is no reason to turn a caller away.
        logger.warning("use of a token not noted (%s)", type(error).__name__)
