"""Retries that are no plain ones, as somebody sees them: with other arguments, later, forced, with another file."""

# ruff: noqa: ASYNC212 - asking the API holds up nobody but the test

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import Stack
from tests.browser.test_looks import require_accessible
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]


async def failed(api: httpx.Client, job: dict[str, Any], attempt: int = 1) -> dict[str, Any]:
    def has_failed() -> Any:
        now = api.get(f"/api/jobs/{job['id']}").json()
        return now if (now["status"], now["attempt"]) == ("failed", attempt) else None

    found: dict[str, Any] = await eventually(has_failed, 20, expect="the job fails")
    return found


async def choose(page: Page, item: str) -> None:
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name=item).click()


async def test_edit_and_retry(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path, tmp_path: Path
) -> None:
    job = await failed(api, submit("test.fails", "edited"))
    there = tmp_path / "there"
    there.touch()
    page = await visit(f"/jobs/{job['id']}")
    await choose(page, "Edit and retry")
    form = page.get_by_role("dialog", name="Edit and retry")
    field = form.get_by_label("Flag")
    await expect(field).to_have_value(str(flag))
    await field.fill("")
    await form.get_by_role("button", name="Continue").click()
    await expect(form.get_by_text("Field required")).to_be_visible()
    await field.fill(str(there))
    await form.get_by_role("button", name="Continue").click()
    dialog = page.get_by_role("dialog", name="Retry this job?")
    await expect(dialog.get_by_text("Will be changed")).to_be_visible()
    await expect(dialog.get_by_role("deletion")).to_have_text(str(flag))
    await expect(dialog.get_by_role("insertion")).to_have_text(str(there))
    await require_accessible(page)
    await dialog.get_by_role("button", name="Retry job").click()
    second = page.get_by_role("article", name="Attempt 2")
    await expect(second).to_contain_text("completed")
    await expect(second.get_by_role("insertion")).to_have_text(str(there))
    assert "sekrit" not in await page.content()


async def test_a_retry_is_edited_on_the_way(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path
) -> None:
    job = await failed(api, submit("test.fails", "edited on the way"))
    page = await visit("/")
    await page.locator(f'tr[data-job-id="{job["id"]}"]').get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog", name="Retry this job?")
    await dialog.get_by_role("button", name="Edit…").click()
    form = page.get_by_role("dialog", name="Edit and retry")
    await expect(form.get_by_label("Flag")).to_have_value(str(flag))
    await expect(dialog).to_be_hidden()


async def test_retry_from_a_step_by_keyboard(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path
) -> None:
    job = await failed(api, submit("test.staged", "from the second"))
    page = await visit(f"/jobs/{job['id']}")
    await choose(page, "Edit and retry")
    form = page.get_by_role("dialog", name="Edit and retry")
    choice = form.locator(".choice").first
    button, words = choice.get_by_role("radio"), choice.locator("span")
    gap = await words.evaluate("(e) => e.getBoundingClientRect().left") - await button.evaluate(
        "(e) => e.getBoundingClientRect().right"
    )
    assert gap >= 8  # as on the page of a new job, though labels in dialogs look otherwise
    await form.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Retry", exact=True).click()
    dialog = page.get_by_role("dialog", name="Retry this job?")
    await dialog.get_by_label("Start from").select_option("second")
    await expect(dialog.get_by_text("Results of first")).to_be_visible()
    await expect(dialog.get_by_text("Results of second")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Retry job")).to_be_focused()
    flag.touch()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article", name="Attempt 2")).to_contain_text("completed")


async def test_retry_at_a_time_and_take_it_back(visit: Open, submit: Submit, api: httpx.Client) -> None:
    job = await failed(api, submit("test.fails", "later"))
    before = api.get("/api/credits").json()["balance"]
    page = await visit()
    row = page.locator(f'tr[data-job-id="{job["id"]}"]')
    await row.get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Begin", exact=True).select_option("At a time…")
    schedule = dialog.get_by_role("button", name="Schedule retry")
    await expect(schedule).to_be_enabled()  # an hour from now is filled in
    await dialog.get_by_label("Begin at").fill("")
    await expect(schedule).to_be_disabled()
    await dialog.get_by_label("Begin at").fill(
        await page.evaluate("new Date(Date.now() + 5400000).toISOString().slice(0, 16)")
    )
    await require_accessible(page)
    await schedule.click()
    await expect(row).to_have_attribute("data-status", "scheduled")
    await expect(row).to_contain_text("retries in")
    await expect(row).to_contain_text("is not there yet")
    assert api.get("/api/credits").json()["balance"] == before - 1
    await page.goto(f"/jobs/{job['id']}")
    await page.get_by_role("button", name="Cancel retry").click()
    await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_visible()
    await expect(page.get_by_text("taken back, not charged")).to_be_visible()
    assert api.get("/api/credits").json()["balance"] == before


async def test_retry_anyway(visit: Open, submit: Submit, api: httpx.Client) -> None:
    job = await failed(api, submit("test.hopeless", "never works"))
    api.post(f"/api/jobs/{job['id']}/retry", json={})
    await failed(api, job, attempt=2)
    page = await visit(f"/jobs/{job['id']}")
    await page.get_by_role("button", name="Retry", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_have_text("0 of 1 retries after this error recovered.")
    await expect(dialog.get_by_role("button", name="Retry job")).to_be_disabled()
    await dialog.get_by_role("button", name="Retry anyway").click()
    await expect(page.get_by_role("article", name="Attempt 3")).to_contain_text("failed")


async def test_an_input_that_is_gone_is_uploaded_again(
    visit: Open, api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    upload = api.post("/api/uploads", files={"file": ("gone.mp4", b"no film")}).json()
    order = {"kind": "video.process", "args": {"upload_id": upload["id"], "preset": "480p"}, "title": "gone"}
    job = await failed(api, api.post("/api/jobs", json=order).json())
    stored = stack.folder / "data" / "storage" / "uploads"
    assert stored.is_dir()
    shutil.rmtree(stored)
    page = await visit(f"/jobs/{job['id']}", width=390)
    await page.get_by_role("button", name="Retry", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text("gone.mp4 is no longer in storage")
    again = tmp_path / "again.mp4"
    again.write_bytes(b"no film either")
    await dialog.locator("#retry-upload").set_input_files(again)
    await expect(dialog.get_by_text("Input again.mp4 (14 B)", exact=True)).to_be_visible()
    await dialog.get_by_role("button", name="Retry job").click()
    after = await failed(api, job, attempt=2)
    assert after["upload"]["filename"] == "again.mp4"


async def test_a_copy_says_where_it_is_from(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path
) -> None:
    job = await failed(api, submit("test.fails", "the original"))
    flag.touch()
    page = await visit(f"/jobs/{job['id']}")
    await choose(page, "Run again as a copy")
    await expect(page.get_by_text("Made from", exact=True)).to_be_visible()
    await page.get_by_role("link", name="the original").click()
    await page.wait_for_url(f"**/jobs/{job['id']}*")
    await expect(page.get_by_text("Made from this")).to_be_visible()
