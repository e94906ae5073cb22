"""The part of a video that is wanted, and a picture of it."""

from dataclasses import dataclass
from pathlib import Path

from services.failures.failures import JobError
from services.process import run_process
from services.vocabulary import FailureType
from tasks.kinds.video.media import Media
from tasks.kinds.video.probe import INPUT_OPTIONS

_THUMBNAIL_SECONDS = 60
_THUMBNAIL_WIDTH = 640
_AT = 0.1
"""Where in a video its thumbnail is taken: the very first picture is often black."""


@dataclass(frozen=True)
class Clip:
    """From `start` to `end`, in seconds of the input; `end` None: to its end."""

    start: float = 0
    end: float | None = None

    def require_in(self, media: Media) -> None:
        """Raises JobError (permanent) where the input ends before the clip begins."""
        if media.duration is not None and self.start >= media.duration:
            raise JobError(
                f"The clip begins at {self.start:g} s, but the input is only {media.duration:.1f} s long",
                failure_type=FailureType.PERMANENT,
                advice="Retry with an earlier beginning: edit the arguments.",
            )

    def length(self, media: Media) -> float | None:
        """How many seconds come out; None where nobody knows."""
        if media.duration is None:
            return self.end - self.start if self.end is not None else None
        return min(self.end if self.end is not None else media.duration, media.duration) - self.start

    def options(self) -> list[str]:
        """ffmpeg's options before the input: it seeks there, instead of decoding what nobody wants."""
        start = ["-ss", f"{self.start:.3f}"] if self.start else []
        return [*start, *(["-t", f"{self.end - self.start:.3f}"] if self.end is not None else [])]


async def take_thumbnail(ffmpeg: Path, video: Path, duration: float | None, target: Path) -> bool:
    """Writes a picture of the video as JPEG. Whether it could."""
    options = [part for name, value in INPUT_OPTIONS.items() for part in (f"-{name}", value)]
    command: list[str | Path] = [
        *(ffmpeg, "-nostdin", "-hide_banner", "-y", "-v", "error"),
        *("-ss", f"{(duration or 0) * _AT:.3f}", *options, "-i", f"file:{video}"),
        *("-frames:v", "1", "-vf", rf"scale=min({_THUMBNAIL_WIDTH}\,iw):-2", "-q:v", "4", f"file:{target}"),
    ]
    try:
        ended = await run_process(
            command, cwd=target.parent, on_line=lambda _: None, timeout=_THUMBNAIL_SECONDS
        )
    except TimeoutError:
        return False
    return ended.code == 0 and target.exists()
