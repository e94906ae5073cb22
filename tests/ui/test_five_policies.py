"""The retry policies of the five published designs: every refusal, in the interface, the dialog and the shell."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from nicegui import Client, core
from nicegui.page import page
from sqlmodel import col
from typer.testing import CliRunner

from services import credits as ledger
from services.checks.space import GB
from services.models import Attempt, Job, Upload, User
from services.people import sessions
from services.retry.retrying import plan_retry
from services.storage.uploads import save_upload
from services.vocabulary import CreditReason, Role, Status
from tests.support.batches import ended_jobs
from tests.support.house import Caller, House, open_house
from tests.support.policies import Downloads, five_kinds
from tests.support.valkey import ValkeyServer
from ui.cli import app
from ui.job_views import JobViews
from ui.live import LiveBridge
from ui.pages.grid_address import GridAddress
from ui.pages.jobs import JobsPage
from ui.visit import Visit, Web

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SYSTEMS = ("A", "B", "C", "D", "E")
ENDED_WELL = "Only failed or timeout jobs can be retried, current status: completed"


@dataclass
class World:
    """A served desk with the five kinds, and what surrounds it."""

    house: House
    admin: Caller
    downloads: Downloads
    kinds: dict[str, str]
    valkey: ValkeyServer
    monkeypatch: pytest.MonkeyPatch
    clients: list[Client] = field(default_factory=list)

    async def job(self, system: str, status: Status = Status.FAILED, **more: Any) -> UUID:
        """A job of that system's kind that has ended so, with an input where the kind wants one."""
        desk, kind = self.house.desk, self.house.desk.kinds[self.kinds[system]]
        if kind.upload_field:
            upload = await save_upload(desk, self.admin.actor, "input.mp4", None, _bytes())
            more |= {"upload_id": upload.id, "args": {kind.upload_field: str(upload.id)}}
        (job_id,) = await ended_jobs(desk, self.admin.actor, 1, kind.name, status, **more)
        return job_id

    async def read(self, job_id: UUID) -> tuple[Job, int]:
        """The job and how many attempts it has."""
        count = sa.select(sa.func.count()).where(col(Attempt.job_id) == job_id)
        async with self.house.desk.db.read() as session:
            return await session.get_one(Job, job_id), (await session.scalars(count)).one()

    async def spend_all(self) -> None:
        """Leaves no credits."""
        desk, actor = self.house.desk, self.admin.actor
        left = await ledger.balance(desk, actor)
        async with desk.db.write() as session:
            await ledger.post(session, actor.workspace_id, -left, CreditReason.GRANT)

    async def shell(self, *words: str) -> tuple[int, str, str]:
        """A command of the shell: how it ended and what it said."""
        env = {"MULLIGAN_URL": self.house.url, "MULLIGAN_TOKEN": self.admin.token}
        # In a thread: the desk that it calls is served by this loop.
        said = await asyncio.to_thread(CliRunner().invoke, app, ["jobs", *words], env=env)
        return said.exit_code, said.stdout, said.stderr

    async def grid(self) -> JobsPage:
        """The page of jobs, read."""
        desk, actor = self.house.desk, self.admin.actor
        async with desk.db.write() as session:
            signed_in = await sessions.open_session(
                session, desk.settings, await session.get_one(User, actor.user_id)
            )
        web = Web(desk, LiveBridge(desk), JobViews(desk))
        client = Client(page("/"))
        self.clients.append(client)
        with client:
            grid = JobsPage(Visit(web, signed_in.cookie, actor, seats=[], address="/"), GridAddress())
            await grid.load()
        return grid


async def _bytes() -> AsyncIterator[bytes]:
    yield b"a video, or a resume"


