"""Uploads and artifacts over HTTP."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from services.vocabulary import Status
from tests.support import resumes
from tests.support.house import Caller, House, open_house
from tests.support.waiting import eventually

CONTENT = bytes(range(256)) * 40

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> dict[str, object]:
    """A form written by hand."""
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


def file_part(content: bytes = b"abc", name: bytes = b'name="file"; filename="a.mp4"') -> bytes:
    return b"Content-Disposition: form-data; " + name + b"\r\nContent-Type: video/mp4\r\n\r\n" + content


def programs(word: str) -> list[psutil.Process]:
    """What this process has started, with that word in its command."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(word in part for part in process.cmdline()):
                found.append(process)
    return found


class TestUploads:
    async def test_what_comes_is_kept(self, house: House) -> None:
        ada = await house.caller()
        answer = await ada.post("/api/uploads", files={"file": ("Ünï clip.mp4", CONTENT, "video/mp4")})
        assert answer.status_code == 201
        kept = answer.json()
        assert (kept["filename"], kept["size"], kept["content_type"]) == (
            "Ünï clip.mp4",
            len(CONTENT),
            "video/mp4",
        )

    async def test_other_fields_are_let_go_by(self, house: House) -> None:
        other = b'Content-Disposition: form-data; name="x"\r\n\r\nhello'
        answer = await (await house.caller()).call("POST", "/api/uploads", **form(other, file_part(), other))
        assert answer.json()["size"] == 3

    @pytest.mark.parametrize(
        "request_",
        [
            {"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            {"content": b"abc", "headers": {"Content-Type": "multipart/form-data"}},
            {"content": b"abc", "headers": {"Content-Type": f"multipart/form-data; boundary={'b' * 300}"}},
            {"content": b"abc", "headers": {"Content-Type": "application/json"}},
            {"content": b"abc"},
            form(),
            form(file_part(b"")),
            form(file_part(name=b'name="other"; filename="a"')),
            form(file_part(name=b'name="file"')),
            form(file_part(), end=b""),
            form(b'Content-Disposition: form-data; name="x"\r\n\r\n' + b"x" * 2**21, file_part()),
            form(b"no header at all"),
            form(b"X" * 100_000 + b": y\r\n\r\nabc"),
        ],
    )
    async def test_what_is_no_file_is_refused_and_leaves_nothing(
        self, house: House, request_: dict[str, object]
    ) -> None:
        answer = await (await house.caller()).call("POST", "/api/uploads", **request_)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        stored = [path for path in house.desk.settings.data_path.rglob("uploads/**/*") if path.is_file()]
        assert stored == []

    async def test_a_name_is_no_path(self, house: House) -> None:
        part = file_part(name=b'name="file"; filename="../../etc/passwd"')
        assert (await (await house.caller()).call("POST", "/api/uploads", **form(part))).json()[
            "filename"
        ] == "passwd"

    async def test_too_large_is_refused(self, database_url: str, redis_url: str, tmp_path: Path) -> None:
        async with open_house(database_url, redis_url, tmp_path, max_upload_bytes=1000) as house:
            answer = await (await house.caller()).post("/api/uploads", files={"file": ("a", b"x" * 1001)})
        assert (answer.status_code, answer.json()["code"]) == (403, "file_too_large")

    async def test_a_large_one_streams(self, house: House) -> None:
        ada = await house.caller()
        piece, count = b"x" * 2**20, 96

        async def body() -> AsyncIterator[bytes]:
            yield b"--b\r\n" + file_part(b"")
            for _ in range(count):
                yield piece
            yield b"\r\n--b--\r\n"

        tracemalloc.start()
        answer = await ada.call(
            "POST",
            "/api/uploads",
            content=body(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert answer.json()["size"] == count * 2**20
        assert peak < 70 * 2**20

    async def test_a_sender_who_goes_away_leaves_nothing(self, house: House) -> None:
        ada = await house.caller()
        _, writer = await asyncio.open_connection(*house.url.removeprefix("http://").split(":"))
        head = (
            f"POST /api/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
            "Content-Length: 99999999\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        )
        writer.write(head.encode() + file_part(b"x" * 10**6))
        await writer.drain()
        writer.close()

        def nothing_is_left() -> bool:
            folder = house.desk.settings.data_path
            return not [path for path in folder.rglob("uploads/**/*") if path.is_file()]

        await eventually(nothing_is_left)
        assert (await ada.get("/healthz")).status_code == 200


@pytest.fixture
async def ada(house: House) -> Caller:
    return await house.caller()


@pytest.fixture
async def address(house: House, ada: Caller) -> str:
    job = await ada.submit()
    await house.keep(job["id"], 'cut "1" ü.html', CONTENT, "text/html")
    await house.end(job["id"], Status.COMPLETED, output=True)
    return f'/api/jobs/{job["id"]}/artifacts/cut "1" ü.html'


class TestArtifacts:
    async def test_a_file_is_saved_and_never_shown(self, ada: Caller, address: str) -> None:
        answer = await ada.get(address)
        assert (answer.status_code, answer.content) == (200, CONTENT)
        headers = answer.headers
        assert headers["content-disposition"].startswith("attachment; filename=")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert (headers["content-length"], headers["accept-ranges"]) == (str(len(CONTENT)), "bytes")

    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=100-199", 100, 200),
            ("bytes=10000-", 10000, 10240),
            ("bytes=-40", 10200, 10240),
            ("bytes=10200-99999", 10200, 10240),
            ("bytes=-99999", 0, 10240),
        ],
    )
    async def test_ranges(self, ada: Caller, address: str, asked: str, start: int, end: int) -> None:
        answer = await ada.get(address, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"

    @pytest.mark.parametrize(
        "asked", ["bytes=0-1,5-6", "bytes=5-2", "bytes=", "bytes=-", "lines=1-2", "x" * 500]
    )
    async def test_what_is_no_range_gives_all(self, ada: Caller, address: str, asked: str) -> None:
        answer = await ada.get(address, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, CONTENT)

    @pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999999999999999-", "bytes=-0"])
    async def test_a_range_that_is_not_there(self, ada: Caller, address: str, asked: str) -> None:
        answer = await ada.get(address, headers={"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"

    async def test_a_download_goes_on_only_in_the_same_file(self, ada: Caller, address: str) -> None:
        head = await ada.call("HEAD", address)
        assert (head.status_code, head.content, head.headers["content-length"]) == (
            200,
            b"",
            str(len(CONTENT)),
        )
        part = {"Range": "bytes=100-"}
        same = await ada.get(address, headers=part | {"If-Range": head.headers["etag"]})
        other = await ada.get(address, headers=part | {"If-Range": '"other"'})
        assert (same.status_code, other.status_code) == (206, 200)

    async def test_what_is_not_there(self, house: House, ada: Caller, address: str) -> None:
        missing = await ada.get(address + "x")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        for path in house.desk.settings.data_path.rglob("artifacts/**/*"):
            if path.is_file():
                path.unlink()
        gone = await ada.get(address)
        assert (gone.status_code, gone.json()["detail"]) == (404, "The file is no longer in storage.")

    async def test_a_retry_unlinks_the_output(self, house: House, ada: Caller) -> None:
        job = await ada.submit()
        await house.keep(job["id"], "out", b"x")
        await house.end(job["id"], Status.FAILED, output=True)
        at = f"/api/jobs/{job['id']}"
        assert (await ada.get(f"{at}/artifacts/out")).status_code == 200
        await ada.post(f"{at}/retry")
        assert (await ada.get(f"{at}/artifacts/out")).status_code == 404


class TestPages:
    async def test_are_pictures_that_run_nothing(self, house: House, tmp_path: Path) -> None:
        ada = await house.caller()
        pdf = resumes.long_pdf(tmp_path / "a.pdf", 2).read_bytes()
        upload = (await ada.post("/api/uploads", files={"file": ("a.pdf", pdf, "application/pdf")})).json()
        job = await ada.submit(kind="test.file", args={"upload_id": upload["id"]})
        first = await ada.get(f"/api/jobs/{job['id']}/pages/1")
        assert (first.status_code, first.headers["content-type"]) == (200, "image/webp")
        assert first.headers["mulligan-pages"] == "2"
        assert first.headers["x-content-type-options"] == "nosniff"
        assert first.headers["content-security-policy"] == "sandbox; default-src 'none'"
        again = {"If-None-Match": first.headers["etag"]}
        same = await ada.get(f"/api/jobs/{job['id']}/pages/1", headers=again)
        assert (same.status_code, same.content) == (304, b"")
        await house.keep(job["id"], "out.pdf", pdf, "application/pdf")
        await house.end(job["id"], Status.COMPLETED, output=True)
        out = await ada.get(f"/api/jobs/{job['id']}/pages/2", params={"file": "out.pdf"})
        assert out.status_code == 200
        for path, status in (("3", 404), ("x", 422), ("1?file=none.pdf", 404)):
            assert (await ada.get(f"/api/jobs/{job['id']}/pages/{path}")).status_code == status
        eve = await house.caller(workspace="elsewhere")
        assert (await eve.get(f"/api/jobs/{job['id']}/pages/1", headers=again)).status_code == 404
        assert (await house.http.get(f"/api/jobs/{job['id']}/pages/1")).status_code == 401

    async def test_nobody_is_drawn_for_who_has_gone(self, house: House, tmp_path: Path) -> None:
        ada = await house.caller()
        pdf = resumes.hungry_pdf(tmp_path / "a.pdf").read_bytes()
        upload = (await ada.post("/api/uploads", files={"file": ("a.pdf", pdf, "application/pdf")})).json()
        job = await ada.submit(kind="test.file", args={"upload_id": upload["id"]})
        asking = asyncio.create_task(ada.get(f"/api/jobs/{job['id']}/pages/1"))
        drawing = await eventually(lambda: programs("draw_pages"), 60)
        asking.cancel()
        await eventually(lambda: not any(p.is_running() and p.status() != "zombie" for p in drawing), 20)


class TestInput:
    async def test_is_given_back_as_it_was_handed_in(self, house: House) -> None:
        ada = await house.caller()
        upload = (await ada.post("/api/uploads", files={"file": ("Ünï.mp4", CONTENT, "video/mp4")})).json()
        job = await ada.submit(kind="test.file", args={"upload_id": upload["id"]})
        got = await ada.get(f"/api/jobs/{job['id']}/input")
        assert (got.content, got.headers["content-type"]) == (CONTENT, "video/mp4")
        assert got.headers["content-disposition"].startswith("attachment;")
        part = await ada.get(f"/api/jobs/{job['id']}/input", headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, CONTENT[5:10])
        without = await ada.submit()
        assert (await ada.get(f"/api/jobs/{without['id']}/input")).status_code == 404
        eve = await house.caller(workspace="elsewhere")
        assert (await eve.get(f"/api/jobs/{job['id']}/input")).status_code == 404
