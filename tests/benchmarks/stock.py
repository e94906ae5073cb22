"""Bare taskiq, to compare with: the stock broker of the same library, and a task that does nothing."""

import os

from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(
    os.environ.get("BENCH_REDIS_URL", "redis://"),
    queue_name="stock",
    consumer_id="0",
    unacknowledged_lock_timeout=10,
)


@broker.task(task_name="stock.noop")
async def noop(job_id: str, attempt: int) -> None:
    """Does nothing."""
