"""`mulligan up --demo`, the whole of it: jobs of each kind and status, and failures that a retry mends."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.demo import Demo
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync
from ui.demo.orders import orders
from ui.demo.server import DemoServer

pytestmark = pytest.mark.slow

Start = Callable[[], Demo]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Demo] = []
    port = free_port()

    def begin() -> Demo:
        made.append(Demo(tmp_path, port))
        return made[-1]

    yield begin
    for demo in made:
        demo.process.kill()
        demo.process.wait(30)


def test_it_has_every_status_and_kind_and_is_made_once(start: Start) -> None:
    demo = start()
    eventually_sync(demo.is_ready, 120)
    wanted = {"queued", "scheduled", "failed", "timeout", "cancelled", "completed"}
    eventually_sync(lambda: wanted <= demo.statuses(), 90)
    assert "&next=%2F%3Fw%3Ddemo" in demo.said
    made = demo.jobs()
    assert {order.kind for order in orders("")} == {kind for _, kind, _ in made}
    # The receiver asks once to come back: nobody has to do anything.
    eventually_sync(lambda: ("Invoice 1043 paid", "webhook.deliver", "completed") in demo.jobs(), 60)
    assert demo.lasting_tokens() == 0
    assert opens(demo.link), "the link that was printed works when everything is there"
    with demo.api() as api:
        mended = ("A mirror that breaks off", "Mirror sync 01")
        for title in mended:
            eventually_sync(partial(demo.has, title, "failed"), 90, expect=f"{title} fails")
            (job,) = api.get("/api/jobs", params={"q": f'"{title}"', "limit": 1}).json()["items"]
            assert api.post(f"/api/jobs/{job['id']}/retry").status_code == 202, title
        for title in mended:
            eventually_sync(partial(demo.has, title, "completed"), 90, expect=f"{title} is mended")
    made = demo.jobs()
    demo.stop()

    again = start()
    eventually_sync(again.is_ready, 60)
    assert "as it was left" in again.said
    assert Counter(title for title, _, _ in again.jobs()) == Counter(title for title, _, _ in made)
    again.stop()


def opens(link: str) -> bool:
    """Whether a sign-in link opens the workspace that it leads to."""
    asked = httpx.URL(link)
    with httpx.Client(base_url=asked.copy_with(raw_path=b"/"), follow_redirects=True) as browser:
        page = browser.post(
            "/login", data=dict(asked.params), headers={"Origin": str(browser.base_url).rstrip("/")}
        )
    return page.status_code == 200 and page.url.params.get("w") == "demo"


def test_its_server_fails_in_ways_that_pass(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * 100_000)
    (tmp_path / "breaks.bin").write_bytes(b"y" * 1_000)
    server = DemoServer(tmp_path, free_port())
    try:
        with httpx.Client(base_url=server.address) as client:
            assert [client.post("/hooks/flaky?name=a").status_code for _ in range(3)] == [500, 500, 200]
            assert client.post("/hooks/flaky?name=b").status_code == 500
            busy = client.post("/hooks/busy")
            assert (busy.status_code, busy.headers["Retry-After"]) == (429, "3")
            assert client.post("/hooks/busy").status_code == 200
            assert client.get("/files/a.bin").content == b"x" * 100_000
            part = client.get("/files/a.bin", headers={"Range": "bytes=99990-"})
            assert (part.status_code, part.content) == (206, b"x" * 10)
            for _ in range(3):
                with pytest.raises(httpx.RemoteProtocolError):
                    client.get("/files/breaks.bin")
            assert client.get("/files/breaks.bin").content == b"y" * 1_000
            assert client.get("/files/%2e%2e/etc/passwd").status_code == 404
    finally:
        server.close()
