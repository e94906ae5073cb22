"""Encoding with ffmpeg: the command and its progress."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.process import run_process
from tasks.kinds.video import failures
from tasks.kinds.video.clip import Clip
from tasks.kinds.video.media import Media
from tasks.kinds.video.presets import Output
from tasks.kinds.video.probe import INPUT_OPTIONS

_QUIET = ("-nostdin", "-hide_banner", "-y", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.2")


@dataclass(frozen=True)
class Encoded:
    """A finished encode."""

    path: Path
    complaints: list[str]
    """What ffmpeg found wrong and went on from."""


def command(
    ffmpeg: Path, source: Path, target: Path, media: Media, output: Output, clip: Clip | None = None
) -> list[str | Path]:
    """The call. Files are named by `file:` addresses, so that no name is taken for an option or another protocol."""
    options = [word for name, value in INPUT_OPTIONS.items() for word in (f"-{name}", value)]
    made = output.options(media.video_stream, media.audio_stream)
    part = clip.options() if clip else []
    return [ffmpeg, *_QUIET, *options, *part, "-i", f"file:{source}", *made, f"file:{target}"]


async def encode(
    ffmpeg: Path,
    source: Path,
    target: Path,
    media: Media,
    output: Output,
    on_time: Callable[[float], None],
    clip: Clip | None = None,
) -> Encoded:
    """Writes `target`; tells `on_time` how many seconds of it are done.

    Raises:
        JobError: ffmpeg failed; type and advice say why.
    """

    done = 0.0

    def hear(line: str) -> None:
        nonlocal done
        name, _, value = line.partition("=")
        if name == "out_time_us":
            with suppress(ValueError):  # "N/A" until the first packet is out
                # ffmpeg reports now one stream's time and now another's: the furthest is how far it is.
                done = max(done, int(value) / 1e6)
                on_time(done)

    call = command(ffmpeg, source, target, media, output, clip)
    ended = await run_process(call, cwd=target.parent, on_line=hear)
    if ended.code != 0:
        raise failures.from_words(ended.stderr, ended.code)
    return Encoded(target, failures.tidy(ended.stderr, target.parent))
