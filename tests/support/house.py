"""The whole house on real parts: web processes, workers, a database and Valkey, as many machines would run it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.ports import free_port
from tests.support.waiting import eventually_sync
from ui.up import commands
from ui.up.process import die_with_parent

_START_SECONDS = 60
_STOP_SECONDS = 20


@dataclass
class Part:
    """A process of the house, leader of a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """Ends it orderly; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it and everything it started, as a power cut would."""
        with_suppressed_lookup(lambda: os.killpg(self.process.pid, signal.SIGKILL))
        self.process.wait()

    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")


def with_suppressed_lookup(act: "object") -> None:
    """Calls `act`; a process that is gone already is no trouble."""
    try:
        act()  # type: ignore[operator]
    except ProcessLookupError:
        return


@dataclass
class House:
    """Starts parts on one database and one Valkey, and ends them all."""

    database_url: str
    redis_url: str
    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What every part gets."""
        ours = {
            "MULLIGAN_DATABASE_URL": self.database_url,
            "MULLIGAN_REDIS_URL": self.redis_url,
            "MULLIGAN_DATA_DIR": str(self.folder),
            "MULLIGAN_LEASE_SECONDS": "4",
            "MULLIGAN_ADMIN_EMAIL": "dana@example.org",
            "MULLIGAN_ADMIN_PASSWORD": "correct horse battery",
        }
        return {**os.environ, **ours, **self.more}

    def run(self, *words: str) -> str:
        """Runs a command of ours to its end; what it printed."""
        done = subprocess.run(
            commands.mulligan(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"mulligan {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def web(self) -> tuple[Part, str]:
        """A web process that answers, and its address."""
        port = free_port()
        part = self._start(
            f"web-{port}", commands.mulligan("web", "--host", "127.0.0.1", "--port", str(port))
        )
        address = f"http://127.0.0.1:{port}"
        eventually_sync(lambda: _answers(part, address), _START_SECONDS, expect="the web process answers")
        return part, address

    def worker(self, *options: str) -> Part:
        """A worker with one process, as `taskiq worker` runs it."""
        command = [
            sys.executable,
            "-m",
            "taskiq",
            "worker",
            "tasks.broker:broker",
            "--workers",
            "1",
            *options,
        ]
        return self._start(f"worker-{len(self.parts)}", command)

    def close(self) -> None:
        """Ends every part."""
        for part in self.parts:
            part.kill()

    def _start(self, name: str, command: list[str]) -> Part:
        log = self.folder / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        part = Part(name, process, log)
        self.parts.append(part)
        return part


@contextmanager
def a_house(database_url: str, redis_url: str, folder: Path, **more: str) -> Iterator[House]:
    """A house without parts yet; whatever it starts is gone at the end."""
    house = House(database_url, redis_url, folder, more)
    try:
        yield house
    finally:
        house.close()


def _answers(part: Part, address: str) -> bool:
    assert part.process.poll() is None, f"{part.name} ended: {part.said()[-2000:]}"
    try:
        return httpx.get(f"{address}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
