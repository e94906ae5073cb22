"""The five systems to their ends, as somebody works with them: failed for a real reason and mended, cancelled while the
engine runs, with nothing left of it."""

import re
import threading
import time
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import Stack
from tests.browser.test_looks import require_no_sideways_scrolling
from tests.browser.test_workers import read
from tests.support import resumes
from tests.support.aria2 import Slowly, a_torrent
from tests.support.fileserver import FileServer, Request, Trickling, failing
from tests.support.media import good_clip, noise, silent_clip
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

JOB_PAGE = re.compile(r"/jobs/[0-9a-f-]{36}")
BODY = bytes(range(256)) * 4_000
SHOWN_HIDDEN = "••••••"


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(JOB_PAGE)


async def choose(page: Page | Locator, path: Path) -> None:
    await page.get_by_label("Choose a file").set_input_files(path)
    await expect(page.get_by_role("status").filter(has_text=f"{path.name} is uploaded")).to_be_attached()


async def cancel(page: Page) -> None:
    """Of a job that runs: nobody can retry it meanwhile."""
    await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    await expect(page.locator("[data-status=cancelled]").first).to_be_visible()


async def edit(page: Page) -> Locator:
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name="Edit and retry").click()
    return page.get_by_role("dialog", name="Edit and retry")


async def completed(page: Page) -> None:
    await expect(page.locator("[data-status=completed]").first).to_be_visible(timeout=90_000)


