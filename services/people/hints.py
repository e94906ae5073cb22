"""Hints for who is new, and which of them a person has not said "Got it" to yet."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.models import DismissedHint
from services.people.access import Actor


class Hint(StrEnum):
    """What somebody may want to know once."""

    WELCOME = "welcome"
    FAILURE = "failure"
    """At a job that failed, for who may retry."""
    SELECTION = "selection"
    """At the first rows that are selected, for who may change jobs."""
    GROUPS = "groups"
    """At the first groups of failures, for who looks after them."""


async def pending(desk: Desk, actor: Actor) -> list[Hint]:
    """Those that concern the actor and were not dismissed. Nobody is told of what they may not do."""
    query = sa.select(col(DismissedHint.name)).where(col(DismissedHint.user_id) == actor.user_id)
    async with desk.db.read() as session:
        dismissed = set((await session.scalars(query)).all())
    return [hint for hint in Hint if hint not in dismissed and _concerns(actor, hint)]


async def dismiss(desk: Desk, actor: Actor, hint: Hint) -> None:
    """Not shown to this person again, in no workspace and no browser. Twice is as good as once."""

    async def work(session: AsyncSession) -> None:
        await session.merge(DismissedHint(user_id=actor.user_id, name=hint))

    try:
        await desk.db.transact(work)
    except IntegrityError:  # in two tabs at once
        return


async def show_again(desk: Desk, actor: Actor) -> None:
    """All of them are shown once more."""

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.delete(DismissedHint).where(col(DismissedHint.user_id) == actor.user_id))

    await desk.db.transact(work)


def _concerns(actor: Actor, hint: Hint) -> bool:
    match hint:
        case Hint.WELCOME:
            return True
        case Hint.FAILURE | Hint.SELECTION:
            return actor.may_change
        case Hint.GROUPS:
            return actor.operates
