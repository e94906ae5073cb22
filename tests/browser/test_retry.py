"""A retry as somebody sees it."""

# ruff: noqa: ASYNC212 - asking the API holds up nobody but the test

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import Stack
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]


@pytest.fixture
def failed(api: httpx.Client, submit: Submit) -> Callable[[str], Any]:
    async def make(title: str) -> dict[str, Any]:
        job = submit("test.fails", title)

        def has_failed() -> bool:
            return bool(api.get(f"/api/jobs/{job['id']}").json()["status"] == "failed")

        await eventually(has_failed, 20, expect="the job fails")
        return job

    return make


def row_of(page: Page, job: dict[str, Any]) -> Any:
    return page.locator(f'tr[data-job-id="{job["id"]}"]')


class TestDialog:
    async def test_it_says_what_a_retry_would_do(self, visit: Open, failed: Any) -> None:
        job = await failed("says what it would do")
        page = await visit()
        await row_of(page, job).get_by_role("button", name="Retry").click()
        dialog = page.get_by_role("dialog", name="Retry this job?")
        for words in (
            job["title"],
            "<b>The flag</b> is not there yet",
            "Put it there.",
            "Will be reset",
            "Will be kept",
            "1 credit",
        ):
            await expect(dialog.get_by_text(words).first).to_be_visible()
        await expect(dialog.get_by_role("button", name="Retry job")).to_be_focused()

    async def test_escape_closes_it_and_gives_the_focus_back(self, visit: Open, failed: Any) -> None:
        job = await failed("escape")
        page = await visit()
        button = row_of(page, job).get_by_role("button", name="Retry")
        await button.click()
        await expect(page.get_by_role("dialog").get_by_role("button", name="Retry job")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(button).to_be_focused()

    async def test_enter_confirms(self, visit: Open, failed: Any, flag: Path) -> None:
        job = await failed("enter")
        flag.touch()
        page = await visit()
        await row_of(page, job).get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("dialog").get_by_role("button", name="Retry job")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(row_of(page, job)).to_have_attribute("data-status", "completed")

    async def test_a_viewer_has_no_button(self, visit: Open, failed: Any) -> None:
        job = await failed("viewer")
        page = await visit("/", who="vera@example.org")
        await expect(row_of(page, job)).to_have_attribute("data-status", "failed")
        # Whoever sees a job may open it and copy its address.
        await expect(row_of(page, job).get_by_role("button")).to_have_accessible_name("More")


class TestCarryingOut:
    async def test_it_costs_a_credit_and_makes_one_attempt_however_often_one_clicks(
        self, visit: Open, failed: Any, flag: Path, api: httpx.Client
    ) -> None:
        job = await failed("double click")
        before = api.get("/api/credits").json()["balance"]
        flag.touch()
        page = await visit()
        await row_of(page, job).get_by_role("button", name="Retry").click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry job").dblclick()
        await expect(row_of(page, job)).to_have_attribute("data-status", "completed")
        await expect(page.get_by_role("status").filter(has_text="queued for retry")).to_be_visible()
        assert len(api.get(f"/api/jobs/{job['id']}").json()["attempts"]) == 2
        assert api.get("/api/credits").json()["balance"] == before - 1

    async def test_the_row_hopes_and_goes_back_with_the_reason_when_the_queue_is_down(
        self, visit: Open, failed: Any, stack: Stack, api: httpx.Client, flag: Path
    ) -> None:
        job = await failed("queue down")
        before = api.get("/api/credits").json()["balance"]
        page = await visit()
        row = row_of(page, job)
        await row.get_by_role("button", name="Retry").click()
        confirm = page.get_by_role("dialog").get_by_role("button", name="Retry job")
        await expect(confirm).to_be_enabled()
        stack.valkey.pause()
        try:
            await confirm.click()
            await expect(row).to_have_attribute("data-status", "queued")
            await expect(row.get_by_role("button", name="Retrying…")).to_be_disabled()
            await expect(
                page.get_by_role("alert").filter(has_text="Failed to re-queue task.")
            ).to_be_visible()
            await expect(row).to_have_attribute("data-status", "failed")
            await expect(row).to_contain_text("Failed to re-queue task.")
        finally:
            stack.valkey.resume()
        assert api.get("/api/credits").json()["balance"] == before
        flag.touch()
        await row.get_by_role("button", name="Retry").click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
        await expect(row).to_have_attribute("data-status", "completed", timeout=20_000)

    async def test_somebody_elses_retry_is_told_kindly(
        self, visit: Open, failed: Any, api: httpx.Client, flag: Path
    ) -> None:
        job = await failed("two people")
        flag.touch()
        page = await visit()
        await row_of(page, job).get_by_role("button", name="Retry").click()
        confirm = page.get_by_role("dialog").get_by_role("button", name="Retry job")
        await expect(confirm).to_be_enabled()
        assert api.post(f"/api/jobs/{job['id']}/retry", json={}).status_code == 202
        await confirm.click()
        await expect(page.get_by_role("alert").filter(has_text="was not retried")).to_be_visible()
        await expect(row_of(page, job)).to_have_attribute("data-status", "completed")
        assert len(api.get(f"/api/jobs/{job['id']}").json()["attempts"]) == 2

    async def test_it_works_from_the_jobs_own_page(self, visit: Open, failed: Any, flag: Path) -> None:
        job = await failed("own page")
        page = await visit(f"/jobs/{job['id']}")
        await expect(page.get_by_text("Put it there.").first).to_be_visible()
        flag.touch()
        await page.get_by_role("button", name="Retry").click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry job").click()
        await expect(page.get_by_role("article", name="Attempt 2")).to_contain_text("completed")
        await expect(page.get_by_role("button", name="Retry")).to_be_hidden()


async def test_enter_opens_the_row_and_escape_leaves_the_search(visit: Open, failed: Any) -> None:
    job = await failed("opened by Enter")
    page = await visit()
    await expect(row_of(page, job)).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("combobox", name="Search jobs")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    first = page.locator("tr[data-job-id]").first
    await expect(first).to_be_focused()
    opened = await first.get_attribute("data-job-id")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/jobs/{opened}*")
