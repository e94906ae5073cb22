"""A whole `mulligan up --demo`, in a folder of its own."""

import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.browser.stack import ROOT
from ui.up.process import die_with_parent


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

    @property
    def link(self) -> str:
        """The sign-in link that was printed."""
        found = re.search(r"http://\S+/login\?link=\S+", self.said)
        assert found, self.said
        return found[0]

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
