"""Pages that change by themselves, and that are right again when something was missed."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]
_GENEROUS_MS = 30_000


def row_of(page: Page, job: dict[str, Any]) -> Any:
    return page.locator(f'tr[data-job-id="{job["id"]}"]')


async def test_two_browsers_see_a_job_start_go_on_and_end(visit: Open, submit: Submit, flag: Path) -> None:
    pages = [await visit(), await visit("/", who="vera@example.org")]
    for page in pages:
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    job = submit("test.waits", "seen by two")
    for page in pages:
        await expect(row_of(page, job)).to_have_attribute("data-status", "running")
        await expect(row_of(page, job)).to_contain_text("Waiting · ")
    began = time.monotonic()
    flag.touch()
    for page in pages:
        await expect(row_of(page, job)).to_have_attribute("data-status", "completed", timeout=_GENEROUS_MS)
    # A figure to look at, and no bound: how fast a busy machine is says nothing about the pages.
    print(f"two browsers showed the end {time.monotonic() - began:.2f} s after its cause")


async def test_whoever_looks_sees_everything_change(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path
) -> None:
    """Another person's browser, with a tab for each page; nobody touches it."""
    grid, failures, workers, insights, ledger = [
        await visit(path, who="vera@example.org")
        for path in ("/?q=told+to+others", "/failures", "/workers", "/insights", "/settings/credits")
    ]
    job = submit("test.waits", "told to others")
    page = await visit(f"/jobs/{job['id']}", who="vera@example.org")
    await expect(row_of(grid, job)).to_have_attribute("data-status", "running")
    await expect(grid.get_by_label("Status").get_by_role("link", name="Running")).to_contain_text("1")
    await expect(page.locator(".badge").first).to_have_text("running")
    await expect(page.get_by_text("waiting for the flag")).to_be_visible()  # its log
    bar = page.locator(".whole")
    at = await bar.inner_text()
    await expect(bar).not_to_have_text(at)
    await expect(workers.get_by_role("table", name="Workers online")).to_contain_text(
        re.compile(r"[1-9]\d* job")
    )

    before = int((await ledger.locator(".set-figure strong").inner_text()).replace(",", ""))
    grant(api, 7, "for looking on")
    await expect(ledger.locator(".set-figure strong")).to_have_text(f"{before + 7:,}")
    await expect(ledger.get_by_role("row").filter(has_text="for looking on")).to_be_visible()
    await expect(page.locator(".pill.credits")).to_contain_text(f"{before + 7:,}")

    runs = insights.get_by_role("table", name="By kind").get_by_role("row").filter(has_text="test.waits")
    flag.touch()
    await expect(row_of(grid, job)).to_have_attribute("data-status", "completed")
    await expect(page.locator(".badge").first).to_have_text("completed")
    await expect(page.get_by_role("article", name="Attempt 1")).to_contain_text("completed")
    await expect(runs).to_be_visible()
    flag.unlink()
    submit("test.later", "told to others, too")
    # Beside other groups, a new one waits behind a button.
    heading = failures.get_by_role("heading", name="Not at once")
    newer = failures.get_by_role("button", name="new failure")
    await expect(heading.or_(newer).first).to_be_visible()


def grant(api: httpx.Client, amount: int, reason: str) -> None:
    answer = api.post("/api/credits", json={"amount": amount, "reason": reason})
    assert answer.status_code < 300, answer.text


async def test_a_running_job_can_be_cancelled_after_a_question(visit: Open, submit: Submit) -> None:
    job = submit("test.waits", "to be cancelled")
    page = await visit()
    await expect(row_of(page, job)).to_have_attribute("data-status", "running")
    await row_of(page, job).get_by_role("button", name="Cancel").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    await expect(row_of(page, job)).to_have_attribute("data-status", "cancelled")
    await expect(row_of(page, job)).to_contain_text("Cancelled by dana")


async def test_a_page_whose_connection_dropped_is_right_without_a_reload(
    visit: Open, submit: Submit, flag: Path
) -> None:
    job = submit("test.waits", "while away")
    page = await visit()
    await expect(row_of(page, job)).to_have_attribute("data-status", "running")
    await page.evaluate("window.witness = true; window.socket.disconnect()")
    await expect(page.get_by_text("Reconnecting…")).to_be_visible()
    flag.touch()
    await page.evaluate("window.socket.connect()")
    await expect(row_of(page, job)).to_have_attribute("data-status", "completed")
    assert await page.evaluate("window.witness") is True


async def test_a_page_is_right_again_after_the_feed_was_away(
    visit: Open, submit: Submit, flag: Path, stack: Stack
) -> None:
    page = await visit()
    job = submit("test.waits", "without the feed")
    await expect(row_of(page, job)).to_have_attribute("data-status", "running")
    stack.valkey.restart()
    flag.touch()
    await expect(row_of(page, job)).to_have_attribute("data-status", "completed", timeout=25_000)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()


async def test_new_jobs_wait_at_the_top_while_somebody_points_at_a_row(
    visit: Open, submit: Submit, flag: Path
) -> None:
    flag.touch()
    first = submit("test.waits", "pointed at")
    page = await visit()
    await row_of(page, first).hover()
    second = submit("test.waits", "newcomer")
    await expect(page.get_by_role("button", name="1 new job")).to_be_visible()
    await expect(row_of(page, second)).to_have_count(0)
    await page.get_by_role("button", name="1 new job").click()
    await expect(row_of(page, second)).to_be_visible()


async def test_a_session_that_was_ended_elsewhere_ends_what_a_page_may_do(visit: Open) -> None:
    page = await visit("/login", who=None)
    await page.get_by_label("Email").fill("eve@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    answer = await page.context.request.post("/api/auth/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 204, await answer.text()
    await page.get_by_role("button", name="Reload").click()
    await expect(page.get_by_role("alert").filter(has_text="You have been signed out")).to_be_visible()


async def test_the_first_document_holds_the_rows(visit: Open, submit: Submit) -> None:
    """Nobody waits for a socket, and for what comes by it, to see the first row."""
    job = submit("test.waits", "in the document")
    page = await visit("/")
    # Where reading takes long, as on a busy machine, the frame comes first: a later one has them.
    await eventually(lambda: _is_in_document(page, job["id"]))


async def _is_in_document(page: Page, job_id: str) -> bool:
    return f'"data-job-id":"{job_id}"' in await (await page.request.get("/")).text()
