"""The preflight tests that policies are composed of: what each says, also when it passes, and when it cannot know."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.checks.checking import Unlearned, timed
from services.checks.space import GB, free_disk_space, owner_quota, remote_size_limit, size_at
from services.checks.state import not_a_torrent, not_running, service_answers
from services.desk import Desk
from services.errors import MulliganError, ServiceUnavailable
from services.models import Job
from services.people.access import Actor
from services.policy import Check, CheckResult
from services.retry.plan_checks import run_check
from services.settings import Settings
from services.vocabulary import Status
from tests.support.desks import a_person, open_desk
from tests.support.fileserver import FileServer, Request

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path, allow_private_urls=True) as desk:
        yield desk


@pytest.fixture
async def dana(desk: Desk) -> Actor:
    return await a_person(desk)


def a_job(status: Status = Status.FAILED, **args: Any) -> Job:
    return Job(workspace_id=uuid4(), owner_id=uuid4(), kind="k", title="T", status=status, args=args)


def a_url(job: Job) -> str | None:
    url: str | None = job.args.get("url")
    return url


async def size_of(desk: Desk, job: Job) -> int:
    if "size" not in job.args:
        raise Unlearned("nobody knows")
    size: int = job.args["size"]
    return size


def refusal(result: CheckResult) -> tuple[str, int, str]:
    assert isinstance(result.error, MulliganError)
    assert not result.passed
    assert result.message == result.error.message
    return result.error.code, result.error.status, result.message


class TestSize:
    async def test_a_file_above_the_limit_is_refused_with_the_figures(self, desk: Desk, dana: Actor) -> None:
        check = remote_size_limit(size_of, lambda settings: 2 * GB)
        large = await run_check(check, desk, a_job(size=2_345_000_000), dana)
        assert refusal(large) == ("file_too_large", 403, "File size 2.35 GB exceeds limit 2.00 GB")
        fits = await run_check(check, desk, a_job(size=1_500_000_000), dana)
        assert (fits.passed, fits.message) == (True, "File size 1.50 GB of at most 2.00 GB")
        assert fits.facts == {"size": 1_500_000_000, "limit": 2 * GB}
        unlimited = await run_check(remote_size_limit(size_of, None), desk, a_job(size=GB), dana)
        assert (unlimited.passed, unlimited.message) == (True, "File size 1.00 GB")

    @pytest.mark.parametrize(("unknown", "blocks"), [("warn", False), ("block", True)])
    async def test_what_cannot_be_learned_warns_or_blocks_as_the_policy_says(
        self, desk: Desk, dana: Actor, unknown: Any, blocks: bool
    ) -> None:
        result = await run_check(remote_size_limit(size_of, GB, unknown=unknown), desk, a_job(), dana)
        assert (result.passed, result.blocking) == (False, blocks)
        assert result.message == "The size of the remote file cannot be learned: nobody knows."

    async def test_it_is_asked_by_head_or_by_the_first_byte(
        self, desk: Desk, dana: Actor, file_server: FileServer
    ) -> None:
        (file_server.folder / "clip.mp4").write_bytes(b"x" * 12_345)

        def no_head(request: Request) -> None:
            if request.command == "HEAD":
                request.answer(405)
            else:
                request.answer(206, b"x", Content_Range="bytes 0-0/777")

        def whole_all_the_same(request: Request) -> None:
            request.answer(
                405 if request.command == "HEAD" else 200, b"" if request.command == "HEAD" else b"abc"
            )

        places = {
            file_server.url + "/clip.mp4": 12_345,
            file_server.on("/no-head", no_head): 777,
            file_server.on("/whole", whole_all_the_same): 3,
            file_server.on("/moved", lambda r: r.answer(302, Location="/clip.mp4")): 12_345,
        }
        for url, size in places.items():
            assert await size_at(a_url)(desk, a_job(url=url)) == size, url
        for lost, why in (
            (file_server.url + "/none", "HTTP 404"),
            ("http://127.0.0.1:9/", "."),
            (None, "names no address"),
        ):
            with pytest.raises(Unlearned, match=why):
                await size_at(a_url)(desk, a_job(url=lost))

    async def test_a_private_address_is_refused(
        self, database_url: str, redis_url: str, tmp_path: Path, file_server: FileServer
    ) -> None:
        async with open_desk(database_url, redis_url, tmp_path) as strict:
            check = remote_size_limit(size_at(a_url), GB)
            result = await run_check(check, strict, a_job(url=file_server.url), await a_person(strict))
        assert (result.passed, result.blocking, result.error and result.error.code) == (
            False,
            True,
            "invalid",
        )
        assert "private or reserved network" in result.message
        assert not file_server.received


class TestRoom:
    async def test_too_little_disk_space_is_refused_with_what_is_left(
        self, desk: Desk, dana: Actor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        usage = type("Usage", (), {"free": 1_230_000_000})
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

        def folder(settings: Settings) -> Path:
            return settings.data_path / "not" / "there" / "yet"

        check = free_disk_space(folder, floor=GB, needed=size_of)
        full = await run_check(check, desk, a_job(size=240_000_000), dana)
        assert refusal(full) == ("insufficient_disk_space", 403, "Insufficient disk space, remaining 1.23 GB")
        enough = await run_check(check, desk, a_job(size=230_000_000), dana)
        assert (enough.passed, enough.message) == (True, "Disk space 1.23 GB free, 1.23 GB needed")
        # A size that nobody can tell: the floor alone decides.
        assert (await run_check(check, desk, a_job(), dana)).passed

    async def test_a_quota_nearly_used_is_refused_with_what_is_left(self, desk: Desk, dana: Actor) -> None:
        async def used_of(session: AsyncSession, job: Job) -> int:
            return 4_500_000_000

        check = owner_quota(size_of, used_of, 5 * GB)
        over = await run_check(check, desk, a_job(size=500_000_001), dana)
        assert refusal(over) == (
            "quota_exceeded", 403, "File size 0.50 GB exceeds your available space 0.50 GB",
        )  # fmt: skip
        fits = await run_check(check, desk, a_job(size=500_000_000), dana)
        assert (fits.passed, fits.message) == (True, "File size 0.50 GB of 0.50 GB available space")
        assert (
            await run_check(owner_quota(size_of, used_of, None), desk, a_job(), dana)
        ).message == "No quota"


class TestState:
    async def test_a_job_that_has_ended_is_not_running(self, desk: Desk, dana: Actor) -> None:
        over = await run_check(not_running(), desk, a_job(Status.COMPLETED), dana)
        assert (over.passed, over.message) == (True, "Not running · it is completed")
        runs = await run_check(not_running(), desk, a_job(Status.RUNNING), dana)
        assert refusal(runs) == ("conflict", 409, "The job is running: cancel it first.")

    async def test_a_torrent_is_refused_in_words(self, desk: Desk, dana: Actor) -> None:
        check = not_a_torrent(lambda job: "upload_id" in job.args)
        torrent = await run_check(check, desk, a_job(upload_id="x"), dana)
        assert refusal(torrent) == (
            "not_retryable_torrent", 400, "Torrent tasks cannot be retried. Please re-upload the torrent file.",
        )  # fmt: skip
        assert (await run_check(check, desk, a_job(), dana)).passed

    @pytest.mark.parametrize("unknown", ["warn", "block"])
    async def test_a_service_answers_or_does_not(self, desk: Desk, dana: Actor, unknown: Any) -> None:
        async def there(_: Desk) -> str:
            return "1.37"

        async def refused(_: Desk) -> None:
            raise ConnectionRefusedError

        async def silent(_: Desk) -> None:
            await asyncio.Event().wait()

        async def in_its_words(_: Desk) -> None:
            raise ServiceUnavailable("aria2 takes nothing more.")

        def check(probe: Any) -> Check:
            return service_answers("aria2", probe, seconds=0.05, unknown=unknown)

        there_it_is = await run_check(check(there), desk, a_job(), dana)
        assert (there_it_is.code, there_it_is.passed, there_it_is.message) == (
            "aria2_answers", True, "aria2 1.37 answers",
        )  # fmt: skip
        for probe, words in (
            (refused, "aria2 does not answer."),
            (silent, "aria2 does not answer."),
            (in_its_words, "aria2 takes nothing more."),
        ):
            result = await run_check(check(probe), desk, a_job(), dana)
            assert refusal(result) == ("service_unavailable", 503, words)
            assert result.blocking is (unknown == "block")


class TestTime:
    async def test_each_has_a_limit_of_its_own(self, desk: Desk, dana: Actor) -> None:
        @timed("slow", "The answer", seconds=0.05, unknown="warn")
        async def slow(_: Desk, __: Job) -> CheckResult:
            await asyncio.Event().wait()
            raise AssertionError

        result = await run_check(slow, desk, a_job(), dana)
        assert (result.code, result.passed, result.blocking) == ("slow", False, False)
        assert result.message == "The answer cannot be learned: no answer within 0.05 s."
