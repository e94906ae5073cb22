"""An automatic retry as somebody sees it: when it comes, and how to step in."""

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

Submit = Callable[..., dict[str, Any]]


async def test_the_row_says_when_and_a_person_runs_it_now(visit: Open, submit: Submit, flag: Path) -> None:
    job = submit("test.busy", "retries by itself")
    page = await visit()
    row = page.locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "scheduled")
    await expect(row).to_contain_text("is not there yet")
    await expect(row).to_contain_text("retries in")
    await expect(row).to_contain_text("1 auto")
    flag.touch()
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.get_by_text("Put it there.").first).to_be_visible()
    await page.get_by_role("button", name="Run now").click()
    await expect(page.locator("[data-status=completed]").first).to_be_visible()
    await expect(page.get_by_text("Automatic retry")).to_be_visible()


async def test_a_person_stops_it_and_retries_later(visit: Open, submit: Submit) -> None:
    job = submit("test.busy", "stops retrying")
    page = await visit(f"/jobs/{job['id']}")
    await page.get_by_role("button", name="Cancel retry").click()
    await expect(page.locator("[data-status=failed]").first).to_be_visible()
    await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_visible()


async def test_its_page_fits_a_phone(visit: Open, submit: Submit) -> None:
    job = submit("test.busy", "a title that is a good deal longer than the width of any telephone")
    page = await visit(f"/jobs/{job['id']}", width=390)
    for name in ("Run now", "Cancel retry"):
        button = page.get_by_role("button", name=name)
        await expect(button).to_be_visible(timeout=30_000)
        box = await button.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
