"""What the supervisor and its parts say, line by line, on standard output."""

import json
import os
import sys
from datetime import UTC, datetime


class Console:
    """Marks each line with the part that says it; with JSON logs, parts speak for themselves and ours are JSON, too."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def say(self, message: str) -> None:
        """A line of the supervisor itself."""
        if self._as_json:
            now = datetime.now(UTC).isoformat()
            message = json.dumps(
                {"timestamp": now, "level": "INFO", "logger": "mulligan.up", "message": message}
            )
        self._write(message)

    def relay(self, part: str, line: str) -> None:
        """A line that a part wrote."""
        self._write(line if self._as_json else f"{part:<9}| {line}")

    def _write(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # Whoever read us is gone (`mulligan up | head`); the house stands on, silent.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
