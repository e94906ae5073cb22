"""A whole Mulligan of real processes, and a way into it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from services.database.database import Database
from services.people import people
from services.settings import Settings, load_settings
from services.vocabulary import Role
from tests.support.machines import ROOT, Machines, Part
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually_sync
from ui.up import commands
from ui.up.aria2 import Embedded, embedded

_SECRET = "only-for-tests"
T = TypeVar("T")
PASSWORD = "correct horse battery staple"


@dataclass
class Stack:
    """Starts with `start()`; ends, with everything that it has started, with `close()`."""

    folder: Path
    valkey: ValkeyServer
    port: int = field(default_factory=free_port)
    database: str | None = None
    """The address of a PostgreSQL database; without one, it is SQLite in the folder."""
    aria2: Embedded | None = None
    _parts: dict[str, Part] = field(default_factory=dict)
    _with_password: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where the web process answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Migrates, adds people, starts worker and web; returns when both are there."""
        self.mulligan("migrate")
        self.aria2 = embedded(self.folder / "aria2")
        if self.aria2:
            self.launch("aria2", self.aria2.command())
        for email, workspace, role in (
            ("dana@example.org", "Studio North", "admin"),
            ("vera@example.org", "Studio North", "viewer"),
            ("eve@example.org", "Elsewhere", "admin"),
        ):
            self.add_person(email, workspace, Role(role), PASSWORD)
        self.start_web()
        self.launch("worker", commands.worker())
        eventually_sync(self._is_ready, 150, interval=0.3, expect=f"web and worker are there; {self.log()}")

    def launch(self, name: str, command: Sequence[str | Path]) -> None:
        """Starts a part; its words go to a file."""
        self._parts[name] = self._machines.start(name, command)

    def stop(self, name: str) -> None:
        """Ends a part orderly."""
        self._parts.pop(name).stop()

    def kill9(self, name: str) -> None:
        """Ends a part as a power cut would."""
        self._parts.pop(name).kill()

    def start_web(self) -> None:
        """Starts the web process; it answers a moment later."""
        self.launch("web", commands.mulligan("web", "--port", str(self.port)))

    def process(self, name: str) -> psutil.Process:
        """A part, to be measured."""
        return psutil.Process(self._parts[name].process.pid)

    @property
    def database_url(self) -> str:
        """The database of every part."""
        return self._settings.effective_database_url

    @property
    def _settings(self) -> Settings:
        more = {"database_url": self.database} if self.database else {}
        return load_settings(data_dir=self.folder / "data", secret_key=_SECRET, initial_credits=50, **more)

    def mulligan(self, *words: str) -> str:
        """What a command prints."""
        return self._machines.run(*words)

    def add_person(self, email: str, workspace: str, role: Role, password: str | None = None) -> str | None:
        """Adds a member, once; gives the path of a sign-in link, where there is no password.

        A password given again would end the sessions that other tests have of this person.
        """
        if password and email in self._with_password:
            return None
        if password:
            self._with_password.add(email)
        added = self._with_records(
            lambda records: people.add_user(records, email, workspace=workspace, role=role, password=password)
        )
        return added.link

    def _with_records(self, work: Callable[[people.Records], Awaitable[T]]) -> T:
        async def run() -> T:
            settings = self._settings
            database = Database(settings.effective_database_url)
            try:
                return await work(people.Records(settings, database))
            finally:
                await database.close()

        # A thread of its own: tests have a running loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(run())).result()

    def api(self, email: str) -> httpx.Client:
        """A client in somebody's name."""
        token = self._with_records(lambda records: people.create_token(records, email))
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def programs(self, word: str) -> list[str]:
        """Command lines of what the worker has started, those with that word in them."""
        found = []
        for child in self.process("worker").children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found.append(" ".join(child.cmdline()))
        return [line for line in found if word in line]

    def on_disk(self, *folders: str) -> set[Path]:
        """Files and folders below these of the data folder: `work`, `downloads`, `storage/artifacts`."""
        return {path for folder in folders for path in (self.folder / "data" / folder).rglob("*")}

    def log(self) -> str:
        """What the parts have said last."""
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))

    def close(self) -> None:
        """Ends the parts."""
        for part in self._parts.values():
            part.kill()

    @property
    def _machines(self) -> Machines:
        own: dict[str, Any] = {
            "MULLIGAN_DATA_DIR": self.folder / "data",
            "MULLIGAN_REDIS_URL": self.valkey.url,
            "MULLIGAN_SECRET_KEY": _SECRET,
            "MULLIGAN_INITIAL_CREDITS": 50,
            "MULLIGAN_KINDS": "tests.browser.kinds",
            "MULLIGAN_LEASE_SECONDS": 10,
            "MULLIGAN_STUCK_SECONDS": 1,
            "MULLIGAN_ALLOW_PRIVATE_URLS": "true",  # everything that tests fetch is on loopback
            "PYTHONPATH": ROOT,
        }
        if self.database:
            own["MULLIGAN_DATABASE_URL"] = self.database
        if self.aria2:
            own |= self.aria2.environment
        return Machines(self.folder, {name: str(value) for name, value in own.items()})

    def _is_ready(self) -> bool:
        for name, part in self._parts.items():
            assert part.process.poll() is None, f"{name} has ended: {self.log()}"
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200 and bool(self._workers())
        except httpx.HTTPError:
            return False

    def _workers(self) -> list[Any]:
        with self.api("dana@example.org") as client:
            answer = client.get("/api/workers").json()
        return list(answer["items"] if isinstance(answer, dict) else answer)
