"""How the databases would carry out a query."""

from typing import Any

import sqlalchemy as sa

from services.desk import Desk


async def plan_of(desk: Desk, query: sa.Select[Any]) -> str:
    """The plan, as text. PostgreSQL is told to use an index where it can: empty tables are read whole otherwise."""
    async with desk.db.read() as session:
        text = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        if desk.db.is_sqlite:
            return "\n".join(row[3] for row in await session.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")))
        await session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        return "\n".join(row[0] for row in await session.execute(sa.text(f"EXPLAIN {text}")))
