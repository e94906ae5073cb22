"""Which ffmpeg this worker has: the system's first, else the one that comes in a wheel."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from services.failures.failures import JobError
from services.process import run_process
from services.vocabulary import FailureType


def find_ffmpeg() -> Path | None:
    """The executable, or None. Looked up anew each time, so that installing it is enough."""
    if system := shutil.which("ffmpeg"):
        return Path(system)
    import imageio_ffmpeg

    try:
        bundled = Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None
    return bundled if os.access(bundled, os.X_OK) else None


def require_ffmpeg() -> Path:
    """The executable.

    Raises:
        JobError: there is none (environment).
    """
    if found := find_ffmpeg():
        return found
    raise JobError(
        "FFmpeg not found: install ffmpeg on the worker host",
        failure_type=FailureType.ENVIRONMENT,
        advice="Install ffmpeg on the worker first (apt-get install ffmpeg, brew install ffmpeg), then retry.",
    )


async def ffmpeg_version() -> str | None:
    """What `ffmpeg -version` says of itself; None where there is none that runs."""
    found = await asyncio.to_thread(find_ffmpeg)
    if found is None:
        return None
    lines: list[str] = []
    try:
        ended = await run_process(
            [found, "-version"], cwd=Path(tempfile.gettempdir()), on_line=lines.append, timeout=10
        )
    except TimeoutError:
        return None
    words = lines[0].split() if lines else []
    return words[2] if ended.code == 0 and words[:2] == ["ffmpeg", "version"] else None
