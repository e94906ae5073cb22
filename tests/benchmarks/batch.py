"""Failed jobs re-queued per second by a batch, beside `kiq()` gathers and bare pipelined kicks of the same number.

`python -m tests.benchmarks.batch [--jobs 100000] [--paid]`
"""

import argparse
import asyncio
import time
from uuid import UUID

import sqlalchemy as sa
from redis.asyncio import Redis
from sqlmodel import col
from taskiq.message import TaskiqMessage
from taskiq_redis import RedisStreamBroker

from services import lifecycle
from services.batch.batch import start
from services.batch.match import Selection
from services.desk import Desk
from services.ids import new_id
from services.lifecycle import Claim
from services.migrate import upgrade
from services.models import Attempt
from services.people.access import Actor
from services.vocabulary import Status, Trigger
from tasks.kinds.batch import walk
from tasks.own_process import spare_collector
from tests.benchmarks.rig import Rig, rigs
from tests.support.batches import ended_jobs, money
from tests.support.desks import a_person, open_desk

FAILED = Selection(status=[Status.FAILED])
_GATHERED = 1_000


async def measure_kiq(rig: Rig, jobs: int) -> float:
    """Kicks per second of taskiq's own `kiq()`, a thousand gathered at a time: no database at all."""
    rig.valkey.flush()
    broker = RedisStreamBroker(rig.valkey.url, queue_name="stock")

    async def noop(job_id: str, attempt: int) -> None:
        """Does nothing."""

    task = broker.register_task(noop, task_name="stock.noop")
    await broker.startup()
    ids = [new_id().hex for _ in range(jobs)]
    began = time.perf_counter()
    for at in range(0, jobs, _GATHERED):
        await asyncio.gather(*(task.kiq(job_id, 2) for job_id in ids[at : at + _GATHERED]))
    took = time.perf_counter() - began
    await broker.shutdown()
    return jobs / took


async def measure_pipeline(rig: Rig, jobs: int) -> float:
    """Bare XADDs per second in pipelines of a thousand, each message encoded by taskiq's formatter: no database."""
    rig.valkey.flush()
    redis = Redis.from_url(rig.valkey.url)
    formatter = RedisStreamBroker(rig.valkey.url).formatter
    ids = [new_id().hex for _ in range(jobs)]
    began = time.perf_counter()
    for at in range(0, jobs, _GATHERED):
        pipe = redis.pipeline(transaction=False)
        for job_id in ids[at : at + _GATHERED]:
            message = TaskiqMessage(
                task_id=job_id, task_name="stock.noop", labels={}, args=[job_id, 2], kwargs={}
            )
            pipe.xadd("stock", {b"data": formatter.dumps(message).message})
        await pipe.execute()
    took = time.perf_counter() - began
    await redis.aclose()
    return jobs / took


async def measure_batch(rig: Rig, jobs: int, kind: str) -> tuple[float, float]:
    """Jobs re-queued per second by a whole batch, its doorbells included; and seconds until it was accepted."""
    rig.valkey.flush()
    await upgrade(rig.database_url)
    async with open_desk(rig.database_url, rig.valkey.url, rig.folder, *rig.kinds) as desk:
        me = await a_person(desk, workspace=new_id().hex, name=new_id().hex, credits=jobs)
        await ended_jobs(desk, me, jobs, kind)
        spare_collector()  # as a worker does
        if not desk.db.is_sqlite:
            async with desk.db.write() as session:
                await session.execute(sa.text("ANALYZE"))
        began = time.perf_counter()
        batch = await start(desk, me, FAILED)
        accepted = time.perf_counter() - began
        held = Claim(batch.id, 1)
        async with desk.db.write() as session:
            await lifecycle.claim(session, [held], "bench", 600)
        began = time.perf_counter()
        walked = [done async for done in walk(desk, held, "bench", FAILED)]
        took = time.perf_counter() - began
        done = walked[-1]
        assert done.retried == jobs, done
        await _check(desk, me, batch.id, jobs, kind)
    return jobs / took, accepted


async def _check(desk: Desk, me: Actor, batch_id: UUID, jobs: int, kind: str) -> None:
    """Exactly one new attempt each, the ledger adds up, and every doorbell was rung."""
    async with desk.db.read() as session:
        count = sa.select(sa.func.count(), sa.func.count(sa.distinct(col(Attempt.job_id)))).where(
            col(Attempt.trigger) == Trigger.BATCH,
            col(Attempt.number) == 2,
            col(Attempt.status) == Status.QUEUED,
        )
        assert tuple((await session.execute(count)).one()) == (jobs, jobs)
    charges = jobs if kind == "test.paid" else 0
    assert await money(desk, me) == (jobs - charges, jobs - charges, charges)
    assert await desk.queue.backlog() == jobs + 1
    async with desk.db.write() as session:
        await session.execute(sa.delete(Attempt).where(col(Attempt.trigger) == Trigger.BATCH))


async def compare(rig: Rig, jobs: int) -> None:
    """Prints what `kiq()`, bare kicks, and a batch of that many jobs reach in one run, free and paid."""
    kiq = await measure_kiq(rig, jobs)
    bare = await measure_pipeline(rig, jobs)
    print(f"  kiq() {kiq:,.0f}/s, bare pipelined kicks {bare:,.0f}/s", flush=True)
    for kind in ("test.noop", "test.paid"):
        batch, accepted = await measure_batch(rig, jobs, kind)
        print(
            f"  batch of {jobs:,} {kind}: {batch:,.0f} jobs/s ({batch / kiq:.1f} times kiq(), "
            f"{batch / bare:.2f} of bare kicks), accepted within {accepted * 1000:,.0f} ms",
            flush=True,
        )


async def main() -> None:
    """Prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    options = parser.parse_args()
    for rig in rigs():
        print(rig.name)
        await compare(rig, options.jobs)


if __name__ == "__main__":
    asyncio.run(main())
