"""A real Valkey on a unix socket, which can be stopped, killed and started again with its data."""

import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.waiting import eventually_sync
from ui.up import valkey
from ui.up.process import die_with_parent


class ValkeyServer:
    """Starts at once. The append-only file is on, so what was written is there after `kill9()` and `start()`."""

    def __init__(self) -> None:
        # Short, since a unix socket's path must stay under some 100 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="mv-"))
        self.socket = self.folder / "v.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it on the data that is there; returns when it answers."""
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                valkey.command(self.socket, self.folder),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        eventually_sync(lambda: self.ask("PING") == "+PONG", 20, expect="Valkey answers")

    def stop(self) -> None:
        """Ends it cleanly; the data stays."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Ends it as a power cut would; the data stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops and starts it."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Lets it hang: connections stand, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause()`."""
        self._signal(signal.SIGCONT)

    def ask(self, words: str) -> str:
        """The first line of the answer to an inline command; empty where it does not answer."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(f"{words}\r\n".encode())
                return connection.makefile().readline().strip()
        except OSError:
            return ""

    def flush(self) -> None:
        """Forgets all keys; starts it where a test left it stopped."""
        if self._process is None:
            self.start()
        else:
            self.resume()
        assert self.ask("FLUSHALL") == "+OK"

    def close(self) -> None:
        """Ends it and removes its data."""
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process, "Valkey is stopped"
        self._process.send_signal(sign)

    def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(sign)
        self._process.send_signal(signal.SIGCONT)  # a paused one hears SIGTERM only when it goes on
        self._process.wait(10)
        self._process = None
