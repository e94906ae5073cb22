"""What protects a browser's session: same-origin checks, for HTTP and the websocket, headers, and the cookie."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.people.sessions import COOKIE, SignedIn
from services.settings import Settings

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SECURE_SCHEMES = frozenset({"https", "wss"})
# Where NiceGUI's page and server talk; the library answers any origin there, so it is checked for every method.
_LIVE_PATH = "/_nicegui_ws"

_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Content-Security-Policy": _PAGE_POLICY,
}


class BrowserGuard:
    """ASGI middleware for the whole web: refuses what another site's page makes a browser send, and adds headers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 403 (a websocket is not accepted) or hands on."""
        if scope["type"] == "websocket" and not origin_allowed(scope, self.settings):
            await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._is_foreign(scope):
            answer: Response = PlainTextResponse("This request came from another site.", 403, _HEADERS)
            await answer(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _is_foreign(self, scope: Scope) -> bool:
        if scope["path"].startswith(_LIVE_PATH):
            return not origin_allowed(scope, self.settings)
        if scope["method"] not in UNSAFE_METHODS or scope["path"].startswith("/api/"):
            return False  # the API refuses in its own words, and lets tokens through
        return COOKIE in Headers(scope=scope).get("cookie", "") and not is_same_origin(scope, self.settings)


def is_same_origin(scope: Scope, settings: Settings) -> bool:
    """Whether a request with a cookie was made by our own pages.

    A browser's `Sec-Fetch-Site` cannot be set by a page and is right behind any proxy; `none` is the person herself
    (an address typed in). Without it, `Origin` or `Referer` must name us. A request that tells nothing is refused:
    every browser of today tells, and a program has tokens.
    """
    headers = Headers(scope=scope)
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    told = headers.get("origin") or headers.get("referer")
    return told is not None and _names_us(told, scope, headers, settings)


def origin_allowed(scope: Scope, settings: Settings) -> bool:
    """Whether a websocket may be opened: its `Origin`, which every browser sends, is ours or absent."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    return origin is None or _names_us(origin, scope, headers, settings)


def _names_us(told: str, scope: Scope, headers: Mapping[str, str], settings: Settings) -> bool:
    theirs = _origin(told)
    if theirs is None:
        return False
    if settings.public_url and theirs == _origin(settings.public_url):
        return True
    ours = _origin(f"{scope['scheme']}://{headers.get('host', '')}")
    if ours is None or theirs[1] != ours[1]:
        return False
    # Behind a proxy that ends TLS we see http where the page is https; the port is then implied by either scheme.
    is_downgrade = ours[0] in _SECURE_SCHEMES and theirs[0] not in _SECURE_SCHEMES
    return not is_downgrade and _port_fits(theirs, ours)


def _port_fits(theirs: tuple[str, str, int | None], ours: tuple[str, str, int | None]) -> bool:
    def effective(origin: tuple[str, str, int | None]) -> int | None:
        return origin[2] or _DEFAULT_PORTS.get(origin[0])

    return effective(theirs) == effective(ours) or (theirs[2] is None and ours[2] is None)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port as told; None for `null` and other things that are no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.lower(), None if port == _DEFAULT_PORTS[parts.scheme] else port


def is_https(scheme: str, settings: Settings) -> bool:
    """Whether browsers reach us by https."""
    return scheme == "https" or (settings.public_url or "").startswith("https://")


def set_session_cookie(response: Response, signed_in: SignedIn, *, scheme: str, settings: Settings) -> None:
    """Gives the browser its session: not for scripts, not for other sites, over https only where there is https."""
    response.set_cookie(
        COOKIE, signed_in.cookie, max_age=signed_in.max_age, path="/",
        httponly=True, samesite="lax", secure=is_https(scheme, settings),
    )  # fmt: skip


def clear_session_cookie(response: Response, *, scheme: str, settings: Settings) -> None:
    """Takes it away again."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=is_https(scheme, settings))


def session_cookie(cookies: Mapping[str, str]) -> str | None:
    """The session's cookie among those of a request or of NiceGUI's `ui.context.client.request`."""
    return cookies.get(COOKIE)
