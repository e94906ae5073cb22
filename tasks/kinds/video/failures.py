"""What the words of ffmpeg mean, and what a person can do about it."""

import re
from pathlib import Path

from services.failures.failures import JobError
from services.vocabulary import FailureType

DAMAGED = "Invalid data found when processing input"
_UPLOAD_AGAIN = (
    "The file is damaged, incomplete or no video. Check that it plays, then retry with another file."
)
_MEMORY = "Use a smaller video or preset, give the worker more memory, or raise the limits of its container."
_SAID_LIMIT = 500

# Words of ffmpeg (in lower case) → message, type, advice. The first that is found decides.
_MEANINGS = (
    (
        ("no space left on device",),
        "No space left on the worker's disk",
        FailureType.ENVIRONMENT,
        "Free some space in the data folder of the worker, then retry.",
    ),
    (
        ("cannot allocate memory", "out of memory", "malloc of size"),
        "The encoder ran out of memory",
        FailureType.ENVIRONMENT,
        _MEMORY,
    ),
    (
        ("unknown encoder", "encoder not found"),
        "The worker's ffmpeg lacks an encoder",
        FailureType.ENVIRONMENT,
        "Install a full build of ffmpeg on the worker (with libx264, aac and libmp3lame), then retry.",
    ),
    (
        ("not on whitelist", "invalid argument"),
        "This type of file is not supported",
        FailureType.PERMANENT,
        "Convert it to MP4, MOV, MKV or WebM first, then retry with that file.",
    ),
    (
        (
            "invalid data found",
            "moov atom not found",
            "end of file",
            "could not find codec",
            "decoding error",
        ),
        DAMAGED,
        FailureType.PERMANENT,
        _UPLOAD_AGAIN,
    ),
)
_CRASHES = {-4, -6, -7, -8, -11}
_KILLED = -9
_TOO_MANY_ERRORS = 69
_OUT_OF_CPU_TIME = -24


def from_words(words: str, code: int = 1) -> JobError:
    """The error for an exit code and the last words of ffmpeg, or of the probe."""
    if code == _KILLED:
        return JobError(
            "The encoder was killed, most likely for want of memory",
            failure_type="environment",
            advice=_MEMORY,
        )
    if code in _CRASHES or code == _OUT_OF_CPU_TIME:
        return JobError("The decoder crashed on this file", failure_type="permanent", advice=_UPLOAD_AGAIN)
    folded = words.lower()
    for signs, message, failure_type, advice in _MEANINGS:
        if any(sign in folded for sign in signs):
            return JobError(message, failure_type=failure_type, advice=advice)
    if code == _TOO_MANY_ERRORS:
        return damaged()
    said = last_line(words)
    return JobError(f"ffmpeg failed with code {code}" + (f": {said}" if said else ""))


def damaged(message: str = DAMAGED) -> JobError:
    """The input cannot be read; another try will not help."""
    return JobError(message, failure_type=FailureType.PERMANENT, advice=_UPLOAD_AGAIN)


def tidy(words: str, workdir: Path) -> list[str]:
    """The lines of ffmpeg without addresses in memory and without paths of this machine."""
    words = words.replace(f"{workdir}/", "").replace("file:", "")
    words = re.sub(r"(?<![\w.])/(?:[^\s/:]+/)+", "", words)
    words = re.sub(r"\[[^\]\n]*@ 0x[0-9a-f]+\] ?", "", words)
    return [line.strip()[:_SAID_LIMIT] for line in words.splitlines() if line.strip()]


def last_line(words: str) -> str:
    """The last thing that was said."""
    return next(reversed(tidy(words, Path("/"))), "")
