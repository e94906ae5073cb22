"""Many jobs at once, as somebody sees it: selecting, the question, the banner, the words at the end."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]


@pytest.fixture
def failed(api: httpx.Client, submit: Submit) -> Callable[..., Any]:
    """So many failed jobs with a word in their titles."""

    async def make(word: str, count: int, kind: str = "test.free") -> None:
        for n in range(count):
            submit(kind, f"{word} {n:02}")

        def all_have_failed() -> bool:
            return bool(api.get(f"/api/jobs?q={word}&status=failed").json()["total"] == count)

        await eventually(all_have_failed, 30, interval=0.3, expect="the jobs fail")

    return make


def box(page: Page, n: int) -> Any:
    return page.locator("tr[data-job-id] input.pickbox").nth(n)


async def test_everything_that_matches_is_retried_and_then_deleted(
    visit: Open, failed: Callable[..., Any], flag: Path
) -> None:
    await failed("bulky", 27)
    page = await visit("/?q=bulky")
    bar = page.get_by_role("toolbar", name="Selected jobs")
    await box(page, 1).click()
    await box(page, 4).click(modifiers=["Shift"])
    await expect(bar.get_by_text("4 selected")).to_be_visible()
    await box(page, 2).click()
    await expect(bar.get_by_text("3 selected")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(bar).to_be_hidden()
    await expect(box(page, 1)).not_to_be_checked()
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(bar.get_by_text("1 selected")).to_be_visible()
    await expect(box(page, 0)).to_be_checked()
    await page.get_by_role("checkbox", name="Select this page").check()
    await expect(bar.get_by_text("25 selected")).to_be_visible()
    await bar.get_by_role("button", name="Select all 27 matching").click()
    await expect(bar.get_by_text("All 27 matching")).to_be_visible()

    flag.touch()
    await bar.get_by_role("button", name="Retry selected jobs").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name="Retry 27 jobs?")).to_be_visible()
    await dialog.get_by_text("Try 5 first").click()
    await dialog.get_by_role("button", name="Retry 27 jobs").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text("27 retried", exact=True)).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("region", name="Batches under way")).to_be_hidden()
    await expect(page.locator('tr[data-status="completed"]')).to_have_count(25, timeout=30_000)

    await page.get_by_role("checkbox", name="Select this page").check()
    await bar.get_by_role("button", name="Select all 27 matching").click()
    await bar.get_by_role("button", name="Delete selected jobs").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete 27 jobs").click()
    await expect(page.get_by_text("27 deleted", exact=True)).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("row", name=re.compile(r"^bulky \d"))).to_have_count(0)


async def test_a_batch_under_way_is_paused_and_goes_on(
    visit: Open, failed: Callable[..., Any], flag: Path
) -> None:
    await failed("underway", 22, "test.later")
    page, other = await visit("/?q=underway"), await visit("/", who="vera@example.org")
    await page.get_by_role("checkbox", name="Select this page").check()
    await page.get_by_role("button", name="Retry selected jobs").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Try 5 first").click()
    await dialog.get_by_role("button", name="Retry 22 jobs").click()
    banner = page.get_by_role("region", name="Batches under way")
    await expect(banner.get_by_text("Retrying canary: 0 of 5 ended")).to_be_visible(timeout=20_000)
    await banner.get_by_role("button", name="Pause").click()
    await expect(banner.get_by_text("Paused: retrying")).to_be_visible()
    await require_accessible(page)
    seen = other.get_by_role("region", name="Batches under way")
    await expect(seen.get_by_text("Paused: retrying")).to_be_visible(timeout=20_000)
    await expect(seen.get_by_role("button")).to_have_count(0)
    flag.touch()
    await banner.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("22 retried", exact=True)).to_be_visible(timeout=30_000)
    await expect(banner).to_be_hidden()


async def test_all_that_failed_in_a_view_is_retried_from_its_head(
    visit: Open, failed: Callable[..., Any], submit: Submit, flag: Path
) -> None:
    await failed("headline", 3)
    submit("test.waits", "headline running")
    page = await visit("/?q=headline")
    await expect(page.locator("tr[data-job-id]")).to_have_count(4)
    await page.get_by_role("button", name="Retry all matching").click()
    dialog = page.get_by_role("dialog")
    # What runs is no failure, and is not asked about.
    await expect(dialog.get_by_role("heading", name="Retry 3 jobs?")).to_be_visible()
    await expect(dialog.get_by_text("status failed or timeout, “headline”")).to_be_visible()
    flag.touch()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("3 retried", exact=True)).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("button", name="Retry all matching")).to_be_hidden()

    # The batch's own page says how the retries went, and leads to the jobs.
    await page.goto("/?q=kind:system.batch_retry")
    await page.get_by_role("link", name=re.compile("^Retry 3 jobs.*headline")).click()
    went = page.locator("section").filter(has=page.get_by_role("heading", name="What came of it"))
    await expect(went.locator("dt:text-is('Retried') + dd")).to_have_text("3 jobs")
    await expect(went.get_by_role("listitem")).to_have_text(["completed3 jobs"], timeout=30_000)
    await require_accessible(page)
    await went.get_by_role("link", name="3 jobs").click()
    await expect(page.locator('tr[data-status="completed"]')).to_have_count(3)


async def test_where_nothing_failed_nothing_is_offered(visit: Open, failed: Callable[..., Any]) -> None:
    await failed("offered", 1)
    offer = re.compile("^Retry all")
    page = await visit("/?status=failed")
    await expect(page.get_by_role("button", name=offer)).to_have_text("Retry all failed…")
    await page.goto("/")  # everything is no view: an empty search is refused
    await expect(page.locator("tr[data-job-id]").first).to_be_visible()
    await expect(page.get_by_role("button", name=offer)).to_be_hidden()
    await page.goto("/?status=completed")
    await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    await expect(page.get_by_role("button", name=offer)).to_be_hidden()
    viewer = await visit("/?status=failed", who="vera@example.org")
    await expect(viewer.locator("tr[data-job-id]").first).to_be_visible()
    await expect(viewer.get_by_role("button", name=offer)).to_be_hidden()


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_bar_and_dialog_are_for_everybody(
    visit: Open, submit: Submit, failed: Callable[..., Any], scheme: str, width: int
) -> None:
    word = f"looks{scheme}{width}"
    await failed(word, 3)
    running = submit("test.waits", f"{word} running")
    page = await visit(f"/?q={word}", scheme=scheme, width=width)
    for n in range(4):
        await box(page, n).click()
    bar = page.get_by_role("toolbar", name="Selected jobs")
    await expect(bar.get_by_text("4 selected")).to_be_visible()
    await require_no_sideways_scrolling(page)
    await require_accessible(page)
    await bar.get_by_role("button", name="Retry selected jobs").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("1 not in a status to be retried")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Retry 3 jobs")).to_be_focused()
    await require_accessible(page)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await bar.get_by_role("button", name="Cancel selected jobs").click()
    await dialog.get_by_role("button", name="Cancel 1 job").click()
    await expect(page.get_by_text("1 cancelled, 3 skipped (3 over already)")).to_be_visible(timeout=30_000)
    row = page.locator(f'tr[data-job-id="{running["id"]}"]')
    await expect(row).to_have_attribute("data-status", "cancelled", timeout=20_000)


async def test_a_viewer_selects_nothing(visit: Open, failed: Callable[..., Any]) -> None:
    await failed("forvera", 1)
    page = await visit("/?q=forvera", who="vera@example.org")
    await expect(page.locator("tr[data-job-id]")).to_have_count(1)
    await expect(page.get_by_role("checkbox")).to_have_count(0)
