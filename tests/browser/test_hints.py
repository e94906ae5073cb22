"""First-run hints: one at a time, covering nothing, gone for good at a press."""

import pytest
from playwright.async_api import Page, expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack
from tests.browser.test_looks import Submit, require_accessible, require_no_sideways_scrolling

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

NEW, LOOKS = "newcomer@example.org", "onlooker@example.org"


async def reopened(page: Page) -> None:
    await page.reload()
    await expect(page.locator("tr[data-job-id]").first).to_be_visible()


async def test_a_newcomer_is_told_each_thing_once(visit: Open, submit: Submit, stack: Stack) -> None:
    job = submit("test.fails", "Somebody's first failure")
    stack.add_person(NEW, "Studio North", Role.ADMIN, PASSWORD)
    page = await visit("/", who=NEW, width=390, scheme="dark")
    hint = page.get_by_role("note", name="Hint")
    await expect(hint).to_contain_text("Press ? for the keys")
    await require_accessible(page)
    await require_no_sideways_scrolling(page)
    await hint.get_by_role("button", name="Got it").press("Enter")
    await expect(hint).to_have_count(0)
    await expect(page.locator("#main")).to_be_focused()
    await reopened(page)
    await expect(hint).to_contain_text("Nothing happens before you confirm")
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.locator("[data-status=failed]")).to_be_visible()
    await expect(hint).to_contain_text("Nothing happens before you confirm")
    await hint.get_by_role("button", name="Got it").click()
    await expect(hint).to_have_count(0)
    await page.goto("/")
    await page.locator("tr[data-job-id] input.pickbox:enabled").first.check()
    await expect(hint).to_contain_text("Shift and a click")
    await hint.get_by_role("button", name="Got it").click()
    await page.goto("/failures")
    await expect(hint).to_contain_text("stand together")
    await require_accessible(page)
    await hint.get_by_role("button", name="Got it").click()
    await expect(hint).to_have_count(0)
    other = await visit("/", who=NEW)  # another browser
    await expect(other.locator("tr[data-job-id]").first).to_be_visible()
    await expect(other.get_by_role("toolbar")).to_be_hidden()
    await expect(other.get_by_role("note", name="Hint")).to_have_count(0)
    await other.goto("/profile")
    await other.get_by_role("button", name="Show them again").click()
    await expect(other.get_by_role("status").filter(has_text="Hints are shown once more")).to_be_visible()
    await other.goto("/")
    await expect(other.get_by_role("note", name="Hint")).to_contain_text("Press ? for the keys")


async def test_who_only_looks_is_told_nothing_of_retries(visit: Open, submit: Submit, stack: Stack) -> None:
    job = submit("test.fails", "Not theirs to retry")
    stack.add_person(LOOKS, "Studio North", Role.VIEWER, PASSWORD)
    page = await visit("/", who=LOOKS)
    hint = page.get_by_role("note", name="Hint")
    await hint.get_by_role("button", name="Got it").click()
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.locator("[data-status=failed]")).to_be_visible()
    await page.goto("/failures")
    await expect(page.get_by_role("list", name="Failures").get_by_role("listitem").first).to_be_visible()
    await expect(hint).to_have_count(0)
