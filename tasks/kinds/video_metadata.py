"""`video.metadata`: what an address holds, without downloading it. System A's policy."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.checks.state import not_running
from services.guard.addresses import WebAddress
from services.kinds import job_kind
from services.policy import AutoRetry, Backoff, RetryDialog, RetryPolicy
from services.vocabulary import TERMINAL
from tasks.context import RunContext
from tasks.kinds import suits

ARCHIVE_POLICY = RetryPolicy(
    statuses=TERMINAL,
    counts=False,
    checks=(not_running(),),
    resets=("Status → queued", "Start and finish time, worker, error, failure type, next retry"),
    keeps=("Title, owner, created time", "What is in the archive: it is not downloaded twice"),
    dialog=RetryDialog(
        title="Run this job again?",
        text="The job is queued again and runs from the beginning. What the archive has is not downloaded again.",
        variant="info",
    ),
    auto=AutoRetry(limit=2, backoff=Backoff(base=10, cap=600)),
    rescues=1,
)


class VideoMetadataArgs(BaseModel):
    """Which video."""

    model_config = ConfigDict(extra="forbid")

    url: WebAddress = Field(title="Address", description="The page where the video plays, or the file itself")


@job_kind(
    "video.metadata",
    title="Look up a video",
    args=VideoMetadataArgs,
    icon="info",
    steps=("look_up",),
    timeout=300,
    policy=ARCHIVE_POLICY,
    needs=("yt-dlp",),
    title_from=lambda args: short_address(args.url),
    address_field="url",
    suits=suits.video_page,
)
async def look_up_video(job: RunContext, args: VideoMetadataArgs) -> dict[str, Any]:
    """Title, uploader, duration, formats and the like.

    Raises:
        JobError: see docs/features/video-downloads.md for what can go wrong.
    """
    from tasks.kinds.media_archive.ytdlp import Wish, ytdlp

    async with ytdlp(job.desk.settings, job.workdir, Wish(args.url), job.log) as engine:
        await job.progress(10, "Looking up")
        found: dict[str, Any] = await job.step("look_up", engine.look, keep=False)
    found.pop("has_own_id")
    return found


def short_address(url: str) -> str:
    """An address as a title: without scheme, query and fragment."""
    return url.partition("://")[2].partition("?")[0].partition("#")[0].removesuffix("/")
