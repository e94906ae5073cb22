"""The whole of Mulligan on real parts: web processes, workers, a database and Valkey, as many machines would run it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
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
    """A process, leader of a group of its own."""

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
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")


@dataclass
class Machines:
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

    def webs(self, count: int = 1) -> list[str]:
        """Web processes that answer: their addresses."""
        started = []
        for port in [free_port() for _ in range(count)]:
            command = commands.mulligan("web", "--host", "127.0.0.1", "--port", str(port))
            started.append((self._start(f"web-{port}", command), f"http://127.0.0.1:{port}"))
        for part, address in started:
            eventually_sync(
                partial(_answers, part, address), _START_SECONDS, expect="the web process answers"
            )
        return [address for _, address in started]

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
def some_machines(database_url: str, redis_url: str, folder: Path, **more: str) -> Iterator[Machines]:
    """No part yet; whatever it starts is gone at the end."""
    machines = Machines(database_url, redis_url, folder, more)
    try:
        yield machines
    finally:
        machines.close()


def _answers(part: Part, address: str) -> bool:
    assert part.process.poll() is None, f"{part.name} ended: {part.said()[-2000:]}"
    try:
        return httpx.get(f"{address}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
