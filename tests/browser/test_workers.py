"""Workers, queues, stuck jobs and the switch for retries, in a real browser."""

import re
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

Submit = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_waits_is_seen_and_can_be_failed(
    visit: Open, submit: Submit, api: httpx.Client, scheme: str, width: int
) -> None:
    job = submit("test.steam", f"waits for steam {scheme} {width}")
    page = await visit("/", scheme=scheme, width=width)
    await expect(page.locator(f'tr[data-job-id="{job["id"]}"]')).to_contain_text(
        "No worker with steam is online"
    )
    await page.goto("/workers")
    row = page.get_by_role("row").filter(has_text=f"waits for steam {scheme} {width}")
    await expect(row).to_contain_text("No worker with steam is online")
    await expect(page.get_by_role("table", name="Workers online")).to_contain_text("default")
    queues = page.get_by_role("table", name="Queues")
    await expect(queues.get_by_role("row").filter(has_text="test.steam")).to_contain_text("nobody listens")
    await require_no_sideways_scrolling(page)
    await require_accessible(page)
    await row.get_by_role("button", name="Ring again").click()
    await expect(page.get_by_text("Rang again for 1 job.")).to_be_visible()
    await row.get_by_role("button", name="Fail").click()
    await page.get_by_role("dialog").get_by_role("button", name="Fail job").click()
    await expect(row).to_have_count(0)
    failed = read(api, f"/api/jobs/{job['id']}")
    assert failed["status"] == "failed"
    assert failed["error"].startswith("Stayed queued for ")


async def test_retries_are_switched_off_and_on(visit: Open, submit: Submit, api: httpx.Client) -> None:
    job = submit("test.fails", "not to be retried")
    page = await visit("/workers")
    await page.get_by_label("Reason, shown to whoever would retry").fill("storage moves")
    await page.get_by_role("button", name="Switch off").click()
    await expect(page.get_by_text("All retries are off")).to_be_visible()
    try:
        plan = read(api, f"/api/jobs/{job['id']}/retry")
        assert "storage moves" in plan["error"]["message"]
        await require_accessible(page)
    finally:
        await page.get_by_role("button", name="Switch on").click()
    await expect(page.get_by_text("All retries are off")).to_have_count(0)
    assert read(api, "/api/switches") == {"retries": []}


async def test_a_kind_is_paused_and_resumed(
    visit: Open, submit: Submit, api: httpx.Client, flag: Path
) -> None:
    flag.touch()
    page = await visit("/workers")
    await page.get_by_role("button", name="Pause test.free").click()
    dialog = page.get_by_role("dialog", name="Pause test.free?")
    await dialog.get_by_label("Reason").fill("the store moves")
    await require_accessible(page)
    await dialog.get_by_role("button", name="Pause", exact=True).click()
    queues = page.get_by_role("table", name="Queues")
    try:
        await expect(queues).to_contain_text("paused by dana: the store moves")
        job = submit("test.free", "held back")
        other = submit("test.fails", "not held back")
        grid = await visit("/", width=390)
        row = grid.locator(f'tr[data-job-id="{job["id"]}"]')
        await expect(grid.locator(f'tr[data-job-id="{other["id"]}"]')).to_have_attribute(
            "data-status", "completed"
        )
        await expect(row).to_have_attribute("data-status", "queued")
        await expect(row).to_contain_text("test.free is paused by dana: the store moves")
        await require_accessible(page)
        await require_no_sideways_scrolling(page)
    finally:
        await page.get_by_role("button", name="Resume test.free").click()
    await expect(page.get_by_role("button", name="Pause test.free")).to_be_visible()
    await expect(row).to_have_attribute("data-status", "completed")
    assert read(api, "/api/pauses") == []


async def test_a_worker_s_running_jobs_are_a_press_away(visit: Open, submit: Submit, flag: Path) -> None:
    job = submit("test.waits", "running here")
    page = await visit("/workers")
    await (
        page.get_by_role("table", name="Workers online")
        .get_by_role("link", name=re.compile("^[1-9]"))
        .click()
    )
    await expect(page.locator(f'tr[data-job-id="{job["id"]}"]')).to_have_attribute("data-status", "running")
    flag.touch()


async def test_a_viewer_looks_and_a_member_does_not(visit: Open, stack: Stack, submit: Submit) -> None:
    submit("test.steam", "only to be looked at")
    page = await visit("/workers", who="vera@example.org")
    row = page.get_by_role("row").filter(has_text="only to be looked at")
    await expect(row).to_be_visible()
    await expect(row.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_role("button", name="Switch off")).to_have_count(0)
    await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    stack.add_person("mona@example.org", "Studio North", Role.MEMBER, PASSWORD)
    page = await visit("/workers", who="mona@example.org")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await page.goto("/")
    await expect(page.get_by_role("link", name="Failures")).to_be_visible()
    await expect(page.get_by_role("link", name="Workers")).to_have_count(0)


def read(api: httpx.Client, path: str) -> Any:
    """What the interface says."""
    return api.get(path).json()
