"""The insights page, in a real browser: figures that are live, and the way from each to its jobs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_figures_count_live_and_lead_to_their_jobs(
    visit: Open, submit: Callable[..., dict[str, Any]], api: Any, flag: Path
) -> None:
    job = submit("test.fails", "told by the figures")
    page = await visit("/")
    await expect(page.locator(f'tr[data-job-id="{job["id"]}"]')).to_have_attribute("data-status", "failed")
    await page.keyboard.press("g")
    await page.keyboard.press("i")
    await page.wait_for_url("**/insights")
    await page.get_by_role("button", name="24 hours").click()
    await expect(page).to_have_url(re.compile("period=24h"))
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="test.fails"))
    worked = row.get_by_role("cell").nth(5)
    before = await worked.inner_text()

    flag.touch()
    assert api.post(f"/api/jobs/{job['id']}/retry").status_code == 202
    await expect(worked).not_to_have_text(before)

    await page.get_by_role("button", name="Table").click()
    table = page.get_by_role("table", name="What runs came to")
    await expect(table.get_by_role("row")).to_have_count(25)

    await row.get_by_role("link", name="test.fails").click()
    await expect(page).to_have_url(re.compile("q=kind%3Atest.fails\\+ended%3A%3C24h"))
    await expect(page.locator(f'tr[data-job-id="{job["id"]}"]')).to_have_attribute("data-status", "completed")


async def test_nothing_to_tell_yet_says_so(visit: Open) -> None:
    page = await visit("/insights?period=30d&kind=test.fails", who="eve@example.org")
    await expect(page.get_by_role("heading", name="No run of test.fails has ended")).to_be_visible()
    await expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")
