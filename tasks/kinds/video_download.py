"""`video.download`: a video by its address, once for each workspace. System A's policy: again from any end, free."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.errors import ServiceUnavailable
from services.failures.failures import JobError
from services.guard.addresses import WebAddress
from services.kinds import job_kind
from services.lifecycle import Claim
from services.sizes import human_size
from services.storage import archive
from services.storage.filenames import safe_filename
from services.vocabulary import FailureType
from tasks.context import RunContext
from tasks.kinds import suits
from tasks.kinds.media_archive.formats import Format
from tasks.kinds.media_archive.ytdlp import Fetched, Wish, YtDlp, ytdlp
from tasks.kinds.video_metadata import ARCHIVE_POLICY, short_address

# Where on the way from 0 to 100 the download begins and ends.
_FROM, _TO = 5.0, 95.0
_UNFINISHED = {".part", ".ytdl", ".temp"}
_TITLE_KEPT = 120


class VideoDownloadArgs(BaseModel):
    """Which video, and what of it."""

    model_config = ConfigDict(extra="forbid")

    url: WebAddress = Field(title="Address", description="The page where the video plays, or the file itself")
    format: Format = Field(
        default=Format.BEST,
        title="Format",
        description="The nearest that the site has",
        json_schema_extra={
            "labels": {
                Format.BEST: "what the site has",
                Format.P1080: "full HD at most",
                Format.P720: "HD at most",
                Format.P480: "small",
                Format.AUDIO: "sound alone, MP3",
            }
        },
    )
    thumbnail: bool = Field(default=False, title="Thumbnail as a file beside it")
    subtitles: bool = Field(default=False, title="Subtitles in every language that there is")

    def archive_key(self, *source: str) -> str:
        """What the archive knows this wish by: other formats of a video are other files."""
        return archive.key(*source, self.format, str(self.thumbnail), str(self.subtitles))


@job_kind(
    "video.download",
    title="Download a video",
    args=VideoDownloadArgs,
    icon="download",
    steps=("look_up", "download", "store"),
    timeout=4 * 3600,
    policy=ARCHIVE_POLICY,
    needs=("yt-dlp",),
    title_from=lambda args: short_address(args.url),
    address_field="url",
    suits=suits.video,
)
async def download_video(job: RunContext, args: VideoDownloadArgs) -> dict[str, Any]:
    """Looks into the archive, then at the address, then fetches.

    Raises:
        JobError: see docs/features/video-downloads.md for what can go wrong.
    """
    address = args.archive_key("address", args.url.partition("#")[0])
    if kept := await _from_archive(job, address):
        return kept
    wish = Wish(args.url, args.format, thumbnail=args.thumbnail, subtitles=args.subtitles)
    async with ytdlp(job.desk.settings, job.workdir, wish, job.log) as engine:
        await job.progress(1, "Looking up")
        info: dict[str, Any] = await job.step("look_up", engine.look, keep=False)
        await job.log(f"Found “{info['title']}” ({info['extractor']})")
        # Where no site has named it, two files may share what would be its id: the address is its name then.
        named = info.pop("has_own_id")
        source = args.archive_key("source", str(info["extractor"]), str(info["id"])) if named else address
        if kept := await _from_archive(job, source):
            return kept
        await job.step("download", lambda: _download(job, engine), keep=False)
        result = await job.step("store", lambda: _store(job, engine.folder, info), keep=False)
    await archive.keep(job.desk, Claim(job.id, job.attempt), job.worker, (source, address), result)
    await job.progress(100, "Done")
    return {**result, "archived": False}


async def engines() -> dict[str, str | None]:
    """What a worker needs for this kind, with the version that it has."""
    try:
        return {"yt-dlp": version("yt-dlp")}
    except PackageNotFoundError:
        return {"yt-dlp": None}


async def _from_archive(job: RunContext, key: str) -> dict[str, Any] | None:
    """The result of an earlier download, whose files are this attempt's now; None where there is none."""
    try:
        found = await archive.take(job.desk, job.workspace_id, Claim(job.id, job.attempt), job.worker, key)
    except ServiceUnavailable as error:
        raise JobError(error.message, failure_type=FailureType.ENVIRONMENT) from error
    if found is None:
        return None
    job.has_output = True
    await job.log("Already in the archive: nothing was downloaded")
    await job.progress(100, "Already in the archive")
    return {**found, "archived": True}


async def _download(job: RunContext, engine: YtDlp) -> None:
    def show(fetched: Fetched) -> None:
        # The second file, the sound, is a small one: it begins where the bar nearly ends.
        low, high = (_FROM, _TO - 10) if fetched.file == 1 else (_TO - 10, _TO)
        share = min(fetched.done / fetched.total, 1) if fetched.total else 0
        _ = job.progress(low + share * (high - low), _words(fetched))

    await job.progress(_FROM, "Downloading")
    await engine.fetch(show)


def _words(fetched: Fetched) -> str:
    """`3.1 MB/s, 9 s left`: short enough for a row."""
    if not fetched.speed:
        return "Downloading"
    speed = f"{human_size(fetched.speed)}/s"
    if fetched.left:
        return f"{speed}, {_span(fetched.left)} left"
    return speed if fetched.total else f"{human_size(fetched.done)}, {speed}"


def _span(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit * 1.5:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


async def _store(job: RunContext, folder: Path, info: dict[str, Any]) -> dict[str, Any]:
    """Saves what was fetched under the video's title."""
    await job.progress(_TO, "Storing")
    made = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in _UNFINISHED)
    if not made:
        raise JobError(
            "Nothing was downloaded",
            failure_type=FailureType.TRANSIENT,
            advice="The site gave no file. A retry may work; another format may, too.",
        )
    stem = (
        safe_filename(str(info["title"] or "video").replace("/", "-"))[:_TITLE_KEPT].strip(". -") or "video"
    )
    names = []
    for path in made:
        name = stem + path.name.removeprefix("media")
        await job.save_artifact(name, path)
        names.append(name)
    size = sum(path.stat().st_size for path in made)
    # JSON once more, so that the archive gives what a first run gave.
    result: dict[str, Any] = json.loads(json.dumps({**info, "files": names, "size": size}))
    return result
