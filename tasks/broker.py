"""`taskiq worker tasks.broker:broker`: the one task, and a worker's beginning and end."""

import sys
from uuid import UUID

from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState

from services.lifecycle import Claim
from services.settings import SettingsError, load_settings
from tasks.queue import TASK
from tasks.stream import StreamBroker

try:
    settings = load_settings()
except SettingsError as error:
    sys.exit(str(error))

broker = StreamBroker(settings.effective_redis_url)


@broker.task(task_name=TASK, ack_type="manual")
async def run_job(job_id: str, attempt: int, context: Context = TaskiqDepends()) -> None:
    """Runs an attempt if it is still queued and nobody else has it; else does nothing."""
    await context.state.worker.answer(Claim(UUID(job_id), attempt), context.ack)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    """Builds the worker, before the first delivery."""
    from tasks.worker import Worker

    try:
        state.worker = Worker(settings, broker)
    except SettingsError as error:
        sys.exit(str(error))
    await state.worker.start()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    """Ends the worker, after the last job."""
    if "worker" in state:
        await state.worker.stop()
