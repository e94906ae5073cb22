"""What an operator switches off in a workspace, and on again: retries, of all kinds or of one (`Switch`).

While they are off, no retry is accepted, and none starts by itself: what fails stays failed; a retry that is scheduled
already waits until they are on again.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import Database
from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, RetriesDisabled
from services.models import Job, Switch
from services.people.access import Actor
from services.vocabulary import RETRIES_SWITCH as RETRIES

_REASON_LIMIT = 300
_ALL = ""


async def switch_off(desk: Desk, actor: Actor, kind: str | None = None, reason: str = "") -> Switch:
    """Switches retries off: of a kind, or of all. Off already: it says now why and by whom anew.

    Raises:
        Forbidden: neither operator nor admin.
        Invalid: no such kind, or a reason that cannot be stored.
    """
    return await put(desk, actor, RETRIES, kind, reason, action="retries.off")


async def switch_on(desk: Desk, actor: Actor, kind: str | None = None) -> bool:
    """Switches retries on again; False: they were not off. Scheduled ones that are due start within seconds.

    Raises:
        Forbidden: neither operator nor admin.
    """
    return await take(desk, actor, RETRIES, kind, action="retries.on")


async def list_switches(desk: Desk, actor: Actor) -> list[Switch]:
    """What is off in the workspace: of all kinds first."""
    return await read(desk.db, actor.workspace_id)


async def read(db: Database, workspace_id: UUID) -> list[Switch]:
    """What is off in a workspace: of all kinds first."""
    async with db.read() as session:
        return await of_workspace(session, workspace_id)


async def of_workspace(session: AsyncSession, workspace_id: UUID, name: str = RETRIES) -> list[Switch]:
    """`read`, in the caller's session; `name` is what is off."""
    query = sa.select(Switch).where(col(Switch.workspace_id) == workspace_id, col(Switch.name) == name)
    return list((await session.scalars(query.order_by(col(Switch.kind)))).all())


async def off(session: AsyncSession, workspace_id: UUID, kind: str) -> Switch | None:
    """What keeps jobs of this kind from being retried, if anything does."""
    return among(await of_workspace(session, workspace_id), kind)


def among(switches: Sequence[Switch], kind: str) -> Switch | None:
    """The one of the workspace's switches that concerns a kind."""
    return next((switch for switch in switches if switch.kind in {_ALL, kind}), None)


def words(switch: Switch) -> str:
    """What is said of it."""
    what = f"Retries of {switch.kind}" if switch.kind else "Retries"
    return f"{what} are switched off by {switch.by}" + (f": {switch.reason}" if switch.reason else "")


def disabled(switch: Switch) -> RetriesDisabled:
    """The refusal that it means."""
    return RetriesDisabled(words(switch), kind=switch.kind or None, reason=switch.reason, by=switch.by)


def concern(job: Job) -> bool:
    """Whether a job that waits would begin a retry."""
    return job.attempt > 1 or job.replaces is not None


async def require_on(session: AsyncSession, job: Job) -> None:
    """Raises RetriesDisabled where retries of such a job are switched off."""
    if switch := await off(session, job.workspace_id, job.kind):
        raise disabled(switch)


async def put(desk: Desk, actor: Actor, name: str, kind: str | None, reason: str, *, action: str) -> Switch:
    """Switches off, or pauses; `action` is what the audit log calls it. Raises Forbidden, Invalid."""
    actor.require_operator()
    reason = _sensible(reason)
    if kind:
        _ = desk.kinds[kind]

    async def work(session: AsyncSession) -> Switch:
        switch = Switch(
            workspace_id=actor.workspace_id, name=name, kind=kind or _ALL, reason=reason, by=actor.name
        )
        await _write(session, switch)
        audit.record(session, actor, action, kind=kind, reason=reason)
        return switch

    return await desk.db.transact(work)


async def take(desk: Desk, actor: Actor, name: str, kind: str | None, *, action: str) -> bool:
    """The way back; False: there was nothing to take away. Raises Forbidden."""
    actor.require_operator()
    gone = (
        sa.delete(Switch)
        .where(
            col(Switch.workspace_id) == actor.workspace_id,
            col(Switch.name) == name,
            col(Switch.kind) == (kind or _ALL),
        )
        .returning(col(Switch.kind))
    )

    async def work(session: AsyncSession) -> bool:
        if (await session.scalars(gone)).one_or_none() is None:
            return False
        audit.record(session, actor, action, kind=kind)
        return True

    return await desk.db.transact(work)


def _sensible(reason: str) -> str:
    """A reason as it is stored. Raises Invalid where it is too long, or cannot be."""
    reason = " ".join(reason.split())
    require_storable(reason)
    if len(reason) > _REASON_LIMIT:
        raise Invalid(f"The reason must not be longer than {_REASON_LIMIT} characters.")
    return reason


async def _write(session: AsyncSession, switch: Switch) -> None:
    """In one statement: of two people at once, each may be the second."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    anew = {"reason": switch.reason, "by": switch.by, "at": switch.at}
    values = {"workspace_id": switch.workspace_id, "name": switch.name, "kind": switch.kind, **anew}
    await session.execute(
        insert(Switch)
        .values(values)
        .on_conflict_do_update(index_elements=["workspace_id", "name", "kind"], set_=anew)
    )
