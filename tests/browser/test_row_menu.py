"""The menu of a row in the grid: what it offers, by mouse, by keyboard, and to whom."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.test_looks import Submit, require_accessible

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


def row_of(page: Page, job: dict[str, Any]) -> Locator:
    return page.locator(f"tr[data-job-id='{job['id']}']")


async def offered(page: Page) -> list[str]:
    menu = page.get_by_role("menu", name=re.compile("What to do with"))
    await expect(menu).to_be_visible()
    return await menu.get_by_role("menuitem").all_inner_texts()


async def test_it_offers_what_may_be_done(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "To be handled in its row")
    page = await visit("/")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row = row_of(page, job)
    await expect(row).to_have_attribute("data-status", "failed")
    await row.get_by_role("button", name="More").click()
    assert await offered(page) == [
        "Open", "Retry…", "Edit and retry…", "Run again as a copy", "Copy id", "Copy link",
        "Dismiss the failure…", "Delete…",
    ]  # fmt: skip
    await require_accessible(page)
    await page.get_by_role("menuitem", name="Copy id").click()
    await expect(page.get_by_role("menu")).to_have_count(0)
    assert await page.evaluate("() => navigator.clipboard.readText()") == job["id"]
    await row.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Copy link").click()
    await expect(page.get_by_role("menu")).to_have_count(0)
    assert (
        await page.evaluate("() => navigator.clipboard.readText()")
        == f"{page.url.rstrip('/')}/jobs/{job['id']}"
    )
    await row.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Dismiss the failure").click()
    await page.get_by_label("Reason").fill("Known")
    await page.get_by_role("button", name="Dismiss", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="The failure was dismissed")).to_be_visible()
    await row.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete job").click()
    await expect(page.get_by_role("status").filter(has_text="was deleted")).to_be_visible()
    await page.get_by_role("button", name="Reload").click()
    await expect(row).to_have_count(0)


async def test_by_keyboard_alone(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "First of all")
    page = await visit("/")
    row = row_of(page, job)
    await expect(row).to_have_attribute("data-status", "failed")
    await page.keyboard.press("j")
    await expect(row).to_be_focused()
    await page.keyboard.press("m")
    menu = page.get_by_role("menu")
    await expect(menu.get_by_role("menuitem", name="Open")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(row).to_be_focused()
    await page.keyboard.press("m")
    await expect(menu.get_by_role("menuitem", name="Open")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Retry job")).to_be_visible()
    await page.keyboard.press("Escape")


async def test_a_running_job_is_cancelled_from_it(visit: Open, submit: Submit) -> None:
    job = submit("test.waits", "Goes on and on")
    page = await visit("/", width=390)
    row = row_of(page, job)
    await expect(row).to_have_attribute("data-status", "running")
    await row.get_by_role("button", name="More").click()
    assert await offered(page) == ["Open", "Cancel", "Copy id", "Copy link"]
    await page.get_by_role("menuitem", name="Cancel").click()
    await page.get_by_role("button", name="Cancel job").click()
    await expect(row).to_have_attribute("data-status", "cancelled")


async def test_who_only_looks_is_offered_nothing_that_changes(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "Looked at")
    page = await visit("/", who="vera@example.org")
    row = row_of(page, job)
    await expect(row).to_have_attribute("data-status", "failed")
    await row.get_by_role("button", name="More").click()
    assert await offered(page) == ["Open", "Copy id", "Copy link"]
    await page.get_by_role("menuitem", name="Open").click()
    await expect(page).to_have_url(re.compile(job["id"]))
