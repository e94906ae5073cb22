"""Members and invitations of a workspace, for its admins."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from services.people import invitations, members
from services.vocabulary import Role
from ui.addresses import absolute
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Order, Wire

router = APIRouter(prefix="/api", tags=["members"])

_Limit = Annotated[int, Query(ge=1, le=200)]


class MemberOut(Wire):
    """A user with their role in the workspace."""

    id: UUID = Field(description="The user's.")
    email: str
    name: str
    role: Role
    since: datetime


class MemberList(BaseModel):
    """A page of members, in the order in which their accounts were made."""

    items: list[MemberOut]
    next_cursor: UUID | None


class RoleOrder(Order):
    """Another role."""

    role: Role


class InvitationOrder(Order):
    """Who is invited, and as what."""

    email: str = Field(max_length=254)
    role: Role = Role.MEMBER


class InvitedOut(Wire):
    """An invitation, with its link to hand on, which is shown this once."""

    id: UUID = Field(description="The invitation's.")
    email: str
    role: Role
    link: str
    expires_at: datetime


class LinkOrder(Order):
    """What an invitation's link holds."""

    invitation: str = Field(max_length=200, description="What stands in the link: `inv_…`.")


class JoinedOut(BaseModel):
    """Where the caller is a member now."""

    workspace: str = Field(description="The slug.")


class InvitationOut(Wire):
    """An invitation that nobody has used."""

    id: UUID
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


class InvitationList(BaseModel):
    """A page of invitations, newest first."""

    items: list[InvitationOut]
    next_cursor: UUID | None


class LinkOut(BaseModel):
    """A one-time sign-in link, shown this once."""

    link: str
    valid_hours: int


@router.get("/members")
async def get_members(
    desk: TheDesk, actor: Caller, cursor: UUID | None = None, limit: _Limit = 50
) -> MemberList:
    """Who is in the workspace. Admins only."""
    found, following = await members.list_members(desk, actor, cursor, limit)
    return MemberList(items=[MemberOut.model_validate(one) for one in found], next_cursor=following)


@router.patch("/members/{user_id}")
async def patch_member(desk: TheDesk, actor: Caller, user_id: UUID, order: RoleOrder) -> MemberOut:
    """Gives a member another role. Admins only; the last admin stays one (409 `last_admin`)."""
    return MemberOut.model_validate(await members.set_role(desk, actor, user_id, order.role))


@router.delete("/members/{user_id}", status_code=204)
async def delete_member(desk: TheDesk, actor: Caller, user_id: UUID) -> None:
    """Takes a member out: tokens and sessions for this workspace end, jobs stay. Admins only."""
    await members.remove_member(desk, actor, user_id)


@router.post("/members/{user_id}/sign-in-link", status_code=201)
async def post_sign_in_link(desk: TheDesk, actor: Caller, request: Request, user_id: UUID) -> LinkOut:
    """A link that lets a member in once, to choose a new password. Admins only."""
    path = await members.sign_in_link(desk, actor, user_id)
    link = absolute(desk.settings, request.base_url, path)
    return LinkOut(link=link, valid_hours=members.LINK_HOURS)


@router.get("/invitations")
async def get_invitations(
    desk: TheDesk, actor: Caller, cursor: UUID | None = None, limit: _Limit = 50
) -> InvitationList:
    """Invitations that nobody has used. Admins only; the links themselves are not kept."""
    found, following = await invitations.list_invitations(desk, actor, cursor, limit)
    return InvitationList(items=[InvitationOut.model_validate(one) for one in found], next_cursor=following)


@router.post("/invitations", status_code=201)
async def post_invitation(
    desk: TheDesk, actor: Caller, request: Request, order: InvitationOrder
) -> InvitedOut:
    """Invites somebody by a link that is good once, for seven days. Admins only."""
    invited = await invitations.invite(desk, actor, order.email, order.role)
    said = InvitedOut.model_validate(invited)
    return said.model_copy(update={"link": absolute(desk.settings, request.base_url, invited.link)})


@router.post("/invitations/accept")
async def accept_invitation(desk: TheDesk, actor: Caller, order: LinkOrder) -> JoinedOut:
    """Joins the inviting workspace, as the account that the invitation is for. With a session; a token cannot."""
    return JoinedOut(workspace=await invitations.accept(desk, actor, order.invitation))


@router.post("/invitations/decline", status_code=204)
async def decline_invitation(desk: TheDesk, order: LinkOrder) -> None:
    """Ends an invitation. Whoever holds its link may."""
    await invitations.decline(desk, order.invitation)


@router.delete("/invitations/{invitation_id}", status_code=204)
async def delete_invitation(desk: TheDesk, actor: Caller, invitation_id: UUID) -> None:
    """Withdraws an invitation. Admins only."""
    await invitations.withdraw(desk, actor, invitation_id)
