"""Programs that a job runs, or a page: they die with it, and with this process, kill -9 included (Linux).

Where the process is killed on macOS, a program ends only when it next writes to its closed pipe.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.failures.failures import JobError
from services.vocabulary import FailureType

_CHILD = Path(__file__).with_name("child.py")
# The cancel of a job must be through within two seconds.
_GRACE_SECONDS = 0.8
_REAP_SECONDS = 5.0
_STDERR_KEPT = 16 * 1024
_LINE_LIMIT = 64 * 1024
# Nothing else of our environment is a program's business: it holds the keys of storage and database.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH")


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, negative for a signal, and the last of what it wrote to stderr."""

    code: int
    stderr: str


@dataclass(frozen=True)
class Limits:
    """What the kernel lets a program use; None: no limit."""

    cpu_seconds: int | None = None
    memory_bytes: int | None = None
    """Of address space, which is more than what is really used."""
    file_bytes: int | None = None
    """Of each file that it writes."""

    def __str__(self) -> str:
        limits = {"CPU": self.cpu_seconds, "AS": self.memory_bytes, "FSIZE": self.file_bytes}
        return ",".join(f"{name}={value}" for name, value in limits.items() if value is not None)


def _unheard(_line: str) -> None:
    pass


async def run_process(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    on_line: Callable[[str], None] = _unheard,
    timeout: float | None = None,  # noqa: ASYNC109 - it ends the program, not only the waiting
    limits: Limits = Limits(),
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Runs a program in a session of its own, with a bare environment plus `env`, and waits for its end.

    Each line of its stdout goes to `on_line`. However this call ends, the program and what it started in its session
    are gone then: cancellation and timeout ask (SIGTERM) and soon after force (SIGKILL).

    Raises:
        JobError: there is no such program (environment).
        TimeoutError: it took longer than `timeout` seconds.
    """
    program = shutil.which(command[0])
    if program is None:
        name = Path(command[0]).name
        raise JobError(
            f"{name} was not found on the worker",
            failure_type=FailureType.ENVIRONMENT,
            advice=f"Install {name} on the worker and make it executable, then retry.",
        )
    child = await _Child.start(
        (sys.executable, "-I", "-S", _CHILD, str(os.getpid()), str(limits), program, *command[1:]),
        cwd=cwd,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(env or {}),
    )
    try:
        async with asyncio.timeout(timeout):
            return await _follow(child, on_line)
    finally:
        # A second cancellation ends this waiting, not the work.
        await asyncio.shield(asyncio.ensure_future(child.end()))


class _Child(SubprocessStreamProtocol):
    """A running program. `exited` is set when it is gone; asyncio's own `wait` would wait for its children as well,
    as long as they hold its pipes open."""

    transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        super().__init__(limit=_LINE_LIMIT, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()

    @classmethod
    async def start(cls, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> Self:
        transport, child = await asyncio.get_running_loop().subprocess_exec(
            cls, *map(str, command), cwd=str(cwd), env=env, stdin=subprocess.DEVNULL, start_new_session=True
        )
        child.transport = transport
        return child

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()

    def signal(self, sign: signal.Signals) -> None:
        """To everything in its session's group, which may be there when the program itself is not."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.transport.get_pid(), sign)

    async def end(self) -> None:
        """Ends what still runs, reaps it, and closes its pipes."""
        for sign, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _REAP_SECONDS)):
            if not self.exited.is_set():
                self.signal(sign)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.exited.wait(), seconds)
        self.signal(signal.SIGKILL)
        self.transport.close()


async def _follow(child: _Child, on_line: Callable[[str], None]) -> Ended:
    exit_ = asyncio.ensure_future(child.exited.wait())
    reading = asyncio.ensure_future(_each_line(_opened(child.stdout), on_line))
    complaints = asyncio.ensure_future(_last_of(_opened(child.stderr)))
    try:
        await asyncio.wait({exit_, reading}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading  # raises where the listener did
        await exit_
        # What it left behind holds its pipes open, and would keep us reading.
        child.signal(signal.SIGKILL)
        await reading
        return Ended(child.transport.get_returncode() or 0, await complaints)
    finally:
        for task in (exit_, reading, complaints):
            task.cancel()


def _opened(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise ValueError("the program has no pipe there")
    return stream


async def _each_line(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    async for line in _lines(stream):
        on_line(line.decode(errors="replace").rstrip("\r"))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    while chunk := await stream.read(_LINE_LIMIT):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        # A line without end is cut, not gathered.
        rest = rest[:_LINE_LIMIT]
    if rest:
        yield rest


async def _last_of(stream: asyncio.StreamReader) -> str:
    kept = bytearray()
    while chunk := await stream.read(_STDERR_KEPT):
        kept += chunk
        del kept[:-_STDERR_KEPT]
    return kept.decode(errors="replace")
