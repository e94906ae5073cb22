"""Errors that people and programs are told about. Each has a stable `code`, an HTTP `status`, data, and words.

A class's docstring is the template of its message; keyword arguments fill it and are the data of the answer.
One handler turns them into RFC 9457 problem+json (`ui/api/problems.py`), one function into a toast.
"""

from inspect import cleandoc
from typing import Any, ClassVar


class MulliganError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, **data: Any) -> None:
        self.data = data
        self.message = message or cleandoc(self.__doc__ or "").format(**data)
        super().__init__(self.message)


class Unauthenticated(MulliganError):
    """Sign in first."""

    code = "unauthenticated"
    status = 401


class Forbidden(MulliganError):
    """Your role ({role}) does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(MulliganError):
    """There is no such {what} here."""

    code = "not_found"
    status = 404


class JobNotFound(MulliganError):
    """There is no such job here."""

    code = "job_not_found"
    status = 404


class NotRetryable(MulliganError):
    """Only {allowed} jobs can be retried, current status: {current}"""

    code = "not_retryable"
    status = 400


class RetryLimitReached(MulliganError):
    """Max retries ({limit}) reached."""

    code = "retry_limit_reached"
    status = 400


class InsufficientCredits(MulliganError):
    """Insufficient credits. Please purchase more credits to retry."""

    code = "insufficient_credits"
    status = 403


class RetriesDisabled(MulliganError):
    """Retries are switched off at the moment."""

    code = "retries_disabled"
    status = 403


class InputMissing(MulliganError):
    """The input {name} is no longer in storage. Upload it again and retry with the new file."""

    code = "input_missing"
    status = 409


class NeverRecovered(MulliganError):
    """0 of {tried} retries after this error recovered."""

    code = "never_recovered"
    status = 409


class Conflict(MulliganError):
    """Somebody else was first: the job is {current} now."""

    code = "conflict"
    status = 409


class StillActive(Conflict):
    """The job is {current}: cancel it first."""


class JobReplaced(Conflict):
    """Somebody else was first: a new job took this one's place, and it is {current} now."""

    # `replaced_by` in the data names it; whoever only wants to read is sent there.


class NotFailed(Conflict):
    """The job is {current}: only one that failed can be dismissed."""


class NotOver(Conflict):
    """The job is {current}: a copy is made of a job that is over."""


class NotActive(Conflict):
    """The job is {current}: there is nothing to cancel."""

    code = "not_active"


class NotDeletable(Conflict):
    """The job is {current}: it must be cancelled before it can be deleted."""

    code = "still_active"


class LastAdmin(MulliganError):
    """{email} is the only admin of this workspace. Make somebody else an admin first."""

    code = "last_admin"
    status = 409


class AlreadyMember(MulliganError):
    """{email} is a member already, as {role}. Change the role in the list of members."""

    code = "already_member"
    status = 409


class AccountExists(MulliganError):
    """{email} has an account by now. Open the link again, signed in as {email}, and accept."""

    code = "account_exists"
    status = 409


class WrongAccount(MulliganError):
    """This invitation is for {email}, and you are signed in as {signed_in}."""

    code = "wrong_account"
    status = 403


class MemberElsewhere(MulliganError):
    """{email} is in a workspace that you are no admin of, so you cannot open the account. Who runs this machine can."""

    code = "member_elsewhere"
    status = 403


class Invalid(MulliganError):
    """{reason}"""

    code = "invalid"
    status = 422


class NotDrawable(MulliganError):
    """{name} cannot be shown: {why}. Download it to look at it."""

    code = "not_drawable"
    status = 422


class TooLarge(MulliganError):
    """The upload is larger than the limit of {limit} bytes."""

    code = "file_too_large"
    status = 403


class FileTooLarge(MulliganError):
    """File size {size_gb:.2f} GB exceeds limit {limit_gb:.2f} GB"""

    code = "file_too_large"
    status = 403


class QuotaExceeded(MulliganError):
    """File size {size_gb:.2f} GB exceeds your available space {available_gb:.2f} GB"""

    code = "quota_exceeded"
    status = 403


class InsufficientDiskSpace(MulliganError):
    """Insufficient disk space, remaining {remaining_gb:.2f} GB"""

    code = "insufficient_disk_space"
    status = 403


class TorrentNotRetryable(MulliganError):
    """Torrent tasks cannot be retried. Please re-upload the torrent file."""

    code = "not_retryable_torrent"
    status = 400


class RateLimited(MulliganError):
    """Too many tries. Wait {retry_after} s."""

    code = "rate_limited"
    status = 429


class QueueUnavailable(MulliganError):
    """Failed to re-queue task. The queue (Redis) does not answer; nothing was charged, try again when it is back."""

    code = "queue_unavailable"
    status = 503


class ServiceUnavailable(MulliganError):
    """{service} does not answer."""

    code = "service_unavailable"
    status = 503
