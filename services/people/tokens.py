"""API tokens: a program's key to one workspace, in the name of one user. Only the hash is stored."""

import logging
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.errors import Invalid, NotFound, Unauthenticated
from services.ids import new_token, token_hash
from services.models import ApiToken, Membership, User, Workspace, now
from services.people.access import Accounts, Actor

logger = logging.getLogger(__name__)

_NAME_LIMIT = 100
_NOTE_USE_EVERY_SECONDS = 60
_KEEP_EXPIRED_SECONDS = 24 * 3600


async def create_token(
    accounts: Accounts,
    email: str,
    *,
    name: str = "API token",
    workspace: str | None = None,
    lifetime: timedelta | None = None,
) -> str:
    """A new token of a user for a workspace (a slug; default the user's first). It is never shown again.

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
        session.add(
            ApiToken(
                token_hash=token_hash(token), name=name.strip(), user_id=membership.user_id,
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
    return Actor.of(user, workspace, membership)


async def tokens(accounts: Accounts, actor: Actor) -> list[ApiToken]:
    """The actor's own tokens for this workspace that still work, newest first."""
    query = sa.select(ApiToken).where(
        col(ApiToken.user_id) == actor.user_id,
        col(ApiToken.workspace_id) == actor.workspace_id,
        col(ApiToken.revoked_at).is_(None),
        sa.or_(col(ApiToken.expires_at).is_(None), col(ApiToken.expires_at) > db_now()),
    )
    async with accounts.db.read() as session:
        return list((await session.scalars(query.order_by(col(ApiToken.id).desc()))).all())


async def revoke_token(accounts: Accounts, actor: Actor, token_id: UUID) -> None:
    """Ends one of the actor's own tokens.

    Raises:
        NotFound: there is none of that id, or it was revoked before.
    """
    change = (
        sa.update(ApiToken)
        .where(
            col(ApiToken.id) == token_id,
            col(ApiToken.user_id) == actor.user_id,
            col(ApiToken.workspace_id) == actor.workspace_id,
            col(ApiToken.revoked_at).is_(None),
        )
        .values(revoked_at=db_now())
        .returning(col(ApiToken.id))
    )

    async def work(session: AsyncSession) -> None:
        if (await session.scalars(change)).one_or_none() is None:
            raise NotFound(what="token")

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
