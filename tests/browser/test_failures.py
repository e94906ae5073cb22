"""The failures page, in a real browser: groups that are live, and the way from a group to its jobs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.test_looks import require_accessible

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_group_counts_live_learns_from_a_retry_and_leads_to_its_jobs(
    visit: Open, submit: Callable[..., dict[str, Any]], api: Any, flag: Path
) -> None:
    job = submit("test.fails", "the group's first")
    page = await visit("/")
    row = page.locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "failed")
    await page.get_by_role("link", name="Failures").click()
    card = page.get_by_role("listitem").filter(has_text="test.fails")
    jobs = card.get_by_role("link")
    before = int((await jobs.inner_text()).split()[0].replace(",", ""))
    await expect(card).to_contain_text("transient")
    await expect(card).to_contain_text("Put it there.")

    submit("test.fails", "the group's second")
    await expect(jobs).to_have_text(f"{before + 1} jobs")

    odds = await card.locator(".odds span").inner_text()
    flag.touch()
    assert api.post(f"/api/jobs/{job['id']}/retry").status_code == 202
    await expect(card.locator(".odds span")).not_to_have_text(odds)
    await expect(card.locator(".odds span")).to_contain_text("recovered")
    await expect(jobs).to_have_text(f"{before} job{'' if before == 1 else 's'}")

    await jobs.click()
    await expect(page.get_by_role("row", name="the group's second")).to_be_visible()
    await expect(page.get_by_role("row", name="the group's first")).to_have_count(0)


async def test_nothing_failed_says_so(visit: Open) -> None:
    page = await visit("/failures", who="eve@example.org")
    await expect(page.get_by_role("heading", name="Nothing has failed")).to_be_visible()


async def test_a_whole_group_gets_its_second_chance(
    visit: Open, submit: Callable[..., dict[str, Any]], flag: Path
) -> None:
    for n in range(3):
        submit("test.form", f"never mind {n}", args={"count": 1})
        submit("test.fails", f"of a group {n}")
    page = await visit("/failures")
    card = page.get_by_role("listitem").filter(has_text="test.fails")
    await expect(card.get_by_role("button", name="Retry")).to_be_visible()
    flag.touch()
    await card.get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("credits")
    await dialog.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("status").filter(has_text="retried in the background")).to_be_visible()
    await page.goto("/?q=%22of+a+group%22")
    await expect(page.locator("tr[data-status=completed]")).to_have_count(3)


async def test_a_group_gets_a_note_is_muted_and_seen_again(
    visit: Open, submit: Callable[..., dict[str, Any]]
) -> None:
    job = submit("test.fails", "to be muted")
    page = await visit("/failures")
    card = page.get_by_role("listitem").filter(has_text="test.fails")
    await card.get_by_role("button", name="Note, mute").click()
    dialog = page.get_by_role("dialog", name="About this failure")
    await expect(dialog.get_by_label("Note")).to_be_focused()
    await require_accessible(page)
    await dialog.get_by_label("Note").fill("Their host is down until Monday.")
    await dialog.get_by_role("combobox").click()
    await page.get_by_role("option", name="Muted for a week").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(card).to_have_count(0)

    await page.get_by_role("link", name="1 muted").click()
    await expect(page.get_by_role("heading", name="Muted failures")).to_be_visible()
    await expect(card).to_contain_text("Their host is down until Monday.")
    await card.get_by_role("button", name="Retry").click()
    question = page.get_by_role("dialog", name=re.compile("^Retry"))
    await expect(question).to_contain_text("Previous error")
    await expect(question).to_contain_text("Their host is down until Monday.")
    await page.get_by_role("button", name="Cancel").click()
    await card.get_by_role("button", name="Note, mute").click()
    await dialog.get_by_role("combobox").click()
    await page.get_by_role("option", name="Shown").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Nothing is muted")).to_be_visible()

    await page.goto(f"/jobs/{job['id']}")
    await page.get_by_role("button", name="Retry", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("Their host is down until Monday.")


async def test_a_failed_job_is_dismissed_with_a_reason(
    visit: Open, submit: Callable[..., dict[str, Any]]
) -> None:
    job = submit("test.fails", "not needed")
    page = await visit(f"/jobs/{job['id']}")
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Dismiss the failure").click()
    dialog = page.get_by_role("dialog", name="Dismiss this failure?")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("Say why.")
    await page.keyboard.type("the customer has it already")
    await page.keyboard.press("Enter")
    said = page.get_by_role("status").filter(has_text="the customer has it already")
    await expect(said).to_be_visible()
    await require_accessible(page)
    await page.goto("/?q=dismissed:yes")
    await expect(page.get_by_role("row", name="not needed")).to_be_visible()
    await page.goto(f"/jobs/{job['id']}")
    await said.get_by_role("button", name="Undo").click()
    await expect(said).to_have_count(0)


async def test_a_viewer_is_offered_no_retry(visit: Open, submit: Callable[..., dict[str, Any]]) -> None:
    submit("test.fails", "only looked at")
    page = await visit("/failures", who="vera@example.org")
    await expect(page.get_by_role("listitem").filter(has_text="test.fails")).to_be_visible()
    await expect(page.get_by_role("listitem").get_by_role("button")).to_have_count(0)
