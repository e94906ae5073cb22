"""A file server on loopback that can also fail, stall and trickle, as the world outside does."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Received:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Responder = Callable[["Request"], None]


class FileServer:
    """Serves the files of `folder` with ranges; `on(path, responder)` puts behaviour in place of one."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = folder
        self.received: list[Received] = []
        self.responders: dict[str, Responder] = {}
        self._server = ThreadingHTTPServer((host, port), partial(Request, self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def on(self, path: str, responder: Responder) -> str:
        """Answers `path` by `responder`; returns the whole address."""
        self.responders[path] = responder
        return self.url + path

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


class Request(BaseHTTPRequestHandler):
    """One request; responders call `answer`, or write to `wfile` themselves."""

    protocol_version = "HTTP/1.1"

    def __init__(self, server: FileServer, *args: object) -> None:
        self.files = server
        super().__init__(*args)  # type: ignore[arg-type]

    def answer(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: str = "application/octet-stream",
        **headers: str,
    ) -> None:
        """Answers at once and whole; underscores in header names become dashes."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.files.received.append(Received(self.command, self.path, dict(self.headers.items()), body))
        self.body = body
        try:
            if responder := self.files.responders.get(path):
                responder(self)
            else:
                self._send_file((self.files.folder / path.lstrip("/")).resolve())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send_file(self, path: Path) -> None:
        if not path.is_relative_to(self.files.folder.resolve()) or not path.is_file():
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
            return
        content = path.read_bytes()
        wanted = self.headers.get("Range", "")
        if not wanted.startswith("bytes="):
            self.answer(200, content, _content_type(path), Accept_Ranges="bytes")
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first)
        end = min(int(last) if last else len(content) - 1, len(content) - 1)
        span = f"bytes {start}-{end}/{len(content)}"
        self.answer(
            206, content[start : end + 1], _content_type(path), Content_Range=span, Accept_Ranges="bytes"
        )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def _content_type(path: Path) -> str:
    return {
        ".html": "text/html; charset=utf-8",
        ".json": "application/json",
        ".m3u8": "application/vnd.apple.mpegurl",
        ".mp3": "audio/mpeg",
        ".mp4": "video/mp4",
        ".pdf": "application/pdf",
        ".torrent": "application/x-bittorrent",
        ".ts": "video/mp2t",
        ".txt": "text/plain; charset=utf-8",
    }.get(path.suffix, "application/octet-stream")


@dataclass
class Stalling:
    """A responder that sends some of the body and then nothing until `release()`."""

    body: bytes
    after: int
    _released: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body[: self.after])
        request.wfile.flush()
        self._released.wait(120)
        request.wfile.write(self.body[self.after :])

    def release(self) -> None:
        """Sends the rest, to this request and all later ones."""
        self._released.set()


@dataclass(frozen=True)
class Trickling:
    """A responder that sends the body slowly, so that a test can act in the middle."""

    body: bytes
    bytes_per_second: int

    def __call__(self, request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        piece = max(1, self.bytes_per_second // 20)
        for start in range(0, len(self.body), piece):
            request.wfile.write(self.body[start : start + piece])
            request.wfile.flush()
            time.sleep(piece / self.bytes_per_second)


def failing(status: int, body: bytes = b"") -> Responder:
    """A responder that always answers with `status`."""
    return lambda request: request.answer(status, body, "text/plain")
