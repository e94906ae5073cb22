"""Fixtures that hand out real servers. Each server starts once per test process, when the first test asks for it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from services.settings import Settings
from tests.support.fileserver import FileServer
from tests.support.postgres import PostgresServer
from tests.support.valkey import ValkeyServer

if TYPE_CHECKING:
    from tests.support.databases import PostgresDatabases, SqliteDatabases

# Containers often forbid it; but a web process that has to compile all that it imports takes 3.5 s of a core to start,
# one that finds it compiled 1.5 s, and a hundred of them are started here.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A loaded machine is slow now and then; what an example finds matters, not how long it took.
hypothesis.settings.register_profile("mulligan", deadline=None)
hypothesis.settings.load_profile("mulligan")


class _BrowserTogether(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Tests of the browser go to one process, one after the other: they share a Mulligan and a Chromium.

    xdist's own groups (`--dist loadgroup`) have no effect with pytest 9.2, whose node ids cannot be written to.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for each core, since for half of its time a test waits for a part that it has started."""
    return 2 * (os.cpu_count() or 1)


# Long ones begin first, so that none of them is left alone at the end.
_LONG = ("browser", "faults", "slow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order tests are given out; within a file it stays as written."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, _LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _BrowserTogether | None:
    """How tests are given out to processes."""
    return _BrowserTogether(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the developer's own shell or .env must not reach a test."""
    for name in [name for name in os.environ if name.startswith("MULLIGAN_") and name != "MULLIGAN_CHROMIUM"]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, shared by the tests of this process."""
    # Without the autovacuum, how a query is carried out does not depend on when it last came by.
    server = PostgresServer("-c", "autovacuum=off")
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database of the test's own."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> "SqliteDatabases":
    from tests.support.databases import SqliteDatabases

    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def _postgres_databases(postgres: PostgresServer) -> "PostgresDatabases":
    from tests.support.databases import PostgresDatabases

    return PostgresDatabases(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a migrated database without a row; the test runs once on SQLite and once on PostgreSQL."""
    source = "_sqlite_databases" if request.param == "sqlite" else "_postgres_databases"
    databases: SqliteDatabases | PostgresDatabases = request.getfixturevalue(source)
    with databases.fresh() as url:
        yield url


@pytest.fixture(scope="session")
def _valkey_server() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    yield server
    server.close()


@pytest.fixture
def valkey(_valkey_server: ValkeyServer) -> ValkeyServer:
    """A running, empty Valkey; the test may stop, kill or pause it as it likes."""
    _valkey_server.flush()
    return _valkey_server


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The address of a running, empty Valkey."""
    return valkey.url


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """A file server on loopback, over a folder of the test's own (`file_server.folder`)."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = FileServer(folder)
    yield server
    server.close()
