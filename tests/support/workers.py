"""Workers: one inside the test's own loop, for what does not need a process, and real ones of the taskiq CLI."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from taskiq.receiver import Receiver

from services.settings import Settings
from tasks.broker import make_broker
from tasks.stream import StreamBroker
from tests.support.machines import Machines, Part

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


@contextmanager
def a_worker_process(settings: Settings, name: str = "worker", *, processes: int = 1) -> Iterator[Part]:
    """A worker beside a desk of the test's own; gone at the end, with everything it started."""
    ours = {
        "MULLIGAN_DATABASE_URL": settings.database_url or "",
        "MULLIGAN_REDIS_URL": settings.redis_url or "",
        "MULLIGAN_DATA_DIR": str(settings.data_dir),
        "MULLIGAN_LEASE_SECONDS": str(settings.lease_seconds),
        "MULLIGAN_ALLOW_PRIVATE_URLS": str(settings.allow_private_urls),
        "MULLIGAN_NOTIFY_TIMEOUT_SECONDS": str(settings.notify_timeout_seconds),
        "MULLIGAN_KINDS": KINDS,
    }
    machines = Machines(settings.data_path, ours)
    try:
        yield machines.worker(name, processes=processes)
    finally:
        machines.close()
