"""A video by its address, as somebody fetches it: gone, there again, and run once more for nothing."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.support.fileserver import FileServer
from tests.support.media import silent_clip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_video_is_fetched_once_and_run_again_from_completed(
    visit: Open, file_server: FileServer, tmp_path: Path
) -> None:
    page = await visit("/new?kind=video.download")
    await page.get_by_label(re.compile("^Address")).fill(f"{file_server.url}/holiday.mp4")
    await page.get_by_role("radio", name="720p").check()
    await page.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}"))
    trouble = page.get_by_role("alert").filter(has_text="The video is no longer there")
    await expect(trouble).to_be_visible(timeout=60_000)

    clip = silent_clip(file_server.folder / "holiday.mp4")
    await page.get_by_role("button", name="Retry", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
    await expect(page.locator("[data-status=completed]").first).to_be_visible(timeout=60_000)
    video = page.locator("section").filter(has=page.get_by_role("heading", name="Video", exact=True))
    await expect(video).to_contain_text("holiday")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download", exact=True).click()
    saved = tmp_path / "out.mp4"
    await (await downloading.value).save_as(saved)
    assert saved.read_bytes() == clip.read_bytes()

    asked = len(file_server.received)
    again = page.get_by_role("button", name="Retry", exact=True)
    hint = "Re-queue this completed job and run it again"
    await expect(again).to_have_attribute("title", hint)
    job_id = page.url.rpartition("/")[2].partition("?")[0]
    await page.goto("/")
    row = page.locator(f'tr[data-job-id="{job_id}"]')
    in_row = row.get_by_role("button", name="Retry")
    await expect(in_row).to_have_attribute("title", hint)
    await in_row.click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
    await expect(page.get_by_text(re.compile("Job .* queued for retry"))).to_be_visible()
    await page.goto(f"/jobs/{job_id}")
    await expect(video).to_contain_text("Already in the archive", timeout=60_000)
    await expect(page.locator("[data-status=completed]").first).to_be_visible()
    assert len(file_server.received) == asked
