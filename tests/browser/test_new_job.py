"""A new job: the kind by an address, several files at once, one job after the other."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.test_looks import require_accessible
from tests.browser.test_workers import read
from tests.support.media import noise

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_an_address_finds_its_kind(visit: Open) -> None:
    page = await visit("/new")
    await expect(page.get_by_role("heading", name="Choose what is to be done")).to_be_visible()
    await require_accessible(page)
    address = page.get_by_label("Paste an address")
    await address.fill("https://vimeo.com/76979871")
    await expect(page.get_by_role("status").filter(has_text="Also possible: Look up a video")).to_be_visible()
    await expect(page.get_by_role("button", name="Download a video")).to_have_attribute(
        "aria-pressed", "true"
    )
    await expect(page.get_by_label("Address", exact=True)).to_have_value("https://vimeo.com/76979871")
    await address.fill("nothing of the kind")
    await expect(page.get_by_text("No kind is made for this.")).to_be_visible()


async def test_several_files_make_a_job_each(visit: Open, api: httpx.Client, tmp_path: Path) -> None:
    page = await visit("/new?kind=test.file")
    field = page.get_by_label("Choose a file")
    await field.set_input_files([noise(tmp_path / f"part {n}.bin") for n in (1, 2, 3)])
    await expect(page.get_by_role("button", name="Start 3 jobs")).to_be_visible()
    await page.get_by_role("button", name="Remove part 2.bin").click()
    await expect(page.get_by_role("button", name="Start 2 jobs")).to_be_visible()
    await page.get_by_label("Title").fill("Parts")
    await page.get_by_role("button", name="Start 2 jobs").click()
    await expect(page.get_by_role("status").filter(has_text="2 jobs are started.")).to_be_visible()
    await expect(page.get_by_text("part 1.bin")).to_have_count(0)
    found = read(api, "/api/jobs?q=Parts&kind=test.file")["items"]
    assert {job["title"] for job in found} == {"Parts (1)", "Parts (2)"}
    assert len({job["args"]["upload_id"] for job in found}) == 2
    await page.get_by_role("link", name="Parts (1)").click()
    await expect(page.get_by_role("heading", name="Parts (1)")).to_be_visible()


async def test_files_dropped_anywhere_on_the_page_are_taken(visit: Open) -> None:
    page = await visit("/new?kind=test.file")
    await expect(page.get_by_label("Choose a file")).to_be_attached()
    for event in ("dragover", "drop"):  # on the heading, far from the field
        await page.evaluate(_DROP, event)
        if event == "dragover":
            await expect(page.locator(".drop")).to_have_class(re.compile(r"\bover\b"))
    await expect(page.get_by_role("status").filter(has_text="b.bin is uploaded")).to_be_attached()
    await expect(page.get_by_role("button", name="Start 2 jobs")).to_be_visible()
    await expect(page.locator(".drop")).not_to_have_class(re.compile(r"\bover\b"))


_DROP = """(name) => {
  const dataTransfer = new DataTransfer();
  for (const file of ["a.bin", "b.bin"]) dataTransfer.items.add(new File(["some bytes"], file));
  const event = new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer });
  document.querySelector("h1").dispatchEvent(event);
  if (!event.defaultPrevented) throw new Error("the browser would leave the page for the file");
}"""


async def test_one_after_the_other(visit: Open) -> None:
    page = await visit("/new?kind=test.form")
    await page.get_by_role("spinbutton", name="Count").fill("3")
    for number in (1, 2):
        await page.get_by_label("Title").fill(f"Of a series, {number}")
        await page.get_by_role("button", name="Start, then another").click()
        await expect(page.get_by_role("link", name=f"Of a series, {number}")).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="2 jobs are started.")).to_be_visible()
    await expect(page.get_by_role("spinbutton", name="Count")).to_have_value("3")


async def test_a_file_that_cannot_be_uploaded_is_explained_beside_the_others(
    visit: Open, tmp_path: Path
) -> None:
    page = await visit("/new?kind=test.file")
    await _refuse_second_upload(page)
    await page.get_by_label("Choose a file").set_input_files(
        [noise(tmp_path / name) for name in ("good.bin", "bad.bin")]
    )
    await expect(page.get_by_role("status").filter(has_text="The upload is too large")).to_be_attached()
    await page.get_by_role("button", name="Start job").click()
    await expect(
        page.get_by_role("alert").filter(has_text="Not every file could be uploaded")
    ).to_be_visible()
    await page.get_by_role("button", name="Remove bad.bin").click()
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("heading", name="good.bin")).to_be_visible()


async def _refuse_second_upload(page: Page) -> None:
    """The server's answer to what is too large, without a file of 20 GiB."""
    count = 0

    async def answer(route: Route) -> None:
        nonlocal count
        count += 1
        if count == 2:
            await route.fulfill(status=413, json={"detail": "The upload is too large"})
        else:
            await route.continue_()

    await page.route("**/api/uploads*", answer)