class TestVideoDownload:
    async def test_cancelled_it_leaves_nothing_and_a_retry_brings_it(
        self, visit: Open, file_server: FileServer, stack: Stack
    ) -> None:
        before = stack.on_disk("work", "storage")
        page = await visit("/new?kind=video.download")
        url = file_server.on("/film.mp4", Trickling(b"\x00" * 50_000_000, 300_000))
        await page.get_by_label("Address", exact=True).fill(url)
        await start(page)
        await expect(page.get_by_text(re.compile(r"B/s, .* left")).first).to_be_visible()
        assert stack.programs("media_archive")
        await cancel(page)
        await eventually(lambda: not stack.programs("media_archive"), expect="no process is left")
        await eventually(lambda: stack.on_disk("work", "storage") == before, expect="nothing is left")
        clip = silent_clip(file_server.folder / "film.mp4")
        del file_server.responders["/film.mp4"]
        await page.get_by_role("button", name="Retry", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
        await completed(page)
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Download", exact=True).click()
        assert Path(await (await downloading.value).path()).read_bytes() == clip.read_bytes()


class TestVideoProcess:
    async def test_a_damaged_file_is_replaced_for_a_credit(
        self, visit: Open, api: httpx.Client, tmp_path: Path
    ) -> None:
        page = await visit("/new?kind=video.process")
        await choose(page, noise(tmp_path / "broken.mp4"))
        await start(page)
        trouble = page.get_by_role("alert").filter(has_text="Invalid data found")
        await expect(trouble).to_contain_text("Check that it plays")
        balance = read(api, "/api/credits")["balance"]
        form = await edit(page)
        await choose(form, good_clip(tmp_path / "whole.mp4", 1))
        await form.get_by_role("button", name="Continue").click()
        dialog = page.get_by_role("dialog", name="Retry this job?")
        await expect(dialog).to_contain_text("This will use 1 credit.")
        await dialog.get_by_role("button", name="Retry job").click()
        await completed(page)
        await expect(trouble).to_be_hidden()
        await expect(page.locator("video")).to_be_visible()
        assert read(api, "/api/credits")["balance"] == balance - 1

    async def test_cancelled_it_leaves_no_encoder_and_no_file(
        self, visit: Open, stack: Stack, tmp_path: Path
    ) -> None:
        clip = good_clip(tmp_path / "long.mp4", 60)
        page = await visit("/new?kind=video.process")
        await choose(page, clip)
        before = stack.on_disk("work", "storage")
        await page.get_by_role("radio", name="1080p").check()
        await start(page)
        await expect(page.get_by_text("Encoding 1080p").first).to_be_visible()
        await eventually(lambda: stack.programs("libx264"), expect="it encodes")
        await cancel(page)
        await eventually(lambda: not stack.programs("libx264"), expect="no process is left")
        await eventually(lambda: stack.on_disk("work", "storage") <= before, expect="nothing is left")
        await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()


class TestResume:
    async def test_one_with_a_password_is_replaced_and_read(self, visit: Open, tmp_path: Path) -> None:
        page = await visit("/new?kind=resume.analyse")
        await choose(page, resumes.encrypted_pdf(tmp_path / "locked.pdf"))
        await start(page)
        trouble = page.get_by_role("alert").filter(has_text="The PDF is protected by a password")
        await expect(trouble.locator(".advice")).to_be_visible()
        form = await edit(page)
        await choose(form, resumes.good_pdf(tmp_path / "open.pdf"))
        await form.get_by_role("button", name="Continue").click()
        dialog = page.get_by_role("dialog", name="Retry Analysis Job")
        await dialog.get_by_role("button", name="Retry Job").click()
        await completed(page)
        await expect(page.get_by_role("heading", name="Amelia Thornquist")).to_be_visible()
        await expect(page.get_by_text("1 of 3")).to_be_visible()


class TestFileDownload:
    async def test_cancelled_it_leaves_nothing(
        self, visit: Open, file_server: FileServer, stack: Stack
    ) -> None:
        before = stack.on_disk("work", "downloads", "storage")
        slowly = Slowly(BODY, 100_000)
        page = await visit("/new?kind=file.download")
        await page.get_by_label(re.compile("^Address")).fill(file_server.on("/large.bin", slowly))
        await start(page)
        await expect(page.get_by_text(re.compile(r"of 1\.0 MB · .*/s"))).to_be_visible()
        await cancel(page)
        await eventually(
            lambda: stack.on_disk("work", "downloads", "storage") == before, expect="nothing is left"
        )
        slowly.full.set()
        await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()

    async def test_a_very_long_address_goes_all_the_way(self, visit: Open, file_server: FileServer) -> None:
        path = "/signed.bin"
        long = "?X-Signed=" + "0123456789abcdef" * 150
        url = file_server.on(path, failing(500)) + long
        page = await visit("/new?kind=file.download")
        await page.get_by_label(re.compile("^Address")).fill(url)
        await start(page)
        await expect(page.get_by_role("alert").filter(has_text="HTTP 500")).to_be_visible()
        await require_no_sideways_scrolling(page)
        grid = await visit("/", width=390)
        row = grid.locator("tr[data-job-id]").filter(has_text="signed.bin")
        await expect(row).to_have_count(1)
        await require_no_sideways_scrolling(grid)
        (file_server.folder / "signed.bin").write_bytes(BODY)
        del file_server.responders[path]
        await page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Address, title, owner")
        await require_no_sideways_scrolling(page)
        await dialog.get_by_role("button", name="Retry job").click()
        await completed(page)
        asked = [request.path for request in file_server.received]
        assert asked
        assert set(asked) == {path + long}

    async def test_a_torrent_is_not_retried_and_the_dialog_says_why(
        self, visit: Open, file_server: FileServer, tmp_path: Path
    ) -> None:
        torrent = a_torrent("song.bin", BODY, file_server.url + "/announce")
        (tmp_path / "song.torrent").write_bytes(torrent[:-20])
        page = await visit("/new?kind=file.download")
        await choose(page, tmp_path / "song.torrent")
        await start(page)
        await expect(page.get_by_role("alert").filter(has_text="torrent file cannot be read")).to_be_visible()
        await page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text(
            "Torrent tasks cannot be retried. Please re-upload the torrent file."
        )
        await expect(dialog.get_by_role("button", name="Retry job")).to_be_disabled()


class TestWebhook:
    async def test_a_flaky_endpoint_recovers_by_itself(self, visit: Open, file_server: FileServer) -> None:
        came: list[float] = []

        def flaky(request: Request) -> None:
            came.append(time.monotonic())
            request.answer(503 if len(came) < 3 else 200, b"thanks", "text/plain", Retry_After="2")

        page = await visit("/new?kind=webhook.deliver")
        await page.get_by_label("Address", exact=True).fill(file_server.on("/flaky", flaky))
        await start(page)
        await completed(page)
        await expect(page.get_by_role("article", name="Attempt 3")).to_contain_text("Automatic retry")
        await expect(page.get_by_role("article", name="Attempt 2")).to_contain_text("left alone for 2 s")
        assert all(later - before >= 2 for before, later in pairwise(came)), came
        assert len({request.headers["webhook-id"] for request in file_server.received}) == 1

    async def test_one_that_hangs_is_cancelled(self, visit: Open, file_server: FileServer) -> None:
        over = threading.Event()

        def hanging(_request: Request) -> None:
            over.wait(60)

        page = await visit("/new?kind=webhook.deliver")
        await page.get_by_label("Address", exact=True).fill(file_server.on("/hangs", hanging))
        await start(page)
        await expect(page.get_by_text("Waiting for the answer").first).to_be_visible()
        await cancel(page)
        over.set()

    async def test_a_secret_does_not_follow_the_address(self, visit: Open, file_server: FileServer) -> None:
        page = await visit("/new?kind=webhook.deliver")
        await page.get_by_label("Address", exact=True).fill(file_server.on("/mine", failing(404)))
        await page.get_by_text("More options").click()
        await page.get_by_label("Signing secret").fill("a word of my own")
        await start(page)
        await expect(page.get_by_role("alert").filter(has_text="404 Not Found")).to_be_visible()
        form = await edit(page)
        await form.get_by_label("Address", exact=True).fill(f"http://localhost:{file_server.port}/elsewhere")
        await form.get_by_role("button", name="Continue").click()
        await expect(
            form.get_by_role("alert").filter(has_text="The address leads elsewhere now")
        ).to_be_visible()
        secret = form.get_by_label("Signing secret")
        await expect(secret).to_have_value(SHOWN_HIDDEN)
        await secret.fill("another word")
        await form.get_by_role("button", name="Continue").click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
        await eventually(lambda: len(file_server.received) == 2, 30, expect="it is delivered there")
