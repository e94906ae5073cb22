"""A worker that is killed while a real engine works for it: the engine dies with it, and the job goes on elsewhere."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from services.jobs import jobs, submission
from services.kinds import load_kinds
from services.models import Job
from services.storage.uploads import save_upload
from services.vocabulary import FailureType, Status
from tasks.workdir import remove_leftovers
from tests.support.desks import a_person, open_desk
from tests.support.machines import Part
from tests.support.media import good_clip
from tests.support.waiting import eventually
from tests.support.workers import a_worker_process

pytestmark = pytest.mark.faults
KIND = "video.process"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_encode_whose_worker_is_killed(database_url: str, redis_url: str, tmp_path: Path) -> None:
    clip = good_clip(tmp_path / "film.mp4", 20)

    async def content() -> AsyncIterator[bytes]:
        yield clip.read_bytes()

    kind = load_kinds(["tasks.kinds.video_process"])[KIND]
    async with open_desk(database_url, redis_url, tmp_path, kind, lease_seconds=3) as desk:
        me = await a_person(desk, credits=5)
        upload = await save_upload(desk, me, clip.name, None, content())
        job = await submission.submit(desk, me, KIND, {"upload_id": str(upload.id), "preset": "1080p"})

        async def once(what: Callable[[Job], bool]) -> Job:
            async def look() -> Job | None:
                found = await jobs.get_job(desk, me, job.id)
                return found if what(found) else None

            found = await eventually(look, 60, expect="the job comes so far")
            assert found
            return found

        with a_worker_process(desk.settings) as worker:
            await once(lambda now: "Encoding" in (now.step or ""))
            (encoder,) = await eventually(lambda: encoders(worker), 20, expect="ffmpeg works")
            (pid,) = worker.pids()
            os.kill(pid, signal.SIGKILL)
            os.killpg(worker.process.pid, signal.SIGKILL)  # also who would start it anew
            await eventually(lambda: not encoder.is_running(), 20, expect="ffmpeg dies with its worker")
        with a_worker_process(desk.settings, "another"):
            lost = await once(lambda now: now.status is not Status.RUNNING)
            # It goes on by itself a while later, for nothing; a person need not wait.
            assert (lost.failure_type, lost.status) == (FailureType.WORKER_LOST, Status.SCHEDULED)
            assert lost.advice
            await jobs.start_now(desk, me, job.id)
            done = await once(lambda now: now.status in {Status.COMPLETED, Status.FAILED})
            work = desk.settings.data_path / "work"
            await eventually(lambda: len(list(work.iterdir())) == 1, expect="the second attempt tidies up")
        assert (done.status, done.error, done.attempt, done.retry_count) == (Status.COMPLETED, None, 2, 0)
        (rubbish,) = work.iterdir()
        os.utime(rubbish, (0, 0))  # it is spared for a minute
        assert await remove_leftovers(desk.db, work) == 1
        assert not rubbish.exists()


def encoders(worker: Part) -> list[psutil.Process]:
    """The ffmpeg that encodes."""
    found = psutil.Process(worker.process.pid).children(recursive=True)
    return [child for child in found if "libx264" in child.cmdline()]
