"""Views of the grid that people have named."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from services.errors import NotFound
from services.jobs import views
from services.jobs.views import COLUMNS, Display, Look
from services.models import SavedView
from services.people.access import Actor
from services.vocabulary import Density, Status
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Flag, Order

router = APIRouter(prefix="/api/views", tags=["jobs"])


class ViewOut(BaseModel):
    """A view: a search, some statuses and an order, as `GET /api/jobs` takes them."""

    id: UUID
    name: str
    q: str
    status: list[Status] = Field(description="None named: all.")
    sort: str
    density: Density | None = Field(description="None: as each browser has it.")
    columns: list[str] | None = Field(description="Those that are shown beside title and status.")
    shared: bool = Field(description="With everybody in the workspace.")
    own: bool = Field(description="Whether the caller made it.")
    can_change: bool
    created_at: datetime

    @classmethod
    def of(cls, actor: Actor, view: SavedView) -> Self:
        """The view as this actor sees it."""
        display = views.display_of(view)
        return cls(
            id=view.id, name=view.name, q=view.q, status=view.statuses, sort=view.sort, shared=view.shared,
            density=display and display.density, columns=list(display.columns) if display else None,
            own=view.owner_id == actor.user_id, can_change=views.may_change(actor, view), created_at=view.created_at,
        )  # fmt: skip


class NewView(Order):
    """A view to be named."""

    name: str = Field(max_length=200)
    q: str = Field(default="", max_length=500, description="The search language.")
    status: list[Status] = Field(default_factory=list, max_length=len(Status))
    sort: Literal["newest", "oldest"] = "newest"
    density: Density | None = Field(
        default=None, description="With neither this nor `columns`: as each browser has it."
    )
    columns: list[str] | None = Field(
        default=None, max_length=len(COLUMNS), description=f"Of {', '.join(COLUMNS)}, those that are shown."
    )
    shared: Flag = Field(default=False, description="For operators and admins.")


class ViewChange(Order):
    """What becomes another; what is left out stays."""

    name: str | None = Field(default=None, max_length=200)
    shared: Flag | None = None


def _view_id(view_id: str) -> UUID:
    try:
        return UUID(view_id)
    except ValueError:
        raise NotFound(what="view") from None


ViewId = Annotated[str, Path(description="A view's id.")]


@router.get("")
async def list_views(desk: TheDesk, actor: Caller) -> list[ViewOut]:
    """The caller's own views and the shared ones, by name."""
    return [ViewOut.of(actor, view) for view in await views.list_views(desk, actor)]


@router.post("", status_code=201)
async def save_view(desk: TheDesk, actor: Caller, order: NewView) -> ViewOut:
    """Names a view."""
    look = Look(order.q, tuple(order.status), order.sort, _display(order))
    return ViewOut.of(actor, await views.save(desk, actor, order.name, look, shared=order.shared))


def _display(order: NewView) -> Display | None:
    if order.density is None and order.columns is None:
        return None
    columns = COLUMNS if order.columns is None else tuple(order.columns)
    return Display(order.density or Density.COMFORTABLE, columns)


@router.patch("/{view_id}")
async def change_view(desk: TheDesk, actor: Caller, view_id: ViewId, order: ViewChange) -> ViewOut:
    """Renames a view, shares it, or takes it back."""
    view = await views.change(desk, actor, _view_id(view_id), name=order.name, shared=order.shared)
    return ViewOut.of(actor, view)


@router.delete("/{view_id}", status_code=204)
async def remove_view(desk: TheDesk, actor: Caller, view_id: ViewId) -> None:
    """Removes a view."""
    await views.remove(desk, actor, _view_id(view_id))
