"""HTTP to addresses of other people's making: every request, each hop of a redirect included, passes the guard."""

import ssl
from functools import cache
from typing import Any

import httpx

from services.guard.addresses import AddressGuard, IPAddress, Resolver, ask_system, parse_address
from services.settings import Settings


def guarded_client(
    settings: Settings,
    *,
    timeout: float | httpx.Timeout = 10,
    resolver: Resolver = ask_system,
    follow_redirects: bool = False,
    verify: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client that connects to nothing but what the guard has checked; close it after use.

    Its requests raise `AddressRefused` where they would lead elsewhere, beside the errors of httpx. `timeout` is for
    each connect, read and write, as httpx has it, not for the whole.
    """
    transport = GuardedTransport(AddressGuard.of(settings, resolver), verify or _trusted())
    # trust_env: a proxy out of the environment would connect to wherever it likes.
    return httpx.AsyncClient(
        transport=transport,
        timeout=timeout,
        follow_redirects=follow_redirects,
        max_redirects=10,
        trust_env=False,
        headers={"User-Agent": "Mulligan"},
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Who vouches for certificates. Read once: it takes longer than many a request."""
    return httpx.create_ssl_context()


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Looks a name up once, has the answer checked, and connects to that very address, in the name's name."""

    def __init__(self, guard: AddressGuard, verify: ssl.SSLContext) -> None:
        # No connection is used twice: the pool knows them by address, while a certificate was shown for a name.
        super().__init__(verify=verify, limits=httpx.Limits(max_connections=100, max_keepalive_connections=0))
        self._guard = guard

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, without its redirects.

        Raises:
            AddressRefused: it leads to where nobody may connect.
            httpx.TransportError: it could not be done.
        """
        address = parse_address(str(request.url))
        try:
            found = await self._guard.addresses(address.host, address.port)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error), request=request) from error
        except OSError as error:
            raise httpx.ConnectError(
                f"{address.host} cannot be found: {error.strerror or error}", request=request
            ) from error
        *others, last = found
        for ip in others:
            try:
                return await super().handle_async_request(_to(ip, request, address.host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet
        return await super().handle_async_request(_to(last, request, address.host))


def _to(ip: IPAddress, request: httpx.Request, host: str) -> httpx.Request:
    """The request, addressed to `ip`; Host, SNI and the certificate's name stay those of its own address."""
    extensions: dict[str, Any] = dict(request.extensions)
    if request.url.scheme == "https":
        extensions["sni_hostname"] = host
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(ip)),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
