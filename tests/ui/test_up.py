"""The supervisor with real processes: it keeps parts alive, says what happens, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, eventually_sync
from ui.up import part as part_module
from ui.up import valkey
from ui.up.checks import check_port, take_data_folder
from ui.up.console import Console
from ui.up.part import Part
from ui.up.process import Child
from ui.up.trouble import Trouble


class Heard(Console):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def _write(self, line: str) -> None:
        self.lines.append(line)

    def __contains__(self, words: str) -> bool:
        return any(words in line for line in self.lines)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
# A child in our group that would outlive us.
WITH_GRANDCHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class TestChild:
    async def test_its_lines_are_heard_whole_and_its_exit_code_told(self):
        lines: list[str] = []
        code = "import sys; print('x' * 200_000); print('é', file=sys.stderr); sys.exit(3)"
        child = await Child.start(python(code), env=os.environ, on_line=lines.append)
        assert await child.wait() == 3
        assert sorted(lines) == ["x" * 200_000, "é"]

    async def test_what_it_leaves_behind_ends_with_it(self):
        lines: list[str] = []
        child = await Child.start(python(WITH_GRANDCHILD), env=os.environ, on_line=lines.append)
        await eventually(lambda: len(lines) == 2)
        family = [child.pid, *(kin.pid for kin in psutil.Process(child.pid).children(recursive=True))]
        assert len(family) == 2
        os.kill(child.pid, signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL
        await eventually(lambda: not any(map(alive, family)))

    async def test_one_that_ignores_sigterm_is_killed_after_the_grace(self):
        lines: list[str] = []
        child = await Child.start(python(STUBBORN), env=os.environ, on_line=lines.append)
        await eventually(lambda: lines)
        assert await asyncio.wait_for(child.stop(0.2), 5) == -signal.SIGKILL

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
    def test_it_dies_when_its_parent_is_killed(self, tmp_path: Path):
        code = f"""
import asyncio, os, sys
from ui.up.process import Child
async def main():
    child = await Child.start([sys.executable, "-c", {SLEEP!r}], env=os.environ, on_line=print)
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
        with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout
            pid = int(parent.stdout.readline())
            assert alive(pid)
            parent.kill()
        eventually_sync(lambda: not alive(pid))


