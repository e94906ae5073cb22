"""`video.process` on real clips, with the real ffmpeg and a real storage."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import psutil
import pytest

from services.checks import input_in_storage
from services.errors import Invalid
from services.failures.failures import JobError
from services.kinds import JobKind, registry
from services.settings import load_settings
from services.storage.storage import Storage
from services.vocabulary import FailureType, Status
from tasks.kinds import video_process
from tasks.kinds.video import encode, failures
from tasks.kinds.video.ffmpeg import require_ffmpeg
from tasks.kinds.video.media import probe
from tasks.kinds.video.presets import OUTPUTS, Preset
from tests.support import media
from tests.support.disk import small_disk
from tests.support.runs import Run, upload
from tests.support.s3 import S3Server
from tests.support.waiting import eventually

KIND: JobKind = registry["video.process"]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.from_settings(load_settings(_env_file=None, storage_url=(tmp_path / "storage").as_uri()))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.good_clip(tmp_path_factory.mktemp("clips") / "good.mp4")


@pytest.fixture
def start(storage: Storage, tmp_path: Path) -> Callable[..., Any]:
    """Makes a run of a file: `run, result = await start(path, preset)`."""
    (tmp_path / "work").mkdir()

    async def make(
        path: Path,
        preset: str,
        title: str = "Keynote 2026.mov",
        args: dict[str, Any] | None = None,
        **more: Any,
    ) -> tuple[Run, Any]:
        run = Run(storage, tmp_path / "work", title, **more)
        given = {"upload_id": str(await upload(storage, path)), "preset": preset} | (args or {})
        return run, await KIND.run(run, KIND.parse_args(given))

    return make


class TestPresets:
    @pytest.mark.parametrize(
        ("preset", "size"), [("480p", (854, 480)), ("720p", (1280, 720)), ("1080p", (1280, 720))]
    )
    async def test_a_video_of_that_height_and_never_larger_than_the_input(
        self, start: Any, clip: Path, tmp_path: Path, preset: str, size: tuple[int, int]
    ) -> None:
        run, result = await start(clip, preset)

        name = f"Keynote-2026-{preset}.mp4"
        assert list(run.artifacts) == [name, "thumbnail.jpg"]
        assert run.artifacts[name][1] == "video/mp4"
        out = await probe(await run.saved(name, tmp_path / "out.mp4"), tmp_path)
        assert (out.width, out.height) == size
        assert (out.video_codec, out.audio_codec) == ("h264", "aac")
        assert out.duration == pytest.approx(2, abs=0.1)
        assert result["preset"] == preset
        assert (result["width"], result["height"], result["size"]) == (*size, out.size)
        assert result["speed"] > 0
        assert json.loads(json.dumps(result)) == result

    async def test_can_be_shown_before_it_is_whole(self, start: Any, clip: Path, tmp_path: Path) -> None:
        run, result = await start(clip, "480p")
        head = (await run.saved(result["file"], tmp_path / "out.mp4")).read_bytes()
        assert head.index(b"moov") < head.index(b"mdat")

    async def test_the_sound_alone(self, start: Any, clip: Path, tmp_path: Path) -> None:
        run, result = await start(clip, "audio")
        name = "Keynote-2026-audio.mp3"
        assert run.artifacts[name][1] == "audio/mpeg"
        out = await probe(await run.saved(name, tmp_path / "out.mp3"), tmp_path)
        assert (out.video_codec, out.format) == (None, "mp3")
        assert out.duration == pytest.approx(2, abs=0.15)
        assert (result["width"], result["height"]) == (None, None)

    async def test_odd_sides_become_even(self, start: Any, tmp_path: Path) -> None:
        odd = tmp_path / "odd.mkv"
        media.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=321x243:rate=10:duration=1", "-c:v", "ffv1", odd)
        _, result = await start(odd, "480p")
        assert result["height"] == 242
        assert result["width"] % 2 == 0
        assert abs(result["width"] - 320) <= 2

    async def test_a_video_held_upright_stays_upright(self, start: Any, clip: Path, tmp_path: Path) -> None:
        upright = tmp_path / "phone.mp4"
        media.ffmpeg("-display_rotation", "90", "-i", clip, "-c", "copy", upright)
        _, result = await start(upright, "480p")
        assert result["height"] == 480
        assert result["width"] == 270

    async def test_without_sound_there_is_none(self, start: Any, tmp_path: Path) -> None:
        _, result = await start(media.silent_clip(tmp_path / "silent.mp4"), "480p")
        assert result["audio_codec"] is None
        assert result["video_codec"] == "h264"

    async def test_the_same_from_a_bucket_to_a_bucket(self, clip: Path, tmp_path: Path) -> None:
        server = S3Server()
        bucket = server.make_bucket()
        storage = Storage.from_settings(server.settings(bucket))
        (tmp_path / "work").mkdir()
        run = Run(storage, tmp_path / "work", "t.mov")
        args = KIND.parse_args({"upload_id": str(await upload(storage, clip)), "preset": "480p"})
        await KIND.run(run, args)
        out = await probe(await run.saved("t-480p.mp4", tmp_path / "out.mp4"), tmp_path)
        assert (out.height, len(server.keys(bucket))) == (480, 3)  # with the thumbnail
        server.close()


class TestClip:
    async def test_only_the_part_that_is_wanted_comes_out(self, start: Any, tmp_path: Path) -> None:
        long = media.good_clip(tmp_path / "long.mp4", 6, 320, 240)
        run, result = await start(long, "480p", args={"start": 1.5, "end": 4, "thumbnail": False})
        (name,) = run.artifacts
        out = await probe(await run.saved(name, tmp_path / "out.mp4"), tmp_path)
        assert out.duration == pytest.approx(2.5, abs=0.15)
        assert result["duration"] == out.duration
        encoding = [percent for percent, step in run.told if step == "Encoding 480p"]
        assert encoding == sorted(encoding)

    async def test_an_end_after_the_end_is_the_end(self, start: Any, clip: Path, tmp_path: Path) -> None:
        _, result = await start(clip, "480p", args={"start": 1, "end": 500})
        assert result["duration"] == pytest.approx(1, abs=0.15)

    async def test_a_beginning_after_the_end_is_said_in_words(self, start: Any, clip: Path) -> None:
        with pytest.raises(JobError, match=r"begins at 9 s, but the input is only 2.0 s long") as caught:
            await start(clip, "480p", args={"start": 9})
        assert caught.value.failure_type is FailureType.PERMANENT

    async def test_a_thumbnail_is_a_small_picture(self, start: Any, clip: Path, tmp_path: Path) -> None:
        run, _ = await start(clip, "720p")
        assert run.artifacts["thumbnail.jpg"][1] == "image/jpeg"
        picture = await run.saved("thumbnail.jpg", tmp_path / "t.jpg")
        with av.open(str(picture)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ({}, "give either upload_id or artifact"),
            ({"upload_id": "0198c2b0-0000-7000-8000-000000000000", "artifact": "x/y"}, "give either"),
            ({"artifact": "nonsense"}, "JOB_ID/NAME"),
            (
                {"artifact": "0198c2b0-0000-7000-8000-000000000000/a", "start": 5, "end": 5},
                "later than the start",
            ),
        ],
    )
    def test_arguments_that_make_no_sense(self, args: dict[str, Any], words: str) -> None:
        with pytest.raises(Invalid, match=words):
            KIND.parse_args(args)


class TestProgress:
    async def test_goes_forward_from_step_to_step(self, start: Any, tmp_path: Path) -> None:
        run, _ = await start(media.good_clip(tmp_path / "long.mp4", seconds=6), "480p")
        percents = [percent for percent, _ in run.told]
        assert percents == sorted(percents)
        assert percents[-1] == 100
        encoding = {percent for percent, step in run.told if step == "Encoding 480p"}
        assert len(encoding) >= 3, "real progress, not a jump"
        assert min(encoding) >= 5
        assert max(encoding) <= 95
        assert run.words() == [
            "Fetching the input", "Probing", "Encoding 480p", "Uploading", "Done",
        ]  # fmt: skip
        assert run.steps == ["probe", "encode", "upload"] == list(KIND.steps)

    async def test_of_unknown_length_is_told_in_seconds(self, start: Any, tmp_path: Path) -> None:
        live = tmp_path / "live.webm"
        media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-c:v", "libvpx", "-live", "1", live)
        run, result = await start(live, "480p")
        assert any("s done)" in word for word in run.words())
        assert result["duration"] == pytest.approx(2, abs=0.2)

    async def test_a_kept_probe_is_not_made_again(self, start: Any, clip: Path) -> None:
        first, _ = await start(clip, "480p")
        assert json.loads(json.dumps(first.kept)) == first.kept
        assert first.kept["probe"]["has_audio"] is True
        again, result = await start(clip, "audio", kept=first.kept)
        assert "Probing" not in again.words()
        assert result["file"].endswith(".mp3")

    async def test_a_worker_takes_no_more_than_it_can_encode(self) -> None:
        assert KIND.per_worker == max(1, (os.cpu_count() or 1) // 2)


class TestFailures:
    async def fails(self, start: Any, path: Path, preset: str = "480p") -> JobError:
        with pytest.raises(JobError) as failure:
            await start(path, preset)
        assert str(path.parent) not in failure.value.message
        return failure.value

    @pytest.mark.parametrize("make", [media.damaged_clip, media.noise, media.empty_file])
    async def test_a_damaged_file(self, start: Any, tmp_path: Path, make: Callable[[Path], Path]) -> None:
        failure = await self.fails(start, make(tmp_path / "bad.mp4"))
        assert failure.message == "Invalid data found when processing input"
        assert failure.failure_type is FailureType.PERMANENT
        assert "another file" in str(failure.advice)

    async def test_half_a_video_is_no_success(self, start: Any, tmp_path: Path) -> None:
        failure = await self.fails(start, media.truncated_clip(tmp_path / "half.mp4"))
        assert failure.message.startswith("Invalid data found when processing input: only ")
        assert failure.message.endswith(" s of 6.0 s could be read")
        assert failure.failure_type is FailureType.PERMANENT

    async def test_no_video_stream(self, start: Any, tmp_path: Path) -> None:
        failure = await self.fails(start, media.song(tmp_path / "song.mp3"))
        assert (failure.message, failure.failure_type) == (
            "The input has no video stream",
            FailureType.PERMANENT,
        )
        assert "audio" in str(failure.advice)

    async def test_no_sound_to_extract(self, start: Any, tmp_path: Path) -> None:
        failure = await self.fails(start, media.silent_clip(tmp_path / "silent.mp4"), "audio")
        assert (failure.message, failure.failure_type) == (
            "The input has no audio to extract",
            FailureType.PERMANENT,
        )

    @pytest.mark.parametrize("make", [media.playlist, media.script])
    async def test_a_file_that_points_at_others_opens_none(
        self, start: Any, clip: Path, tmp_path: Path, make: Callable[[Path, Path], Path]
    ) -> None:
        failure = await self.fails(start, make(tmp_path / "list.mp4", clip))
        assert failure.failure_type is FailureType.PERMANENT

    @pytest.mark.parametrize("make", [media.playlist, media.script])
    async def test_not_even_where_the_probe_were_fooled(
        self, clip: Path, tmp_path: Path, make: Callable[[Path, Path], Path]
    ) -> None:
        other = tmp_path / "other.ts"
        media.ffmpeg("-i", clip, "-c", "copy", other)
        found = await probe(other, tmp_path)
        path = make(tmp_path / "list.m3u8", other)
        output = OUTPUTS[Preset.P480]
        with pytest.raises(JobError, match="This type of file is not supported"):
            await encode.encode(
                require_ffmpeg(), path, tmp_path / "out.mp4", found, output, lambda seconds: None
            )

    async def test_the_input_is_gone(self, storage: Storage, tmp_path: Path) -> None:
        run = Run(storage, tmp_path, "t")
        with pytest.raises(JobError, match="no longer in storage") as failure:
            await KIND.run(run, KIND.parse_args({"upload_id": str(UUID(int=1))}))
        assert failure.value.failure_type is FailureType.PERMANENT

    async def test_ffmpeg_is_missing(
        self, start: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
        failure = await self.fails(start, clip)
        assert failure.message == "FFmpeg not found: install ffmpeg on the worker host"
        assert failure.failure_type is FailureType.ENVIRONMENT
        assert "apt-get install ffmpeg" in str(failure.advice)

    async def test_the_disk_is_full(self, storage: Storage, clip: Path, tmp_path: Path) -> None:
        with small_disk(tmp_path / "small", clip.stat().st_size + 64 * 1024) as work:
            run = Run(storage, work, "t")
            args = KIND.parse_args({"upload_id": str(await upload(storage, clip)), "preset": "720p"})
            with pytest.raises(JobError) as failure:
                await KIND.run(run, args)
        assert failure.value.message == "No space left on the worker's disk"
        assert failure.value.failure_type is FailureType.ENVIRONMENT

    async def test_the_encoder_is_killed_for_its_memory(
        self, storage: Storage, clip: Path, tmp_path: Path
    ) -> None:
        running, run = await self.encoding(storage, tmp_path)
        self.encoder(run).send_signal(9)
        with pytest.raises(JobError, match="was killed, most likely for want of memory") as failure:
            await running
        assert failure.value.failure_type is FailureType.ENVIRONMENT
        assert "smaller video" in str(failure.value.advice)

    async def test_a_cancelled_job_leaves_no_encoder(self, storage: Storage, tmp_path: Path) -> None:
        running, run = await self.encoding(storage, tmp_path)
        encoder = self.encoder(run)
        running.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await running
        assert not encoder.is_running()
        assert run.artifacts == {}

    async def encoding(self, storage: Storage, tmp_path: Path) -> tuple["asyncio.Future[Any]", Run]:
        """A run in the middle of a long encode."""
        long = tmp_path / "long.mp4"
        media.good_clip(long, 20, 1920, 1080)
        (tmp_path / "work").mkdir(exist_ok=True)
        run = Run(storage, tmp_path / "work", "t")
        args = KIND.parse_args({"upload_id": str(await upload(storage, long)), "preset": "1080p"})
        running = asyncio.ensure_future(KIND.run(run, args))
        await eventually(lambda: bool(run.told) and run.told[-1][0] > 6, 30, expect="an encode under way")
        return running, run

    @staticmethod
    def encoder(run: Run) -> psutil.Process:
        children = psutil.Process().children(recursive=True)
        return next(c for c in children if f"file:{run.workdir}/input" in c.cmdline())


class TestWords:
    @pytest.mark.parametrize(
        ("words", "code", "message", "failure_type"),
        [
            (
                "x\nError writing trailer: No space left on device",
                228,
                "No space left",
                FailureType.ENVIRONMENT,
            ),
            ("[h264 @ 0x55] Cannot allocate memory", 244, "ran out of memory", FailureType.ENVIRONMENT),
            ("Unknown encoder 'libx264'", 8, "lacks an encoder", FailureType.ENVIRONMENT),
            ("", -11, "crashed on this file", FailureType.PERMANENT),
            ("", 69, "Invalid data found", FailureType.PERMANENT),
            (
                "[out#0 @ 0x5f] /srv/data/work/12/output.mp4: odd",
                1,
                "code 1: output.mp4: odd",
                FailureType.UNKNOWN,
            ),
        ],
    )
    def test_of_ffmpeg_are_understood(
        self, words: str, code: int, message: str, failure_type: FailureType
    ) -> None:
        failure = failures.from_words(words, code)
        assert message in failure.message
        assert failure.failure_type is failure_type

    def test_say_nothing_of_this_machine(self) -> None:
        words = "[in#0/mov @ 0x55fd] file:/data/work/1-1/input.mov: partial file\n\n/etc/x/y: no"
        assert failures.tidy(words, Path("/data/work/1-1")) == ["input.mov: partial file", "y: no"]


class TestKind:
    def test_its_policy_is_system_b(self) -> None:
        policy = KIND.policy
        assert policy.statuses == {Status.FAILED, Status.TIMEOUT}
        assert (policy.cost, policy.limit, policy.rescues) == (1, None, 0)
        assert policy.checks == (input_in_storage,)
        assert (
            policy.dialog.text.format(cost="1 credit")
            == "This will use 1 credit. Are you sure you want to retry this job?"
        )
        assert (KIND.timeout, KIND.upload_field) == (7200, "upload_id")

    @pytest.mark.parametrize(
        "args",
        [
            {},
            {"upload_id": "x"},
            {"upload_id": str(UUID(int=1)), "preset": "4k"},
            {"upload_id": str(UUID(int=1)), "x": 1},
        ],
    )
    def test_refuses_other_arguments(self, args: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            KIND.parse_args(args)

    def test_costs_the_web_process_no_engine(self) -> None:
        code = (
            "import sys, tasks.kinds.video_process; "
            "print([m for m in ('av', 'imageio_ffmpeg', 'services.process', 'numpy') if m in sys.modules])"
        )
        root = Path(__file__).parents[2]
        said = subprocess.run(
            [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == "[]"

    async def test_tells_which_ffmpeg_the_worker_has(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = await video_process.engines()
        assert str(told["ffmpeg"])[0] in "n0123456789N"
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
        assert await video_process.engines() == {"ffmpeg": None}

    @pytest.mark.parametrize(
        ("title", "stem"),
        [
            ("keynote-2026.mov", "keynote-2026"),
            ("Q3 / town hall; rm -rf.mkv", "Q3-town-hall-rm-rf"),
            ("Übung.mp4", "Übung"),
            ("../../x", "x"),
            ("…", "video"),
            ("a" * 300, "a" * 60),
        ],
    )
    def test_names_its_file_after_the_title(self, title: str, stem: str) -> None:
        assert video_process._stem(title) == stem
