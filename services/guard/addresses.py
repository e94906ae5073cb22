"""Where Mulligan may connect to on behalf of somebody else: addresses of the public internet, and nowhere inside.

A job's address is of a stranger's making. It is read strictly (what two parsers could read differently is refused),
its name is resolved, and every address that the name has must be public, unless `MULLIGAN_ALLOW_PRIVATE_URLS`. To
check a name and then connect to it would look it up twice, and the second answer may differ: `http.py` and
`proxy.py` connect to the very address that was checked here, at each redirect anew.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

import idna
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from services.errors import Invalid
from services.settings import Settings

IPAddress = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name. Raises OSError where it has none, or nobody can tell."""

WEB = ("http", "https")
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_MAX_LENGTH = 8192
_MAX_HOST = 253
_RESOLVE_SECONDS = 5.0

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# "If the last label is a number, it is an IPv4 address" (WHATWG URL, "ends in a number"), in any way of writing it.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")

# What `is_global` lets through, in some version of Python at least, and is not the public internet all the same.
_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata
            "168.63.129.16/32",  # Azure's host
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
            "192.88.99.0/24",  # relays of 6to4
        ),
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them, which carries an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which carries an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
# How IPv6-only networks reach IPv4 (RFC 6052): as public as the address inside.
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(Invalid):
    """This address cannot be used: {reason}."""


@dataclass(frozen=True)
class Address:
    """An address as it was understood. `host` is ASCII, in lower case; an IPv6 address stands without brackets."""

    scheme: str
    host: str
    port: int
    url: str
    """The address with its host in that form: for whoever reads it next."""


def parse_address(text: str, *, schemes: Collection[str] = WEB, allow_credentials: bool = False) -> Address:
    """Reads an address strictly. Asks nobody; whether it is public is `AddressGuard`'s to say.

    Raises:
        AddressRefused: it is none, or could be read in more than one way; `reason` says what is wrong.
    """
    text = text.strip()
    _require(bool(text), "it is empty")
    _require(len(text) <= _MAX_LENGTH, f"it is longer than {_MAX_LENGTH} characters")
    _require(not _UNSAFE.search(text), "it holds a space, a backslash or a control character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressRefused(reason="its host or port makes no sense") from None
    scheme = parts.scheme.lower()
    _require(scheme in schemes, f"it must begin with {' or '.join(f'{name}://' for name in schemes)}")
    _require(text[len(scheme) :].startswith("://"), f"it must begin with {scheme}://")
    _require(allow_credentials or "@" not in parts.netloc, "it holds a user name or password")
    _require(port != 0, "port 0 cannot be connected to")
    host = _host(parts)
    userinfo, at, _ = parts.netloc.rpartition("@")
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{userinfo}{at}{shown}" + (f":{port}" if port is not None else "")
    return Address(scheme, host, port or _PORTS.get(scheme, 80), parts._replace(netloc=netloc).geturl())


def _web_address(text: str) -> str:
    try:
        return parse_address(text).url
    except AddressRefused as error:
        raise PydanticCustomError("address", "{words}", {"words": error.message}) from None


WebAddress = Annotated[str, AfterValidator(_web_address), Field(json_schema_extra={"format": "uri"})]
"""An address in a kind's arguments: read strictly when the job is submitted, checked when it is connected to."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the public internet: not private, shared, local, reserved, multicast or metadata.

    IPv6 forms that carry an IPv4 address are none, except for NAT64, which counts as what it carries.
    """
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and not any(address in network for network in _NOT_PUBLIC_4)
        )
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return (
        address in _PUBLIC_6
        and address.is_global
        and not any(address in network for network in _NOT_PUBLIC_6)
    )


async def ask_system(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine's resolver gives, in the order in which they are best tried."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@dataclass(frozen=True)
class AddressGuard:
    """Decides where may be connected to."""

    allow_private: bool = False
    resolver: Resolver = ask_system

    @classmethod
    def of(cls, settings: Settings, resolver: Resolver = ask_system) -> Self:
        """The guard that the settings ask for."""
        return cls(settings.allow_private_urls, resolver)

    async def check(
        self, text: str, *, schemes: Collection[str] = WEB, allow_credentials: bool = False
    ) -> Address:
        """Reads an address and looks where it leads.

        For telling people early: who connects must use `addresses`, or what is built on it, and connect to its answer.

        Raises:
            AddressRefused: it makes no sense, or leads to where nobody may connect.
            OSError: its name cannot be resolved, or not in time.
        """
        address = parse_address(text, schemes=schemes, allow_credentials=allow_credentials)
        await self.addresses(address.host, address.port)
        return address

    async def addresses(self, host: str, port: int) -> list[IPAddress]:
        """What to connect to for a host, in order; at least one.

        Raises:
            AddressRefused: one of them is not public.
            OSError: the name cannot be resolved, or not in time.
        """
        addresses = await self._looked_up(host, port)
        # All or none: with one public and one private address a name would only have to be tried often enough.
        if not self.allow_private and not all(map(is_public, addresses)):
            raise AddressRefused(reason=f"{host} is in a private or reserved network", host=host)
        return addresses

    async def _looked_up(self, host: str, port: int) -> list[IPAddress]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass  # a name, then
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self.resolver(host, port)
        except TimeoutError:
            raise TimeoutError(f"{host} could not be looked up within {_RESOLVE_SECONDS:g} s") from None
        except UnicodeError:  # the system's resolver encodes names itself, and minds empty or long labels
            raise AddressRefused(reason="its host is no name") from None
        if not found:
            raise OSError(f"{host} has no address")
        return [ip_address(text.partition("%")[0]) for text in found]


def _host(parts: SplitResult) -> str:
    """The host in ASCII. A number is an address only if it is four decimal numbers, as everybody reads them."""
    host = parts.hostname or ""
    _require(bool(host), "it has no host")
    _require("%" not in host, "its host holds a percent sign")
    if "[" in parts.netloc:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise AddressRefused(reason="its host is no IPv6 address") from None
    try:
        host = idna.encode(host, uts46=True).decode().lower() if not host.isascii() else host
    except idna.IDNAError:
        raise AddressRefused(reason="its host is no name") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise AddressRefused(
                reason="an IPv4 address is written as four decimal numbers with dots"
            ) from None
    _require(len(host) <= _MAX_HOST and all(map(_LABEL.fullmatch, labels)), "its host is no name")
    return host


def _require(fine: bool, reason: str) -> None:  # noqa: FBT001 - an assertion
    if not fine:
        raise AddressRefused(reason=reason)
