"""A job's page: what is copied from it, the beginning of a text, and the page on paper."""

import json

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.test_looks import Submit, require_accessible

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


async def test_on_paper_nothing_is_to_be_pressed(visit: Open, submit: Submit) -> None:
    job = submit("test.fails", "For the files")
    page = await visit(f"/jobs/{job['id']}")
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("heading", name="For the files")).to_be_visible()
    await expect(page.get_by_role("alert").filter(has_text="is not there yet")).to_be_visible()
