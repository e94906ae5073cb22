"""A workspace's own secret, by which receivers know its webhooks: made and taken away by admins, encrypted at rest.

It signs every delivery that brings no secret of its own (`webhook.deliver`), as Standard Webhooks says.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.models import Workspace, now
from services.notifications.sealing import seal, unseal
from services.people.access import Accounts, Actor

_BYTES = 32
_PURPOSE = b"mulligan.webhook.secret"


@dataclass(frozen=True)
class SecretMade:
    """When there is one: since when, and by whom. Never what it is."""

    at: datetime
    by: str


async def made(accounts: Accounts, actor: Actor) -> SecretMade | None:
    """Whether the workspace has one.

    Raises:
        Forbidden: the actor is no admin.
    """
    actor.require_admin()
    async with accounts.db.read() as session:
        workspace = await session.get_one(Workspace, actor.workspace_id)
    if workspace.webhook_secret is None or workspace.webhook_secret_at is None:
        return None
    return SecretMade(workspace.webhook_secret_at, workspace.webhook_secret_by or "")


async def make(accounts: Accounts, actor: Actor) -> str:
    """A new one, told this once. The one of before signs nothing from then on.

    Raises:
        Forbidden: the actor is no admin.
    """
    actor.require_admin()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    await _set(accounts, actor, seal(accounts.settings, secret, _PURPOSE))
    return secret


async def remove(accounts: Accounts, actor: Actor) -> None:
    """Deliveries without a secret of their own are not signed any more.

    Raises:
        Forbidden: the actor is no admin.
    """
    actor.require_admin()
    await _set(accounts, actor, None)


async def of_workspace(accounts: Accounts, workspace_id: UUID) -> str | None:
    """What signs a workspace's webhooks, for who delivers them.

    Raises:
        Unsealable: it was stored with another MULLIGAN_SECRET_KEY.
    """
    query = sa.select(col(Workspace.webhook_secret)).where(col(Workspace.id) == workspace_id)
    async with accounts.db.read() as session:
        sealed = (await session.scalars(query)).one_or_none()
    return unseal(accounts.settings, sealed, _PURPOSE) if sealed else None


async def _set(accounts: Accounts, actor: Actor, sealed: str | None) -> None:
    async def work(session: AsyncSession) -> None:
        query = sa.select(Workspace).where(col(Workspace.id) == actor.workspace_id)
        workspace = (await session.scalars(query.with_for_update())).one()
        had = workspace.webhook_secret is not None
        if not had and sealed is None:
            return
        workspace.webhook_secret = sealed
        workspace.webhook_secret_at, workspace.webhook_secret_by = (
            (now(), actor.name) if sealed else (None, None)
        )
        audit.record(session, actor, "webhooks.secret" if sealed else "webhooks.unsigned", replaced=had)

    await accounts.db.transact(work)
