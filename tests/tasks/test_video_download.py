"""`video.download` and `video.metadata`: the real yt-dlp against a server on loopback, with a real worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import NotRetryable
from services.guard.addresses import AddressRefused
from services.jobs import deletion, jobs, submission
from services.kinds import load_kinds
from services.models import ArchiveEntry, Artifact, Job
from services.people.access import Actor
from services.retry.retrying import plan_retry, retry
from services.storage import archive
from services.vocabulary import TERMINAL, FailureType, Status
from tasks.kinds.media_archive import failures
from tests.support.desks import a_person, open_desk
from tests.support.fileserver import FileServer, Stalling, Trickling, failing
from tests.support.media import ffmpeg, good_clip, silent_clip
from tests.support.waiting import eventually
from tests.support.workers import a_worker

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DOWNLOAD, METADATA = "video.download", "video.metadata"


class Archivist:
    """Somebody with videos to download, and a worker that does it."""

    def __init__(self, desk: Desk, me: Actor) -> None:
        self.desk = desk
        self.me = me

    async def submit(self, url: str, kind: str = DOWNLOAD, **args: Any) -> Job:
        return await submission.submit(self.desk, self.me, kind, {"url": url, **args})

    async def job(self, job_id: UUID) -> Job:
        return await jobs.get_job(self.desk, self.me, job_id)

    async def settled(self, job: Job) -> Job:
        """The job once it is over, or waits for an automatic retry."""

        async def look() -> Job | None:
            found = await self.job(job.id)
            return found if found.status in TERMINAL | {Status.SCHEDULED} else None

        found = await eventually(look, 90, expect="the job is settled")
        assert found
        return found

    async def run(self, url: str, kind: str = DOWNLOAD, **args: Any) -> Job:
        return await self.settled(await self.submit(url, kind, **args))

    async def run_all(self, *orders: dict[str, Any]) -> list[Job]:
        """Several at a time."""
        submitted = [await self.submit(**order) for order in orders]
        return [await self.settled(job) for job in submitted]

    async def again(self, job: Job) -> Job:
        await retry(self.desk, self.me, job.id)
        return await self.settled(job)

    async def files(self, job: Job) -> dict[str, bytes]:
        """The job's output."""
        found = (await jobs.job_detail(self.desk, self.me, job.id)).artifacts
        return {
            a.name: b"".join([chunk async for chunk in await self.desk.storage.stream(a.storage_key)])
            for a in found
        }

    async def objects(self) -> int:
        """How many objects are in storage."""
        folder = self.desk.settings.data_path / "storage"
        return sum(path.is_file() for path in folder.rglob("*"))


@asynccontextmanager
async def archiving(
    database_url: str, redis_url: str, folder: Path, **settings: Any
) -> AsyncIterator[Archivist]:
    kinds = load_kinds(["tasks.kinds.video_download", "tasks.kinds.video_metadata"])
    settings = {"allow_private_urls": True, "lease_seconds": 5} | settings
    async with open_desk(
        database_url, redis_url, folder, kinds[DOWNLOAD], kinds[METADATA], **settings
    ) as desk:
        archivist = Archivist(desk, await a_person(desk))
        async with a_worker(desk.settings):
            yield archivist


@pytest.fixture
async def archivist(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Archivist]:
    async with archiving(database_url, redis_url, tmp_path) as archivist:
        yield archivist


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return silent_clip(tmp_path_factory.mktemp("clip") / "clip.mp4").read_bytes()


class TestArchive:
    async def test_a_completed_download_runs_again_without_a_byte_of_media(
        self, archivist: Archivist, file_server: FileServer, clip: bytes
    ) -> None:
        (file_server.folder / "holiday.mp4").write_bytes(clip)
        url = f"{file_server.url}/holiday.mp4?x=1#later"
        job = await archivist.run(url)
        assert (job.status, job.error) == (Status.COMPLETED, None)
        assert job.result
        assert (job.result["archived"], job.result["title"], job.result["size"]) == (
            False,
            "holiday",
            len(clip),
        )
        assert await archivist.files(job) == {"holiday.mp4": clip}

        asked = len(file_server.received)
        plan = await plan_retry(archivist.desk, archivist.me, job.id)
        assert (plan.allowed, plan.cost, plan.retries_left) == (True, 0, None)
        for number in (2, 3):
            again = await archivist.again(job)
            assert (again.status, again.attempt, again.retry_count) == (Status.COMPLETED, number, 0)
            assert again.result == job.result | {"archived": True}
            assert await archivist.files(again) == {"holiday.mp4": clip}
        assert len(file_server.received) == asked
        lines, _ = await jobs.logs(archivist.desk, archivist.me, job.id, None)
        assert "Already in the archive: nothing was downloaded" in [line.message for line in lines]

        # Another job for the same has it as well; another format of it is another file.
        other = await archivist.run(f"{file_server.url}/holiday.mp4?x=1")
        assert (other.result or {})["archived"] is True
        assert await archivist.objects() == 1
        assert len(file_server.received) == asked
        small = await archivist.run(url, format="480p")
        assert (small.result or {})["archived"] is False
        assert len(file_server.received) > asked

        # It outlives the job that made it as long as another shows it, and no longer.
        await deletion.delete(archivist.desk, archivist.me, job.id)
        assert await archivist.files(other) == {"holiday.mp4": clip}
        assert (await archivist.again(other)).result == other.result
        await deletion.delete(archivist.desk, archivist.me, other.id)
        await deletion.delete(archivist.desk, archivist.me, small.id)
        await eventually(lambda: self._purged(archivist), expect="nothing is left in storage")

    @one_database
    async def test_what_was_lost_in_storage_is_downloaded_again(
        self, archivist: Archivist, file_server: FileServer, clip: bytes
    ) -> None:
        (file_server.folder / "a.mp4").write_bytes(clip)
        job = await archivist.run(f"{file_server.url}/a.mp4")
        async with archivist.desk.db.read() as session:
            keys = (await session.scalars(sa.select(col(Artifact.storage_key)))).all()
        await archivist.desk.storage.delete(keys)

        again = await archivist.again(job)
        assert (again.result or {})["archived"] is False
        assert await archivist.files(again) == {"a.mp4": clip}

    @staticmethod
    async def _purged(archivist: Archivist) -> bool:
        await archive.purge(archivist.desk)
        async with archivist.desk.db.read() as session:
            entries = (await session.scalars(sa.select(ArchiveEntry))).all()
        return not entries and await archivist.objects() == 0


