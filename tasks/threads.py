"""Running a plain function beside the event loop."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_daemon_thread(fn: Callable[[], T]) -> T:
    """Runs `fn` in a thread of its own and returns its result.

    Unlike a pool's thread it keeps no process from ending: a function that never returns must not hang a worker that
    was told to stop. Cancelling the wait leaves the thread to itself; it asks `job.cancelled`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # a future cannot carry it
            future.set_exception(RuntimeError("the step raised StopIteration"))
        else:
            future.set_exception(error)

    def work() -> None:
        result: Any = None
        failed: BaseException | None = None
        try:
            result = context.run(fn)
        except BaseException as error:  # noqa: BLE001 - it is the waiter's
            failed = error
        with suppress(RuntimeError):  # the loop is gone, so is the waiter
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=work, name="step", daemon=True).start()
    return await future
