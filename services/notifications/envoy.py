"""The process that sends one message through Apprise, and may be killed at any time: run as a module of its own.

    python -m services.notifications.envoy PARENT_PID < order

It may connect to where the guard lets it, and to nowhere else: every connection, however Apprise comes to make it, of
a redirect too, is looked at when it is made. It reads no files but Python's own, writes none, and starts nothing.
"""

import contextlib
import json
import logging
import mimetypes
import os
import re
import sys
import sysconfig
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from services.guard.addresses import is_public
from services.scrubbing import is_secret_name

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_SAID_LINES = 4
_SAID_LENGTH = 300
# Of this machine itself, whatever their address says.
LOCAL = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "exec", "file"}
)
_STARTS_SOMETHING = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "pty.spawn",
)  # fmt: skip
_CODE = ("stdlib", "platstdlib", "purelib", "platlib")
_SYSTEM = ("/usr/share/zoneinfo", "/etc/ssl", "/etc/pki")
_REACHES_OUT = ("socket.connect", "socket.sendto", "socket.sendmsg")
_CHANGES_FILES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink")
# What Apprise's own words leave out, because it may hold the address.
_REASONS = (
    "Connection refused", "Name or service not known", "Temporary failure in name resolution", "timed out",
    "certificate verify failed", "Network is unreachable", "No route to host", "Connection reset by peer",
    "nodename nor servname provided", "Connection aborted",
)  # fmt: skip
# A service at its own maker's address: where a host would stand in the URL, there is a topic, a key or a token.
_HOSTED = frozenset({"cloud", "official", "t2bot"})
_PIECES = re.compile(r"[/:@?&=+#,;\s]+")
_SHORTEST_SECRET = 4


class Refusals:
    """An audit hook: what the interpreter is about to do is refused here, whoever asked for it."""

    def __init__(self, *, allow_private: bool) -> None:
        self.said: list[str] = []
        self._allow_private = allow_private
        # Not all of `sys.path`: a desk's own data may lie in the folder that it was started in.
        code = (*(sysconfig.get_path(name) for name in _CODE), str(Path(__file__).parent.parent), *_SYSTEM)
        self._readable = tuple({os.path.realpath(place) + os.sep for place in code if place})

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Raises PermissionError, which libraries take for what it is: an OSError."""
        if event in _REACHES_OUT:
            self._require_public(args[1])
        elif event in _STARTS_SOMETHING or event in _CHANGES_FILES:
            self._refuse("it would start a program or change a file")
        elif event == "open":
            self._require_readable(args[0], args[1], args[2])

    def _require_public(self, address: Any) -> None:
        if not isinstance(address, tuple):
            self._refuse("it leads to this machine itself")
        try:
            ip = ip_address(str(address[0]).partition("%")[0])
        except ValueError:
            self._refuse("it connects to a name that was not looked up")
        if not self._allow_private and not is_public(ip):
            self._refuse(f"it leads to {ip}, in a private or reserved network")

    def _require_readable(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return
        changes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        changes = changes or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        place = os.path.realpath(os.fsdecode(path))
        if place == os.devnull:
            return
        if changes or not place.startswith(self._readable):
            self._refuse("it would read or write a file of this machine")

    def _refuse(self, why: str) -> Any:
        if why not in self.said:
            self.said.append(why)
        raise PermissionError(why)


def carry_out(order: dict[str, Any], begun: Callable[[], object]) -> dict[str, Any]:
    """`{"address", "title", "body", "type", "allow_private"}` sent, or with `"check"` only read; what came of it."""
    # Here, not above: nobody but this process shall ever load it.
    import apprise

    address = str(order["address"]).strip()
    mimetypes.init()
    scheme = address.partition("://")[0].lower()
    if scheme in LOCAL:
        return {"ok": False, "said": [f"{scheme}:// is no service on the network"]}
    _ = "json" in apprise.plugins.N_MGR  # every plugin is loaded before the door is closed
    refusals = Refusals(allow_private=bool(order["allow_private"]))
    sys.addaudithook(refusals)
    with contextlib.suppress(Exception):
        service = apprise.Apprise.instantiate(address, asset=_asset(apprise), suppress_exceptions=True)
        if service is None:
            return {"ok": False, "said": _refused(refusals) or [_no_address(apprise, scheme)]}
        told = {"service": _shown(service), "host": _host(service)}
        if order.get("check"):
            return told | {"ok": True, "said": []}
        loaded = apprise.Apprise()
        loaded.add(service)
        begun()  # from now on it is the other side that takes the time
        return told | _sent(loaded, order, refusals, address)
    return {"ok": False, "said": _refused(refusals) or ["Apprise cannot do anything with this address"]}


def _asset(apprise: Any) -> Any:
    return apprise.AppriseAsset(
        app_id="Mulligan", app_desc="Mulligan", app_url="", image_url_mask="", image_url_logo="", image_path_mask="",
        async_mode=False, pgp_autogen=False, pem_autogen=False, storage_mode="memory", allow_templates=False,
    )  # fmt: skip


def _sent(loaded: Any, order: dict[str, Any], refusals: Refusals, address: str) -> dict[str, Any]:
    heard = _Heard()
    logging.getLogger("apprise").addHandler(heard)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    ok = bool(
        loaded.notify(
            title=order["title"], body=order["body"], notify_type=order["type"], body_format="text",
            interpret_escapes=False,
        )
    )  # fmt: skip
    said = [*_refused(refusals), *heard.lines, *([heard.reason] if heard.reason else [])]
    hidden = [secret for secret in secrets_of(address) if secret != _host(loaded[0])]
    return {"ok": ok, "said": [] if ok else [_without(hidden, line) for line in said[:_SAID_LINES]]}


class _Heard(logging.Handler):
    """What Apprise complains about, and the reason of which it says nothing but to who debugs it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.reason: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.lines.append(text[:_SAID_LENGTH])
        else:
            self.reason = next((reason for reason in _REASONS if reason in text), self.reason)


