"""The whole house: what starts in which order, what is said, how it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ui.up import aria2, commands, valkey
from ui.up.checks import check_port, take_data_folder
from ui.up.console import Console
from ui.up.part import Part
from ui.up.process import Child, ending
from ui.up.trouble import Trouble
from ui.up.web_probe import is_up

_QUICK_GRACE = 4.0
_WORKER_GRACE = commands.WAIT_FOR_JOBS + commands.SHUTDOWN + 4.0


@dataclass(frozen=True, kw_only=True)
class House:
    """What `mulligan up` was asked for, all settings resolved."""

    host: str
    port: int
    workers: int
    data: Path
    valkey_socket: Path | None
    """Where the embedded Valkey listens; None where Redis is a server of the user's own."""
    aria2: bool = False
    """Whether an aria2 of our own is started, where it is installed."""
    demo: bool = False
    """Whether there is a workspace to play in."""

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the web."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Supervisor:
    """Starts the parts, watches them, ends them."""

    def __init__(self, house: House, console: Console) -> None:
        self._house = house
        self._console = console
        self._env = os.environ | {"MULLIGAN_DATA_DIR": str(house.data), "PYTHONUNBUFFERED": "1"}
        if house.valkey_socket:
            self._env["MULLIGAN_REDIS_URL"] = f"unix://{house.valkey_socket}"
        if house.demo:
            self._env |= _for_demo(self._env)
        self._faces: list[Part] = []  # the web and the workers, which need the store to the last
        self._store: Part | None = None
        self._downloads: Part | None = None
        self._on_errand: Child | None = None
        self._asked_to_end = asyncio.Event()
        self._risen = False
        self._fatal: str | None = None

    async def run(self) -> int:
        """Runs until asked to end; returns the exit code.

        Raises:
            Trouble: something cannot start.
        """
        check_port(self._house.host, self._house.port)
        with take_data_folder(self._house.data):
            self._listen_to_signals()
            rising = asyncio.create_task(self._rise())
            end = asyncio.create_task(self._asked_to_end.wait())
            try:
                await asyncio.wait({rising, end}, return_when=asyncio.FIRST_COMPLETED)
                if rising.done():
                    rising.result()
                await end
            finally:
                end.cancel()
                rising.cancel()
                with suppress(asyncio.CancelledError, Trouble):
                    await rising
                await self._fall()
        if self._fatal:
            raise Trouble(self._fatal)
        return 0

    async def _rise(self) -> None:
        if socket := self._house.valkey_socket:
            await self._start_valkey(socket)
        self._start_aria2()
        await self._errand("migrate")
        for number in range(1, self._house.workers + 1):
            name = "worker" if self._house.workers == 1 else f"worker-{number}"
            self._faces.append(self._part(name, commands.supervised_worker(), grace=_WORKER_GRACE))
        web = commands.mulligan("web", "--host", self._house.host, "--port", str(self._house.port))
        self._faces.append(self._part("web", web, grace=_QUICK_GRACE))
        while not await is_up(self._house.address):
            await asyncio.sleep(0.1)
        self._risen = True
        self._console.say(f"Mulligan is ready: {self._house.address}")
        for line in await self._errand("first-link", may_fail=True):
            if line.startswith("/"):
                onward = "&next=%2F%3Fw%3Ddemo" if self._house.demo else ""
                self._console.say(f"Sign in for the first time: {self._house.address}{line}{onward}")
        if self._house.demo:
            demo = commands.demo(self._house.address, self._house.port + 1)
            self._faces.append(self._part("demo", demo, grace=_QUICK_GRACE))

    async def _start_valkey(self, socket: Path) -> None:
        folder = self._house.data / "valkey"
        folder.mkdir(exist_ok=True)
        await valkey.make_way(socket)
        self._store = self._part("valkey", valkey.command(socket, folder), grace=_QUICK_GRACE, quiet=True)
        if not await valkey.wait_until_ready(socket):
            raise Trouble("The embedded Valkey runs but does not answer; its data may take too long to load.")

    def _start_aria2(self) -> None:
        """Without it, `file.download` waits for a worker that has it; everything else works."""
        if not self._house.aria2:
            return
        daemon = aria2.embedded(self._house.data / "aria2")
        if daemon is None:
            self._console.say(
                "aria2 is not installed: jobs of kind file.download wait until a worker has it."
            )
            return
        self._env |= daemon.environment
        self._downloads = self._part("aria2", daemon.command(), grace=_QUICK_GRACE, quiet=True)

    def _part(
        self, name: str, command: list[str] | list[str | Path], *, grace: float, quiet: bool = False
    ) -> Part:
        return Part(
            name,
            command,
            env=self._env,
            console=self._console,
            grace=grace,
            quiet=quiet,
            on_worry=self._worry,
        )

    def _worry(self, why: str) -> None:
        """A part that never comes up ends the start; later it is tried for ever, since its trouble may pass."""
        if self._risen:
            self._console.say(why)
        else:
            self._fatal = why
            self._asked_to_end.set()

    async def _errand(self, name: str, *, may_fail: bool = False) -> list[str]:
        """Runs one of our commands to its end and returns what it said."""
        said: list[str] = []
        self._on_errand = child = await Child.start(
            commands.mulligan(name), env=self._env, on_line=said.append
        )
        try:
            code = await child.wait()
        finally:
            await child.stop(_QUICK_GRACE)
            self._on_errand = None
        if code:
            for line in said:
                self._console.relay(name, line)
            if not may_fail:
                raise Trouble(f"`mulligan {name}` failed ({ending(code)}); the lines above say why.")
        return said

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sign, self._end)

    def _end(self) -> None:
        if self._asked_to_end.is_set():
            self._console.say("Killing what is left.")
            for running in (*self._faces, self._downloads, self._store, self._on_errand):
                if running:
                    running.kill()
        else:
            self._console.say("Stopping (again to kill at once) …")
            self._asked_to_end.set()

    async def _fall(self) -> None:
        await asyncio.gather(*(part.stop() for part in self._faces))
        for part in (self._downloads, self._store):
            if part:
                await part.stop()


def supervise(house: House, console: Console) -> int:
    """Runs the house; returns the exit code."""
    _stay_single_threaded()
    try:
        return asyncio.run(Supervisor(house, console).run())
    except Trouble as trouble:
        print(trouble, file=sys.stderr, flush=True)
        return 1


def _for_demo(env: Mapping[str, str]) -> dict[str, str]:
    """The demo's own kinds; and its jobs talk to a server on this machine, which the guard of addresses refuses."""
    kinds = ",".join(filter(None, [env.get("MULLIGAN_KINDS"), "tasks.kinds.demo"]))
    return {"MULLIGAN_KINDS": kinds, "MULLIGAN_ALLOW_PRIVATE_URLS": "true"}


def _stay_single_threaded() -> None:
    """Waits for children without threads, as Python 3.12 does by itself.

    When a process is killed, Linux sends PR_SET_PDEATHSIG once for each of its threads, and two SIGTERMs at once
    can deadlock taskiq's worker manager (its handler puts into a queue that the interrupted handler has locked).
    """
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(None)
        asyncio.set_child_watcher(watcher)
