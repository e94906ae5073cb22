"""`video.process`: makes a smaller video, or the sound alone, of an upload. System B's policy: a credit a retry."""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.checks import input_in_storage
from services.failures.failures import JobError
from services.kinds import JobContext, job_kind
from services.policy import AutoRetry, RetryDialog, RetryPolicy
from services.storage.artifact_input import ArtifactName
from services.vocabulary import FailureType, Status
from tasks.kinds.video.presets import OUTPUTS, Output, Preset

if TYPE_CHECKING:
    from tasks.kinds.video.clip import Clip
    from tasks.kinds.video.encode import Encoded
    from tasks.kinds.video.media import Media

# Where on the way from 0 to 100 the encode begins and ends.
_ENCODE_FROM, _ENCODE_TO = 5.0, 95.0
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")


_MOST_SECONDS = 7 * 24 * 3600


class VideoProcessArgs(BaseModel):
    """What to make of which upload, or of which file of another job's output."""

    model_config = ConfigDict(extra="forbid")

    upload_id: UUID | None = Field(default=None, title="Video file")
    artifact: str | None = Field(
        default=None,
        max_length=400,
        title="File of another job",
        description="JOB_ID/NAME, instead of an upload",
    )
    preset: Preset = Field(
        default=Preset.P480,
        title="Preset",
        description="Height of the video, or its sound alone",
        json_schema_extra={
            "labels": {
                Preset.P480: "small, for phones",
                Preset.P720: "HD, for the web",
                Preset.P1080: "full HD",
                Preset.AUDIO: "sound alone, MP3",
            }
        },
    )
    start: float = Field(default=0, ge=0, le=_MOST_SECONDS, title="From second", description="Where to begin")
    end: float | None = Field(
        default=None,
        gt=0,
        le=_MOST_SECONDS,
        title="To second",
        description="Where to stop; empty: at its end",
    )
    thumbnail: bool = Field(default=True, title="Make a thumbnail")

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.upload_id is None) == (self.artifact is None):
            raise ValueError("give either upload_id or artifact")
        if self.artifact is not None:
            ArtifactName.parse(self.artifact)
        if self.end is not None and self.end <= self.start:
            raise ValueError("the end must be later than the start")
        return self


_POLICY = RetryPolicy(
    statuses=frozenset({Status.FAILED, Status.TIMEOUT}),
    cost=1,
    limit=None,
    checks=(input_in_storage,),
    resets=("Status → queued", "Progress, error, finish time", "Output file"),
    dialog=RetryDialog(text="This will use {cost}. Are you sure you want to retry this job?"),
    auto=AutoRetry(limit=2),
    rescues=0,
)


