"""Real programs: they end with their job, whatever the job's end is."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.failures.failures import JobError
from services.process import Limits, run_process
from services.vocabulary import FailureType
from tests.support.waiting import eventually, eventually_sync

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"

# Much less than the programs would take, much more than a loaded machine needs.
SOON = 20


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


class TestRunProcess:
    async def test_gives_lines_as_they_come_and_the_end(self, tmp_path: Path) -> None:
        lines: list[str] = []
        ended = await run_process(
            python("import sys; print('one'); print('two\\r'); sys.stdout.write('rest'); sys.exit(3)"),
            cwd=tmp_path,
            on_line=lines.append,
        )
        assert (lines, ended.code, ended.stderr) == (["one", "two", "rest"], 3, "")

    async def test_a_signal_is_a_negative_code(self, tmp_path: Path) -> None:
        ended = await run_process(python("import os; os.kill(os.getpid(), 9)"), cwd=tmp_path)
        assert ended.code == -signal.SIGKILL

    async def test_a_flood_is_read_and_not_gathered(self, tmp_path: Path) -> None:
        seen = 0

        def count(line: str) -> None:
            nonlocal seen
            seen = max(seen, len(line))

        flood = "for s in (sys.stdout, sys.stderr):\n  for _ in range(400): s.write('x' * 50000)"
        ended = await run_process(
            python(f"import sys\n{flood}\nsys.stderr.write('end')"), cwd=tmp_path, on_line=count
        )
        assert ended.code == 0
        assert ended.stderr.endswith("xend")
        assert len(ended.stderr) <= 16 * 1024
        assert seen <= 192 * 1024

    async def test_what_is_not_installed_is_said(self, tmp_path: Path) -> None:
        for command in ("no-such-program", tmp_path / "no-such-file"):
            with pytest.raises(JobError, match=r"no-such-\w+ was not found on the worker") as refusal:
                await run_process([command], cwd=tmp_path)
            assert refusal.value.failure_type is FailureType.ENVIRONMENT

    async def test_sees_nothing_of_the_workers_secrets(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MULLIGAN_SECRET_KEY", "hush")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        lines: list[str] = []
        code = "import os; print('hush' in str(os.environ)); print(os.environ['MINE'], os.getcwd())"
        await run_process(python(code), cwd=tmp_path, on_line=lines.append, env={"MINE": "yes"})
        assert lines == ["False", f"yes {tmp_path}"]

    async def test_limits_hold(self, tmp_path: Path) -> None:
        ended = await run_process(
            python("x = bytearray(2**31)"), cwd=tmp_path, limits=Limits(memory_bytes=2**30)
        )
        assert "MemoryError" in ended.stderr
        ended = await run_process(python("while True: pass"), cwd=tmp_path, limits=Limits(cpu_seconds=1))
        assert ended.code == -signal.SIGXCPU, "as SIGKILL it would be told as a want of memory"


class TestEndings:
    async def started(self, tmp_path: Path, code: str) -> tuple["asyncio.Task[object]", int]:
        """A run of `code`, whose first line is awaited and taken for the id of a process to watch."""
        lines: list[str] = []
        run = asyncio.create_task(
            run_process(
                python(f"import os; print(os.getpid(), flush=True)\n{code}"),
                cwd=tmp_path,
                on_line=lines.append,
            )
        )
        await eventually(lambda: lines)
        return run, int(lines[0])

    async def test_cancelling_ends_it_soon(self, tmp_path: Path) -> None:
        run, pid = await self.started(tmp_path, "import time; time.sleep(60)")
        run.cancel()
        await asyncio.wait({run}, timeout=SOON)
        assert run.cancelled()
        assert not psutil.pid_exists(pid), "reaped as well"

    async def test_cancelling_ends_even_what_will_not_hear(self, tmp_path: Path) -> None:
        run, pid = await self.started(tmp_path, STUBBORN)
        run.cancel()
        await asyncio.wait({run}, timeout=SOON)
        assert run.cancelled()
        assert not psutil.pid_exists(pid)

    async def test_cancelling_twice_leaves_nothing_either(self, tmp_path: Path) -> None:
        run, pid = await self.started(tmp_path, STUBBORN)
        run.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await eventually(lambda: is_gone(pid), SOON)
        await eventually(
            lambda: len(asyncio.all_tasks()) == 1, SOON, expect="what reaps it has ended as well"
        )

    async def test_what_it_started_goes_with_it(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        code = f"child = subprocess.Popen(['sleep', '60']); open({str(note)!r}, 'w').write(str(child.pid))"
        run, _ = await self.started(tmp_path, f"import subprocess, time; {code}; time.sleep(60)")
        await eventually(lambda: note.exists() and note.read_text())
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await eventually(lambda: is_gone(int(note.read_text())), SOON)

    async def test_what_it_left_behind_keeps_nobody_waiting(self, tmp_path: Path) -> None:
        lines: list[str] = []
        code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
        async with asyncio.timeout(SOON):
            ended = await run_process(python(code), cwd=tmp_path, on_line=lines.append)
        assert ended.code == 0
        await eventually(lambda: is_gone(int(lines[0])), SOON)

    async def test_a_timeout_ends_it(self, tmp_path: Path) -> None:
        lines: list[str] = []
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        with pytest.raises(TimeoutError):
            await run_process(python(code), cwd=tmp_path, on_line=lines.append, timeout=1)
        assert not psutil.pid_exists(int(lines[0]))

    async def test_a_listener_that_breaks_ends_it(self, tmp_path: Path) -> None:
        pids: list[int] = []

        def breaking(line: str) -> None:
            pids.append(int(line))
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await run_process(
                python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"),
                cwd=tmp_path,
                on_line=breaking,
            )
        assert not psutil.pid_exists(pids[0])


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_it_dies_with_a_worker_that_was_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    worker = f"""
import asyncio, sys
from pathlib import Path
from services.process import run_process
code = "import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
asyncio.run(run_process([sys.executable, "-c", code], cwd=Path({str(tmp_path)!r})))
"""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", worker], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    pid = int(eventually_sync(lambda: note.exists() and note.read_text(), SOON) or 0)
    assert not is_gone(pid)
    process.kill()
    process.wait()
    eventually_sync(lambda: is_gone(pid), SOON)