class TestPart:
    async def test_one_that_dies_is_started_again_and_said_so(self):
        heard = Heard()
        part = Part("web", python(SLEEP), env=os.environ, console=heard, grace=2)
        await eventually(lambda: "web      | up" in heard)
        assert part.child
        first = part.child.pid
        os.kill(first, signal.SIGKILL)

        def started_again() -> bool:
            child: Child | None = part.child
            return child is not None and child.pid != first and heard.lines.count("web      | up") == 2

        await eventually(started_again)
        assert "web died (ended by SIGKILL); starting it again in 0.5 s" in heard
        second = part.child.pid
        await part.stop()
        assert not alive(second)

    async def test_one_that_keeps_dying_waits_longer_and_says_why(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(part_module, "FIRST_DELAY", 0.05)
        heard = Heard()
        worries: list[str] = []
        code = "import sys; sys.exit('no such module: tasks')"
        part = Part("worker", python(code), env=os.environ, console=heard, grace=2, on_worry=worries.append)
        await eventually(lambda: worries)
        await part.stop()
        assert "worker keeps dying (exit code 1)" in worries[0]
        assert "no such module: tasks" in worries[0]
        delays = [line.rpartition(" in ")[2] for line in heard.lines if "starting it again" in line]
        assert delays[:3] == ["0.05 s", "0.1 s", "0.2 s"]

    async def test_one_whose_program_is_missing_says_so(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(part_module, "FIRST_DELAY", 0.01)
        worries: list[str] = []
        part = Part("x", ["/no/such/program"], env={}, console=Heard(), grace=1, on_worry=worries.append)
        await eventually(lambda: worries)
        await part.stop()
        assert "No such file or directory" in worries[0]

    async def test_stopping_while_it_waits_to_start_again_is_quick(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(part_module, "FIRST_DELAY", 60)
        heard = Heard()
        part = Part("web", python("pass"), env=os.environ, console=heard, grace=2)
        await eventually(lambda: "starting it again" in heard)
        await asyncio.wait_for(part.stop(), 1)


class TestChecks:
    def test_a_taken_port_is_told_in_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(Trouble, match=f"^Port {port} is already in use"):
                check_port("127.0.0.1", port)

    def test_a_free_port_is_fine(self):
        check_port("127.0.0.1", free_port())

    def test_a_foreign_address_is_told(self):
        with pytest.raises(Trouble, match="not an address of this machine"):
            check_port("192.0.2.1", free_port())

    def test_a_name_that_is_none_is_told(self):
        with pytest.raises(Trouble, match="not an address"):
            check_port("no such host", 8080)

    def test_a_data_folder_belongs_to_one_house_at_a_time(self, tmp_path: Path):
        with (
            take_data_folder(tmp_path / "new"),
            pytest.raises(Trouble, match=f"already runs.*process {os.getpid()}"),
        ):
            take_data_folder(tmp_path / "new")
        take_data_folder(tmp_path / "new").close()

    def test_a_data_folder_that_cannot_be_is_told(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(Trouble, match="cannot be written"):
            take_data_folder(tmp_path / "file" / "data")


class TestValkey:
    async def test_one_that_outlived_its_supervisor_makes_way_and_keeps_its_data(self):
        orphan = ValkeyServer()
        try:
            assert orphan.ask("SET kept yes") == "+OK"
            await valkey.make_way(orphan.socket)
            assert not orphan.socket.exists()
            orphan.restart()
            assert orphan.ask("EXISTS kept") == ":1"
        finally:
            orphan.close()

    async def test_a_dead_socket_is_removed(self, tmp_path: Path):
        path = tmp_path / "v.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        await valkey.make_way(path)
        assert not path.exists()


class Run:
    """A `mulligan` process and what it says."""

    def __init__(self, *arguments: str, cwd: Path, **settings: str) -> None:
        self.output = cwd / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ui.cli", *arguments],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | settings,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def family(self) -> list[int]:
        return [kin.pid for kin in psutil.Process(self.process.pid).children(recursive=True)]


class TestWrongStarts:
    """One clear line and exit code 1, before anything is started."""

    @pytest.mark.parametrize(
        ("settings", "line"),
        [
            ({"MULLIGAN_DATABASE_URL": "mysql://x"}, "mulligan: MULLIGAN_DATABASE_URL: expected"),
            ({"MULLIGAN_LEASE_SECONDS": "soon"}, "mulligan: MULLIGAN_LEASE_SECONDS: "),
            ({"MULLIGAN_REDIS_URL": "localhost"}, "mulligan: MULLIGAN_REDIS_URL: expected"),
        ],
    )
    def test_a_wrong_setting(self, tmp_path: Path, settings: dict[str, str], line: str):
        run = Run("up", cwd=tmp_path, **settings)
        assert run.process.wait(20) == 1
        assert run.said.startswith(line)
        assert len(run.said.splitlines()) == 1

    def test_a_taken_port(self, tmp_path: Path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            run = Run("up", "--port", str(port), cwd=tmp_path)
            assert run.process.wait(20) == 1
        assert run.said.startswith(f"Port {port} is already in use.")
        assert len(run.said.splitlines()) == 1


def heard(run: Run, words: str) -> bool:
    return words in run.said


def ready(run: Run) -> bool:
    assert run.process.poll() is None, run.said
    return "Mulligan is ready" in run.said


@pytest.mark.slow
class TestTheWholeHouse:
    @pytest.fixture
    def house(self, tmp_path: Path) -> Iterator[Run]:
        run = Run("up", "--port", str(free_port()), cwd=tmp_path)
        yield run
        run.process.terminate()
        run.process.wait(30)

    def test_it_gets_ready_and_sigterm_leaves_no_process(self, house: Run):
        eventually_sync(lambda: ready(house), 45)
        # Valkey, aria2, taskiq's manager, a worker, the web
        eventually_sync(lambda: len(house.family()) >= 5)
        family = house.family()
        assert "aria2c" in {psutil.Process(pid).name() for pid in family}
        config = house.output.with_name("data") / "aria2" / "aria2.conf"
        assert config.stat().st_mode & 0o077 == 0  # it holds the secret, which no command line does
        secret = config.read_text().split("rpc-secret=")[1].split("\n")[0]
        assert not any(secret in word for pid in family for word in psutil.Process(pid).cmdline())
        house.process.terminate()
        assert house.process.wait(20) == 0, house.said
        assert not any(map(alive, family)), house.said

    def test_killed_with_9_it_takes_its_parts_along(self, house: Run):
        eventually_sync(lambda: ready(house), 45)
        eventually_sync(lambda: len(house.family()) >= 4)
        family = house.family()
        house.process.kill()
        eventually_sync(lambda: not any(map(alive, family)), 20)

    def test_killed_parts_come_back(self, house: Run):
        eventually_sync(lambda: ready(house), 45)
        parts = psutil.Process(house.process.pid).children()
        for part in parts:
            part.kill()
        for name in ("valkey", "aria2", "worker", "web"):
            line = f"{name} died (ended by SIGKILL); starting it"
            eventually_sync(partial(heard, house, line))
        eventually_sync(lambda: len(house.family()) >= 4, 20)
        socket = house.output.with_name("data") / "valkey.sock"
        eventually_sync(lambda: asyncio.run(valkey.ask(socket, "PING")) == "+PONG", 20)
        house.process.terminate()
        assert house.process.wait(20) == 0, house.said

    def test_a_second_house_on_the_same_data_is_refused(self, house: Run, tmp_path: Path):
        eventually_sync(lambda: ready(house), 45)
        (tmp_path / "second").mkdir()
        second = Run(
            "up", "--port", str(free_port()), "--data", str(tmp_path / "data"), cwd=tmp_path / "second"
        )
        assert second.process.wait(20) == 1
        assert f"(process {house.process.pid})" in second.said

    def test_a_second_ctrl_c_kills_at_once(self, house: Run):
        eventually_sync(lambda: ready(house), 45)
        family = house.family()
        for pid in family:
            os.kill(pid, signal.SIGSTOP)  # nothing ends by being asked
        house.process.send_signal(signal.SIGINT)
        eventually_sync(lambda: "Stopping" in house.said)
        house.process.send_signal(signal.SIGINT)
        assert house.process.wait(3) == 0
        assert not any(map(alive, family)), house.said

    def test_the_supervisor_is_light_and_has_one_thread(self, house: Run):
        eventually_sync(lambda: ready(house), 45)
        supervisor = psutil.Process(house.process.pid)
        assert supervisor.memory_info().rss < 35 * 2**20
        # With more, the kernel would send its children SIGTERM once a thread when it is killed.
        assert supervisor.num_threads() == 1
