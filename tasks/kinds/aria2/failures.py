"""What aria2's codes mean: https://aria2.github.io/manual/en/html/aria2c.html#exit-status"""

import re
from typing import NamedTuple

from services.failures.failures import JobError
from services.vocabulary import FailureType

_TRANSIENT, _PERMANENT, _ENVIRONMENT = FailureType.TRANSIENT, FailureType.PERMANENT, FailureType.ENVIRONMENT
_HTTP_STATUS = re.compile(r"status=(\d{3})")
# What it says once all tries have ended in the middle. 1.37 says the second of a full disk, too, where it allocates
# nothing; but the room is watched while it runs.
_LOST = ("No URI available", "Download aborted", "EOF", "reset")
_LATER = "The part that is there is kept: retry, and it goes on from there."
_THE_ADDRESS = (
    "Open the address in a browser. If it is wrong or gone, submit the job anew with the right one."
)
_THE_DISK = "Look at the download folder of the machine that runs aria2: its room, its owner and its rights."


class _Meaning(NamedTuple):
    type: FailureType
    words: str
    advice: str


_CODES = {
    2: _Meaning(_TRANSIENT, "The server did not answer in time", _LATER),
    3: _Meaning(_PERMANENT, "There is no file at this address (HTTP 404)", _THE_ADDRESS),
    4: _Meaning(_PERMANENT, "There is no file at this address (HTTP 404)", _THE_ADDRESS),
    5: _Meaning(_TRANSIENT, "The download was too slow", _LATER),
    6: _Meaning(_TRANSIENT, "The network failed", _LATER),
    7: _Meaning(_TRANSIENT, "aria2 was stopped before the download was complete", _LATER),
    8: _Meaning(_TRANSIENT, "The server cannot go on with a part of a file", "Retry: it begins anew."),
    9: _Meaning(_ENVIRONMENT, "The disk is full", _THE_DISK),
    10: _Meaning(_PERMANENT, "The file has changed on the server", "Submit the job anew."),
    11: _Meaning(_TRANSIENT, "aria2 is downloading this very file already", "Wait for it to end, then retry."),
    12: _Meaning(_TRANSIENT, "aria2 is downloading this very torrent already", "Wait for it to end, then retry."),
    13: _Meaning(_ENVIRONMENT, "A file of that name lies there already", _THE_DISK),
    14: _Meaning(_ENVIRONMENT, "The file could not be renamed", _THE_DISK),
    15: _Meaning(_ENVIRONMENT, "The file could not be opened", _THE_DISK),
    16: _Meaning(_ENVIRONMENT, "The file could not be made", _THE_DISK),
    17: _Meaning(_ENVIRONMENT, "The file could not be written", _THE_DISK),
    18: _Meaning(_ENVIRONMENT, "The download folder could not be made", _THE_DISK),
    19: _Meaning(_TRANSIENT, "The server's name could not be resolved", _THE_ADDRESS),
    22: _Meaning(_TRANSIENT, "The server's answer makes no sense", "Try again in a while."),
    23: _Meaning(_PERMANENT, "The address leads in circles", _THE_ADDRESS),
    24: _Meaning(_PERMANENT, "The server wants a user name and password (HTTP 401)", _THE_ADDRESS),
    25: _Meaning(_PERMANENT, "The torrent file cannot be read", "Upload it again as a new job."),
    26: _Meaning(_PERMANENT, "The torrent file is damaged, or lacks what is needed", "Upload it again as a new job."),
    27: _Meaning(_PERMANENT, "The magnet link makes no sense", "Submit the job anew with the whole link."),
    29: _Meaning(_TRANSIENT, "The server is overloaded (HTTP 503)", "Try again in a while."),
    31: _Meaning(_ENVIRONMENT, "Somebody removed the download from aria2", "Retry: it goes on from what is there."),
    32: _Meaning(
        _PERMANENT, "The checksum does not fit: the file is damaged, or another one",
        "Compare the checksum with its source. A retry fetches the whole file anew.",
    ),
}  # fmt: skip


def from_code(code: int, message: str) -> JobError:
    """An error of aria2's in words."""
    if code == 1 and "refused" in message.lower():
        return JobError("The server refused the connection", failure_type=_TRANSIENT, advice=_LATER)
    if code == 1 and any(words in message for words in _LOST):
        return JobError("The connection was lost", failure_type=_TRANSIENT, advice=_LATER)
    if code == 22 and (found := _HTTP_STATUS.search(message)):
        return _from_status(int(found[1]))
    if meaning := _CODES.get(code):
        return JobError(meaning.words, failure_type=meaning.type, advice=meaning.advice)
    words = f"aria2: {message}" if message else f"aria2 ended with code {code}"
    return JobError(words, failure_type=FailureType.UNKNOWN, advice=_LATER)


def _from_status(status: int) -> JobError:
    if status == 429 or status >= 500:
        words = f"The server answered HTTP {status}"
        return JobError(words, failure_type=_TRANSIENT, advice="Try again in a while.")
    words = f"The server does not give the file away (HTTP {status})"
    return JobError(words, failure_type=_PERMANENT, advice=_THE_ADDRESS)


def refused(words: str) -> JobError:
    """The guard of addresses let nothing through."""
    return JobError(words, failure_type=_PERMANENT, advice=_THE_ADDRESS)


def unreachable(seconds: float) -> JobError:
    """aria2 itself is gone."""
    return JobError(
        f"aria2 has not answered for {seconds:.0f} s",
        failure_type=_ENVIRONMENT,
        advice="Start it again, then retry: the part that is there is kept.",
    )


def not_taken(words: str) -> JobError:
    """aria2 does not want the download."""
    return JobError(f"Failed to create aria2 task: {words}", failure_type=_PERMANENT, advice=_THE_ADDRESS)
