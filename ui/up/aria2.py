"""The embedded aria2, for `file.download`: where its program is, its settings, and its command line."""

import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Beside each other; those above it wait.
_AT_ONCE = 16


@dataclass(frozen=True)
class Embedded:
    """A daemon on this machine that only our own processes can talk to."""

    program: Path
    folder: Path
    port: int
    secret: str

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/jsonrpc"

    @property
    def environment(self) -> dict[str, str]:
        """What the web and the workers must know."""
        return {"MULLIGAN_ARIA2_RPC_URL": self.url, "MULLIGAN_ARIA2_RPC_SECRET": self.secret}

    def command(self) -> list[str | Path]:
        """Writes its settings down, where only we can read them, and returns what starts it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        session, config = self.folder / "session", self.folder / "aria2.conf"
        for file in (session, config):
            file.touch(mode=0o600)
        config.write_text("".join(f"{name}={value}\n" for name, value in self._options(session).items()))
        return [self.program, f"--conf-path={config}"]

    def _options(self, session: Path) -> dict[str, str]:
        return {
            "enable-rpc": "true",
            "rpc-listen-port": str(self.port),
            "rpc-listen-all": "false",
            # Not on the command line, which every user of the machine can read.
            "rpc-secret": self.secret,
            "rpc-max-request-size": "32M",
            "rpc-save-upload-metadata": "false",
            "input-file": str(session),
            "save-session": str(session),
            "save-session-interval": "1",
            "auto-save-interval": "1",
            "continue": "true",
            "file-allocation": "none",
            "max-concurrent-downloads": str(_AT_ONCE),
            "max-download-result": "200",
            "dht-file-path": str(self.folder / "dht.dat"),
            "enable-dht": "false",
            "enable-dht6": "false",
            "bt-enable-lpd": "false",
            "disk-cache": "16M",
            "console-log-level": "warn",
            "summary-interval": "0",
            "show-console-readout": "false",
            # Also where the kernel cannot tell it that we are gone.
            "stop-with-process": str(os.getpid()),
        }


def find_program() -> Path | None:
    """aria2's program: the system's own, else that of the `aria2` package; None where there is neither."""
    if found := shutil.which("aria2c"):
        return Path(found)
    spec = find_spec("aria2c")
    program = Path(spec.origin).parent / "bin" / "aria2c" if spec and spec.origin else None
    return program if program and os.access(program, os.X_OK) else None


def embedded(folder: Path) -> Embedded | None:
    """A daemon to start, on a port that is free now; None where aria2 is not installed."""
    program = find_program()
    if program is None:
        return None
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return Embedded(program, folder, port, secrets.token_urlsafe(24))
