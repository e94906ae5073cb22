"""Real parts for a benchmark: a database, a Valkey, and worker processes of the taskiq CLI, all with the same flags."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.kinds import JobKind, load_kinds
from tests.support.postgres import PostgresServer
from tests.support.valkey import ValkeyServer
from ui.up.process import die_with_parent

KINDS = "tests.tasks.kinds"


@dataclass(frozen=True)
class Rig:
    """Where a benchmark runs."""

    name: str
    database_url: str
    valkey: ValkeyServer
    folder: Path
    postgres: PostgresServer | None = None
    """Where it has more databases to give."""

    @property
    def kinds(self) -> list[JobKind]:
        """The kinds that the workers know."""
        return [kind for kind in load_kinds([KINDS]) if kind.name.startswith("test.")]

    @contextmanager
    def worker(self, broker: str) -> Iterator[None]:
        """One worker process, as `taskiq worker` runs it."""
        env = os.environ | {
            "MULLIGAN_DATABASE_URL": self.database_url,
            "MULLIGAN_REDIS_URL": self.valkey.url,
            "MULLIGAN_DATA_DIR": str(self.folder),
            "MULLIGAN_KINDS": KINDS,
            "MULLIGAN_LOG_LEVEL": "WARNING",
            "BENCH_REDIS_URL": self.valkey.url,
        }
        command = [
            sys.executable, "-m", "taskiq", "worker", broker, "--workers", "1", "--log-level", "WARNING",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, env=env, start_new_session=True, preexec_fn=die_with_parent(signal.SIGKILL)
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def rigs() -> Iterator[Rig]:
    """One on SQLite, one on PostgreSQL."""
    valkey = ValkeyServer()
    postgres = PostgresServer()
    try:
        with tempfile.TemporaryDirectory(prefix="mb-") as folder:
            yield Rig("SQLite", f"sqlite:///{folder}/bench.db", valkey, Path(folder))
            yield Rig("PostgreSQL", postgres.url(postgres.create_database()), valkey, Path(folder), postgres)
    finally:
        postgres.close()
        valkey.close()
