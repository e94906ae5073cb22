"""A small server on loopback for the demo's jobs to talk to. Some of its addresses fail, in ways that pass."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_PORTS_TRIED = 20
_SLOW_SECONDS = 30
_CHUNK = 64 * 1024
_SLOWLY_SECONDS = 1.0
"""After each chunk of the slow file."""
BREAKS, SLOW = "breaks.bin", "slow.bin"
_BREAKS = 3
"""So often breaks off what breaks off: as often as aria2 tries by itself."""


class DemoServer:
    """Serves `folder` under `/files/`, and endpoints for webhooks under `/hooks/`, until it is closed."""

    def __init__(self, folder: Path, port: int) -> None:
        """Listens on `port` or, where that is taken, on one of the next ones, so that it is mostly the same."""
        handler = partial(_Handler, folder, Counter())
        self._server = _bind(handler, port)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _bind(handler: Callable[..., BaseHTTPRequestHandler], port: int) -> ThreadingHTTPServer:
    for candidate in range(port, port + _PORTS_TRIED):
        try:
            return ThreadingHTTPServer(("127.0.0.1", candidate), handler)
        except OSError:
            continue
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


class _Handler(BaseHTTPRequestHandler):
    """`/files/breaks.bin` breaks off three times, in the middle; `/hooks/flaky` fails twice a name (`?name=a`),
    `/hooks/busy` asks once to come back, `/hooks/gone` is gone."""

    server_version = "MulliganDemo"
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, calls: Counter[str], *rest: object) -> None:
        self._folder = folder
        self._calls = calls
        super().__init__(*rest)  # type: ignore[arg-type] # socketserver's own three

    def do_GET(self) -> None:
        """Files, and hooks that are asked."""
        path = urlsplit(self.path).path
        if path.startswith("/files/"):
            self._send_file(self._folder / Path(path).name)
        else:
            self._hook()

    def do_POST(self) -> None:
        """Hooks."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._hook()

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the base class's names

    def _hook(self) -> None:
        path = urlsplit(self.path).path
        self._calls[self.path] += 1
        call = self._calls[self.path]
        match path:
            case "/hooks/ok":
                self._say(200, {"thanks": True})
            case "/hooks/flaky" if call <= 2:
                self._say(500, {"error": "The database of the demo's receiver is starting."})
            case "/hooks/busy" if call == 1:
                self._say(429, {"error": "Too many requests."}, retry_after=3)
            case "/hooks/flaky" | "/hooks/busy":
                self._say(200, {"thanks": True, "calls": call})
            case "/hooks/gone":
                self._say(410, {"error": "This endpoint was removed."})
            case "/hooks/slow":
                time.sleep(_SLOW_SECONDS)
                self._say(200, {"thanks": True})
            case _:
                self._say(404, {"error": "There is nothing here."})

    def _say(self, status: int, body: dict[str, object], retry_after: int | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self) -> None:
        """How large a file is."""
        self._send_file(self._folder / Path(urlsplit(self.path).path).name, body=False)

    def _send_file(self, path: Path, *, body: bool = True) -> None:
        if not path.is_file():
            self._say(404, {"error": "There is no such file."})
            return
        size = path.stat().st_size
        start, end = _range(self.headers.get("Range", ""), size)
        self.send_response(206 if (start, end) != (0, size) else 200)
        self.send_header("Content-Type", "video/mp4" if path.suffix == ".mp4" else "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if not body:
            return
        self._calls[path.name] += 1
        if path.name == BREAKS and self._calls[path.name] <= _BREAKS:
            end = min(end, size * 3 // 5)
            self.close_connection = True
        # Whoever has seen enough, hangs up: a look at a video's first bytes for instance.
        with path.open("rb") as file, suppress(ConnectionError):
            file.seek(start)
            while chunk := file.read(max(min(_CHUNK, end - file.tell()), 0)):
                self.wfile.write(chunk)
                if path.name == SLOW:
                    time.sleep(_SLOWLY_SECONDS)

    def log_message(self, *_: object) -> None:
        """Nothing: the demo's console is Mulligan's."""


def _range(wanted: str, size: int) -> tuple[int, int]:
    """The bytes that a request asks for, from and to; all of them where it makes no sense."""
    found = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", wanted)
    if not found or int(found[1]) >= size:
        return 0, size
    return int(found[1]), min(int(found[2] or size) + 1, size)
