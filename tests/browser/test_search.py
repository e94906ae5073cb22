"""The search field: what it completes, by keyboard and by mouse, and what it says of a mistake."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

Submit = Callable[..., dict[str, Any]]


async def test_fields_and_values_are_completed_by_keyboard_and_mouse(visit: Open, submit: Submit) -> None:
    submit("test.fails", "complete me")
    page = await visit("/")
    field = page.get_by_role("combobox", name="Search jobs")
    options = page.get_by_role("listbox", name="Completions").get_by_role("option")
    await field.press_sequentially("sta")
    await expect(options).to_have_text(["status:where it stands"])
    await field.press("Tab")
    await expect(field).to_have_value("status:")
    await expect(options).to_have_count(7)
    await expect(page.get_by_role("alert").filter(has_text="Write a value")).to_be_hidden()
    await field.press_sequentially("f")
    await expect(options).to_have_count(1)
    await field.press("ArrowDown")
    await expect(field).to_have_attribute("aria-activedescendant", "search-completions-0")
    await field.press("Enter")
    await expect(field).to_have_value("status:failed ")
    await expect(page).to_have_url("/?q=status%3Afailed+")
    await field.press_sequentially("kind:test.f")
    await options.filter(has_text="test.fails").click()
    await expect(field).to_have_value("status:failed kind:test.fails ")
    await expect(field).to_be_focused()
    await expect(page.get_by_role("row", name="complete me")).to_be_visible()
    await field.press_sequentially("own")
    await expect(options).to_have_count(1)
    await field.press("Escape")
    await expect(options).to_have_count(0)
    await expect(field).to_be_focused()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
async def test_the_list_is_accessible(visit: Open, scheme: str, width: int) -> None:
    page = await visit("/", scheme=scheme, width=width)
    field = page.get_by_role("combobox", name="Search jobs")
    await field.press_sequentially("kind:")
    await field.press("ArrowDown")
    await expect(page.locator("[role=option][aria-selected=true]")).to_be_visible()
    await require_accessible(page)
    await require_no_sideways_scrolling(page)


async def test_a_mistake_is_mended_at_a_press(visit: Open) -> None:
    page = await visit("/?q=clip+status%3Afaild+age%3A%3C1d")
    mistake = page.get_by_role("alert").filter(has_text="There is no status “faild”")
    await mistake.get_by_role("button", name="Use status:failed").click()
    await expect(page.get_by_role("combobox", name="Search jobs")).to_have_value("clip status:failed age:<1d")
    await expect(mistake).to_be_hidden()


async def test_what_waits_and_what_is_over_are_two_views_that_the_address_holds(
    visit: Open, submit: Submit
) -> None:
    over = submit("test.fails", "sevenfold over")
    page = await visit("/?q=sevenfold")
    row = page.locator(f'tr[data-job-id="{over["id"]}"]')
    await expect(row).to_have_attribute("data-status", "failed")
    tabs = page.get_by_role("navigation", name="Status")
    await tabs.get_by_role("link", name="Active").click()
    await expect(page).to_have_url("/?view=active&q=sevenfold")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()
    await tabs.get_by_role("link", name="History").click()
    await expect(page).to_have_url("/?view=history&q=sevenfold")
    await page.reload()
    await expect(row).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
        await page.get_by_role("menuitem", name="CSV").click()
    file = await (await download.value).path()
    assert over["id"] in file.read_text()
    assert (await download.value).suggested_filename == "jobs.csv"


async def test_order_density_and_columns_survive_a_reload(visit: Open, submit: Submit) -> None:
    first, last = submit("test.fails", "ordered a"), submit("test.fails", "ordered b")
    page = await visit("/?q=ordered")
    rows = page.locator("tr[data-job-id]")
    await expect(rows.first).to_have_attribute("data-job-id", last["id"])
    await page.get_by_role("columnheader", name="Created").get_by_role("button").click()
    await expect(rows.first).to_have_attribute("data-job-id", first["id"])
    await expect(page).to_have_url("/?q=ordered&sort=oldest")
    await expect(page.get_by_role("combobox", name="Order")).to_have_value("oldest")
    await expect(page.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "ascending")
    await page.get_by_role("button", name="Display").click()
    panel = page.get_by_role("dialog", name="Display")
    await panel.get_by_label("Compact").check()
    await panel.get_by_label("Retries").uncheck()
    await require_accessible(page)
    await page.reload()
    await expect(page.get_by_role("columnheader", name="Created")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Retries")).to_be_hidden()
    box = await rows.first.bounding_box()
    assert box is not None
    assert box["height"] <= 34


async def test_a_view_is_named_shared_followed_and_removed(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "viewed once")
    page = await visit("/?status=failed&q=viewed")
    await page.get_by_role("button", name="Views").click()
    dialog = page.get_by_role("dialog", name="Views")
    await expect(dialog.get_by_text("This view: failed · “viewed”")).to_be_visible()
    await dialog.get_by_label("Name of this view").fill("What was viewed")
    await dialog.get_by_label("Share it with everybody").check()
    await require_accessible(page)
    await page.get_by_label("Name of this view").press("Enter")
    await expect(dialog).to_be_hidden()
    chip = page.get_by_role("navigation", name="Saved views").get_by_role("link", name="What was viewed")
    await expect(chip).to_have_attribute("aria-current", "page")
    other = await visit("/", who="vera@example.org", scheme="dark", width=390)
    await other.get_by_role("link", name="What was viewed").click()
    await expect(other).to_have_url("/?status=failed&q=viewed")
    await expect(other.get_by_role("combobox", name="Search jobs")).to_have_value("viewed")
    await expect(other.locator("tr[data-job-id]")).to_have_count(1)
    await expect(other.locator("tr[data-job-id]")).to_have_attribute("data-job-id", job["id"])
    await require_accessible(other)
    await require_no_sideways_scrolling(other)
    await page.get_by_role("button", name="Views").click()
    await expect(dialog.get_by_label("Share it with everybody")).not_to_be_checked()
    await dialog.get_by_label("Name of What was viewed").fill("Seen")
    submit("test.fails", "viewed twice")  # what happens elsewhere leaves alone what is typed
    await expect(page.locator(".newer")).to_contain_text("1 new job")
    await expect(dialog.get_by_label("Name of What was viewed")).to_have_value("Seen")
    await dialog.get_by_label("Name of What was viewed").press("Tab")
    await expect(dialog.get_by_label("Name of Seen")).to_be_visible()
    await dialog.get_by_role("button", name="Remove Seen").click()
    await expect(dialog.get_by_role("listitem")).to_have_count(0)
    await dialog.get_by_role("button", name="Close").click()
    await expect(chip).to_have_count(0)


async def test_a_view_carries_its_columns_and_density(visit: Open, submit: Submit) -> None:
    submit("test.fails", "drawn once")
    page = await visit("/?q=drawn")
    await page.get_by_role("button", name="Display").click()
    panel = page.get_by_role("dialog", name="Display")
    await panel.get_by_label("Compact").check()
    await panel.get_by_label("Retries").uncheck()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Views").click()
    dialog = page.get_by_role("dialog", name="Views")
    await expect(dialog.get_by_label("Keep its display: compact rows, without retries")).to_be_checked()
    await require_accessible(page)
    await dialog.get_by_label("Name of this view").fill("Tight")
    await dialog.get_by_label("Share it with everybody").check()
    await dialog.get_by_role("button", name="Save view").click()
    await expect(page.get_by_role("link", name="Tight")).to_have_attribute("aria-current", "page")
    await expect(page).to_have_url("/?q=drawn&show=compact.no-retries")

    other = await visit("/", who="vera@example.org")  # whose browser shows everything
    retries = other.get_by_role("columnheader", name="Retries")
    row = other.locator("tr[data-job-id]").first
    await expect(retries).to_be_visible()
    await other.get_by_role("link", name="Tight").click()
    await expect(retries).to_be_hidden()
    await other.reload()  # the address holds it
    await expect(row).to_be_visible()
    await expect(retries).to_be_hidden()
    box = await row.bounding_box()
    assert box is not None
    assert box["height"] <= 34
    await other.get_by_role("button", name="Display").click()
    panel = other.get_by_role("dialog", name="Display")
    await expect(panel.get_by_label("Compact")).to_be_checked()
    await expect(panel.get_by_label("Retries")).not_to_be_checked()
    await other.keyboard.press("Escape")
    await other.goto("/")  # and only the view had it
    await expect(retries).to_be_visible()
    await other.get_by_role("link", name="Tight").click()
    await other.get_by_role("button", name="Display").click()
    await panel.get_by_label("Retries").check()  # a choice is the browser's own
    await expect(retries).to_be_visible()
    await expect(other).to_have_url("/?q=drawn")
    await page.get_by_role("button", name="Views").click()
    await dialog.get_by_role("button", name="Remove Tight").click()
    await expect(dialog.get_by_role("listitem")).to_have_count(0)
