"""No kind that fetches reaches what is inside: not by its address, a redirect, a name, a playlist, a torrent's peers.

All of these tests is loopback: `127.0.0.1` is taken for the internet, and `127.0.0.2` is inside, with a trap on it.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.desk import Desk
from services.errors import Invalid
from services.jobs import jobs, submission
from services.kinds import load_kinds
from services.models import Job
from services.people.access import Actor
from services.retry.retrying import plan_retry
from services.storage.uploads import save_upload
from services.vocabulary import TERMINAL, FailureType, Status
from tests.support.aria2 import Aria2Server, Slowly, Swarm, a_torrent, magnet_of
from tests.support.desks import a_person, open_desk
from tests.support.fileserver import FileServer
from tests.support.waiting import eventually
from tests.support.workers import a_worker

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

KINDS = ("video.download", "video.metadata", "file.download", "webhook.deliver")
ENGINES = ("video.download", "video.metadata", "file.download")
BODY = bytes(range(256)) * 400
REFUSED = "is in a private or reserved network"


class Stranger:
    """Somebody who tries."""

    def __init__(self, desk: Desk, me: Actor) -> None:
        self.desk = desk
        self.me = me

    async def submit(self, kind: str, **args: Any) -> Job:
        return await submission.submit(self.desk, self.me, kind, args)

    async def ended(self, job_id: UUID) -> Job:
        async def look() -> Job | None:
            job = await jobs.get_job(self.desk, self.me, job_id)
            return job if job.status in TERMINAL | {Status.SCHEDULED} else None

        found = await eventually(look, 60, expect="the job has ended")
        assert found
        return found

    async def run_all(self, *orders: tuple[str, str]) -> list[Job]:
        """Jobs of a kind with an address each, several at a time."""
        submitted = [await self.submit(kind, url=url) for kind, url in orders]
        return [await self.ended(job.id) for job in submitted]


@pytest.fixture
def aria2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aria2Server]:
    server = Aria2Server(tmp_path / "aria2")
    server.start()
    for name, value in server.daemon.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.kill()


@asynccontextmanager
async def a_stranger(
    database_url: str, redis_url: str, folder: Path, aria2: Aria2Server, **more: Any
) -> AsyncIterator[Stranger]:
    known = load_kinds([f"tasks.kinds.{name.replace('.', '_')}" for name in KINDS])
    settings: dict[str, Any] = {
        "allow_private_urls": False, "lease_seconds": 5, "aria2_rpc_url": aria2.daemon.url,
        "aria2_rpc_secret": aria2.daemon.secret, "download_free_bytes": 0,
    }  # fmt: skip
    async with open_desk(
        database_url, redis_url, folder, *(known[name] for name in KINDS), **(settings | more)
    ) as desk:
        stranger = Stranger(desk, await a_person(desk))
        async with a_worker(desk.settings):
            yield stranger


@pytest.fixture
async def stranger(
    database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server
) -> AsyncIterator[Stranger]:
    async with a_stranger(database_url, redis_url, tmp_path, aria2) as stranger:
        yield stranger


@pytest.fixture
def outside(file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A server on what these tests take for the internet."""
    monkeypatch.setattr("services.guard.addresses.is_public", lambda ip: str(ip) == "127.0.0.1")
    return file_server