@pytest.fixture
async def world(
    database_url: str,
    redis_url: str,
    valkey: ValkeyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setattr(core, "loop", asyncio.get_running_loop())
    downloads = Downloads()
    kinds = five_kinds(downloads)
    async with open_house(database_url, redis_url, tmp_path, *kinds.values()) as house:
        names = {system: kind.name for system, kind in kinds.items()}
        world = World(house, await house.caller(), downloads, names, valkey, monkeypatch)
        yield world
        for client in world.clients:
            client.delete()


Arrange = Callable[[World], Awaitable[UUID]]


async def without_credits(world: World) -> UUID:
    job_id = await world.job("B")
    await world.spend_all()
    return job_id


def without_input(system: str) -> Arrange:
    async def arrange(world: World) -> UUID:
        job_id = await world.job(system)
        desk = world.house.desk
        async with desk.db.read() as session:
            key = (await session.scalars(sa.select(col(Upload.storage_key)))).one()
        await desk.storage.delete([key])
        return job_id

    return arrange


def used_up(system: str, limit: int, **more: Any) -> Arrange:
    return lambda world: world.job(system, retry_count=limit, **more)


def ended(system: str, status: Status) -> Arrange:
    return lambda world: world.job(system, status)


def download(**around: Any) -> Arrange:
    async def arrange(world: World) -> UUID:
        for name, value in around.items():
            setattr(world.downloads, name, value)
        return await world.job("D")

    return arrange


async def a_torrent(world: World) -> UUID:
    return await world.job("D", args={"torrent": True})


async def a_full_disk(world: World) -> UUID:
    usage = type("Usage", (), {"free": 120_000_000})
    world.monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    world.downloads.floor = GB
    return await world.job("D")


@dataclass(frozen=True)
class Refusal:
    """A retry that is refused: how it comes to that, and what is said."""

    name: str
    arrange: Arrange
    status: int
    code: str
    words: str
    button: bool = True
    """Whether the row offers Retry at all, so that the dialog can say why not."""


REFUSALS = [
    *(
        Refusal(
            f"{system}: not of that status", ended(system, Status.COMPLETED), 400, "not_retryable", ENDED_WELL,
            button=False,
        )
        for system in "BCDE"
    ),
    *(
        Refusal(
            f"{system}: cancelled", ended(system, Status.CANCELLED), 400, "not_retryable",
            "Only failed or timeout jobs can be retried, current status: cancelled", button=False,
        )
        for system in "BCDE"
    ),
    Refusal(
        "A: running", ended("A", Status.RUNNING), 400, "not_retryable",
        "Only failed or timeout or cancelled or completed jobs can be retried, current status: running",
        button=False,
    ),
    Refusal(
        "B: no credits", without_credits, 403, "insufficient_credits",
        "Insufficient credits. Please purchase more credits to retry.",
    ),
    *(
        Refusal(
            f"{system}: input gone", without_input(system), 409, "input_missing",
            "The input input.mp4 is no longer in storage. Upload it again and retry with the new file.",
        )
        for system in "BC"
    ),
    Refusal("C: three retries", used_up("C", 3), 400, "retry_limit_reached", "Max retries (3) reached."),
    Refusal(
        "E: max_retries of the job", used_up("E", 2, max_retries=2), 400, "retry_limit_reached",
        "Max retries (2) reached.",
    ),
    Refusal(
        "D: a torrent", a_torrent, 400, "not_retryable_torrent",
        "Torrent tasks cannot be retried. Please re-upload the torrent file.",
    ),
    Refusal(
        "D: disk full", a_full_disk, 403, "insufficient_disk_space",
        "Insufficient disk space, remaining 0.12 GB",
    ),
    Refusal(
        "D: too large", download(size=3 * GB), 403, "file_too_large", "File size 3.00 GB exceeds limit 2.00 GB"
    ),
    Refusal(
        "D: quota", download(used=9_500_000_000), 403, "quota_exceeded",
        "File size 1.00 GB exceeds your available space 0.50 GB",
    ),
    Refusal("D: aria2 away", download(answers=False), 503, "service_unavailable", "aria2 does not answer."),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
    async def test_the_same_words_everywhere_and_nothing_is_changed(
        self, world: World, refusal: Refusal
    ) -> None:
        job_id = await refusal.arrange(world)
        before = await world.read(job_id)

        plan = (await world.admin.get(f"/api/jobs/{job_id}/retry")).json()
        assert plan["allowed"] is False
        assert (plan["error"]["code"], plan["error"]["status"], plan["error"]["message"]) == (
            refusal.code, refusal.status, refusal.words,
        )  # fmt: skip
        answer = await world.admin.post(f"/api/jobs/{job_id}/retry", {"version": plan["version"]})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["detail"]) == (
            refusal.status, refusal.code, refusal.words,
        )  # fmt: skip

        assert await world.shell("retry", str(job_id)) == (1, "", f"mulligan: {refusal.words}\n")
        code, out, _ = await world.shell("retry", str(job_id), "--json")
        assert (code, json.loads(out)["code"]) == (1, refusal.code)
        code, out, _ = await world.shell("retry", str(job_id), "--dry-run")
        assert code == 1
        assert f"It cannot be retried: {refusal.words}" in out

        await said_by_the_dialog(world, job_id, refusal)
        assert await world.read(job_id) == before
        assert world.downloads.prepared == set()


async def said_by_the_dialog(world: World, job_id: UUID, refusal: Refusal) -> None:
    """Presses Retry in the row, where it is offered, and reads the dialog."""
    grid = await world.grid()
    row = grid.parts.table.row(job_id)
    assert row
    assert row.view
    assert row.view.actions.retry is refusal.button
    with grid.client:
        await grid.on_action("retry", row)
    dialog = grid.retrying.dialog
    assert dialog.is_open is refusal.button
    if refusal.button:
        texts = [getattr(each, "text", "") for each in dialog._body.descendants()]
        assert refusal.words in texts
        assert dialog._confirm_button.props.get("disabled") is True


class TestEverySystem:
    @pytest.mark.parametrize("system", SYSTEMS)
    async def test_who_may_not_and_who_came_too_late(self, world: World, system: str) -> None:
        job_id = await world.job(system)
        at, house = f"/api/jobs/{job_id}/retry", world.house
        assert (await house.http.post(at)).status_code == 401
        viewer = await house.caller(Role.VIEWER)
        assert (await viewer.post(at)).json()["code"] == "forbidden"
        for stranger in (await house.caller(Role.MEMBER), await house.caller(workspace="elsewhere")):
            answer = await stranger.post(at)
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
        stale = await world.admin.post(at, {"version": 1})
        assert (stale.status_code, stale.json()["code"], stale.json()["current_status"]) == (
            409, "conflict", "failed",
        )  # fmt: skip

    @pytest.mark.parametrize("system", SYSTEMS)
    async def test_two_at_once_one_wins_and_the_other_learns_it_kindly(
        self, world: World, system: str
    ) -> None:
        job_id = await world.job(system)
        both = await asyncio.gather(*(world.admin.post(f"/api/jobs/{job_id}/retry") for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [202, 409]
        (late,) = [answer.json() for answer in both if answer.status_code == 409]
        assert (late["code"], late["detail"].startswith("Somebody else was first")) == ("conflict", True)
        (won,) = [answer.json() for answer in both if answer.status_code == 202]
        assert (won["success"], won["status"], won["message"]) == (
            True, "queued", "Job retry started successfully",
        )  # fmt: skip
        assert (won["replaced"] == str(job_id)) is (won["job_id"] != str(job_id)) is (system == "D")
        now, _ = await world.read(UUID(won["job_id"]))
        assert now.retry_count == (0 if system == "A" else 1)

    @pytest.mark.parametrize("system", SYSTEMS)
    async def test_without_a_queue_it_is_as_it_was_and_costs_nothing(self, world: World, system: str) -> None:
        job_id, balance = await world.job(system), await ledger.balance(world.house.desk, world.admin.actor)
        world.valkey.stop()
        try:
            answer = await world.admin.post(f"/api/jobs/{job_id}/retry")
        finally:
            world.valkey.start()
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
        assert answer.json()["detail"].startswith("Failed to re-queue task.")
        job, _ = await world.read(job_id)
        assert (job.status, job.error, job.retry_count, job.deleted_at) == (
            Status.FAILED, "Failed to re-queue task.", 0, None,
        )  # fmt: skip
        assert await ledger.balance(world.house.desk, world.admin.actor) == balance
        assert world.downloads.prepared == set()

    async def test_with_retries_switched_off_none_is_retried(
        self, database_url: str, redis_url: str, tmp_path: Path, valkey: ValkeyServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        downloads = Downloads()
        kinds = five_kinds(downloads)
        names = {system: kind.name for system, kind in kinds.items()}
        async with open_house(
            database_url, redis_url, tmp_path, *kinds.values(), retries_enabled=False
        ) as house:
            world = World(house, await house.caller(), downloads, names, valkey, monkeypatch)
            for system in SYSTEMS:
                answer = await world.admin.post(f"/api/jobs/{await world.job(system)}/retry")
                assert (answer.status_code, answer.json()["code"]) == (403, "retries_disabled")

    async def test_too_often_is_told_with_the_time_to_wait(
        self, database_url: str, redis_url: str, tmp_path: Path, valkey: ValkeyServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        kinds = five_kinds(Downloads())
        names = {system: kind.name for system, kind in kinds.items()}
        async with open_house(
            database_url, redis_url, tmp_path, *kinds.values(), retries_per_person="1/1h"
        ) as house:
            world = World(house, await house.caller(), Downloads(), names, valkey, monkeypatch)
            assert (await world.admin.post(f"/api/jobs/{await world.job('A')}/retry")).status_code == 202
            answer = await world.admin.post(f"/api/jobs/{await world.job('E')}/retry")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 0 < int(answer.headers["Retry-After"]) <= 3600


class TestTheirOwn:
    async def test_a_completed_archive_job_can_be_run_again_and_says_so(self, world: World) -> None:
        job_id = await world.job("A", Status.COMPLETED)
        grid = await world.grid()
        row = grid.parts.table.row(job_id)
        assert row
        (retry,) = [part for part in row.element.descendants() if "retry" in part.classes]
        assert retry.props["title"] == "Re-queue this completed job and run it again"
        with grid.client:
            await grid.on_action("retry", row)
            plan = await plan_retry(world.house.desk, world.admin.actor, job_id)
        assert plan.allowed
        assert (plan.cost, plan.retries_left, plan.replaces) == (0, None, False)
        assert "Not running · it is completed" in [check.message for check in plan.checks]

    async def test_what_a_retry_costs_and_how_the_dialog_speaks(self, world: World) -> None:
        spoken = {
            "B": ("Retry this job?", "This will use 1 credit. Are you sure you want to retry this job?", "Retry job"),
            "C": (
                "Retry Analysis Job",
                "The job will be reset and reprocessed from the beginning. Previous analysis data will be cleared.",
                "Retry Job",
            ),
        }  # fmt: skip
        for system, words in spoken.items():
            plan = (await world.admin.get(f"/api/jobs/{await world.job(system)}/retry")).json()
            assert (plan["dialog"]["title"], plan["dialog"]["text"], plan["dialog"]["confirm"]) == words
            assert plan["cost"] == (1 if system == "B" else 0)
            assert plan["dialog"]["variant"] == ("info" if system == "C" else "warning")

    async def test_a_download_of_unknown_size_is_retried_and_the_plan_says_so(self, world: World) -> None:
        world.downloads.size = None
        job_id = await world.job("D")
        plan = (await world.admin.get(f"/api/jobs/{job_id}/retry")).json()
        assert (plan["allowed"], plan["replaces"], "Files on disk" in plan["keeps"]) == (True, True, True)
        unknown = [check for check in plan["checks"] if not check["passed"]]
        assert [(check["code"], check["blocking"]) for check in unknown] == [
            ("remote_size_limit", False), ("owner_quota", False),
        ]  # fmt: skip
        assert (await world.admin.post(f"/api/jobs/{job_id}/retry")).status_code == 202

    async def test_a_download_that_aria2_does_not_take_leaves_the_old_record(self, world: World) -> None:
        world.downloads.takes = False
        job_id = await world.job("D")
        before = await world.read(job_id)
        answer = await world.admin.post(f"/api/jobs/{job_id}/retry")
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        assert answer.json()["detail"] == "Failed to create aria2 task: unknown option"
        assert await world.read(job_id) == before
