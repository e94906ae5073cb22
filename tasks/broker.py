"""`taskiq worker tasks.broker:broker`: the one task, and a worker's beginning and end."""

import sys
from uuid import UUID

from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState

from services.lifecycle import Claim
from services.settings import Settings, SettingsError, load_settings
from tasks.own_process import end_with_parent, exit_at_last, spare_collector
from tasks.queue import TASK
from tasks.stream import StreamBroker

# From the signal to the end, whatever a job's threads do.
_EXIT_SECONDS = 12.0


async def run_job(job_id: str, attempt: int, context: Context = TaskiqDepends()) -> None:  # noqa: B008 - as taskiq has it
    """Runs an attempt if it is still queued and nobody else has it; else does nothing."""
    await context.state.worker.answer(Claim(UUID(job_id), attempt), context.ack)


def make_broker(settings: Settings) -> StreamBroker:
    """A broker with the task, and with a worker from taskiq's start to its end."""
    made = StreamBroker(settings.effective_redis_url)
    made.register_task(run_job, task_name=TASK, ack_type="manual")

    async def start(state: TaskiqState) -> None:
        from tasks.worker import Worker  # heavy, and no business of who only rings

        try:
            state.worker = Worker(settings, made)
        except SettingsError as error:
            sys.exit(str(error))
        made.before_leaving = state.worker.drain
        await state.worker.start()

    async def stop(state: TaskiqState) -> None:
        if "worker" in state:
            await state.worker.stop()

    made.on_event(TaskiqEvents.WORKER_STARTUP)(start)
    made.on_event(TaskiqEvents.WORKER_SHUTDOWN)(stop)
    return made


def _own_process(made: StreamBroker) -> StreamBroker:
    """What a worker that has its process to itself does besides."""

    async def settle_in(_state: TaskiqState) -> None:
        end_with_parent()
        spare_collector()
        drain = made.before_leaving

        async def leave() -> None:
            exit_at_last(_EXIT_SECONDS)
            if drain:
                await drain()

        made.before_leaving = leave

    made.on_event(TaskiqEvents.WORKER_STARTUP)(settle_in)
    return made


try:
    broker = _own_process(make_broker(load_settings()))
except SettingsError as error:
    sys.exit(str(error))
