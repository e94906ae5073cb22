"""Jobs per second through one worker process: ours from claim to completed, and bare taskiq's own no-op."""

import time
from uuid import UUID

import sqlalchemy as sa
from redis.asyncio import Redis
from sqlmodel import col
from taskiq.message import TaskiqMessage

from services import lifecycle
from services.desk import Desk
from services.ids import new_id
from services.migrate import upgrade
from services.models import Job, Worker
from services.people.access import Actor
from services.queue import Doorbell
from services.vocabulary import Status
from tests.benchmarks.rig import Rig
from tests.benchmarks.stock import broker as stock
from tests.support.desks import a_person, open_desk
from tests.support.waiting import eventually

_PATIENCE = 120


async def measure_stock(rig: Rig, jobs: int) -> float:
    """No-ops per second of the stock broker, all rung in one pipeline, until all are acked."""
    rig.valkey.flush()
    redis = Redis.from_url(rig.valkey.url)
    with rig.worker("tests.benchmarks.stock:broker"):
        await eventually(lambda: _listens(redis), 30)
        await _through_stock(redis, 200)
        took = await _through_stock(redis, jobs)
    await redis.aclose()
    return jobs / took


async def _listens(redis: Redis) -> bool:
    return bool(await redis.exists("stock")) and bool(await redis.xinfo_consumers("stock", "taskiq"))


async def _through_stock(redis: Redis, jobs: int) -> float:
    async def is_through() -> bool:
        group = (await redis.xinfo_groups("stock"))[0]
        return group["pending"] == 0 and group["lag"] == 0

    began = time.perf_counter()
    pipe = redis.pipeline(transaction=False)
    for _ in range(jobs):
        message = TaskiqMessage(
            task_id=new_id().hex, task_name="stock.noop", labels={}, args=[new_id().hex, 1], kwargs={}
        )
        pipe.xadd("stock", {b"data": stock.formatter.dumps(message).message})

    await pipe.execute()
    await eventually(is_through, _PATIENCE)
    return time.perf_counter() - began


async def measure_ours(rig: Rig, jobs: int) -> float:
    """Jobs per second from claim to completed, all rung in one call, until all are completed in the database."""
    rig.valkey.flush()
    await upgrade(rig.database_url)
    async with open_desk(rig.database_url, rig.valkey.url, rig.folder, *rig.kinds) as desk:
        me = await a_person(desk, workspace=new_id().hex, name=new_id().hex)
        with rig.worker("tasks.broker:broker"):
            await eventually(lambda: _is_online(desk), 30)
            await _through(desk, me, 200)
            took = await _through(desk, me, jobs)
        async with desk.db.write() as session:
            await session.execute(sa.delete(Worker))
    return jobs / took


async def _through(desk: Desk, me: Actor, jobs: int) -> float:
    bells: list[Doorbell] = []
    for start in range(0, jobs, 500):
        bells += [Doorbell(job_id, 1) for job_id in await _queue(desk, me, min(500, jobs - start))]

    async def are_completed() -> bool:
        if await desk.queue.backlog():  # the cheaper question first
            return False
        query = sa.select(sa.func.count()).select_from(Job)
        async with desk.db.read() as session:
            ended = await session.scalar(
                query.where(col(Job.workspace_id) == me.workspace_id, col(Job.status) != Status.COMPLETED)
            )
        return ended == 0

    began = time.perf_counter()
    await desk.queue.kick(bells)
    await eventually(are_completed, _PATIENCE)
    return time.perf_counter() - began


async def _queue(desk: Desk, me: Actor, jobs: int) -> list[UUID]:
    made = [
        Job(workspace_id=me.workspace_id, owner_id=me.user_id, kind="test.noop", title="no-op")
        for _ in range(jobs)
    ]
    async with desk.db.write() as session:
        for job in made:
            await lifecycle.create(session, job, me.name)
    return [job.id for job in made]


async def _is_online(desk: Desk) -> bool:
    async with desk.db.read() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(Worker)) == 1
