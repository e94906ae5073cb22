"""`mulligan up --demo`, the whole of it: jobs of each kind and status, and failures that a retry mends."""

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.browser.stack import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync
from ui.demo.server import DemoServer
from ui.up.process import die_with_parent

pytestmark = pytest.mark.slow

Start = Callable[[], "Demo"]


class Demo:
    """A started demo, in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.log = folder / "up.log"
        self.database = folder / "data" / "mulligan.db"
        words = ["up", "--demo", "--port", str(port), "--data", str(folder / "data")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ui.cli", *words], cwd=ROOT, stdout=log, stderr=log,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said
        return "The demo is ready" in self.said

    def jobs(self) -> list[tuple[str, str, str]]:
        """Title, kind, status."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return database.execute("SELECT title, kind, status FROM job").fetchall()

    def lasting_tokens(self) -> int:
        """How many tokens never expire."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            count = database.execute("SELECT count(*) FROM api_token WHERE expires_at IS NULL").fetchone()
        return int(count[0])

    def statuses(self) -> set[str]:
        return {status for _, _, status in self.jobs()}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(40) == 0, self.said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Demo] = []
    port = free_port()

    def begin() -> Demo:
        made.append(Demo(tmp_path, port))
        return made[-1]

    yield begin
    for demo in made:
        demo.process.kill()
        demo.process.wait(30)


def test_it_has_every_status_and_kind_and_is_made_once(start: Start) -> None:
    demo = start()
    eventually_sync(demo.is_ready, 120)
    wanted = {"queued", "scheduled", "failed", "timeout", "cancelled", "completed"}
    eventually_sync(lambda: wanted <= demo.statuses(), 90)
    assert "&next=%2F%3Fw%3Ddemo" in demo.said
    made = demo.jobs()
    assert {"demo.task", "webhook.deliver", "video.process"} <= {kind for _, kind, _ in made}
    # The receiver asks once to come back: nobody has to do anything.
    eventually_sync(lambda: ("Invoice 1043 paid", "webhook.deliver", "completed") in demo.jobs(), 60)
    assert demo.lasting_tokens() == 0
    demo.stop()

    again = start()
    eventually_sync(again.is_ready, 60)
    assert "as it was left" in again.said
    assert Counter(title for title, _, _ in again.jobs()) == Counter(title for title, _, _ in made)
    again.stop()


def test_its_server_fails_in_ways_that_pass(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * 100_000)
    server = DemoServer(tmp_path, free_port())
    try:
        with httpx.Client(base_url=server.address) as client:
            assert [client.post("/hooks/flaky?name=a").status_code for _ in range(3)] == [500, 500, 200]
            assert client.post("/hooks/flaky?name=b").status_code == 500
            busy = client.post("/hooks/busy")
            assert (busy.status_code, busy.headers["Retry-After"]) == (429, "3")
            assert client.post("/hooks/busy").status_code == 200
            assert client.get("/files/a.bin").content == b"x" * 100_000
            assert client.get("/files/%2e%2e/etc/passwd").status_code == 404
    finally:
        server.close()
