"""`file.download` with a real aria2 and a real worker: fetching, pausing, going on, limits, torrents, trouble."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import (
    InsufficientDiskSpace,
    Invalid,
    QueueUnavailable,
    ServiceUnavailable,
    TorrentNotRetryable,
)
from services.failures.failures import JobError
from services.jobs import jobs, pausing, submission
from services.kinds import load_kinds
from services.models import Job
from services.people.access import Actor
from services.retry.retrying import Wish, plan_retry, retry
from services.storage.uploads import save_upload
from services.vocabulary import TERMINAL, FailureType, Status
from tasks.context import RunContext
from tasks.kinds.aria2 import transfer
from tasks.kinds.aria2.failures import from_code
from tasks.kinds.aria2.place import folder_of, name_from, remove_leftovers
from tasks.kinds.aria2.rpc import gid_of
from tests.support.aria2 import Aria2Server, Slowly, Swarm, magnet_of
from tests.support.batches import ended_jobs
from tests.support.desks import a_person, open_desk
from tests.support.disk import small_disk
from tests.support.fileserver import FileServer, failing
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.workers import a_worker

KIND = "file.download"
BODY = bytes(range(256)) * 4_000  # a megabyte
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def aria2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aria2Server]:
    server = Aria2Server(tmp_path / "aria2")
    server.start()
    # The worker asks the environment whether it has aria2.
    for name, value in server.daemon.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.kill()


class Downloader:
    """Somebody with files to fetch."""

    def __init__(self, desk: Desk, me: Actor) -> None:
        self.desk = desk
        self.me = me

    async def submit(self, url: str | None = None, **args: Any) -> Job:
        given = {"url": url, **args} if url else args
        return await submission.submit(self.desk, self.me, KIND, given)

    async def read(self, job: Job) -> Job:
        return await jobs.get_job(self.desk, self.me, job.id)

    async def ended(self, job: Job, within: float = 30) -> Job:
        async def look() -> Job | None:
            found = await self.read(job)
            return found if found.status in TERMINAL else None

        found = await eventually(look, within, expect="the job is over")
        assert found
        return found

    async def got_on(self, job: Job, percent: float = 5) -> Job:
        """The job once it has come so far."""

        async def look() -> Job | None:
            found = await self.read(job)
            return found if found.progress >= percent else None

        found = await eventually(look, 30, expect=f"{percent}%")
        assert found
        return found

    async def output(self, job: Job) -> dict[str, bytes]:
        """The files that came."""
        detail = await jobs.job_detail(self.desk, self.me, job.id)
        found = {}
        for artifact in detail.artifacts:
            found[artifact.name] = b"".join(
                [c async for c in await self.desk.storage.stream(artifact.storage_key)]
            )
        return found

    def on_disk(self, job: Job) -> list[str]:
        """What lies in its folder."""
        folder = folder_of(self.desk.settings, job.rank)
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@asynccontextmanager
async def downloading(
    database_url: str, redis_url: str, folder: Path, server: Aria2Server, *, worker: bool = True, **more: Any
) -> AsyncIterator[Downloader]:
    settings: dict[str, Any] = {
        "allow_private_urls": True, "lease_seconds": 3, "aria2_rpc_url": server.daemon.url,
        "aria2_rpc_secret": server.daemon.secret, "download_free_bytes": 0,
    }  # fmt: skip
    kind = load_kinds(["tasks.kinds.file_download"])[KIND]
    async with open_desk(database_url, redis_url, folder, kind, **(settings | more)) as desk:
        downloader = Downloader(desk, await a_person(desk))
        if not worker:
            yield downloader
            return
        async with a_worker(desk.settings):
            yield downloader


@pytest.fixture
async def me(
    database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server
) -> AsyncIterator[Downloader]:
    async with downloading(database_url, redis_url, tmp_path, aria2) as downloader:
        yield downloader


class TestFetching:
    async def test_a_file_comes_whole_and_nothing_is_left_behind(
        self, me: Downloader, aria2: Aria2Server, file_server: FileServer
    ) -> None:
        url = file_server.on("/some%20clip.mp4", Slowly(BODY, 10_000_000))
        checksum = "sha256:" + hashlib.sha256(BODY).hexdigest().upper()
        job = await me.ended(await me.submit(url + "?x=" + "y" * 6_000, checksum=checksum))
        assert (job.error, job.status, job.title) == (None, Status.COMPLETED, "some clip.mp4")
        assert job.result == {
            "files": [{"name": "some clip.mp4", "size": len(BODY)}], "size": len(BODY), "resumed": False,
        }  # fmt: skip
        assert await me.output(job) == {"some clip.mp4": BODY}
        assert (me.on_disk(job), aria2.entries()) == ([], [])

    @on_one_database
    async def test_it_says_how_fast_and_can_be_paused_and_gone_on_with(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server
    ) -> None:
        slowly = Slowly(BODY, 200_000)
        job = await me.got_on(await me.submit(file_server.on("/slow.bin", slowly)))
        told = await eventually(lambda: _told(me, job), expect="the speed")
        assert "of 1.0 MB" in (told or "")
        await pausing.pause(me.desk, me.me, job.id)
        await eventually(lambda: _status(aria2, job) == "paused", 15, expect="aria2 holds on")
        held = slowly.sent
        await asyncio.sleep(1)
        assert slowly.sent - held <= 2 * 16 * 1024  # what was on its way
        slowly.full.set()
        await pausing.resume(me.desk, me.me, job.id)
        job = await me.ended(job)
        assert (job.status, await me.output(job)) == (Status.COMPLETED, {"slow.bin": BODY})

    @on_one_database
    async def test_cancelled_it_stops_and_leaves_nothing(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server
    ) -> None:
        slowly = Slowly(BODY, 100_000)
        job = await me.got_on(await me.submit(file_server.on("/slow.bin", slowly)))
        await jobs.cancel(me.desk, me.me, job.id)
        job = await me.ended(job, 10)
        assert job.status is Status.CANCELLED
        assert (aria2.entries(), me.on_disk(job)) == ([], [])
        sent = slowly.sent
        await asyncio.sleep(0.5)
        assert slowly.sent - sent <= 2 * 16 * 1024


async def _told(me: Downloader, job: Job) -> str | None:
    step = (await me.read(job)).step or ""
    return step if "/s" in step else None


def _status(aria2: Aria2Server, job: Job) -> str | None:
    said: Any = aria2.ask("tellStatus", gid_of(job.id, job.attempt), ["status"])
    return str(said["status"]) if said else None


class TestRetry:
    async def test_a_new_record_goes_on_with_what_is_on_the_disk(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server
    ) -> None:
        slowly = Slowly(BODY, 10_000_000, breaks_after=400_000)
        url = file_server.on("/big.bin", slowly)
        old = await me.ended(await me.submit(url))
        assert (old.error, old.failure_type) == ("The connection was lost", FailureType.TRANSIENT)
        assert "big.bin" in me.on_disk(old)
        plan = await plan_retry(me.desk, me.me, old.id)
        assert "Files on disk: a partial file is resumed" in plan.keeps
        assert {"aria2 1.37.0 answers", "File size 0.00 GB of at most 21.47 GB"} <= {
            check.message for check in plan.checks
        }
        slowly.breaks_after, first = None, slowly.sent
        new = (await retry(me.desk, me.me, old.id)).job
        assert (new.replaces, new.rank) == (old.id, old.rank)
        done = await me.ended(new)
        assert (done.error, done.status) == (None, Status.COMPLETED)
        assert done.result is not None
        assert done.result["resumed"] is True
        assert await me.output(done) == {"big.bin": BODY}
        # Of a megabyte, only what was missing came again, give or take what aria2 had not written down yet.
        assert slowly.sent - first <= len(BODY) - first + 300_000
        assert aria2.entries() == []

    @on_one_database
    async def test_aria2_away_or_refusing_leaves_the_old_record(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = await me.ended(await me.submit(file_server.url + "/none.bin"))
        assert (old.error, old.failure_type) == (
            "There is no file at this address (HTTP 404)", FailureType.PERMANENT,
        )  # fmt: skip
        monkeypatch.setattr("tasks.kinds.aria2.source._OPTIONS", {"split": "many"})
        with pytest.raises(ServiceUnavailable, match=r"Failed to create aria2 task: .*split"):
            await retry(me.desk, me.me, old.id)
        aria2.kill()
        with pytest.raises(ServiceUnavailable, match="aria2 does not answer"):
            await retry(me.desk, me.me, old.id)
        assert await me.read(old) == old

    @on_one_database
    async def test_what_was_prepared_goes_where_the_queue_is_down(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server, valkey: ValkeyServer
    ) -> None:
        old = await me.ended(await me.submit(file_server.url + "/none.bin"))
        valkey.stop()
        try:
            with pytest.raises(QueueUnavailable):
                await retry(me.desk, me.me, old.id)
        finally:
            valkey.start()
        assert aria2.entries() == []
        assert (await me.read(old)).error == "Failed to re-queue task."

    @on_one_database
    async def test_twenty_at_once_leave_one_download(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, file_server: FileServer
    ) -> None:
        async with downloading(database_url, redis_url, tmp_path, aria2, worker=False) as me:
            args = {"url": file_server.url + "/a.bin"}
            (old,) = await ended_jobs(me.desk, me.me, 1, KIND, args=args)
            tries = (retry(me.desk, me.me, old) for _ in range(20))
            answers = await asyncio.gather(*tries, return_exceptions=True)
            (won,) = [answer for answer in answers if not isinstance(answer, BaseException)]
            assert aria2.entries() == [gid_of(won.job.id, 2)]

    @on_one_database
    async def test_what_came_whole_is_not_fetched_again_where_storing_it_failed(
        self, me: Downloader, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slowly = Slowly(BODY, 10_000_000)
        url = file_server.on("/whole.bin", slowly)
        kept = RunContext.save_artifact

        async def away(*_: Any) -> None:
            raise JobError("Storage is away", failure_type=FailureType.ENVIRONMENT)

        monkeypatch.setattr(RunContext, "save_artifact", away)
        failed = await me.ended(await me.submit(url))
        assert failed.error == "Storage is away"
        monkeypatch.setattr(RunContext, "save_artifact", kept)
        sent = slowly.sent
        done = await me.ended((await retry(me.desk, me.me, failed.id)).job)
        assert (done.error, await me.output(done)) == (None, {"whole.bin": BODY})
        assert (
            slowly.sent - sent <= 2 * 16 * 1024
        )  # what was sent until aria2 hung up: it only asks how large it is

    @on_one_database
    async def test_a_part_without_notes_is_fetched_anew(
        self, me: Downloader, file_server: FileServer
    ) -> None:
        url = file_server.on("/holes.bin", Slowly(BODY, 10_000_000))
        job = await me.submit(file_server.url + "/none.bin")
        failed = await me.ended(job)
        folder = folder_of(me.desk.settings, failed.rank)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "holes.bin").write_bytes(b"\x00" * 500_000)
        done = await me.ended((await retry(me.desk, me.me, failed.id, wish=Wish(args={"url": url}))).job)
        assert (done.error, await me.output(done)) == (None, {"holes.bin": BODY})


class TestTorrents:
    @pytest.fixture
    def swarm(self, tmp_path: Path) -> Iterator[Swarm]:
        swarm = Swarm(tmp_path / "swarm", "song.bin", BODY)
        yield swarm
        swarm.close()

    @on_one_database
    async def test_a_torrent_file_and_a_magnet_link(
        self, me: Downloader, swarm: Swarm, aria2: Aria2Server
    ) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield swarm.torrent

        upload = await save_upload(me.desk, me.me, "song.torrent", None, content())
        link = magnet_of(swarm.torrent, swarm.tracker)
        for args in ({"upload_id": str(upload.id)}, {"url": link}):
            job = await me.submit(**args)
            assert job.title == ("song.bin" if "url" in args else "song.torrent")
            done = await me.ended(job, 60)
            assert (done.error, await me.output(done)) == (None, {"song.bin": BODY})
        assert aria2.entries() == []

    @on_one_database
    async def test_a_torrent_is_not_retried_and_what_is_none_is_told(self, me: Downloader) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield b"d4:infoi1ee"

        upload = await save_upload(me.desk, me.me, "bad.torrent", None, content())
        job = await me.ended(await me.submit(upload_id=str(upload.id)))
        assert job.error == "The torrent file cannot be read"
        with pytest.raises(TorrentNotRetryable):
            await retry(me.desk, me.me, job.id)


class TestLimits:
    @on_one_database
    async def test_size_quota_and_room_are_watched_while_it_runs(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, file_server: FileServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        (file_server.folder / "a.bin").write_bytes(BODY)
        large = file_server.on("/b.bin", Slowly(BODY * 3, 500_000))
        async with downloading(
            database_url,
            redis_url,
            tmp_path,
            aria2,
            max_download_bytes=2_000_000,
            download_quota_bytes=1_500_000,
        ) as me:
            first = await me.ended(await me.submit(large))
            assert first.error == "File size 0.00 GB exceeds limit 0.00 GB"
            fits = await me.ended(await me.submit(file_server.url + "/a.bin"))
            assert fits.status is Status.COMPLETED
            second = await me.ended(await me.submit(file_server.on("/c.bin", Slowly(BODY, 300_000))))
            assert second.error == "File size 0.00 GB exceeds your available space 0.00 GB"
            assert (await plan_retry(me.desk, me.me, second.id)).error is not None
            usage = type("Usage", (), {"free": 0})
            monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
            full = await me.ended(await me.submit(file_server.on("/d.bin", Slowly(BODY[:400_000], 200_000))))
            assert (full.error, full.failure_type) == (
                "Insufficient disk space, remaining 0.00 GB", FailureType.ENVIRONMENT,
            )  # fmt: skip
            assert aria2.entries() == []

    @on_one_database
    async def test_a_disk_that_fills_in_the_middle_and_the_retry_once_there_is_room(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, file_server: FileServer
    ) -> None:
        slowly = Slowly(BODY * 2, 400_000)
        url = file_server.on("/large.bin", slowly)
        with small_disk(tmp_path / "disk", 5_000_000) as folder:
            async with downloading(
                database_url, redis_url, tmp_path, aria2, download_folder=folder, download_free_bytes=500_000
            ) as me:
                job = await me.got_on(await me.submit(url), 20)
                (folder / "of somebody else").write_bytes(b"x" * (shutil.disk_usage(folder).free - 300_000))
                full = await me.ended(job)
                assert (full.failure_type, full.advice) == (
                    FailureType.ENVIRONMENT, "Free some room where aria2 runs, then retry.",
                )  # fmt: skip
                assert (full.error or "").startswith("Insufficient disk space, remaining 0.00 GB")
                plan = await plan_retry(me.desk, me.me, full.id)
                assert plan.error is not None
                assert (plan.error.code, plan.error.status) == ("insufficient_disk_space", 403)
                before = await me.read(full)
                with pytest.raises(InsufficientDiskSpace):
                    await retry(me.desk, me.me, full.id)
                assert (await me.read(full), aria2.entries()) == (before, [])
                (folder / "of somebody else").unlink()
                slowly.full.set()
                # aria2 could not write down what it had, or not all of it: never is a file with holes taken for whole.
                done = await me.ended((await retry(me.desk, me.me, full.id)).job)
                assert (done.error, await me.output(done)) == (None, {"large.bin": BODY * 2})


class TestTrouble:
    @pytest.mark.parametrize("code", [*range(2, 20), *range(22, 28), 29, 31, 32])
    def test_each_code_of_aria2_has_words_and_advice(self, code: int) -> None:
        # https://aria2.github.io/manual/en/html/aria2c.html#exit-status, those that a download can end with.
        error = from_code(code, "errorCode=2 URI=http://secret/")
        assert error.failure_type is not FailureType.UNKNOWN
        assert error.advice
        assert "aria2:" not in error.message

    @on_one_database
    async def test_it_is_told_in_words(self, me: Downloader, file_server: FileServer) -> None:
        (file_server.folder / "a.bin").write_bytes(BODY)
        circle = file_server.on("/circle", lambda r: r.answer(302, Location="/circle"))
        told = {
            file_server.on("/403", failing(403)): ("HTTP 403", FailureType.PERMANENT),
            file_server.on("/500", failing(500)): ("HTTP 500", FailureType.TRANSIENT),
            file_server.on("/503", failing(503)): ("HTTP 503", FailureType.TRANSIENT),
            circle: ("leads in circles", FailureType.PERMANENT),
            f"http://127.0.0.1:{free_port()}/x": ("refused the connection", FailureType.TRANSIENT),
        }
        for url, (words, failure_type) in told.items():
            job = await me.ended(await me.submit(url))
            assert words in (job.error or ""), url
            assert (job.failure_type, bool(job.advice)) == (failure_type, True), url
        wrong = await me.ended(await me.submit(file_server.url + "/a.bin", checksum="md5=" + "0" * 32))
        assert (wrong.error or "").startswith("The checksum does not fit")
        assert me.on_disk(wrong) == []  # a retry begins anew

    @on_one_database
    async def test_a_private_address_is_refused_also_behind_a_redirect(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, file_server: FileServer
    ) -> None:
        async with downloading(database_url, redis_url, tmp_path, aria2, allow_private_urls=False) as me:
            job = await me.ended(await me.submit(file_server.url + "/a.bin"))
        assert "in a private or reserved network" in (job.error or "")
        assert job.failure_type is FailureType.PERMANENT
        assert not file_server.received

    @on_one_database
    async def test_aria2_started_anew_in_the_middle_is_picked_up_again(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server
    ) -> None:
        slowly = Slowly(BODY, 200_000)
        job = await me.got_on(await me.submit(file_server.on("/slow.bin", slowly)), 20)
        aria2.kill()
        slowly.full.set()
        aria2.start()
        done = await me.ended(job)
        assert (done.error, await me.output(done)) == (None, {"slow.bin": BODY})

    @on_one_database
    async def test_a_worker_that_stops_leaves_the_part_to_the_next_one(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, file_server: FileServer
    ) -> None:
        slowly = Slowly(BODY, 200_000)
        async with downloading(database_url, redis_url, tmp_path, aria2, worker=False) as me:
            async with a_worker(me.desk.settings):
                job = await me.got_on(await me.submit(file_server.on("/slow.bin", slowly)), 30)
            assert (await me.read(job)).attempt == 2
            assert aria2.entries() == []
            slowly.full.set()
            async with a_worker(me.desk.settings):
                done = await me.ended(job)
        assert (done.error, done.result and done.result["resumed"]) == (None, True)
        assert slowly.ranges[0] is None
        assert (slowly.ranges[-1] or "").startswith("bytes=")

    @on_one_database
    async def test_aria2_gone_for_good_is_a_failure_with_a_reason(
        self, me: Downloader, file_server: FileServer, aria2: Aria2Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transfer, "PATIENCE_SECONDS", 1.0)
        job = await me.got_on(await me.submit(file_server.on("/slow.bin", Slowly(BODY, 100_000))))
        aria2.kill()
        job = await me.ended(job)
        assert (job.error, job.failure_type) == ("aria2 has not answered for 1 s", FailureType.ENVIRONMENT)
        assert "slow.bin" in me.on_disk(job)

    @on_one_database
    async def test_leftovers_of_what_nobody_goes_on_with_are_removed(
        self, me: Downloader, file_server: FileServer
    ) -> None:
        failed = await me.ended(
            await me.submit(file_server.on("/big.bin", Slowly(BODY, 10_000_000, breaks_after=400_000)))
        )
        assert await remove_leftovers(me.desk) == 0
        async with me.desk.db.write() as session:
            over = sa.update(Job).where(col(Job.id) == failed.id).values(status=Status.CANCELLED)
            await session.execute(over)
        assert await remove_leftovers(me.desk) == 1
        assert me.on_disk(failed) == []


class TestArguments:
    @on_one_database
    @pytest.mark.parametrize(
        "args",
        [
            {},
            {"url": "ftp://host/file"},
            {"url": "file:///etc/passwd"},
            {"url": "magnet:?dn=nothing"},
            {"url": "http://h/" + "x" * 9_000},
            {"url": "http://h/a", "checksum": "md5=12"},
            {"url": "http://h/a", "upload_id": "00000000-0000-0000-0000-000000000001"},
            {"url": "http://h/a", "out": "../../x"},
        ],
    )
    async def test_nonsense_is_refused_at_submission(
        self, database_url: str, redis_url: str, tmp_path: Path, args: dict[str, Any]
    ) -> None:
        kind = load_kinds(["tasks.kinds.file_download"])[KIND]
        async with open_desk(database_url, redis_url, tmp_path, kind) as desk:
            with pytest.raises(Invalid):
                await submission.submit(desk, await a_person(desk), KIND, args)

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("http://h/a/b%20c.mp4?x=/y", "b c.mp4"),
            ("http://h/..%2f..%2fetc%2fpasswd", "passwd"),
            ("http://h/%2e%2e", "download"),
            ("http://h/", "download"),
            ("http://h/" + "ä" * 300 + ".mp4", "ä" * 98 + ".mp4"),
        ],
    )
    def test_a_name_is_never_a_path(self, url: str, name: str) -> None:
        assert name_from(url) == name
