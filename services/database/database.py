"""One door to SQLite and PostgreSQL: sessions that read, transactions that write, and the few dialect differences."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import AsyncAdaptedQueuePool

from services.database import sqlite
from services.errors import ServiceUnavailable

logger = logging.getLogger(__name__)

# Well under a third of the lease (30 s): a heartbeat that waits for the lock still comes in time.
_SQLITE_BUSY_SECONDS = 5.0
_WRITE_TRIES = 5
_DISK_FULL = "53100"
_SQLITE_FULL = "disk is full"
# A disk that is full, fails or was mounted anew for reading. All of these may be over in a while.
_SQLITE_AWAY = ("unable to open database", _SQLITE_FULL, "disk I/O error", "readonly database")
# A database host that vanishes without a word must not hold anybody until TCP gives up.
_CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30.0
"""No page asks longer. A migration may: it is over when it is over."""

T = TypeVar("T")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A timezone-aware moment in UTC: TIMESTAMPTZ on PostgreSQL, sortable text with microseconds on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class db_now(sa.sql.functions.GenericFunction[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock, moved by some seconds. Leases are measured by it alone, never by a worker's."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, plus_seconds: float = 0) -> None:
        super().__init__(sa.bindparam(None, float(plus_seconds), type_=sa.Float()))


@compiles(db_now, "postgresql")
def _now_postgresql(element: db_now, compiler: Any, **kw: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(db_now, "sqlite")
def _now_sqlite(element: db_now, compiler: Any, **kw: Any) -> str:
    # Milliseconds padded to the six digits that SQLAlchemy stores, so that text comparison is comparison of moments.
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"


class Database:
    """An engine for one URL. `read()` gives a session, `write()` a transaction that commits at its end."""

    def __init__(
        self, url: str, *, pool_size: int = 8, statement_seconds: float | None = STATEMENT_SECONDS
    ) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _make_engine(self.url, pool_size, statement_seconds)
        # SQLite has one writer: waiting here is fair and costs no busy loop inside the driver.
        self._writer = asyncio.Lock() if self.is_sqlite else None

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; what it would change is not kept."""
        async with AsyncSession(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session for reading, all of whose queries see the same moment."""
        async with self.read() as session:
            if not self.is_sqlite:  # there, a transaction that reads is one anyway
                _ = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits when the block ends, rolls back when it raises. No call outside belongs in it."""
        if self._writer is None:
            async with self._transaction() as session:
                yield session
        else:
            async with self._writer, self._transaction() as session:
                yield session

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                _ = await session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            yield session
            await session.commit()

    async def transact(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Runs `work` in a transaction, again where the database asks for it (deadlock, lock timeout)."""
        for attempt in range(1, _WRITE_TRIES + 1):
            try:
                async with self.write() as session:
                    return await work(session)
            except DBAPIError as error:
                if attempt == _WRITE_TRIES or not is_contention(error):
                    raise
                logger.info("transaction tried again after contention: %s", type(error.orig).__name__)
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    async def ping(self) -> None:
        """Raises what the driver raises when the database does not answer."""
        async with self.read() as session:
            await session.execute(sa.text("SELECT 1"))


def is_contention(error: DBAPIError) -> bool:
    """Whether the same transaction, run again, may well succeed."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in {"40P01", "40001"} or "database is locked" in str(error.orig)


def is_outage(error: BaseException) -> bool:
    """Whether the database is away or overloaded, so that the same work may succeed in a while."""
    if isinstance(error, (OSError, TimeoutError, sa.exc.TimeoutError, sa.exc.InterfaceError)):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or is_contention(error)):
        return True
    # Classes of SQLSTATE: connection exception, insufficient resources, operator intervention, system error.
    # The driver's own errors come unwrapped while a connection is made.
    cause = getattr(error, "orig", error)
    away = str(getattr(cause, "sqlstate", None) or "")[:2] in {"08", "53", "57", "58"}
    return away or any(words in str(cause) for words in _SQLITE_AWAY)


def outage_of(error: BaseException) -> ServiceUnavailable | None:
    """What is told of an outage of the database; None where the error is none."""
    if not is_outage(error):
        return None
    cause = getattr(error, "orig", error)
    if getattr(cause, "sqlstate", None) == _DISK_FULL or _SQLITE_FULL in str(cause):
        return ServiceUnavailable("The database cannot write: its disk is full.", service="The database")
    return ServiceUnavailable(service="The database")


def async_url(url: str) -> URL:
    """The URL with the async driver that Mulligan uses for its backend."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+asyncpg")
    raise ValueError(f"unsupported database: {backend}")


def _make_engine(url: URL, pool_size: int, statement_seconds: float | None) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        # prepared_statement_cache_size keeps asyncpg's plans; statements here have fixed texts (see `rows_source`).
        return create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": statement_seconds},
        )
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={
            "async_creator_fn": sqlite.connect,
            "timeout": _SQLITE_BUSY_SECONDS,
            "isolation_level": None,
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # The driver's own BEGIN is off (isolation_level None): a writer must take the lock at once, else two readers
    # that both want to write deadlock and one fails without waiting.
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def rows_source(columns: dict[str, str], *, is_sqlite: bool) -> str:
    """SQL for a table `v` made of one JSON parameter `:rows`, so that a set-based statement has a fixed text.

    `columns` maps names to their PostgreSQL types (uuid, integer, text, jsonb, boolean, float8).
    """
    if is_sqlite:
        fields = ", ".join(f"value->>'$.{name}' AS {name}" for name in columns)
        return f"(SELECT {fields} FROM json_each(:rows)) AS v"
    fields = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS v({fields})"


def rows_json(rows: Iterable[dict[str, Any]]) -> str:
    """The parameter for `rows_source`. Keys go as 32 hex digits, as SQLite stores them and PostgreSQL reads them."""
    return json.dumps(list(rows), default=_plain, separators=(",", ":"))


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
