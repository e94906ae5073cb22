"""SQLite on a disk that runs full at the worst moments: clear words, nothing lost, nothing done twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from services import lifecycle
from services.credits import balance
from services.kinds import load_kinds
from services.lifecycle import Claim, Outcome
from services.migrate import upgrade
from services.notifications import gathering, sending
from services.people import people
from services.vocabulary import Status
from tests.support.channels import a_channel, address_of, titles_of
from tests.support.desks import a_person, open_desk
from tests.support.disk import small_disk
from tests.support.endpoints import an_endpoint, answer
from tests.support.house import House, open_house
from tests.support.workers import KINDS, a_worker_process
from tests.tasks.conftest import Bench
from ui.job_views import JobViews
from ui.live import LiveBridge
from ui.pages import login
from ui.pages.plain import broken
from ui.visit import Web

pytestmark = pytest.mark.faults
FULL = "The database cannot write: its disk is full."


@dataclass
class Disk:
    """A disk with the database and nothing else."""

    folder: Path

    @property
    def url(self) -> str:
        """The database's."""
        return f"sqlite:///{self.folder / 'mulligan.db'}"

    def fill(self) -> None:
        """Takes every byte that is left."""
        with (self.folder / "rest").open("wb", buffering=0) as rest, suppress(OSError):
            while rest.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Gives them back."""
        (self.folder / "rest").unlink()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    with small_disk(tmp_path / "disk", 8 * 2**20) as folder:
        disk = Disk(folder)
        await upgrade(disk.url)
        yield disk


@pytest.fixture
async def bench(disk: Disk, redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    kinds = [kind for kind in load_kinds([KINDS]) if kind.name.startswith("test.")]
    more = {"lease_seconds": 30, "allow_private_urls": True}
    async with open_desk(disk.url, redis_url, tmp_path / "data", *kinds, **more) as desk:
        desk.settings.data_path.mkdir(exist_ok=True)
        yield Bench(desk, await a_person(desk, credits=10), tmp_path)


class TestWeb:
    async def test_a_program_is_told_so_and_nothing_is_charged(
        self, disk: Disk, redis_url: str, tmp_path: Path
    ) -> None:
        async with open_house(disk.url, redis_url, tmp_path / "data") as house:
            ada = await house.caller()
            job = await ada.submit()
            await house.end(job["id"])
            disk.fill()
            for path, order in (
                ("/api/jobs", {"kind": "test.priced", "title": "x" * 300}),
                (f"/api/jobs/{job['id']}/retry", None),
            ):
                refused = await ada.post(path, order)
                assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
                assert refused.json()["detail"] == FULL
                assert refused.headers["retry-after"] == "2"
            assert (await ada.get("/api/jobs")).json()["total"] == 1  # reading goes on
            assert (await ada.get("/api/credits")).json()["balance"] == 100
            disk.free()
            assert (await ada.post(f"/api/jobs/{job['id']}/retry")).status_code == 202
            assert (await ada.get("/api/credits")).json()["balance"] == 99
            await self.signs_in(house, disk)

    async def signs_in(self, house: House, disk: Disk) -> None:
        """A person at the sign-in page is told so, too."""
        await people.add_user(house.desk, "mara@example.org", password="correct horse")
        app = FastAPI()
        app.add_exception_handler(DBAPIError, broken)
        login.install(app, Web(house.desk, LiveBridge(house.desk), JobViews(house.desk)))
        transport = httpx.ASGITransport(app)
        form = {"email": "mara@example.org", "password": "correct horse"}
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as browser:
            disk.fill()
            refused = await browser.post("/login", data=form)
            disk.free()
            assert (refused.status_code, FULL in refused.text) == (503, True)
            assert (await browser.post("/login", data=form)).status_code == 303


async def test_a_run_that_ends_meanwhile_has_completed_once(bench: Bench, disk: Disk) -> None:
    with a_worker_process(bench.desk.settings) as worker:
        job = await bench.submit("sleep", seconds=3)
        await bench.marked_within("began")
        disk.fill()
        await bench.marked_within("ended")
        await asyncio.sleep(3)  # longer than it takes to try three times
        assert (await bench.job(job.id)).status is Status.RUNNING
        disk.free()
        ended = await bench.ended(job.id)
        assert (ended.status, ended.attempt, ended.error) == (Status.COMPLETED, 1, None)
        assert "cannot be written" not in worker.said()
    assert len(bench.marked("began")) == 1


async def test_a_message_that_was_sent_meanwhile_is_not_sent_again(bench: Bench, disk: Disk) -> None:
    async def full(writer: asyncio.StreamWriter) -> None:
        disk.fill()
        writer.write(answer(200))
        await writer.drain()

    async with an_endpoint(full, answer(200)) as receiver:
        await a_channel(bench.desk, bench.me, address_of(receiver))
        job = await bench.submit("noop")
        claim = Claim(job.id, 1)
        async with bench.desk.db.write() as session:
            assert await lifecycle.claim(session, [claim], "w1", 60)
            assert await lifecycle.finish(session, [Outcome(job.id, 1, Status.COMPLETED)], "w1")
        assert await gathering.gather(bench.desk)
        sent = asyncio.create_task(sending.send_next(bench.desk))
        await asyncio.wait({sent}, timeout=15)
        assert not sent.done(), "it waits until it can note it"
        assert len(titles_of(receiver)) == 1
        disk.free()
        assert await sent
        assert not await sending.send_next(bench.desk)
        assert titles_of(receiver) == ["Completed: Nothing"]
    assert await balance(bench.desk, bench.me) == 10
