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
    """Databases copied from one that was migrated."""

    _TEMPLATE = "migrated"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        server.create_database(name=self._TEMPLATE)
        asyncio.run(upgrade(server.url(self._TEMPLATE)))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a migrated database of one's own."""
        name = self._server.create_database(template=self._TEMPLATE)
        yield self._server.url(name)
        self._server.drop_database(name)
