"""What is one's own: name, password, sessions, and tokens. An admin sees and revokes everybody's tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from services.people import hints, people, sessions, tokens
from services.people.hints import Hint
from services.people.tokens import OwnedToken
from services.vocabulary import Role
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Order, Wire
from ui.security import session_cookie

router = APIRouter(prefix="/api", tags=["own account"])

_Limit = Annotated[int, Query(ge=1, le=200)]


class Me(BaseModel):
    """Who is calling, in which workspace, with which role."""

    id: UUID
    email: str
    name: str
    workspace: str = Field(description="The slug.")
    workspace_name: str
    role: Role


class MeOrder(Order):
    """What is to be changed."""

    name: str = Field(max_length=200)


class PasswordOrder(Order):
    """A new password, with the one of before where there is one."""

    password: str = Field(max_length=1000)
    current: str | None = Field(
        default=None, max_length=1000, description="Not asked for within 15 minutes of signing in."
    )


class SessionOut(Wire):
    """A browser that one is signed in with."""

    id: str
    browser: str | None
    created_at: datetime
    seen_at: datetime = Field(description="When it was used last, to within some minutes.")
    is_this: bool = Field(description="Whether this call came from it.")


class TokenOut(BaseModel):
    """A program's key to this workspace."""

    id: UUID
    name: str
    email: str = Field(description="Whose it is.")
    ending: str | None = Field(description="Its last characters.")
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, owned: OwnedToken) -> "TokenOut":
        """The token of the services."""
        token = owned.token
        return cls(
            id=token.id, name=token.name, email=owned.email, ending=token.ending, created_at=token.created_at,
            last_used_at=token.last_used_at, expires_at=token.expires_at,
        )  # fmt: skip


class TokenList(BaseModel):
    """A page of tokens, newest first."""

    items: list[TokenOut]
    next_cursor: UUID | None


class TokenOrder(Order):
    """A token to be made."""

    name: str = Field(min_length=1, max_length=100, description="What it is for.")
    days: int | None = Field(default=None, ge=1, le=3650, description="Default: until it is revoked.")


class NewToken(BaseModel):
    """The token, shown this once."""

    token: str
    name: str


@router.get("/me")
async def get_me(actor: Caller) -> Me:
    """Who is calling."""
    return Me(
        id=actor.user_id, email=actor.email, name=actor.name, workspace=actor.workspace_slug,
        workspace_name=actor.workspace_name, role=actor.role,
    )  # fmt: skip


@router.patch("/me")
async def patch_me(desk: TheDesk, actor: Caller, order: MeOrder) -> Me:
    """Changes one's name."""
    name = await people.rename(desk, actor, order.name)
    return (await get_me(actor)).model_copy(update={"name": name})


@router.put("/me/password", status_code=204)
async def put_password(desk: TheDesk, actor: Caller, request: Request, order: PasswordOrder) -> None:
    """Sets a new password. Other sessions, and sign-in links that nobody used, end."""
    cookie = _cookie(request)
    await people.set_password(desk, actor, order.password, cookie=cookie, current=order.current)


@router.get("/hints")
async def get_hints(desk: TheDesk, actor: Caller) -> list[Hint]:
    """Hints of the pages that concern the caller and were not dismissed."""
    return await hints.pending(desk, actor)


@router.delete("/hints/{name}", status_code=204)
async def delete_hint(desk: TheDesk, actor: Caller, name: Hint) -> None:
    """Dismisses a hint: it is not shown to the caller again."""
    await hints.dismiss(desk, actor, name)


@router.post("/hints", status_code=204)
async def post_hints(desk: TheDesk, actor: Caller) -> None:
    """Shows all hints to the caller once more."""
    await hints.show_again(desk, actor)


@router.get("/sessions")
async def get_sessions(desk: TheDesk, actor: Caller, request: Request) -> list[SessionOut]:
    """Where one is signed in, at most a hundred."""
    found = await sessions.list_sessions(desk, actor, _cookie(request))
    return [SessionOut.model_validate(one) for one in found]


@router.delete("/sessions", status_code=204)
async def delete_sessions(desk: TheDesk, actor: Caller, request: Request) -> None:
    """Signs out everywhere but where this call came from."""
    await sessions.end_other_sessions(desk, actor, _cookie(request))


@router.delete("/sessions/{session_id}", status_code=204)
async def delete_session(desk: TheDesk, actor: Caller, session_id: str) -> None:
    """Signs one browser out."""
    await sessions.end_session(desk, actor, session_id)


@router.get("/tokens")
async def get_tokens(
    desk: TheDesk,
    actor: Caller,
    *,
    everyones: Annotated[bool, Query(alias="all", description="Everybody's, for admins.")] = False,
    cursor: UUID | None = None,
    limit: _Limit = 50,
) -> TokenList:
    """Tokens for this workspace that still work: one's own."""
    found, following = await tokens.list_tokens(desk, actor, cursor, limit, everyones=everyones)
    return TokenList(items=[TokenOut.of(one) for one in found], next_cursor=following)


@router.post("/tokens", status_code=201)
async def post_token(desk: TheDesk, actor: Caller, order: TokenOrder) -> NewToken:
    """Makes a token in one's own name, for this workspace."""
    token = await tokens.create_own_token(desk, actor, order.name, order.days)
    return NewToken(token=token, name=order.name.strip())


@router.delete("/tokens/{token_id}", status_code=204)
async def delete_token(desk: TheDesk, actor: Caller, token_id: UUID) -> None:
    """Revokes a token: one's own, or any of the workspace for admins."""
    await tokens.revoke_token(desk, actor, token_id)


def _cookie(request: Request) -> str | None:
    """The session that calls; a token's call has none, whatever else the program sends along."""
    return None if "authorization" in request.headers else session_cookie(request.cookies)
