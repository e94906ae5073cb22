"""Which worker processes there are, by their heartbeat."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.models import Worker

HEARTBEAT_SECONDS = 5
_ONLINE_SECONDS = 3 * HEARTBEAT_SECONDS
# Whom nobody was told of for so long is no news any more.
_NEWS_SECONDS = 3600
_FORGET_SECONDS = 24 * 3600


async def beat(session: AsyncSession, worker: Worker) -> None:
    """Says that a worker is here. Its row is made at the first beat."""
    values: dict[str, Any] = {
        "running": worker.running,
        "engines": worker.engines,
        "queues": worker.queues,
        "seen_at": db_now(),
        "missed_at": None,
    }
    change = (
        sa.update(Worker).where(col(Worker.name) == worker.name).values(**values).returning(col(Worker.name))
    )
    if (await session.scalars(change)).one_or_none() is None:
        fields = worker.model_dump(include={"name", "host", "pid", "version", "started_at"})
        await session.execute(sa.insert(Worker).values(**fields, **values))


async def leave(session: AsyncSession, name: str) -> None:
    """A worker that stops orderly takes its row away, and those of workers long gone."""
    gone = col(Worker.seen_at) < db_now(-_FORGET_SECONDS)
    await session.execute(sa.delete(Worker).where((col(Worker.name) == name) | gone))


async def miss(session: AsyncSession) -> list[Worker]:
    """Workers that stopped answering within the hour, without a word. Each is returned once: whoever gets it tells."""
    change = sa.update(Worker).where(_is_missed()).values(missed_at=db_now()).returning(Worker)
    return list((await session.scalars(change, execution_options={"synchronize_session": False})).all())


async def is_one_missed(session: AsyncSession) -> bool:
    """Whether `miss` would find one."""
    return bool((await session.execute(sa.select(sa.exists().where(_is_missed())))).scalar())


def _is_missed() -> sa.ColumnElement[bool]:
    seen = col(Worker.seen_at)
    recent = sa.and_(seen < db_now(-_ONLINE_SECONDS), seen > db_now(-_NEWS_SECONDS))
    return sa.and_(recent, col(Worker.missed_at).is_(None))


async def online(desk: Desk) -> list[Worker]:
    """Workers whose heartbeat came within the last 15 s, by name."""
    async with desk.db.read() as session:
        return await read_online(session)


async def read_online(session: AsyncSession) -> list[Worker]:
    """`online`, in the caller's session."""
    query = sa.select(Worker).where(col(Worker.seen_at) > db_now(-_ONLINE_SECONDS)).order_by(col(Worker.name))
    return list((await session.scalars(query)).all())
