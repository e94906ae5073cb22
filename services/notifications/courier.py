"""Sends one message, or checks one address, in a process of its own: whatever hangs there is killed in time."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import services
from services.settings import Settings

_PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_ENVOY = "services.notifications.envoy"
# Its start, with all of Apprise's services, takes a second, on a busy machine some.
_START_SECONDS = 60.0

Tone = Literal["info", "success", "warning", "failure"]


@dataclass(frozen=True)
class Letter:
    """What is sent: plain text."""

    title: str
    body: str
    tone: Tone = "info"


@dataclass(frozen=True)
class Answer:
    """What came back. `service` is what may be shown of the address; `host` is where it leads, if it says so."""

    ok: bool
    said: str
    service: str = ""
    host: str | None = None


async def send(settings: Settings, address: str, letter: Letter) -> Answer:
    """Sends it, once."""
    order = {"title": letter.title, "body": letter.body, "type": letter.tone}
    return await _ask(settings, address, order)


async def read_address(settings: Settings, address: str) -> Answer:
    """What Apprise makes of an address, without sending anything."""
    return await _ask(settings, address, {"check": True})


def longest(settings: Settings) -> float:
    """After how many seconds at most `send` has an answer."""
    return _START_SECONDS + settings.notify_timeout_seconds


async def _ask(settings: Settings, address: str, order: dict[str, Any]) -> Answer:
    limit = settings.notify_timeout_seconds
    order |= {"address": address, "allow_private": settings.allow_private_urls}
    try:
        said = await _run(json.dumps(order).encode(), limit)
    except TimeoutError:
        return Answer(ok=False, said=f"No answer within {limit:g} s")
    except (OSError, ValueError):
        return Answer(ok=False, said="The process that sends could not do its work")
    words = " · ".join(line.strip().rstrip(".") for line in said.get("said", []))
    ok = bool(said.get("ok"))
    return Answer(ok, "" if ok else words or "It was not accepted", said.get("service", ""), said.get("host"))


async def _run(order: bytes, seconds: float) -> dict[str, Any]:
    """What the envoy answers. However this ends, it is gone then."""
    root = str(Path(services.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PYTHONPATH": path}
    envoy = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", _ENVOY, str(os.getpid()),
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=env, start_new_session=True,
    )  # fmt: skip
    try:
        assert envoy.stdin is not None  # noqa: S101 - both are pipes
        assert envoy.stdout is not None  # noqa: S101
        envoy.stdin.write(order)
        envoy.stdin.close()
        async with asyncio.timeout(_START_SECONDS):
            line = await envoy.stdout.readline()
        if line == b"begun\n":
            async with asyncio.timeout(seconds):
                line = await envoy.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        return answer
    finally:
        if envoy.returncode is None:
            with suppress(ProcessLookupError):
                envoy.kill()
        await asyncio.shield(envoy.wait())
