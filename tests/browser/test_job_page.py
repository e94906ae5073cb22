"""A job's page: what is copied from it, the beginning of a text, and the page on paper."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.test_looks import Submit, require_accessible
from tests.support import resumes

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.mark.parametrize("secure", [True, False])
async def test_ids_results_and_errors_are_copied(visit: Open, submit: Submit, *, secure: bool) -> None:
    job = submit("test.writes", "To be copied from")
    page = await visit(f"/jobs/{job['id']}")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await expect(page.locator("[data-status=completed]")).to_be_visible()
    if not secure:  # plain HTTP in a local network has no clipboard to write to
        await page.evaluate(
            "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('insecure')) }"
        )
    await page.get_by_role("button", name="Copy the job's id").click()
    await expect(page.get_by_role("status").filter(has_text="Copied")).to_be_attached()
    assert await page.evaluate("() => navigator.clipboard.readText()") == job["id"]
    await page.get_by_role("button", name="Copy the result").click()
    await expect(page.get_by_role("button", name="Copy the result")).to_have_class(
        "btn round small copy copied"
    )
    copied = json.loads(await page.evaluate("() => navigator.clipboard.readText()"))
    assert copied == {"lines": 2, "nested": {"deep": [1, 2]}}
    await page.get_by_role("button", name="Copy the arguments").click()
    await expect(page.get_by_role("button", name="Copy the arguments")).to_have_class(
        "btn round small copy copied"
    )
    assert "sekrit" not in await page.evaluate("() => navigator.clipboard.readText()")


async def test_the_beginning_of_a_text_is_shown_as_text(visit: Open, submit: Submit) -> None:
    job = submit("test.writes", "Notes")
    page = await visit(f"/jobs/{job['id']}")
    notes = page.get_by_role("listitem").filter(has_text="notes.txt")
    await notes.get_by_text("Show the beginning").click()
    text = notes.get_by_label("The beginning of notes.txt")
    await expect(text).to_contain_text("<b>first line</b>")
    await expect(notes).to_contain_text("There is more: download it to see all.")
    assert "\ufffd" not in await text.inner_text()
    empty = page.get_by_role("listitem").filter(has_text="empty.json")
    await empty.get_by_text("Show the beginning").click()
    await expect(empty).to_contain_text("This file is empty.")
    await require_accessible(page)


def copied(api: httpx.Client, pdf: Path) -> dict[str, Any]:
    """A job that has a PDF as its input and as its output."""
    form = {"file": (pdf.name, pdf.read_bytes(), "application/pdf")}
    upload = api.post("/api/uploads", files=form).json()
    args = {"upload_id": upload["id"]}
    job: dict[str, Any] = api.post("/api/jobs", json={"kind": "test.copies", "args": args}).json()
    return job


async def test_a_pdf_is_shown_page_by_page(visit: Open, api: httpx.Client, tmp_path: Path) -> None:
    pdf = resumes.long_pdf(tmp_path / "long.pdf", 4)
    job = copied(api, pdf)
    page = await visit(f"/jobs/{job['id']}")
    output = page.get_by_role("figure", name="Pages of copy.pdf")
    first = output.get_by_role("img", name="Page 1 of copy.pdf")
    await expect(first).to_be_visible()
    await expect(first).to_have_js_property("complete", True)
    assert await first.evaluate("image => image.naturalWidth") == 1100
    await expect(output.get_by_role("button", name="Previous page")).to_be_disabled()
    for number in (2, 3, 4):
        await output.get_by_role("button", name="Next page").click()
        await expect(output.get_by_role("status").filter(has_text=f"Page {number} of 4")).to_be_visible()
    await expect(output.get_by_role("button", name="Next page")).to_be_disabled()
    last = output.get_by_role("img", name="Page 4 of copy.pdf")
    await expect(last).to_have_js_property("naturalWidth", 1100)
    await page.get_by_text("Show the pages").click()
    await expect(page.get_by_role("img", name="Page 1 of long.pdf")).to_be_visible()
    await require_accessible(page)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download the input long.pdf").click()
    assert Path(await (await downloading.value).path()).read_bytes() == pdf.read_bytes()


async def test_a_pdf_that_cannot_be_shown_says_why(visit: Open, api: httpx.Client, tmp_path: Path) -> None:
    pdf = resumes.encrypted_pdf(tmp_path / "locked.pdf")
    job = copied(api, pdf)
    page = await visit(f"/jobs/{job['id']}", width=390, scheme="dark")
    said = page.get_by_role("figure", name="Pages of copy.pdf").get_by_role("status")
    await expect(said).to_have_text(
        "copy.pdf cannot be shown: it is protected by a password. Download it to look at it."
    )
    await require_accessible(page)


async def test_on_paper_nothing_is_to_be_pressed(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "For the files")
    page = await visit(f"/jobs/{job['id']}")
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("heading", name="For the files")).to_be_visible()
    await expect(page.get_by_role("alert").filter(has_text="is not there yet")).to_be_visible()
