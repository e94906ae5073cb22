"""Views of the grid that people have named: their own, and those that operators share with the workspace."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Forbidden, Invalid, NotFound
from services.jobs.search import conditions
from services.models import SavedView
from services.people.access import Actor
from services.vocabulary import Density, Status

LONGEST_NAME = 60
_MOST = 100
"""Of one person. What they share counts."""


COLUMNS = ("kind", "progress", "retries", "created")
"""Those that may be left out, in their order."""


@dataclass(frozen=True)
class Display:
    """How a view is drawn."""

    density: Density = Density.COMFORTABLE
    columns: tuple[str, ...] = COLUMNS


@dataclass(frozen=True)
class Look:
    """What a view shows."""

    q: str = ""
    statuses: tuple[Status, ...] = ()
    sort: str = "newest"
    display: Display | None = None
    """None: as each browser has it."""


def display_of(view: SavedView) -> Display | None:
    """How it is drawn, where it says so."""
    if view.density is None or view.columns is None:
        return None
    return Display(view.density, tuple(column for column in COLUMNS if column in view.columns))


def may_change(actor: Actor, view: SavedView) -> bool:
    """Whether the view is theirs to rename, share and remove: their own, and what is shared for who operates."""
    return view.owner_id == actor.user_id or (view.shared and actor.operates)


async def list_views(desk: Desk, actor: Actor) -> list[SavedView]:
    """The actor's own and the shared ones, by name."""
    query = (
        sa.select(SavedView)
        .where(*_visible(actor))
        .order_by(sa.func.lower(col(SavedView.name)), col(SavedView.id))
    )
    async with desk.db.read() as session:
        return list((await session.scalars(query)).all())


async def save(desk: Desk, actor: Actor, name: str, look: Look, *, shared: bool = False) -> SavedView:
    """Names a view.

    Raises:
        Forbidden: it is to be shared by somebody who does not operate.
        Invalid: the name or the search makes no sense, or the person has a view of that name.
    """
    if shared:
        actor.require_operator()
    _ = conditions(look.q, actor)
    view = SavedView(
        workspace_id=actor.workspace_id, owner_id=actor.user_id, name=_named(name), q=look.q,
        statuses=sorted(set(look.statuses)), sort=look.sort, shared=shared, **_drawn(look.display),
    )  # fmt: skip

    async def work(session: AsyncSession) -> SavedView:
        own = sa.select(sa.func.count()).where(
            col(SavedView.workspace_id) == actor.workspace_id, col(SavedView.owner_id) == actor.user_id
        )
        if (await session.scalars(own)).one() >= _MOST:
            raise Invalid(f"Nobody has more than {_MOST} views.")
        session.add(view)
        return view

    return await _named_once(desk, work)


async def change(
    desk: Desk, actor: Actor, view_id: UUID, *, name: str | None = None, shared: bool | None = None
) -> SavedView:
    """Renames a view, shares it, or takes it back.

    Raises:
        NotFound: there is none, or it is somebody else's own.
        Forbidden: it is shared, and the actor neither its owner nor an operator; or it is to be shared by such.
        Invalid: the name makes no sense, or its owner has a view of that name.
    """
    if shared:
        actor.require_operator()
    values: dict[str, Any] = {"name": _named(name)} if name is not None else {}
    if shared is not None:
        values["shared"] = shared

    async def work(session: AsyncSession) -> SavedView:
        view = await _theirs(session, actor, view_id)
        for field, value in values.items():
            setattr(view, field, value)
        return view

    return await _named_once(desk, work)


async def remove(desk: Desk, actor: Actor, view_id: UUID) -> None:
    """Removes a view. Raises NotFound and Forbidden as `change`."""

    async def work(session: AsyncSession) -> None:
        await session.delete(await _theirs(session, actor, view_id))

    await desk.db.transact(work)


def _visible(actor: Actor) -> list[sa.ColumnElement[bool]]:
    own = col(SavedView.owner_id) == actor.user_id
    return [col(SavedView.workspace_id) == actor.workspace_id, sa.or_(own, col(SavedView.shared))]


async def _theirs(session: AsyncSession, actor: Actor, view_id: UUID) -> SavedView:
    query = sa.select(SavedView).where(*_visible(actor), col(SavedView.id) == view_id)
    view = (await session.scalars(query.with_for_update())).one_or_none()
    if view is None:
        raise NotFound(what="view")
    if not may_change(actor, view):
        raise Forbidden(role=actor.role)
    return view


async def _named_once(desk: Desk, work: Any) -> SavedView:
    try:
        view: SavedView = await desk.db.transact(work)
    except IntegrityError:
        raise Invalid("There is a view of this name already.") from None
    return view


def _drawn(display: Display | None) -> dict[str, Any]:
    if display is None:
        return {}
    if unknown := [column for column in display.columns if column not in COLUMNS]:
        raise Invalid(f"There is no column {unknown[0]!r}: {', '.join(COLUMNS)}.")
    return {
        "density": display.density,
        "columns": [column for column in COLUMNS if column in display.columns],
    }


def _named(name: str) -> str:
    name = " ".join(name.split())
    require_storable(name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid(f"A view has a name of at most {LONGEST_NAME} characters.")
    return name
