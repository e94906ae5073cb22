"""What went wrong, classified: type, words, advice, and a fingerprint that is the same for the same mistake."""

import re
import traceback as tb
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import PurePath

from services.scrubbing import scrub
from services.vocabulary import FailureType

_MESSAGE_LIMIT = 2_000
_TRACEBACK_LIMIT = 20_000
_FRAMES = 5

# What differs between two occurrences of the same mistake, from the most to the least particular.
_VARIABLE_PARTS = (
    (re.compile(r"https?://\S+"), "<url>"),
    (
        re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b", re.IGNORECASE),
        "<id>",
    ),
    (re.compile(r"(?<![\w.])(?:/[\w.@%+~-]+){2,}"), "<path>"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "<text>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<n>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)


class JobError(Exception):
    """What a kind raises when it knows what went wrong, and what a person can do about it."""

    def __init__(
        self,
        message: str,
        *,
        failure_type: FailureType | str = FailureType.UNKNOWN,
        advice: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.failure_type = FailureType(failure_type)
        self.advice = advice
        self.retry_after = retry_after
        """For how many seconds the other side asked to be left alone; an automatic retry waits no less."""


@dataclass(frozen=True)
class Failure:
    """A classified error. `message` is for people, `traceback` for developers."""

    type: FailureType
    message: str
    advice: str | None = None
    fingerprint: str | None = None
    traceback: str | None = None
    retry_after: float | None = None
    """An automatic retry waits no less than so many seconds."""


def classify(error: BaseException, kind: str, secrets: Sequence[str] = ()) -> Failure:
    """What an exception out of a kind's function means, said without the secrets."""
    if isinstance(error, JobError):
        known = failure(kind, error.failure_type, error.message, error.advice, error, secrets)
        return replace(known, retry_after=error.retry_after)
    failure_type, advice = _builtin(error)
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return failure(kind, failure_type, message, advice, error, secrets)


def failure(
    kind: str,
    failure_type: FailureType,
    message: str,
    advice: str | None = None,
    error: BaseException | None = None,
    secrets: Sequence[str] = (),
) -> Failure:
    """A failure with its fingerprint, made from the kind, the message without its variable parts, and the frames.

    Its texts are scrubbed of what looks like a secret, and of `secrets`.
    """
    message = clean(scrub(message, secrets))[:_MESSAGE_LIMIT]
    frames = _frames(error)
    digest = sha256("\n".join([kind, normalise(message), *frames]).encode()).hexdigest()
    trace = (
        clean(scrub("".join(tb.format_exception(error)), secrets))[-_TRACEBACK_LIMIT:]
        if error and error.__traceback__
        else None
    )
    advice = clean(scrub(advice, secrets)) if advice else None
    return Failure(failure_type, message, advice, digest[:16], trace)


def normalise(message: str) -> str:
    """The message with numbers, ids, paths, addresses and quoted text replaced: what a group of failures is called."""
    for pattern, placeholder in _VARIABLE_PARTS:
        message = pattern.sub(placeholder, message)
    return message.strip()


def clean(text: str) -> str:
    """Text that every database takes: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _frames(error: BaseException | None) -> list[str]:
    if error is None:
        return []
    # File and function, no line numbers: an edit elsewhere in the file does not make it another mistake.
    return [f"{PurePath(f.filename).name}:{f.name}" for f in tb.extract_tb(error.__traceback__)[-_FRAMES:]]


def _builtin(error: BaseException) -> tuple[FailureType, str | None]:
    match error:
        case MemoryError():
            return (
                FailureType.ENVIRONMENT,
                "The worker ran out of memory. Use smaller inputs or give it more memory.",
            )
        case OSError(errno=28):
            return FailureType.ENVIRONMENT, "The disk of the worker is full. Free some space, then retry."
        case ConnectionError() | TimeoutError():
            return FailureType.TRANSIENT, "The other side did not answer. A retry may work."
        case ImportError():
            return FailureType.ENVIRONMENT, "A library is missing on the worker. Install it, then retry."
        case _:
            return FailureType.UNKNOWN, None
