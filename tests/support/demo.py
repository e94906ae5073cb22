"""A whole `mulligan up --demo`, in a folder of its own."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.machines import ROOT
from ui.up.process import die_with_parent


class Demo:
    """A started demo, in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.log = folder / "up.log"
        self.database = folder / "data" / "mulligan.db"
        self.address = f"http://127.0.0.1:{port}"
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

    @property
    def link(self) -> str:
        """The sign-in link that was printed."""
        found = re.search(r"http://\S+/login\?link=\S+", self.said)
        assert found, self.said
        return found[0]

    def jobs(self) -> list[tuple[str, str, str]]:
        """Title, kind, status."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return database.execute("SELECT title, kind, status FROM job WHERE deleted_at IS NULL").fetchall()

    def lasting_tokens(self) -> int:
        """How many tokens never expire."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            count = database.execute("SELECT count(*) FROM api_token WHERE expires_at IS NULL").fetchone()
        return int(count[0])

    def has(self, title: str, status: str) -> bool:
        """Whether the job that is called so is there yet."""
        return any((name, now) == (title, status) for name, _, now in self.jobs())

    @contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """The admin's own program in the demo's workspace."""
        words = ["token", "create", "admin@localhost", "--workspace", "demo"]
        token = subprocess.run(
            [sys.executable, "-m", "ui.cli", *words], cwd=ROOT, capture_output=True, text=True, check=True,
            env=os.environ | {"MULLIGAN_DATA_DIR": str(self.database.parent)},
        ).stdout.strip()  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.address, headers=headers, timeout=30) as api:
            yield api

    def statuses(self) -> set[str]:
        return {status for _, _, status in self.jobs()}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(40) == 0, self.said
