"""Valkey and the web process end at the worst moments of batches and news: nothing lost, nothing done twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import credits as ledger
from services.batch.batch import start
from services.batch.match import Selection
from services.desk import Desk
from services.kinds import load_kinds
from services.models import Attempt, Batch, Job
from services.notifications.tables import Message
from services.people import people
from services.people.access import Actor
from services.vocabulary import TERMINAL, Status, Trigger
from tests.support.batches import ended_jobs, money
from tests.support.channels import a_channel, address_of, titles_of
from tests.support.desks import a_person, open_desk
from tests.support.endpoints import an_endpoint, answer
from tests.support.machines import some_machines
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker_process

pytestmark = pytest.mark.faults
PATIENCE = 150.0
FAILED = Selection(status=[Status.FAILED])


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    names = ("test.", "system.")
    kinds = [k for k in load_kinds([KINDS, "tasks.kinds.batch"]) if k.name.startswith(names)]
    more = {"lease_seconds": 3, "allow_private_urls": True}
    async with open_desk(database_url, redis_url, tmp_path, *kinds, **more) as desk:
        yield desk


async def chunks(desk: Desk, batch_id: UUID) -> int:
    async with desk.db.read() as session:
        return (await session.get_one(Batch, batch_id)).chunks


async def how_many(desk: Desk, *which: sa.ColumnElement[bool]) -> int:
    async with desk.db.read() as session:
        return (await session.scalars(sa.select(sa.func.count()).select_from(Job).where(*which))).one()


async def once_each(desk: Desk, ids: list[UUID]) -> None:
    """Each job was retried by a batch once, and has ended."""
    ended = col(Job.id).in_(ids), col(Job.status).in_(TERMINAL), col(Job.attempt) == 2

    async def all_ended() -> bool:
        return await how_many(desk, *ended) == len(ids)

    await eventually(all_ended, PATIENCE, interval=0.2, expect="each has run again")
    async with desk.db.read() as session:
        batched = sa.select(col(Attempt.job_id)).where(col(Attempt.trigger) == Trigger.BATCH)
        assert sorted((await session.scalars(batched)).all()) == sorted(ids)


async def test_valkey_is_killed_during_a_batch_and_comes_back_empty(desk: Desk, valkey: ValkeyServer) -> None:
    dana = await a_person(desk, credits=3_000)
    ids = await ended_jobs(desk, dana, 2_000, "test.paid")
    batch = await start(desk, dana, FAILED)
    with a_worker_process(desk.settings):

        async def begun() -> bool:
            return await chunks(desk, batch.id) > 0

        await eventually(begun, PATIENCE, interval=0.005, expect="the first chunk is committed")
        valkey.kill9()
        valkey.start()
        valkey.flush()
        await once_each(desk, ids)

        async def over() -> bool:
            return await how_many(desk, col(Job.id) == batch.id, col(Job.status) == Status.COMPLETED) == 1

        await eventually(over, PATIENCE, interval=0.2, expect="the batch has completed")
    async with desk.db.read() as session:
        result = (await session.get_one(Job, batch.id)).result
    assert result
    assert (result["retried"], result["skipped"], result["failed"]) == (2_000, {}, 0)
    assert await money(desk, dana) == (1_000, 1_000, 2_000)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_news_are_told_while_valkey_is_gone(desk: Desk, valkey: ValkeyServer) -> None:
    dana = await a_person(desk, credits=10)
    async with an_endpoint(answer(200)) as receiver:
        await a_channel(desk, dana, address_of(receiver), events=["batch_finished"])
        await ended_jobs(desk, dana, 3, "test.paid")
        batch = await start(desk, dana, FAILED)
        with a_worker_process(desk.settings):

            async def noted() -> bool:
                return await how_many(desk, col(Job.id) == batch.id, col(Job.status) == Status.COMPLETED) == 1

            await eventually(noted, PATIENCE, interval=0.005, expect="the batch has completed")
            valkey.kill9()
            try:
                await eventually(lambda: titles_of(receiver), PATIENCE, expect="it is told of")
                await eventually(lambda: _nothing_waits(desk), PATIENCE, expect="it is noted")
            finally:
                valkey.start()
        assert len(titles_of(receiver)) == 1


async def _nothing_waits(desk: Desk) -> bool:
    async with desk.db.read() as session:
        return (await session.scalars(sa.select(col(Message.id)))).first() is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_web_process_is_killed_as_it_starts_a_batch(
    desk: Desk, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Wherever it is cut: there is the whole batch, or none."""
    kinds = {"MULLIGAN_KINDS": KINDS}
    with some_machines(database_url, redis_url, tmp_path / "machines", **kinds) as machines:
        (address,) = machines.webs()
        dana = await _dana(desk)
        ids = await ended_jobs(desk, dana, 300, "test.paid")
        token = await people.create_token(desk, dana.email)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as api:
            asked = asyncio.create_task(api.post("/api/retries", json={"status": ["failed"]}))

            async def written() -> bool:
                return await how_many(desk, col(Job.kind) == "system.batch_retry") == 1

            await eventually(written, PATIENCE, interval=0.001, expect="the batch is in the database")
            machines.parts[-1].kill()
            await asyncio.gather(asked, return_exceptions=True)
        machines.worker()
        await once_each(desk, ids)
        assert await how_many(desk, col(Job.kind) == "system.batch_retry") == 1


async def _dana(desk: Desk) -> Actor:
    """The first user, whom the web process made, with credits for each job."""
    dana = await people.first_admin(desk)
    assert dana
    await ledger.grant(desk, dana, 1_000, "for the batch")
    return dana