@pytest.fixture
def trap(tmp_path: Path, file_server: FileServer) -> Iterator[FileServer]:
    """What stands inside, on the same port as what stands outside."""
    (tmp_path / "inside").mkdir()
    server = FileServer(tmp_path / "inside", "127.0.0.2", file_server.port)
    yield server
    server.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses: each time the next one, the last for ever. A `+` stands between those of one time."""
    known: dict[str, list[str]] = {}
    asked = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in known:
            return asked(host, port, *rest, **more)
        answers = known[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [info for ip in answer.split("+") for info in asked(ip, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def require_refused(job: Job, what: object) -> None:
    assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT), (what, job.error)
    assert REFUSED in (job.error or ""), (what, job.error)
    assert job.advice, what


class TestAddresses:
    @pytest.mark.parametrize("kind", KINDS)
    def test_what_can_be_read_in_two_ways_is_refused_when_it_is_submitted(
        self, kind: str, database_url: str
    ) -> None:
        known = load_kinds([f"tasks.kinds.{kind.replace('.', '_')}"])[kind]
        for url in (
            *("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "dict://127.0.0.1:11211/stat"),
            *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/"),
            *(
                "http://user:pw@example.org/",
                "http://example.org\\@127.0.0.1/",
                "http://a b/",
                "//example.org/",
            ),
            *(
                "http://[::1%25eth0]/",
                "http://[::1/",
                "http://example.org:0/",
                "javascript:alert(1)",
                "http://",
            ),
        ):
            with pytest.raises(Invalid, match=r"args\.url"):
                known.parse_args({"url": url})

    async def test_networks_inside_are_refused_to_every_kind(
        self, stranger: Stranger, trap: FileServer, names: dict[str, list[str]]
    ) -> None:
        names |= {"inside.example": ["127.0.0.2"], "mixed.example": ["8.8.8.8+127.0.0.2"]}
        port = trap.port
        table = [
            *(f"http://127.0.0.2:{port}/", f"http://[::ffff:127.0.0.2]:{port}/", f"http://0.0.0.0:{port}/"),
            *(f"http://inside.example:{port}/", f"http://mixed.example:{port}/", f"http://localhost:{port}/"),
            *(
                "http://169.254.169.254/latest/meta-data/",
                "http://[fd00:ec2::254]/",
                "http://100.100.100.200/",
            ),
            *("http://10.0.0.1/", "http://192.168.1.1/", "http://[::1]/", "https://172.16.0.1/"),
        ]
        few = table[:2]  # yt-dlp takes a second of a core to begin
        orders = [(kind, url) for kind in KINDS for url in (few if kind.startswith("video") else table)]
        for job in await stranger.run_all(*orders):
            require_refused(job, (job.kind, job.args["url"]))
        assert trap.received == []

    async def test_a_retry_asks_nobody_inside_for_a_size(
        self, stranger: Stranger, outside: FileServer, trap: FileServer
    ) -> None:
        url = outside.on("/go.bin", lambda r: r.answer(302, Location=trap.url + "/secret"))
        (job,) = await stranger.run_all(("file.download", url))
        plan = await plan_retry(stranger.desk, stranger.me, job.id)
        assert plan.error is not None
        assert REFUSED in plan.error.message
        assert trap.received == []


class TestOnTheWay:
    async def test_redirects_and_names_that_change_are_refused_to_every_engine(
        self, stranger: Stranger, outside: FileServer, trap: FileServer, names: dict[str, list[str]]
    ) -> None:
        names["inside.example"] = ["127.0.0.2"]
        by_address = outside.on("/a.mp4", lambda r: r.answer(302, Location=trap.url + "/secret.mp4"))
        by_name = outside.on(
            "/b.mp4", lambda r: r.answer(307, Location=f"http://inside.example:{trap.port}/secret.mp4")
        )
        (outside.folder / "c.mp4").write_bytes(BODY)
        outside.on("/d.mp4", Slowly(BODY * 4, 10_000_000, breaks_after=100_000))
        names |= {f"rebind-{path}.example": ["127.0.0.1", "127.0.0.2"] for path in "cd"}
        orders = [(kind, url) for kind in ENGINES for url in (by_address, by_name)]
        # yt-dlp looks and then fetches; aria2 comes back where it is hung up on.
        orders.append(("video.download", f"http://rebind-c.example:{outside.port}/c.mp4"))
        orders.append(("file.download", f"http://rebind-d.example:{outside.port}/d.mp4"))
        for job in await stranger.run_all(*orders):
            require_refused(job, (job.kind, job.args["url"]))
        assert trap.received == []
        assert {request.path for request in outside.received} >= {"/a.mp4", "/b.mp4", "/c.mp4", "/d.mp4"}

    async def test_a_playlist_leads_nowhere_inside(
        self, stranger: Stranger, outside: FileServer, trap: FileServer
    ) -> None:
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{trap.url}/0.ts\n#EXT-X-ENDLIST\n"
        (outside.folder / "list.m3u8").write_text(playlist)
        (job,) = await stranger.run_all(("video.download", outside.url + "/list.m3u8"))
        require_refused(job, "a playlist")
        assert trap.received == []


class TestTorrents:
    @pytest.fixture
    def swarm(self, tmp_path: Path, outside: FileServer) -> Iterator[Swarm]:
        swarm = Swarm(tmp_path / "swarm", "song.bin", BODY)
        yield swarm
        swarm.close()

    @pytest.fixture
    def peer_inside(self) -> Iterator["Listening"]:
        listening = Listening()
        yield listening
        listening.close()

    async def test_peers_inside_are_not_connected_to(
        self, stranger: Stranger, swarm: Swarm, peer_inside: "Listening", aria2: Aria2Server
    ) -> None:
        swarm.peers.insert(0, ("127.0.0.2", peer_inside.port))
        by_udp = swarm.tracker.replace("http:", "udp:")
        links = [magnet_of(swarm.torrent, tracker) for tracker in (swarm.tracker, by_udp)]
        for url in links:
            (job,) = await stranger.run_all(("file.download", url))
            assert (job.error, job.status) == (None, Status.COMPLETED)
        assert swarm.asked_by_udp
        assert peer_inside.visits == 0

    async def test_where_it_is_allowed_they_are(
        self, database_url: str, redis_url: str, tmp_path: Path, aria2: Aria2Server, swarm: Swarm,
        peer_inside: "Listening",
    ) -> None:  # fmt: skip
        swarm.peers.insert(0, ("127.0.0.2", peer_inside.port))
        async with a_stranger(database_url, redis_url, tmp_path, aria2, allow_private_urls=True) as stranger:
            await stranger.run_all(("file.download", magnet_of(swarm.torrent, swarm.tracker)))
        assert peer_inside.visits

    async def test_trackers_and_web_seeds_inside_are_not_asked(
        self, stranger: Stranger, outside: FileServer, trap: FileServer
    ) -> None:
        going_in = outside.on("/announce", lambda r: r.answer(302, Location=trap.url + "/announce"))

        async def content() -> AsyncIterator[bytes]:
            yield a_torrent("song.bin", BODY, going_in, web_seed=trap.url + "/song.bin")

        upload = await save_upload(stranger.desk, stranger.me, "song.torrent", None, content())
        job = await stranger.submit("file.download", upload_id=str(upload.id))
        await eventually(lambda: outside.received, 20, expect="the tracker is asked")
        await asyncio.sleep(1)  # the web seed would have been asked by now
        await jobs.cancel(stranger.desk, stranger.me, job.id)
        await stranger.ended(job.id)
        assert trap.received == []

    async def test_an_aria2_that_takes_part_in_dht_is_not_used(
        self, stranger: Stranger, swarm: Swarm, aria2: Aria2Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aria2.kill()
        aria2.start("--enable-dht=true")
        (job,) = await stranger.run_all(("file.download", magnet_of(swarm.torrent, swarm.tracker)))
        assert (job.failure_type, swarm.asked_by_udp) == (FailureType.ENVIRONMENT, 0)
        assert "by DHT" in (job.error or "")
        assert "--enable-dht=false" in (job.advice or "")


class Listening:
    """A port on 127.0.0.2, and how many have come."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.2", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        """Ends it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
