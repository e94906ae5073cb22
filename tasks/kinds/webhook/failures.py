"""What it means that a delivery went wrong, and what a person can do about it."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from services.failures.failures import JobError
from services.guard.addresses import AddressRefused
from services.vocabulary import FailureType
from tasks.kinds.webhook.delivery import Answer

_TRANSIENT = {408, 425, 429}
_DOWN = "The receiver has trouble of its own. A retry may work; if it goes on, tell whoever runs it."
_ADVICE = {
    400: "The receiver does not like this request. Check the body and headers against its documentation.",
    401: "The receiver wants other credentials. Check the secret and the Authorization header, then retry.",
    403: "The receiver does not let this sender in. Check the secret and its list of allowed senders, then retry.",
    404: "Nothing is there. Check the address.",
    405: "The receiver does not take this method there. Check the method and the address.",
    408: "The receiver waited too long for the request. A retry may work.",
    410: "The receiver has taken this endpoint away for good. Remove the webhook, or give the new address.",
    413: "The receiver does not take that much. Send a smaller body.",
    422: "The receiver does not like this body. Check it against its documentation.",
    425: "The receiver wants the request again later. A retry may work.",
    429: "The receiver wants fewer requests. The next try waits as long as it has asked for.",
}


def from_answer(answer: Answer, now: datetime) -> JobError | None:
    """The failure that an answer means; None for a success."""
    status = answer.status
    if 200 <= status < 300:
        return None
    message = f"The endpoint answered {status}{_phrase(status)}"
    if 300 <= status < 400:
        advice = "Give the address that it points to, if you trust it: edit the job and retry."
        where = f" to {answer.headers['location'][:300]}" if "location" in answer.headers else ""
        return _error(f"{message}: a redirect{where}, which is not followed", FailureType.PERMANENT, advice)
    if status in _TRANSIENT or status >= 500:
        after = retry_after(answer.headers.get("retry-after", ""), now)
        asked = f" and asked to be left alone for {after:.0f} s" if after else ""
        advice = _ADVICE.get(status, _DOWN)
        return JobError(message + asked, failure_type=FailureType.TRANSIENT, advice=advice, retry_after=after)
    return _error(message, FailureType.PERMANENT, _ADVICE.get(status, _ADVICE[400]))


def from_trouble(error: Exception, seconds: float) -> JobError:
    """The failure behind an error of the way there."""
    if isinstance(error, AddressRefused):
        advice = "Give a public address. For a network of your own, have MULLIGAN_ALLOW_PRIVATE_URLS set."
        return _error(error.message, FailureType.PERMANENT, advice)
    causes = list(_causes(error))
    if isinstance(error, TimeoutError) or any(isinstance(cause, httpx.TimeoutException) for cause in causes):
        advice = "The receiver is slow or does not answer. A retry may work; a longer timeout may help."
        return _error(f"The endpoint did not answer within {seconds:g} s", FailureType.TRANSIENT, advice)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            advice = "The receiver's certificate is not valid for this address. Have it renewed, then retry."
            words = f"The endpoint's certificate was refused: {cause.verify_message}"
            return _error(words, FailureType.ENVIRONMENT, advice)
        if isinstance(cause, socket.gaierror):
            advice = "Check the spelling of the address and the worker's DNS. A retry may work."
            return _error("The endpoint's name cannot be found", FailureType.TRANSIENT, advice)
    if isinstance(error, httpx.ConnectError):
        return _error("The endpoint cannot be reached", FailureType.TRANSIENT, _DOWN)
    if isinstance(error, (httpx.RemoteProtocolError, httpx.LocalProtocolError)) and not _hung_up(error):
        advice = "What answers there is no web server, or one that does not keep to the protocol. Check the address."
        return _error(f"The endpoint's answer makes no sense: {error}", FailureType.PERMANENT, advice)
    return _error("The connection to the endpoint broke off", FailureType.TRANSIENT, _DOWN)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds, of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); None where it says nothing."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0)


def _error(message: str, failure_type: FailureType, advice: str) -> JobError:
    return JobError(message, failure_type=failure_type, advice=advice)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _hung_up(error: Exception) -> bool:
    return "disconnected" in str(error)