@one_database
class TestWhatIsFound:
    async def test_pages_playlists_sound_and_facts(
        self, archivist: Archivist, file_server: FileServer, tmp_path: Path
    ) -> None:
        folder = file_server.folder
        good_clip(folder / "talk.mp4", 2, 320, 240)
        (folder / "page.html").write_text("<title>A talk</title><video src='talk.mp4'></video>")
        ffmpeg("-i", folder / "talk.mp4", "-c", "copy", "-f", "hls", "-hls_time", "1", folder / "talk.m3u8")
        (folder / "text.html").write_text("<title>Nothing</title><p>No video.</p>")

        (folder / "poster.jpg").write_bytes((folder / "talk.mp4").read_bytes()[:100])
        (folder / "talk.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
        track = "<track kind=subtitles srclang=en src=talk.vtt>"
        (folder / "rich.html").write_text(
            f"<title>All</title><video src='talk.mp4' poster='poster.jpg'>{track}</video>"
        )
        page, hls, rich, sound, nothing = await archivist.run_all(
            {"url": f"{file_server.url}/page.html"},
            {"url": f"{file_server.url}/talk.m3u8"},
            {"url": f"{file_server.url}/rich.html", "thumbnail": True, "subtitles": True},
            {"url": f"{file_server.url}/talk.mp4", "format": "audio"},
            {"url": f"{file_server.url}/text.html"},
        )
        for job, files in (
            (page, ["A talk.mp4"]),
            (hls, ["talk.mp4"]),
            (rich, ["All.en.vtt", "All.jpg", "All.mp4"]),
            (sound, ["talk.mp3"]),
        ):
            assert job.status is Status.COMPLETED, job.error
            assert list(await archivist.files(job)) == files
        assert (page.result or {})["title"] == "A talk"
        assert (nothing.status, nothing.failure_type) == (Status.FAILED, FailureType.PERMANENT)
        assert nothing.error == "There is no media at this address that can be downloaded"

        before = len(file_server.received)
        facts = await archivist.run(f"{file_server.url}/page.html", METADATA)
        assert facts.status is Status.COMPLETED, facts.error
        assert facts.result
        assert (facts.result["title"], facts.result["formats"][0]["ext"]) == ("A talk", "mp4")
        assert await archivist.files(facts) == {}
        # To look again is what a re-run of it is for.
        again = await archivist.again(facts)
        assert (again.status, again.result) == (Status.COMPLETED, facts.result)
        assert len(file_server.received) > before + 1

    async def test_titles_are_no_paths(
        self, archivist: Archivist, file_server: FileServer, clip: bytes
    ) -> None:
        (file_server.folder / "v.mp4").write_bytes(clip)
        (file_server.folder / "p.html").write_text(
            "<title>../../etc/cron.d/x\u202e\x07</title><video src='v.mp4'></video>"
        )
        job = await archivist.run(f"{file_server.url}/p.html")
        (name,) = await archivist.files(job)
        assert name == "etc-cron.d-x.mp4"


@one_database
class TestFailing:
    async def test_each_refusal_is_told_in_words(self, archivist: Archivist, file_server: FileServer) -> None:
        expected = (
            (404, "no longer there", FailureType.PERMANENT),
            (403, "refuses the download", FailureType.PERMANENT),
            (429, "wants fewer requests", FailureType.TRANSIENT),
            (500, "trouble of its own", FailureType.TRANSIENT),
        )
        jobs_ = await archivist.run_all(
            *({"url": file_server.on(f"/{status}.mp4", failing(status))} for status, _, _ in expected)
        )
        for job, (_, words, failure_type) in zip(jobs_, expected, strict=True):
            assert words in (job.error or ""), job.error
            assert job.failure_type is failure_type
            assert job.advice
            waits = failure_type is FailureType.TRANSIENT
            assert job.status is (Status.SCHEDULED if waits else Status.FAILED)

    async def test_a_missing_video_that_comes_back_is_retried(
        self, archivist: Archivist, file_server: FileServer, clip: bytes
    ) -> None:
        job = await archivist.run(f"{file_server.url}/late.mp4")
        assert job.status is Status.FAILED
        (file_server.folder / "late.mp4").write_bytes(clip)
        again = await archivist.again(job)
        assert (again.status, again.error, again.retry_count) == (Status.COMPLETED, None, 0)

    async def test_a_stall_ends(
        self, archivist: Archivist, file_server: FileServer, clip: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.kinds.media_archive.ytdlp._SOCKET_SECONDS", 1.0)
        monkeypatch.setattr("tasks.kinds.media_archive.ytdlp._RETRIES", 0)
        stalling = Stalling(clip, after=len(clip) // 2)
        job = await archivist.run(file_server.on("/stall.mp4", stalling))
        stalling.release()
        assert (job.status, job.failure_type) == (Status.SCHEDULED, FailureType.TRANSIENT)
        assert job.error == "The connection to the site broke off"

    async def test_cancelling_leaves_no_process_and_no_rubbish(
        self, archivist: Archivist, file_server: FileServer
    ) -> None:
        body = b"\x00" * 50_000_000
        job = await archivist.submit(file_server.on("/long.mp4", Trickling(body, 500_000)))

        async def is_under_way() -> bool:
            return "/s, " in ((await archivist.job(job.id)).step or "")

        await eventually(is_under_way, 60, expect="it downloads, and says how fast")
        assert _engines()
        with pytest.raises(NotRetryable):
            await retry(archivist.desk, archivist.me, job.id)
        await jobs.cancel(archivist.desk, archivist.me, job.id)
        ended = await archivist.settled(job)
        assert ended.status is Status.CANCELLED
        await eventually(lambda: not _engines(), expect="no process is left")
        work = archivist.desk.settings.data_path / "work"
        await eventually(lambda: not list(work.glob("*")), expect="no folder is left")
        assert await archivist.objects() == 0
        # System A retries what was cancelled, too.
        assert (await plan_retry(archivist.desk, archivist.me, job.id)).allowed

    async def test_a_video_that_is_too_large_is_stopped(
        self, database_url: str, redis_url: str, tmp_path: Path, file_server: FileServer
    ) -> None:
        body = b"\x00" * 3_000_000
        told = file_server.on("/told.mp4", lambda request: request.answer(200, body, "video/mp4"))

        def untold(request: Any) -> None:
            request.send_response(200)
            request.send_header("Content-Type", "video/mp4")
            request.end_headers()
            request.close_connection = True
            request.wfile.write(body)

        async with archiving(database_url, redis_url, tmp_path, max_download_bytes=1_000_000) as archivist:
            for url in (told, file_server.on("/untold.mp4", untold)):
                job = await archivist.run(url)
                assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT), job.error
                assert job.error == "The video is larger than a download may be"

    async def test_inside_is_not_reached_nor_by_a_redirect(
        self, database_url: str, redis_url: str, tmp_path: Path, file_server: FileServer
    ) -> None:
        async with archiving(database_url, redis_url, tmp_path, allow_private_urls=False) as archivist:
            for kind in (DOWNLOAD, METADATA):
                job = await archivist.run(f"{file_server.url}/a.mp4", kind)
                assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT)
                assert "127.0.0.1 is in a private or reserved network" in (job.error or "")
        assert file_server.received == []

    @pytest.mark.parametrize(
        ("told", "words", "failure_type"),
        [
            ({"types": ["DownloadError", "GeoRestrictedError"]}, "worker's country", "permanent"),
            ({"all_words": "ERROR: [youtube] x: Private video. Sign in if"}, "private", "permanent"),
            ({"all_words": "This video has been removed by the uploader"}, "no longer there", "permanent"),
            (
                {"all_words": "The uploader has not made this video available in your country"},
                "country",
                "permanent",
            ),
            ({"all_words": "HTTP Error 429: Too Many Requests"}, "fewer requests", "transient"),
            ({"all_words": "This video is DRM protected"}, "DRM", "permanent"),
            ({"errno": 28}, "No space left", "environment"),
            ({"code": "list"}, "a list of videos", "permanent"),
            ({"code": "live"}, "a live stream", "permanent"),
            ({"words": "[x] something new"}, "yt-dlp failed: [x] something new", "unknown"),
        ],
    )
    def test_words_of_sites(
        self, told: dict[str, Any], words: str, failure_type: str, database_url: str
    ) -> None:
        error = failures.from_told(told, None)
        assert words in error.message
        assert error.failure_type == failure_type

    def test_what_the_guard_refused_is_told(self, database_url: str) -> None:
        refused = AddressRefused(reason="a.example is in a private or reserved network")
        error = failures.from_told({"all_words": "Tunnel connection failed: 403 Forbidden"}, refused)
        assert error.message == refused.message


def _engines() -> list[psutil.Process]:
    """Our children that run the script."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any("media_archive" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
