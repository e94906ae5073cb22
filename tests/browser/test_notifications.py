"""Channels made and tried by a person, and notifications of the browser's own, in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import Stack
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling
from tests.support.channels import TOKEN, address_of, titles_of
from tests.support.endpoints import an_endpoint, answer
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]

# Notes what the page shows, and what of it is clicked: a headless browser has no corner to look into.
_RECORDER = """
window.shown = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() {
    window.asked = (window.asked || 0) + 1;
    Notification.permission = "granted";
    return Promise.resolve("granted");
  }
  constructor(title, options) {
    Object.assign(this, { title, ...options });
    window.shown.push(this);
  }
  close() {}
};
"""
_HIDE = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
async def test_a_channel_is_made_tried_changed_and_removed(visit: Open, scheme: str, width: int) -> None:
    async with an_endpoint(answer(200)) as endpoint:
        page = await visit("/settings/notifications", scheme=scheme, width=width)
        await page.get_by_role("button", name="Add a channel: the workspace's channels").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Ops room")
        await dialog.get_by_label("Address").fill("nonsense://x")
        await require_accessible(page)
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Apprise knows no such address")
        await dialog.get_by_label("Address").fill(address_of(endpoint))
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        mine = page.get_by_role("list", name="The workspace's channels").get_by_role("listitem")
        await expect(mine).to_contain_text("JSON at 127.0.0.1")
        await expect(mine).to_contain_text("Nothing was sent yet.")
        await mine.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_text("Ops room has taken the test.")).to_be_visible()
        assert titles_of(endpoint) == ["Mulligan: a test"]
        endpoint.script[:] = [answer(403)]
        await mine.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_text("The test did not get through to Ops room.")).to_be_visible()
        await expect(page.get_by_role("alert").filter(has_text="error=403")).to_be_visible()
        await require_no_sideways_scrolling(page)
        await require_accessible(page)
        await mine.get_by_role("button", name="Edit").click()
        await expect(dialog.get_by_label("Name")).to_have_value("Ops room")
        await expect(dialog.get_by_label("Address")).to_have_value("")
        await dialog.get_by_label("Name").fill("Night watch")
        await dialog.get_by_role("button", name="Save").click()
        await expect(mine).to_contain_text("Night watch")
        await mine.get_by_role("button", name="Switch off").click()
        await expect(mine).to_contain_text("Off: nothing is sent.")
        assert TOKEN not in await page.content()
        await mine.get_by_role("button", name="Remove").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(mine).to_have_count(0)


async def test_a_viewer_has_their_own_alone(visit: Open) -> None:
    page = await visit("/profile", who="vera@example.org")
    await page.get_by_role("link", name="Notifications").click()
    await expect(page.get_by_role("heading", name="Your channels")).to_be_visible()
    await expect(page.get_by_role("heading", name="The workspace's channels")).to_have_count(0)


async def test_the_browser_tells_of_one_s_own_jobs_out_of_sight(
    visit: Open, submit: Submit, stack: Stack, flag: Path
) -> None:
    page = await visit("/", prepare=_RECORDER)
    await page.goto("/settings/notifications")
    assert await page.evaluate("window.asked") is None  # never but from a click
    switch = page.get_by_role("switch", name="Tell me in this browser")
    await expect(switch).to_have_attribute("aria-checked", "false")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    await require_accessible(page)
    submit("test.fails", "seen by everybody")
    await expect_told_nothing_yet(page, api_job=submit("test.fails", "ended while looked at"))
    await page.evaluate(_HIDE)
    with stack.api("eve@example.org") as eve:
        eve.post("/api/jobs", json={"kind": "test.fails", "title": "eve's own", "args": {"flag": str(flag)}})
    job = submit("test.fails", "<b>mine</b>")
    shown = await eventually(lambda: page.evaluate("window.shown.map(n => n.title)"), 30, expect="it is told")
    assert shown == ["Failed: <\u2060b>mine<\u2060/b>"]
    await page.evaluate("window.shown[0].onclick()")
    await expect(page).to_have_url(f"{stack.url}/jobs/{job['id']}")


async def expect_told_nothing_yet(page: Page, api_job: dict[str, Any]) -> None:
    """The job's end has come to the pages, and this one, which is looked at, tells nothing of it."""
    other = await page.context.new_page()
    await other.goto(f"/jobs/{api_job['id']}")
    await expect(other.get_by_role("heading", name=api_job["title"])).to_be_visible()
    await expect(other.get_by_text("Failed").first).to_be_visible()
    await other.close()
    assert await page.evaluate("window.shown.length") == 0
