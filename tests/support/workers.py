"""Workers: one inside the test's own loop, for what does not need a process, and real ones of the taskiq CLI."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
from taskiq.receiver import Receiver

from services.settings import Settings
from tasks.broker import make_broker
from tasks.stream import StreamBroker
from ui.up.process import die_with_parent

KINDS = "tests.tasks.kinds"


@asynccontextmanager
async def a_worker(settings: Settings, *, most: int = 100) -> AsyncIterator[StreamBroker]:
    """A worker in this very loop, run by taskiq's receiver; stopped as SIGTERM stops one."""
    broker = make_broker(settings)
    broker.is_worker_process = True
    finish = asyncio.Event()
    listening = asyncio.create_task(Receiver(broker, max_async_tasks=most).listen(finish))
    try:
        yield broker
    finally:
        finish.set()
        await listening
        await broker.shutdown()


class WorkerProcess:
    """`taskiq worker tasks.broker:broker`, as it works without any option but the number of processes."""

    def __init__(self, settings: Settings, log: Path, *, processes: int = 1) -> None:
        ours = {
            "MULLIGAN_DATABASE_URL": settings.database_url or "",
            "MULLIGAN_REDIS_URL": settings.redis_url or "",
            "MULLIGAN_DATA_DIR": str(settings.data_dir),
            "MULLIGAN_LEASE_SECONDS": str(settings.lease_seconds),
            "MULLIGAN_ALLOW_PRIVATE_URLS": str(settings.allow_private_urls),
            "MULLIGAN_NOTIFY_TIMEOUT_SECONDS": str(settings.notify_timeout_seconds),
            "MULLIGAN_KINDS": KINDS,
        }
        command = [
            sys.executable,
            "-m",
            "taskiq",
            "worker",
            "tasks.broker:broker",
            "--workers",
            str(processes),
        ]
        self._log = log
        with log.open("ab") as output:
            self.manager = subprocess.Popen(
                command,
                env=os.environ | ours,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def pids(self) -> list[int]:
        """The worker processes under taskiq's manager."""
        children = psutil.Process(self.manager.pid).children()
        return [child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())]

    def said(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.manager.send_signal(signal.SIGTERM)
        return self.manager.wait(20)

    def end(self) -> None:
        """Ends whatever is left of it."""
        try:
            os.killpg(self.manager.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self.manager.wait(20)


@contextmanager
def a_worker_process(
    settings: Settings, name: str = "worker", *, processes: int = 1
) -> Iterator[WorkerProcess]:
    """One that is gone at the end, with everything it started."""
    worker = WorkerProcess(settings, settings.data_path / f"{name}.log", processes=processes)
    try:
        yield worker
    finally:
        worker.end()
