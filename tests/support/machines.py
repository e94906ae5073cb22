"""The whole of Mulligan on real parts: web processes, workers, a database and Valkey, as many machines would run it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil

from tests.support.ports import free_port
from tests.support.waiting import eventually_sync
from ui.up import commands
from ui.up.process import die_with_parent

ROOT = Path(__file__).parents[2]
# As long as a loaded machine may take.
_START_SECONDS = 150
_STOP_SECONDS = 30


@dataclass
class Part:
    """A process, leader of a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """Ends it orderly, and what it leaves behind; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(_STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it and everything it started, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pids(self) -> list[int]:
        """Of a worker: the processes under taskiq's manager."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())]

    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")


@dataclass
class Machines:
    """Starts parts with the same settings, and ends them all. What they say goes to files in the folder."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What every part gets: nothing of the developer's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MULLIGAN_")}
        return kept | {"PYTHONUNBUFFERED": "1"} | dict(self.settings)

    def run(self, *words: str) -> str:
        """Runs a command of ours to its end; what it printed."""
        done = subprocess.run(
            commands.mulligan(*words), cwd=ROOT, env=self.environment, capture_output=True, text=True,
            timeout=_START_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"mulligan {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def webs(self, count: int = 1) -> list[str]:
        """Web processes that answer: their addresses."""
        started = []
        for port in [free_port() for _ in range(count)]:
            command = commands.mulligan("web", "--host", "127.0.0.1", "--port", str(port))
            started.append((self.start(f"web-{port}", command), f"http://127.0.0.1:{port}"))
        for part, address in started:
            eventually_sync(partial(_answers, part, address), _START_SECONDS, expect="the web answers")
        return [address for _, address in started]

    def worker(self, name: str | None = None, *, processes: int = 1) -> Part:
        """A worker, as `taskiq worker` runs it without any option but the number of processes."""
        command = [
            sys.executable,
            "-m",
            "taskiq",
            "worker",
            "tasks.broker:broker",
            "--workers",
            str(processes),
        ]
        return self.start(name or f"worker-{len(self.parts)}", command)

    def start(self, name: str, command: Sequence[str | Path]) -> Part:
        """Starts a part that ends when we do, whatever happens to us."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )  # fmt: skip
        self.parts.append(Part(name, process, log))
        return self.parts[-1]

    def close(self) -> None:
        """Ends every part."""
        for part in self.parts:
            part.kill()


@contextmanager
def some_machines(database_url: str, redis_url: str, folder: Path, **more: str) -> Iterator[Machines]:
    """No part yet; whatever it starts is gone at the end."""
    ours = {
        "MULLIGAN_DATABASE_URL": database_url,
        "MULLIGAN_REDIS_URL": redis_url,
        "MULLIGAN_DATA_DIR": str(folder),
        "MULLIGAN_LEASE_SECONDS": "4",
        "MULLIGAN_ADMIN_EMAIL": "dana@example.org",
        "MULLIGAN_ADMIN_PASSWORD": "correct horse battery",
    }
    machines = Machines(folder, ours | more)
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