@job_kind(
    "video.process",
    title="Process a video",
    args=VideoProcessArgs,
    icon="movie",
    steps=("probe", "encode", "upload"),
    timeout=2 * 3600,
    # One encoder keeps several cores busy; more of them only make each other slow.
    per_worker=max(1, (os.cpu_count() or 1) // 2),
    needs=("ffmpeg",),
    policy=_POLICY,
    upload_field="upload_id",
    artifact_field="artifact",
)
async def process_video(job: JobContext, args: VideoProcessArgs) -> dict[str, Any]:
    """Probes, encodes, uploads. The result says what came out.

    Raises:
        JobError: see docs/features/video-processing.md for what can go wrong.
    """
    from tasks.kinds.video.clip import Clip
    from tasks.kinds.video.media import Media, probe

    began = time.monotonic()
    output = OUTPUTS[args.preset]
    await job.progress(1, "Fetching the input")
    source = await job.input(args.upload_id)

    async def look() -> dict[str, Any]:
        await job.progress(3, "Probing")
        media = await probe(source, job.workdir)
        _require_streams(media, output)
        return media.as_json()

    media = Media.from_json(await job.step("probe", look))
    # A preset may differ from the one that the kept probe was made for.
    _require_streams(media, output)
    clip = Clip(args.start, args.end)
    clip.require_in(media)
    made: Encoded = await job.step(
        "encode", lambda: _encode(job, args.preset, source, media, clip), keep=False
    )
    result = await _described(made, clip.length(media), job.workdir)
    name = f"{_stem(job.title).removesuffix(f'-{args.preset}')}-{args.preset}{output.suffix}"

    async def hand_over() -> None:
        await _upload(job, name, made.path, output)
        if args.thumbnail and output.height is not None:
            await _add_thumbnail(job, made.path, result["duration"])

    await job.step("upload", hand_over, keep=False)
    await job.progress(100, "Done")
    taken = time.monotonic() - began
    speed = round((result["duration"] or 0) / taken, 2)
    return {
        **result,
        "preset": args.preset.value,
        "file": name,
        "seconds_taken": round(taken, 2),
        "speed": speed,
    }


async def engines() -> dict[str, str | None]:
    """What a worker needs for this kind, with the version that it has."""
    from tasks.kinds.video.ffmpeg import ffmpeg_version

    return {"ffmpeg": await ffmpeg_version()}


async def _upload(job: JobContext, name: str, path: Path, output: Output) -> None:
    await job.progress(_ENCODE_TO, "Uploading")
    await job.save_artifact(name, path, output.content_type)


async def _add_thumbnail(job: JobContext, video: Path, duration: float | None) -> None:
    from tasks.kinds.video.clip import take_thumbnail
    from tasks.kinds.video.ffmpeg import require_ffmpeg

    picture = job.workdir / "thumbnail.jpg"
    ffmpeg = await asyncio.to_thread(require_ffmpeg)
    if await take_thumbnail(ffmpeg, video, duration, picture):
        await job.save_artifact(picture.name, picture, "image/jpeg")
    else:
        await job.log("No thumbnail could be taken.")


async def _encode(job: JobContext, preset: Preset, source: Path, media: "Media", clip: "Clip") -> "Encoded":
    from tasks.kinds.video.encode import encode
    from tasks.kinds.video.ffmpeg import require_ffmpeg

    output = OUTPUTS[preset]
    ffmpeg = await asyncio.to_thread(require_ffmpeg)
    doing = "Extracting the audio" if preset is Preset.AUDIO else f"Encoding {preset}"

    length = clip.length(media)

    def show(seconds: float) -> None:
        if length:
            share = min(seconds / length, 1)
            _ = job.progress(_ENCODE_FROM + share * (_ENCODE_TO - _ENCODE_FROM), doing)
        else:
            # Recordings of a browser do not say how long they are.
            _ = job.progress(_ENCODE_FROM, f"{doing} ({seconds:.0f} s done)")

    await job.progress(_ENCODE_FROM, doing)
    target = job.workdir / f"output{output.suffix}"
    made = await encode(ffmpeg, source, target, media, output, show, clip)
    for line in made.complaints[:20]:
        await job.log(f"ffmpeg: {line}")
    return made


async def _described(made: "Encoded", length: float | None, workdir: Path) -> dict[str, Any]:
    """What came out, read back from the file.

    Raises:
        JobError: it lacks what the input promised, and ffmpeg complained: half a video is no success (permanent).
    """
    from tasks.kinds.video import failures
    from tasks.kinds.video.media import probe

    try:
        out = await probe(made.path, workdir)
    except JobError as error:
        if error.failure_type is not FailureType.PERMANENT:
            raise
        raise failures.damaged() from error
    missing = (length or 0) - (out.duration or 0)
    # Without a complaint the container was only wrong about its length, which is common.
    if made.complaints and missing > max(1.0, 0.05 * (length or 0)):
        raise failures.damaged(
            f"{failures.DAMAGED}: only {out.duration or 0:.1f} s of {length or 0:.1f} s could be read"
        )
    return {
        "duration": out.duration,
        "width": out.width,
        "height": out.height,
        "video_codec": out.video_codec,
        "audio_codec": out.audio_codec,
        "size": out.size,
    }


def _require_streams(media: "Media", output: Output) -> None:
    if output.height is None and not media.has_audio:
        raise JobError(
            "The input has no audio to extract",
            failure_type=FailureType.PERMANENT,
            advice="Edit the job: choose a video preset, or a file with sound. Then retry.",
        )
    if output.height is not None and media.video_stream is None:
        raise JobError(
            "The input has no video stream",
            failure_type=FailureType.PERMANENT,
            advice="Edit the job: choose the preset “audio”, or a video. Then retry.",
        )


def _stem(title: str) -> str:
    """The title, which is the upload's name unless somebody gave another, as the beginning of a file name."""
    stem = re.sub(r"(?:[^\w.]|-)+", "-", _ENDING.sub("", title.strip())).strip("-._")
    return stem[:60] or "video"
