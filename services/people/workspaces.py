"""What a workspace is set to: its name, and how long its jobs are kept."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.errors import Invalid
from services.models import Workspace
from services.people.access import Accounts, Actor
from services.people.names import valid_workspace

LONGEST_DAYS = 3650


async def get_workspace(accounts: Accounts, actor: Actor) -> Workspace:
    """The actor's."""
    async with accounts.db.read() as session:
        return await session.get_one(Workspace, actor.workspace_id)


async def rename(accounts: Accounts, actor: Actor, name: str) -> Workspace:
    """Gives the workspace another name; its address stays.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: a name that will not do.
    """
    actor.require_admin()
    name = valid_workspace(name)

    async def work(session: AsyncSession) -> Workspace:
        workspace = await _held(session, actor.workspace_id)
        if workspace.name != name:
            audit.record(session, actor, "workspace.name", name=name, before=workspace.name)
            workspace.name = name
        return workspace

    return await accounts.db.transact(work)


async def keep_for(accounts: Accounts, actor: Actor, days: int | None) -> Workspace:
    """Keeps jobs for so many days after they have ended; None: for ever. Housekeeping removes what is older.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: fewer days than one, or more than ten years.
    """
    actor.require_admin()
    require_days(days)

    async def work(session: AsyncSession) -> Workspace:
        workspace = await _held(session, actor.workspace_id)
        if workspace.retention_days != days:
            audit.record(session, actor, "workspace.retention", days=days, before=workspace.retention_days)
            workspace.retention_days = days
        return workspace

    return await accounts.db.transact(work)


def require_days(days: int | None) -> None:
    """Raises Invalid where jobs cannot be kept for so long, or so short."""
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"Jobs are kept for 1 to {LONGEST_DAYS:,} days, or for ever.")


async def _held(session: AsyncSession, workspace_id: UUID) -> Workspace:
    query = sa.select(Workspace).where(col(Workspace.id) == workspace_id)
    return (await session.scalars(query.with_for_update())).one()
