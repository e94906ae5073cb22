"""The audit log, in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_who_did_what_to_which_job(
    visit: Open, submit: Callable[..., dict[str, Any]], flag: Path, scheme: str, width: int
) -> None:
    submit("test.waits", f"audited {scheme} {width}")
    page = await visit("/audit", scheme=scheme, width=width)
    row = page.get_by_role("row").filter(has_text=f"audited {scheme} {width}")
    await expect(row).to_contain_text("dana@example.org")
    await expect(row).to_contain_text("submitted a job")
    await require_no_sideways_scrolling(page)
    await require_accessible(page)
    flag.touch()
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=f"audited {scheme} {width}")).to_be_visible()


async def test_older_entries_are_a_page_away_and_new_ones_come_by_themselves(
    visit: Open, submit: Callable[..., dict[str, Any]], api: httpx.Client, flag: Path
) -> None:
    flag.touch()
    for n in range(52):
        submit("test.waits", f"older {n}")
    page = await visit("/audit")
    await expect(page.get_by_role("row").filter(has_text="older 51")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="older 0")).to_have_count(0)
    submit("test.waits", "just now audited")
    await expect(page.get_by_role("row").filter(has_text="just now audited")).to_be_visible()
    await page.get_by_role("link", name="Older", exact=True).click()
    await expect(page.get_by_role("row").filter(has_text="older 1").first).to_be_visible()


async def test_the_log_of_one_person_one_action_one_job(
    visit: Open, submit: Callable[..., dict[str, Any]], api: httpx.Client, flag: Path
) -> None:
    flag.touch()
    job = submit("test.waits", "narrowed down")
    submit("test.waits", "something else")
    page = await visit(f"/jobs/{job['id']}")
    await page.get_by_role("link", name="Audit log").last.click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("submitted a job")
    await page.get_by_role("button", name=f"Job {job['id'][:8]}").click()
    await expect(rows.filter(has_text="something else")).to_be_visible()
    await page.get_by_label("What").select_option("retried a job")
    await expect(rows.filter(has_text="submitted a job")).to_have_count(0)
    await page.get_by_label("What").select_option("submitted a job")
    await page.get_by_label("Who").select_option("dana@example.org")
    await expect(rows.filter(has_text="narrowed down")).to_be_visible()
    await page.reload()  # the address holds the view
    await expect(page.get_by_label("Who")).to_have_value("dana@example.org")
    await expect(page.get_by_label("What")).to_have_value("job.submit")
    await expect(rows.filter(has_text="narrowed down")).to_be_visible()
    await page.goto("/audit?by=nobody@example.org")
    await expect(page.get_by_text("Nothing of the kind")).to_be_visible()
    await page.get_by_role("button", name="Clear").click()
    await expect(rows.filter(has_text="narrowed down")).to_be_visible()


async def test_a_member_neither_sees_the_link_nor_the_page(visit: Open, stack: Stack) -> None:
    stack.add_person("mona@example.org", "Studio North", Role.MEMBER, PASSWORD)
    page = await visit("/", who="mona@example.org")
    await expect(page.get_by_role("link", name="Failures")).to_be_visible()
    await expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    await page.goto("/audit")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
