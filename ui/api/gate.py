"""Before any route: who is it, may a browser send this, and can the request be read at all.

An ASGI application of its own, since these come before FastAPI reads a body: whoever is not signed in learns nothing
about what the right body would have been.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.database.storable import require_storable, too_deep
from services.desk import Desk
from services.errors import Forbidden, Invalid, NotFound, Unauthenticated
from services.people.access import Actor
from services.people.sessions import COOKIE, resolve_session
from services.people.tokens import resolve_token
from ui.api.problems import BodyTooLarge, SlowBody, as_problem
from ui.security import UNSAFE_METHODS, is_same_origin

LARGEST_BODY = 2**20
# Who signs in is nobody yet: a body that never ends must not hold a connection for ever.
PATIENCE_SECONDS = 30.0
_UPLOADS = "/api/uploads"
_LOGIN = "/api/auth/login"
_PUBLIC = frozenset({"/api/openapi.json", "/api/docs", _LOGIN, "/api/auth/logout"})
_ANSWER_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

Resolve = Callable[[], Awaitable[Actor]]
"""Who is calling, found out anew: a stream asks again and again."""


class ApiGate:
    """Answers the API's paths with `api`, and hands everything else to `app`."""

    def __init__(self, app: ASGIApp, api: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.api = api
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not _is_ours(scope["path"]):
            await self.app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            receive = await self._admit(scope, receive)
        except Exception as error:
            answer = as_problem(error)
            if answer.status_code == 500:
                await answer(scope, receive, send)
                raise
            await answer(scope, receive, send)
            return
        await self.api(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Puts `actor` and `resolve` into the request's state; returns how its body is read."""
        request = Request(scope, receive)
        path = scope["path"]
        if path.startswith("/api") and path not in _PUBLIC:
            resolve = self._resolver(request)
            request.state.actor = await resolve()
            request.state.resolve = resolve
        self._require_own_page(request)
        _require_readable(scope)
        if request.method in UNSAFE_METHODS and path != _UPLOADS:
            return await _json_only(request)
        return receive

    def _resolver(self, request: Request) -> Resolve:
        workspace = request.query_params.get("w")
        if workspace is not None and "\x00" in workspace:
            raise NotFound(what="workspace")
        if (header := request.headers.get("authorization")) is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated("The Authorization header should read: Bearer TOKEN")
            return partial(resolve_token, self.desk, token.strip(), workspace)
        if (cookie := request.cookies.get(COOKIE)) is not None:
            return partial(resolve_session, self.desk, cookie, workspace)
        raise Unauthenticated

    def _require_own_page(self, request: Request) -> None:
        if request.method not in UNSAFE_METHODS or "authorization" in request.headers:
            return
        # Also a browser that signs in: another site's form would put a stranger's session under the person's fingers.
        is_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
        by_cookie = COOKIE in request.cookies and request.scope["path"] != _LOGIN
        if (is_browser or by_cookie) and not is_same_origin(request.scope, self.desk.settings):
            raise Forbidden("With a cookie, only our own pages change things. Programs use a token.")


def _is_ours(path: str) -> bool:
    return path == "/api" or path.startswith("/api/") or path in {"/healthz", "/readyz", "/metrics"}


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ANSWER_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def _require_readable(scope: Scope) -> None:
    # PostgreSQL stores no NUL; in a path it names nothing, in a query it is a mistake.
    if "\x00" in scope["path"]:
        raise NotFound("There is nothing at this address.")
    if b"\x00" in unquote_to_bytes(scope["query_string"]):
        raise Invalid("The query holds a NUL character.")


async def _json_only(request: Request) -> Receive:
    """The body, read whole up to the limit and found to be JSON that can be stored."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise BodyTooLarge(limit=LARGEST_BODY)
    except TimeoutError:
        raise SlowBody from None
    if body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Invalid("The body should be JSON, sent with Content-Type: application/json.")
        require_storable(_parsed(bytes(body)))
    message: Message = {"type": "http.request", "body": bytes(body), "more_body": False}
    remaining = [message]

    async def replay() -> Message:
        return remaining.pop() if remaining else await request.receive()

    return replay


def _parsed(body: bytes) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise too_deep() from None
    except ValueError as error:
        raise Invalid(f"The body is not JSON: {error}") from None
