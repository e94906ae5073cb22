"""Brings a database to the schema of this version. Safe to run in several processes at once."""

import asyncio
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from services.database.database import Database

# Any number, the same in every process: who holds it migrates, the others wait.
_LOCK = 7_204_417_011


async def upgrade(url: str) -> None:
    """Applies what is missing, however long it takes. Raises what the driver raises where the database is away."""
    database = Database(url, statement_seconds=None)
    try:
        if database.is_sqlite and (path := database.url.database) and path != ":memory:":
            await asyncio.to_thread(Path(path).parent.mkdir, parents=True, exist_ok=True)
        async with database.engine.connect() as connection:
            await _lock(connection, database)
            await connection.run_sync(_apply)
            await connection.commit()
    finally:
        await database.close()


async def is_current(database: Database) -> bool:
    """Whether the schema is this version's."""
    async with database.engine.connect() as connection:
        found = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_heads())
    return set(found) == await asyncio.to_thread(_heads)


@cache
def _heads() -> frozenset[str]:
    """The newest revisions of this version. Reading the scripts takes milliseconds, and they do not change."""
    return frozenset(ScriptDirectory.from_config(_config()).get_heads())


async def _lock(connection: AsyncConnection, database: Database) -> None:
    if database.is_sqlite:
        _ = await connection.execution_options(sqlite_begin="IMMEDIATE")
        await connection.execute(sa.text("SELECT 1"))
    else:
        # Limits that a role or a database has are for people who wait. Here, and for whoever waits for it, none holds.
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            await connection.execute(sa.text(f"SET LOCAL {limit} = 0"))
        await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _apply(connection: sa.Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
