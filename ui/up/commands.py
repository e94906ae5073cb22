"""The command lines of the parts."""

import sys

# Between SIGTERM and the end: a worker gives running jobs these seconds, then hands them to rescue.
WAIT_FOR_JOBS = 5
SHUTDOWN = 3


def mulligan(*words: str) -> list[str]:
    """Our own command line, in this very environment."""
    return [sys.executable, "-m", "ui.cli", *words]


def demo(address: str, port: int) -> list[str]:
    """The demo: its server, and the client that fills its workspace."""
    return [sys.executable, "-m", "ui.demo", "--address", address, "--port", str(port)]


def worker(processes: int = 1, *options: str) -> list[str]:
    """Taskiq's own worker, which is the real thing."""
    return [
        *(sys.executable, "-m", "taskiq", "worker", "tasks.broker:broker"),
        *("--workers", str(processes)),
        *("--log-level", "WARNING"),
        *("--wait-tasks-timeout", str(WAIT_FOR_JOBS)),
        *("--shutdown-timeout", str(SHUTDOWN)),
        *options,
    ]


def supervised_worker() -> list[str]:
    """One worker process that ends when it dies: taskiq's own manager would start it again each second, in silence."""
    return worker(1, "--max-fails", "1")
