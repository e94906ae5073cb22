"""Signing in and out, credits, and who did what."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services import audit
from services import credits as ledger
from services.models import AuditEntry, CreditEntry
from services.people import sessions
from services.people.browsers import browser_name
from services.people.people import workspaces_of
from services.vocabulary import CreditReason, Role
from ui.api.caller import SIGNED_IN, Caller, TheDesk
from ui.api.schemas import Order, Wire
from ui.security import clear_session_cookie, session_cookie, set_session_cookie

sign_in_router = APIRouter(prefix="/api/auth", tags=["sign-in"])
router = APIRouter(prefix="/api", tags=["workspace"], dependencies=SIGNED_IN)

_Limit = Annotated[int, Query(ge=1, le=200)]


class Login(Order):
    """Who signs in."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)


class SeatOut(Wire):
    """A workspace of the caller's."""

    slug: str
    name: str
    role: Role


class Person(BaseModel):
    """Who signed in."""

    email: str
    name: str
    workspaces: list[SeatOut]


class CreditEntryOut(Wire):
    """A line of the ledger."""

    id: UUID
    amount: int
    balance_after: int
    reason: CreditReason
    note: str | None
    actor: str | None
    job_id: UUID | None
    attempt: int | None
    created_at: datetime

    @classmethod
    def page(cls, entries: list[CreditEntry]) -> "list[CreditEntryOut]":
        """Lines of a ledger."""
        return [cls.model_validate(entry) for entry in entries]


class Credits(BaseModel):
    """The balance, and a page of the ledger, newest first."""

    balance: int
    entries: list[CreditEntryOut]
    next_cursor: UUID | None


class Grant(Order):
    """Credits to be added, or with a minus taken away."""

    amount: int = Field(ge=-1_000_000, le=1_000_000)
    reason: str = Field(min_length=1, max_length=500)


class Balance(BaseModel):
    """What there is now."""

    balance: int


class AuditEntryOut(Wire):
    """Something that somebody did."""

    id: UUID
    actor: str
    action: str
    job_id: UUID | None
    data: dict[str, Any]
    created_at: datetime

    @classmethod
    def page(cls, entries: list[AuditEntry]) -> "list[AuditEntryOut]":
        """Entries of the log."""
        return [cls.model_validate(entry) for entry in entries]


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    entries: list[AuditEntryOut]
    next_cursor: UUID | None


@sign_in_router.post("/login")
async def login(desk: TheDesk, request: Request, response: Response, order: Login) -> Person:
    """Signs in; the answer sets the cookie of the web page."""
    address = request.client.host if request.client else "?"
    browser = browser_name(request.headers.get("user-agent"))
    signed_in = await sessions.sign_in(desk, order.email, order.password, address, browser)
    # The client forgets the session that it had, so that one ends.
    await sessions.sign_out(desk, session_cookie(request.cookies))
    set_session_cookie(response, signed_in, scheme=request.url.scheme, settings=desk.settings)
    seats = await workspaces_of(desk, signed_in.user.id)
    return Person(
        email=signed_in.user.email,
        name=signed_in.user.name,
        workspaces=[SeatOut.model_validate(seat) for seat in seats],
    )


@sign_in_router.post("/logout", status_code=204)
async def logout(desk: TheDesk, request: Request, response: Response) -> None:
    """Ends the session, on the server too."""
    await sessions.sign_out(desk, session_cookie(request.cookies))
    clear_session_cookie(response, scheme=request.url.scheme, settings=desk.settings)


@router.get("/credits")
async def get_credits(
    desk: TheDesk, actor: Caller, cursor: UUID | None = None, limit: _Limit = 50
) -> Credits:
    """The balance and the ledger."""
    entries, following = await ledger.ledger(desk, actor, cursor, limit)
    balance = await ledger.balance(desk, actor)
    return Credits(balance=balance, entries=CreditEntryOut.page(entries), next_cursor=following)


@router.post("/credits")
async def grant_credits(desk: TheDesk, actor: Caller, order: Grant) -> Balance:
    """Adds credits, or takes some; the balance never goes below 0. Admins only."""
    return Balance(balance=await ledger.grant(desk, actor, order.amount, order.reason))


@router.get("/audit")
async def get_audit(
    desk: TheDesk,
    actor: Caller,
    cursor: UUID | None = None,
    limit: _Limit = 50,
    by: Annotated[str | None, Query(max_length=320, description="Email, or Mulligan")] = None,
    action: Annotated[str | None, Query(max_length=64, description="`job.retry`")] = None,
    job: UUID | None = None,
) -> AuditPage:
    """Who did what; of one person, one action, one job. Not for members, who see only their own jobs."""
    narrowed = audit.Narrowed(by, action, job)
    entries, following = await audit.entries(desk, actor, cursor, limit, narrowed=narrowed)
    return AuditPage(entries=AuditEntryOut.page(entries), next_cursor=following)
