"""Errors as RFC 9457 problem+json, each with a stable `code`."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from services.database.database import outage_of
from services.errors import (
    Invalid,
    JobReplaced,
    MulliganError,
    NotFound,
    RateLimited,
    Unauthenticated,
)

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong. Some codes add fields: `errors`, `current_status`, `retry_after`, `position`, …"""

    type: str = Field(examples=["/api/docs#not_retryable"])
    title: str
    status: int
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="Stable; what programs look at.")


class BodyTooLarge(MulliganError):
    """The body is larger than {limit} bytes."""

    code = "body_too_large"
    status = 413


class SlowBody(MulliganError):
    """The body did not arrive in time. Send it again."""

    code = "slow_body"
    status = 408


class MethodNotAllowed(MulliganError):
    """{method} is not possible here."""

    code = "method_not_allowed"
    status = 405


class RangeNotSatisfiable(MulliganError):
    """The file has {size} bytes."""

    code = "range_not_satisfiable"
    status = 416


class _InternalError(MulliganError):
    """Mulligan made a mistake. Its log says more."""

    code = "internal"


def problem(error: MulliganError, headers: dict[str, str] | None = None) -> Response:
    """The answer that tells of an error."""
    headers = dict(headers or {})
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.data.get("retry_after", 60))
    data = dict(error.data)
    if "current" in data:
        data["current_status"] = data["current"]
    body = jsonable_encoder(data) | {
        "type": f"/api/docs#{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


def as_problem(error: Exception) -> Response:
    """The answer to any error that a handler below is registered for."""
    match error:
        case MulliganError():
            return problem(error)
        case RequestValidationError():
            return problem(_invalid(error))
        case HTTPException():
            return problem(_http_error(error), dict(error.headers or {}))
        case ClientDisconnect():
            return Response(status_code=400)  # nobody is there to read it
        case DBAPIError() if _is_out_of_range(error):
            return problem(Invalid("A value is out of the range that can be stored."))
        case _ if outage := outage_of(error):
            logger.warning("the database does not answer: %s", error)
            return problem(outage, {"Retry-After": "2"})
        case _:
            return problem(_InternalError())


def install_problems(api: FastAPI) -> None:
    """Turns every error of the application into a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, JobReplaced) and request.method in {"GET", "HEAD"}:
            return _led_on(request, error)
        if isinstance(error, HTTPException) and error.status_code == 405:
            said = (error.headers or {}).get("Allow", "")
            return problem(_http_error(error), {"Allow": _allowed(api, request, said)})
        return as_problem(error)

    handled = (
        MulliganError, RequestValidationError, HTTPException, DBAPIError, PoolTimeout, ConnectionError, TimeoutError,
        ClientDisconnect, Exception,
    )  # fmt: skip
    for kind in handled:
        api.add_exception_handler(kind, answer)


def _allowed(api: FastAPI, request: Request, said: str) -> str:
    """The methods of an address. The router `said` those of one route, and several may stand at one address."""
    methods = set(filter(None, said.split(", ")))
    for path, calls in api.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            methods |= {method.upper() for method in calls}
    return ", ".join(sorted(methods))


def _led_on(request: Request, error: JobReplaced) -> Response:
    """To the same thing of the job that took this one's place. Not for ever: that one may be replaced as well."""
    old, new = str(request.path_params["job_id"]), str(error.data["replaced_by"])
    path, query = request.url.path.replace(old, new, 1), request.url.query
    return RedirectResponse(f"{path}?{query}" if query else path, status_code=303)


def _is_out_of_range(error: DBAPIError) -> bool:
    return isinstance(error, DataError) or "out of range" in str(error.orig) or "too large" in str(error.orig)


def _invalid(error: RequestValidationError) -> Invalid:
    # What was sent is not repeated: it may hold a password.
    errors = [{"loc": [str(part) for part in e["loc"]], "msg": str(e["msg"])} for e in error.errors()]
    first: dict[str, Any] = errors[0] if errors else {"loc": [], "msg": "The request is not valid."}
    where = ".".join(first["loc"])
    return Invalid(f"{where}: {first['msg']}" if where else first["msg"], errors=errors)


def _http_error(error: HTTPException) -> MulliganError:
    match error.status_code:
        case 404:
            return NotFound("There is nothing at this address.")
        case 405:
            return MethodNotAllowed("This method is not possible here.")
        case 413:
            return BodyTooLarge("The body is too large.")
        case status if 400 <= status < 500:
            return Invalid(str(error.detail))
        case _:
            return _InternalError()
