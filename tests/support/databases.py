"""Fresh, migrated databases, cheap: the migrations run once per kind of database, then copies are handed out."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from services.migrate import upgrade
from tests.support.postgres import PostgresServer


class SqliteDatabases:
    """Files copied from one that was migrated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._template = folder / "template.db"
        asyncio.run(upgrade(f"sqlite:///{self._template}"))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a migrated database of one's own."""
        path = self._folder / f"{next(self._numbers)}.db"
        shutil.copyfile(self._template, path)
        yield f"sqlite:///{path}"
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


class PostgresDatabases:
    """Databases copied from one that was migrated. One that a test has left is emptied for the next one.

    To delete a few rows takes a tenth of what a copy takes, which is a file for every index.
    """

    _TEMPLATE = "migrated"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._left: list[str] = []
        server.create_database(name=self._TEMPLATE)
        asyncio.run(upgrade(server.url(self._TEMPLATE)))
        self._columns = self._server.sql(_COLUMNS, self._TEMPLATE)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a migrated database of one's own, with no row in it."""
        name = self._left.pop() if self._left else self._server.create_database(template=self._TEMPLATE)
        yield self._server.url(name)
        rows, columns = self._server.sql(_EMPTY + _COLUMNS, name).split()
        if int(rows) < _MANY_ROWS and columns == self._columns:
            self._left.append(name)
        else:
            self._server.drop_database(name)


# What the next test finds is as small as a copy, so that its database plans as for one.
_MANY_ROWS = 1000
# Whoever is still connected is cut off, as by DROP … WITH (FORCE). A replica runs no triggers, checks no foreign keys.
_EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE
    full_table text;
    gone bigint;
    all_gone bigint := 0;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
    FOR full_table IN
        SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE 'DELETE FROM ' || full_table;
        GET DIAGNOSTICS gone = ROW_COUNT;
        all_gone := all_gone + gone;
    END LOOP;
    PERFORM set_config('mulligan.gone', all_gone::text, false);
END $$;
SELECT current_setting('mulligan.gone');
"""
# A test may make tables of its own.
_COLUMNS = """
SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace;
"""
