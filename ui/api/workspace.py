"""What a workspace is set to."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.errors import Invalid
from services.jobs import retention
from services.people import webhook_secret, workspaces
from services.people.workspaces import LONGEST_DAYS
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Order, Wire

router = APIRouter(prefix="/api", tags=["workspace"])

_Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]


class WorkspaceOut(Wire):
    """The workspace."""

    slug: str = Field(description="Its name in addresses, which stays.")
    name: str
    balance: int
    retention_days: int | None = Field(description="So long ended jobs are kept; null: for ever.")
    created_at: datetime


class WorkspaceOrder(Order):
    """What is to be changed; what is left out stays."""

    name: str | None = Field(default=None, max_length=200)
    retention_days: _Days | None = Field(default=None, description="Null: for ever.")


class RetentionOut(BaseModel):
    """What would go."""

    days: int
    jobs: int = Field(description=f"How many jobs ended longer ago; counted up to {retention.COUNTED:,}.")
    more: bool = Field(description="Whether there are more than were counted.")


class WebhookSecretOut(BaseModel):
    """What signs webhooks; both null: nothing does."""

    made_at: datetime | None
    made_by: str | None


class NewWebhookSecret(BaseModel):
    """A secret, shown once."""

    secret: str


@router.get("/workspace")
async def get_workspace(desk: TheDesk, actor: Caller) -> WorkspaceOut:
    """The workspace that the caller is in."""
    return WorkspaceOut.model_validate(await workspaces.get_workspace(desk, actor))


@router.patch("/workspace")
async def patch_workspace(desk: TheDesk, actor: Caller, order: WorkspaceOrder) -> WorkspaceOut:
    """Changes the name, or how long ended jobs are kept. Admins only."""
    actor.require_admin()
    said = order.model_fields_set
    if "name" in said:
        if order.name is None:
            raise Invalid("A workspace has a name.")
        await workspaces.rename(desk, actor, order.name)
    if "retention_days" in said:
        await workspaces.keep_for(desk, actor, order.retention_days)
    return await get_workspace(desk, actor)


@router.get("/workspace/retention")
async def get_retention(
    desk: TheDesk, actor: Caller, days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)]
) -> RetentionOut:
    """How many jobs would be removed now, if ended jobs were kept for so many days. Admins only."""
    found = await retention.would_go(desk, actor, days)
    return RetentionOut(days=days, jobs=min(found, retention.COUNTED), more=found > retention.COUNTED)


@router.get("/workspace/webhook-secret")
async def get_webhook_secret(desk: TheDesk, actor: Caller) -> WebhookSecretOut:
    """Whether the workspace has a secret that signs its webhooks. Admins only."""
    made = await webhook_secret.made(desk, actor)
    return WebhookSecretOut(made_at=made and made.at, made_by=made and made.by)


@router.post("/workspace/webhook-secret", status_code=201)
async def post_webhook_secret(desk: TheDesk, actor: Caller) -> NewWebhookSecret:
    """Makes one, told this once; the one of before signs nothing from then on. Admins only."""
    return NewWebhookSecret(secret=await webhook_secret.make(desk, actor))


@router.delete("/workspace/webhook-secret", status_code=204)
async def delete_webhook_secret(desk: TheDesk, actor: Caller) -> None:
    """Takes it away: what brings no secret of its own is not signed any more. Admins only."""
    await webhook_secret.remove(desk, actor)
