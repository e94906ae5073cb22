"""Asking what a media file holds, in a process of its own with a limit on time and memory."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.failures.failures import JobError
from services.process import Limits, run_process
from tasks.kinds.video import failures

_SCRIPT = Path(__file__).with_name("probe.py")
_SECONDS = 60
_LIMITS = Limits(cpu_seconds=30, memory_bytes=4 * 2**30)


@dataclass(frozen=True)
class Media:
    """What a file holds. Seconds, bytes, pixels; None where there is no such stream or nobody knows."""

    format: str
    size: int
    duration: float | None
    width: int | None
    height: int | None
    video_codec: str | None
    audio_codec: str | None
    video_stream: int | None
    audio_stream: int | None

    @property
    def has_audio(self) -> bool:
        """Whether there is sound in it."""
        return self.audio_stream is not None

    def as_json(self) -> dict[str, Any]:
        """What a step keeps."""
        return {**asdict(self), "has_audio": self.has_audio}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Media":
        """What a step kept."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})


async def probe(path: Path, workdir: Path) -> Media:
    """What the file holds.

    Raises:
        JobError: it cannot be read (permanent), or nobody can read here (environment).
    """
    lines: list[str] = []
    # -P: the folder of the script holds modules of ours, which must not stand in for others'.
    command: list[str | Path] = [sys.executable, "-P", _SCRIPT, path]
    try:
        ended = await run_process(
            command, cwd=workdir, on_line=lines.append, timeout=_SECONDS, limits=_LIMITS
        )
    except TimeoutError:
        raise failures.damaged(f"The file could not be read within {_SECONDS} s") from None
    found = _answer(lines)
    if found is None:
        raise _failure(ended.code, ended.stderr)
    if "error" in found:
        raise failures.from_words(str(found["error"]))
    return Media(size=path.stat().st_size, **found)


def _answer(lines: list[str]) -> dict[str, Any] | None:
    # A library may print something of its own: ours is the last line.
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _failure(code: int, words: str) -> JobError:
    if "MemoryError" in words:
        return failures.from_words("out of memory")
    if "ModuleNotFoundError" in words or "ImportError" in words:
        return JobError(
            "The worker cannot probe videos: the library av is missing",
            failure_type="environment",
            advice="Install Mulligan's requirements on the worker anew, then retry.",
        )
    return failures.from_words(words, code)
