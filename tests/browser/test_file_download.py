"""A download, as somebody does it: an address in, a file out; and one that fails, is retried, and swapped in place."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.support.aria2 import Slowly
from tests.support.fileserver import FileServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
BODY = bytes(range(256)) * 4_000


async def test_an_address_goes_in_and_the_file_comes_out(
    visit: Open, file_server: FileServer, tmp_path: Path
) -> None:
    slowly = Slowly(BODY, 300_000)
    page = await visit("/new?kind=file.download")
    await page.get_by_label(re.compile("^Address")).fill(file_server.on("/report.bin", slowly))
    await page.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}"))
    await expect(page.get_by_role("heading", name="report.bin")).to_be_visible()
    await expect(page.get_by_text(re.compile(r"of 1\.0 MB · .*/s"))).to_be_visible(timeout=20_000)
    slowly.full.set()
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=30_000)
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download", exact=True).click()
    saved = tmp_path / "out.bin"
    await (await downloading.value).save_as(saved)
    assert saved.read_bytes() == BODY


async def test_a_retry_swaps_the_row_in_place_and_the_old_page_goes_on_with_the_new_job(
    visit: Open, file_server: FileServer
) -> None:
    slowly = Slowly(BODY, 10_000_000, breaks_after=300_000)
    page = await visit("/new?kind=file.download")
    await page.get_by_label(re.compile("^Address")).fill(file_server.on("/swapped.bin", slowly))
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("alert").filter(has_text="The connection was lost")).to_be_visible(
        timeout=30_000
    )
    old = page.url
    grid = await visit("/")
    row = grid.get_by_role("row", name=re.compile("swapped.bin"))
    job_id = await row.get_attribute("data-job-id")
    slowly.breaks_after = None
    await row.get_by_role("button", name="Retry").click()
    dialog = grid.get_by_role("dialog")
    await expect(dialog).to_contain_text("Files on disk: a partial file is resumed")
    await expect(dialog).to_contain_text("A new record takes this one's place")
    await dialog.get_by_role("button", name="Retry job").click()
    await expect(row).to_have_attribute("data-status", "completed", timeout=30_000)
    await expect(row).to_have_count(1)
    assert await row.get_attribute("data-job-id") != job_id
    # The page of the old one, which was open all the time.
    await expect(page).not_to_have_url(old)
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=10_000)
    await expect(page.get_by_role("article", name="Attempt 1")).to_be_visible()
    await expect(page.get_by_role("article", name="Attempt 2")).to_be_visible()
    await page.goto(old)
    await expect(page).to_have_url(re.compile(await row.get_attribute("data-job-id") or "?"))
