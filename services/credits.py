"""Credits: a balance that is never negative and always the sum of its ledger."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit
from services.database.database import rows_json
from services.database.statements import Statements, statements
from services.desk import Desk
from services.errors import InsufficientCredits, Invalid
from services.ids import new_id
from services.lifecycle import Claim
from services.models import Attempt, CreditEntry, Job, Workspace
from services.people.access import Actor
from services.vocabulary import CreditReason

_MOST = 1_000_000_000
_UNUSED = "Cancelled before it ran."


class Charge(NamedTuple):
    """What an attempt costs, in credits."""

    job_id: UUID
    attempt: int
    cost: int


async def post(
    session: AsyncSession,
    workspace_id: UUID,
    amount: int,
    reason: CreditReason,
    *,
    actor: str | None = None,
    note: str | None = None,
    job_id: UUID | None = None,
    attempt: int | None = None,
) -> int:
    """Changes a balance by `amount` credits and writes the line that says why, in the caller's transaction.

    Returns the new balance.

    Raises:
        InsufficientCredits: it would become negative; nothing was changed.
    """
    change = (
        sa.update(Workspace)
        .where(col(Workspace.id) == workspace_id, col(Workspace.balance) + amount >= 0)
        .values(balance=col(Workspace.balance) + amount)
        .returning(col(Workspace.balance))
    )
    balance = (await session.scalars(change, execution_options={"synchronize_session": False})).one_or_none()
    if balance is None:
        raise InsufficientCredits(needed=-amount)
    session.add(
        CreditEntry(
            workspace_id=workspace_id, amount=amount, balance_after=balance, reason=reason,
            actor=actor, note=note, job_id=job_id, attempt=attempt,
        )
    )  # fmt: skip
    return balance


async def refund_unused(
    session: AsyncSession, job: Job, by: str | None, note: str = "Cancelled before it ran."
) -> None:
    """Gives back what a retry cost that ended before any worker had it."""
    attempt = await session.get(Attempt, (job.id, job.attempt), populate_existing=True)
    if attempt is None or not attempt.cost or attempt.started_at is not None:
        return
    await post(
        session, job.workspace_id, attempt.cost, CreditReason.REFUND,
        actor=by, note=note, job_id=job.id, attempt=job.attempt,
    )  # fmt: skip
    attempt.cost = 0


async def charge_many(
    session: AsyncSession, workspace_id: UUID, charges: Sequence[Charge], *, actor: str
) -> None:
    """Charges for many attempts at once, in the caller's transaction, with a line of the ledger for each.

    Raises:
        InsufficientCredits: the balance would become negative; nothing was changed.
    """
    total = sum(charge.cost for charge in charges)
    change = (
        sa.update(Workspace)
        .where(col(Workspace.id) == workspace_id, col(Workspace.balance) >= total)
        .values(balance=col(Workspace.balance) - total)
        .returning(col(Workspace.balance))
    )
    left = (await session.scalars(change, execution_options={"synchronize_session": False})).one_or_none()
    if left is None:
        raise InsufficientCredits(needed=total)
    texts = _statements(session)
    rows = _lines([charge._replace(cost=-charge.cost) for charge in charges], left + total)
    said = {"reason": CreditReason.CHARGE, "actor": actor, "note": None}
    await session.execute(texts.charge, {"rows": rows, "workspace": workspace_id} | said)


async def refund_unused_many(session: AsyncSession, actor: Actor, attempts: Sequence[Claim]) -> None:
    """As `refund_unused`, for very many attempts that were cancelled while they waited."""
    texts = _statements(session)
    waited = {"rows": rows_json({"id": a.job_id, "attempt": a.attempt} for a in attempts)}
    refunds = [Charge(*row) for row in await session.execute(texts.unused, waited)]
    if not refunds:
        return
    total = sum(refund.cost for refund in refunds)
    change = (
        sa.update(Workspace)
        .where(col(Workspace.id) == actor.workspace_id)
        .values(balance=col(Workspace.balance) + total)
        .returning(col(Workspace.balance))
    )
    new = (await session.scalars(change, execution_options={"synchronize_session": False})).one()
    said = {"reason": CreditReason.REFUND, "actor": actor.email, "note": _UNUSED}
    rows = _lines(refunds, new - total)
    await session.execute(texts.charge, {"rows": rows, "workspace": actor.workspace_id} | said)
    unused = rows_json({"id": refund.job_id, "attempt": refund.attempt} for refund in refunds)
    await session.execute(texts.uncharge, {"rows": unused})


def _lines(changes: Sequence[Charge], before: int) -> str:
    """Lines of the ledger as a statement's parameter, each with the balance after it."""
    balances = accumulate((change.cost for change in changes), initial=before)
    next(balances)
    return rows_json(
        {
            "id": new_id(),
            "amount": change.cost,
            "balance_after": after,
            "job_id": change.job_id,
            "attempt": change.attempt,
        }
        for change, after in zip(changes, balances, strict=True)
    )


def _statements(session: AsyncSession) -> Statements:
    return statements(is_sqlite=session.get_bind().dialect.name == "sqlite")


async def balance_of(session: AsyncSession, workspace_id: UUID) -> int:
    """The balance of a workspace, in credits."""
    query = sa.select(col(Workspace.balance)).where(col(Workspace.id) == workspace_id)
    return (await session.scalars(query)).one()


async def balance(desk: Desk, actor: Actor) -> int:
    """The balance of the actor's workspace, in credits."""
    async with desk.db.read() as session:
        return await balance_of(session, actor.workspace_id)


async def grant(desk: Desk, actor: Actor, amount: int, reason: str) -> int:
    """Adds credits to the actor's workspace, or takes some away, and returns the new balance.

    Raises:
        Forbidden: the actor is no admin.
        Invalid: no amount, no reason, or more would be taken than is there.
    """
    actor.require_admin()
    if not amount or abs(amount) > _MOST or not reason.strip():
        raise Invalid("Credits need an amount other than 0, and a reason.")

    async def work(session: AsyncSession) -> int:
        try:
            new = await post(
                session,
                actor.workspace_id,
                amount,
                CreditReason.GRANT,
                actor=actor.email,
                note=reason.strip(),
            )
        except InsufficientCredits:
            raise Invalid("The balance never goes below 0.") from None
        audit.record(session, actor, "credits.grant", amount=amount, reason=reason.strip())
        return new

    return await desk.db.transact(work)


async def ledger(
    desk: Desk, actor: Actor, cursor: UUID | None = None, limit: int = 50
) -> tuple[list[CreditEntry], UUID | None]:
    """Lines of the workspace's ledger, newest first, and where the next page starts.

    A member's are those that belong to no job, and their own.
    """
    query = sa.select(CreditEntry).where(col(CreditEntry.workspace_id) == actor.workspace_id)
    if not actor.sees_all_jobs:
        query = query.where(col(CreditEntry.job_id).is_(None) | (col(CreditEntry.actor) == actor.email))
    if cursor:
        query = query.where(col(CreditEntry.id) < cursor)
    async with desk.db.read() as session:
        found = list(
            (await session.scalars(query.order_by(col(CreditEntry.id).desc()).limit(limit + 1))).all()
        )
    return found[:limit], found[limit - 1].id if len(found) > limit else None
