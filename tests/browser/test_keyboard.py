"""The main ways by keyboard alone: no pointer is used here."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD
from tests.browser.test_looks import Submit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

_RING = """() => {
  const it = document.activeElement;
  const around = [it, it.closest(".q-field"), it.closest("label"), it.closest(".drop"),
    it.parentElement.querySelector(".drop-call")].filter(Boolean);
  return around.some((one) => {
    const style = getComputedStyle(one);
    const control = one.querySelector?.(".q-field__control");
    const field = control && getComputedStyle(control, "::after");
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1)
      || (field && parseFloat(field.borderTopWidth) >= 2 && field.borderTopStyle !== "none");
  });
}"""


async def tab_to(page: Page, target: Locator, most: int = 60) -> None:
    """With Tab, seeing at every stop where the focus is."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        said = await page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        assert await page.evaluate(_RING), f"nothing shows that the focus is here: {said}"
        if await target.evaluate("(it) => it === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {target}")


async def test_sign_in_and_skip_to_the_content(visit: Open) -> None:
    page = await visit("/login", who=None)
    await page.keyboard.type("dana@example.org")  # the focus is there
    await tab_to(page, page.get_by_label("Password"))
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await tab_to(page, page.get_by_role("button", name="Reload"), 1)  # past all that stands around


async def test_search_select_retry_and_open(visit: Open, submit: Submit, flag: Path) -> None:
    jobs = [submit("test.fails", f"keyed {n}") for n in range(3)]
    page = await visit("/")
    rows = page.locator('tr[data-status="failed"]')
    await page.keyboard.press("/")
    await page.keyboard.type("sta")
    await expect(page.get_by_role("listbox", name="Completions").get_by_role("option").first).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type("failed keyed")
    await page.keyboard.press("Escape")
    await expect(rows).to_have_count(3)
    if await page.evaluate("document.activeElement.tagName") == "INPUT":
        await page.keyboard.press("Escape")  # the first one closed the completions

    await page.keyboard.press("j")
    await page.keyboard.press("r")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Retry job")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(rows.first).to_be_focused()

    flag.touch()
    for key in ("x", "j", "x"):
        await page.keyboard.press(key)
    bar = page.get_by_role("toolbar", name="Selected jobs")
    await expect(bar).to_contain_text("2 selected")
    await page.keyboard.press("Shift+Tab")
    await bar.get_by_role("button", name="Retry selected jobs").focus()
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("heading", name="Retry 2 jobs?")).to_be_visible()
    await expect(dialog.locator(":focus")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("2 retried", exact=True)).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("keyed")
    await page.keyboard.press("Escape")
    await expect(page.locator("tr[data-job-id]")).to_have_count(3)
    last = page.locator(f'tr[data-job-id="{jobs[0]["id"]}"]')
    await page.keyboard.press("Escape")
    for _ in range(4):
        if await last.evaluate("(it) => it === document.activeElement"):
            break
        await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="keyed 0")).to_be_visible()


async def test_cancel_and_the_way_between_pages(visit: Open, submit: Submit) -> None:
    job = submit("test.waits", "cancelled by key")
    page = await visit("/?q=cancelled+by+key")
    row = page.locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "running")
    await page.keyboard.press("j")
    await page.keyboard.press("c")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel job")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(row).to_have_attribute("data-status", "cancelled")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await expect(page).to_have_url(re.compile("/settings"))


async def test_a_job_is_made_with_a_file(visit: Open, tmp_path: Path) -> None:
    file = tmp_path / "by-key.bin"
    file.write_bytes(b"some bytes")
    page = await visit("/new")
    kind = page.locator(".kind-card", has_text="test.file")
    await tab_to(page, kind)
    await page.keyboard.press("Enter")
    await tab_to(page, page.locator("input[type=file]"))
    async with page.expect_file_chooser() as chosen:
        await page.keyboard.press("Enter")
    await (await chosen.value).set_files(file)
    await expect(page.get_by_text("by-key.bin").first).to_be_visible()
    await tab_to(page, page.get_by_role("button", name="Start job"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="by-key.bin")).to_be_visible()


async def test_a_group_of_failures_and_the_settings(visit: Open, submit: Submit, api: httpx.Client) -> None:
    submit("test.free", "grouped by key")
    page = await visit("/failures")
    card = page.locator(".failure", has_text="test.free")
    retry = card.locator(".btn.retry")
    await expect(retry).to_be_visible()
    await tab_to(page, retry)
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(":focus")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(retry).to_be_focused()
    await page.goto("/settings/tokens")
    await tab_to(page, page.get_by_label("What is it for?"))
    await page.keyboard.type("made by key")
    await page.keyboard.press("Enter")
    revoke = page.get_by_role("row").filter(has_text="made by key").get_by_role("button", name="Revoke")
    await tab_to(page, revoke)
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("button", name="Revoke")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row").filter(has_text="made by key")).to_have_count(0)
