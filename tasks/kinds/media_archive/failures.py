"""What it means when yt-dlp fails, and what a person can do about it."""

import errno
import re
from typing import Any

from services.failures.failures import JobError
from services.guard.addresses import AddressRefused
from services.vocabulary import FailureType

_P, _T, _E = FailureType.PERMANENT, FailureType.TRANSIENT, FailureType.ENVIRONMENT
_WORDS_LIMIT = 300

_UNSUPPORTED = (
    "There is no media at this address that can be downloaded",
    _P,
    "Give the address of the page where the video plays, or of the file itself.",
)
_REMOVED = (
    "The video is no longer there",
    _P,
    "It was removed, or the address is wrong. Check it in a browser.",
)
_PRIVATE = (
    "The video is private, or wants somebody to be signed in",
    _P,
    "Ask its owner to make it public, or for the file itself.",
)
_GEO = (
    "The video is not available in the worker's country",
    _P,
    "Its owner has blocked this country. A worker elsewhere may reach it.",
)
_LIMITED = (
    "The site wants fewer requests from this machine",
    _T,
    "It goes on by itself after a while. If it keeps failing, wait an hour before the next try.",
)
_NETWORK = (
    "The connection to the site broke off",
    _T,
    "A retry may work; the site or the network is in trouble.",
)
_SERVER = ("The site is in trouble of its own", _T, "A retry may work; if it goes on, try again later.")
_REFUSED = (
    "The site refuses the download",
    _P,
    "Check in a browser whether the video plays without signing in, and from the worker's country.",
)
_DISK = (
    "No space left on the worker's disk",
    _E,
    "Free some space in the data folder of the worker, then retry.",
)

# What the script says itself.
_OWN = {
    "list": (
        "The address is a list of videos",
        _P,
        "One job downloads one video. Submit a job for each video of the list.",
    ),
    "live": ("This is a live stream, which has no end", _P, "Submit it when the recording is there."),
    "nothing": _UNSUPPORTED,
    "protocol": (
        "The video comes by a protocol that is not supported",
        _P,
        "Only HTTP, HLS and DASH are downloaded. Look for another address of the same video.",
    ),
    "too_large": (
        "The video is larger than a download may be",
        _P,
        "Choose a smaller format, or have MULLIGAN_MAX_DOWNLOAD_BYTES raised.",
    ),
}
_OF_ERRNO = {errno.ENOSPC: _DISK, errno.EFBIG: _OWN["too_large"]}
# Words of sites and of yt-dlp, in lower case. The first that is found decides.
_MEANINGS = (
    (r"drm", ("The video is protected against copying (DRM)", _P, "It cannot be downloaded.")),
    (r"in your (country|location|region)|geo.?(restrict|block)|from your location", _GEO),
    (r"too many requests|rate.?limit", _LIMITED),
    (
        r"private|sign in|log ?in|members?.only|requires? authentication|account cookies|age.restricted",
        _PRIVATE,
    ),
    (
        r"removed|deleted|no longer available|does not exist|terminated|video unavailable|not available anymore",
        _REMOVED,
    ),
    (
        r"requested format is not available",
        ("The video does not come in this format", _P, "Choose another format, as a new job."),
    ),
    (
        r"ffmpeg.*(not found|not installed)|ffprobe and ffmpeg not found",
        (
            "The worker has no ffmpeg to put the video together",
            _E,
            "Install ffmpeg on the worker, then retry.",
        ),
    ),
    (r"no space left on device", _DISK),
    (r"unsupported url|no video formats found|no media found|not a valid url", _UNSUPPORTED),
    (
        r"timed out|timeout|connection|incomplete|did not get any|name resolution|unreachable|bytes read|giving up|ssl",
        _NETWORK,
    ),
)


def from_told(told: dict[str, Any], refused: AddressRefused | None) -> JobError:
    """The error for what the script has told; `refused` is what the guard had to refuse meanwhile."""
    words = str(told.get("all_words") or "").lower()
    if refused and ("403" in words or told.get("status") == 403):
        return from_guard(refused)
    meaning = (
        _OWN.get(str(told.get("code")))
        or _OF_ERRNO.get(int(told.get("errno") or 0))
        or _of_status(told.get("status"), words)
        or _of_types(set(told.get("types") or ()))
        or next((meaning for pattern, meaning in _MEANINGS if re.search(pattern, words)), None)
    )
    if meaning:
        return _error(meaning)
    return JobError(f"yt-dlp failed: {str(told.get('words') or 'without a word')[:_WORDS_LIMIT]}")


def from_guard(refused: AddressRefused) -> JobError:
    """The error for an address inside."""
    advice = "Give a public address. For a network of your own, have MULLIGAN_ALLOW_PRIVATE_URLS set."
    return JobError(refused.message, failure_type=_P, advice=advice)


def from_end(code: int, stderr: str) -> JobError:
    """The error for a script that ended without a word of its own."""
    if code == -9:
        return JobError(
            "The download was killed, most likely for want of memory",
            failure_type=_E,
            advice="Give the worker more memory, or choose a smaller format.",
        )
    if "ModuleNotFoundError" in stderr:
        return JobError(
            "yt-dlp is missing on the worker",
            failure_type=_E,
            advice="Install Mulligan's requirements on the worker anew, then retry.",
        )
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    return JobError(f"yt-dlp ended with code {code}" + (f": {last[:_WORDS_LIMIT]}" if last else ""))


def _of_types(types: set[str]) -> tuple[str, FailureType, str] | None:
    if "GeoRestrictedError" in types:
        return _GEO
    return _UNSUPPORTED if "UnsupportedError" in types else None


def _of_status(status: object, words: str) -> tuple[str, FailureType, str] | None:
    match status:
        case 404 | 410:
            return _REMOVED
        case 401:
            return _PRIVATE
        case 451:
            return _GEO
        case 403 if not any(sign in words for sign in ("private", "country", "location", "sign in")):
            return _REFUSED
        case 408 | 425:
            return _NETWORK
        case 429:
            return _LIMITED
        case int() if status >= 500:
            return _SERVER
        case _:
            return None


def _error(meaning: tuple[str, FailureType, str]) -> JobError:
    message, failure_type, advice = meaning
    return JobError(message, failure_type=failure_type, advice=advice)
