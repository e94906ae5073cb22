"""The main job, as somebody does it: a real video in, a smaller one out, and a damaged one explained."""

import re
from pathlib import Path

import av
import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.support.media import good_clip, noise

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_clip_goes_in_and_its_480p_version_comes_out(visit: Open, tmp_path: Path) -> None:
    clip = good_clip(tmp_path / "holiday.mp4", 2)
    page = await visit("/new?kind=video.process")
    await page.get_by_label("Choose a file").set_input_files(clip)
    await expect(page.get_by_role("status").filter(has_text="holiday.mp4 is uploaded")).to_be_attached()
    await page.get_by_role("radio", name="480p").check()
    await page.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}"))
    await expect(page.get_by_role("heading", name="holiday.mp4")).to_be_visible()
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=30_000)
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download", exact=True).click()
    saved = tmp_path / "out.mp4"
    await (await downloading.value).save_as(saved)
    with av.open(str(saved)) as container:
        assert container.streams.video[0].height == 480
    await page.goto("/")
    row = page.get_by_role("row", name="holiday.mp4")
    await expect(row.get_by_role("button", name="Download")).to_be_visible()


async def test_a_damaged_file_fails_in_red_with_advice(visit: Open, tmp_path: Path) -> None:
    page = await visit("/new?kind=video.process")
    await page.get_by_label("Choose a file").set_input_files(noise(tmp_path / "damaged.mp4"))
    await expect(page.get_by_role("status").filter(has_text="damaged.mp4 is uploaded")).to_be_attached()
    await page.get_by_role("button", name="Start job").click()
    trouble = page.get_by_role("alert").filter(has_text="Failed")
    await expect(trouble).to_be_visible(timeout=30_000)
    assert await trouble.locator(".advice").inner_text()
    red = await trouble.locator(".err").evaluate("(e) => getComputedStyle(e).color")
    assert red == "rgb(200, 30, 30)"
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()


async def test_starting_without_a_file_is_told_at_the_field(visit: Open) -> None:
    page = await visit("/new?kind=video.process")
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("alert").filter(has_text="Choose a file first.")).to_be_visible()


async def test_a_form_is_made_from_the_arguments_of_any_kind(visit: Open) -> None:
    page = await visit("/new?kind=test.form")
    await page.get_by_role("spinbutton", name="Count").fill("12")
    await page.get_by_role("radio", name="large").check()
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("alert").filter(has_text="less than or equal to 9")).to_be_visible()
    await page.get_by_role("spinbutton", name="Count").fill("3")
    await page.get_by_role("button", name="Start job").click()
    result = page.locator("section").filter(has=page.get_by_role("heading", name="Result"))
    await expect(result).to_contain_text("size: large")
    await expect(result).to_contain_text("count: 3")


async def test_the_result_plays_in_the_page_and_is_processed_further(visit: Open, tmp_path: Path) -> None:
    clip = good_clip(tmp_path / "chain.mp4", 2)
    page = await visit("/new?kind=video.process")
    await page.get_by_label("Choose a file").set_input_files(clip)
    await expect(page.get_by_role("status").filter(has_text="chain.mp4 is uploaded")).to_be_attached()
    await page.get_by_role("button", name="Start job").click()
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=30_000)
    player = page.locator("video")
    await expect(player).to_have_attribute("poster", re.compile("thumbnail.jpg"))
    await expect(player).to_have_js_property("readyState", 4, timeout=15_000)
    assert await player.evaluate("v => v.videoHeight") == 480

    await page.get_by_role("link", name="Process this video").click()
    await expect(page.get_by_text("Works on chain-480p.mp4")).to_be_visible()
    await expect(page.get_by_label("Choose a file")).to_have_count(0)
    await page.get_by_role("radio", name="audio").check()
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("heading", name="chain-480p.mp4")).to_be_visible()
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=30_000)
    await expect(page.locator("audio")).to_be_visible()
    await page.get_by_role("link", name="chain.mp4").click()
    await expect(page.get_by_role("heading", name="chain.mp4")).to_be_visible()
