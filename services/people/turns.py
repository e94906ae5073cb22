"""Whoever adds people does so one after the other: of two who add the same person at once, one finds them there."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

# Any number, the same in every process: who holds it may add people, the others wait.
_LOCK = 7_204_417_012


async def take_turn(session: AsyncSession) -> None:
    """Waits for the turn, which lasts as long as the caller's transaction."""
    # SQLite's write transaction is a lock already.
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