def secrets_of(address: str) -> list[str]:
    """The pieces of an address that may be secrets, longest first: all but its scheme and its parameters' names."""
    _, _, rest = address.partition("://")
    place, _, query = rest.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    values = [value for name, _, value in pairs if value and (len(value) > 3 or is_secret_name(name))]
    found = {piece for text in (place, *values) for piece in _PIECES.split(text)} | set(values)
    found |= {unquote(piece) for piece in found}
    return sorted((p for p in found if len(p) >= _SHORTEST_SECRET), key=len, reverse=True)


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "••••••")
    return text


def _refused(refusals: Refusals) -> list[str]:
    return [f"Refused: {why}" for why in refusals.said]


def _no_address(apprise: Any, scheme: str) -> str:
    known = scheme in apprise.plugins.N_MGR
    return (
        f"Something of this {scheme}:// address is missing or wrong"
        if known
        else "Apprise knows no such address"
    )


def _shown(service: Any) -> str:
    name = str(service.service_name)[:100]
    host = _host(service)
    return f"{name} at {host}" if host else name


def _host(service: Any) -> str | None:
    """The host where it is one of somebody's own; elsewhere the address has a token in that place."""
    if not any("{host}" in template for template in service.templates):
        return None
    if getattr(service, "mode", None) in _HOSTED:
        return None
    return str(service.host)[:90] if service.host else None


def _die_with(parent: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def main() -> None:
    """Reads the order, carries it out, and says what came of it as the only line of the real stdout."""
    _die_with(int(sys.argv[1]))
    sys.dont_write_bytecode = True
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    said = carry_out(json.loads(sys.stdin.buffer.read()), begun=lambda: os.write(answer, b"begun\n"))
    os.write(answer, json.dumps(said).encode() + b"\n")
    # What a service has left running in threads is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
