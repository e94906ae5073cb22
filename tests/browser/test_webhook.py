"""A webhook as somebody delivers it: refused, explained, sent again."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.support.fileserver import FileServer, failing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_refused_delivery_is_sent_again(visit: Open, file_server: FileServer) -> None:
    url = file_server.on("/hooks/orders", failing(404, b"no such hook"))
    page = await visit("/new?kind=webhook.deliver")
    await page.get_by_label(re.compile("^Address")).fill("http://127.1/")
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("alert").filter(has_text="four decimal numbers")).to_be_visible()
    await page.get_by_label(re.compile("^Address")).fill(url)
    await page.get_by_label("Body").fill('{"order": 7')
    await page.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("alert").filter(has_text="This is not JSON")).to_be_visible()
    await page.get_by_label("Body").fill('{"order": 7}')
    await page.get_by_text("More options").click()
    await page.get_by_label("Signing secret").fill("a word of my own")
    await page.get_by_role("button", name="Start job").click()

    await expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}"))
    trouble = page.get_by_role("alert").filter(has_text="The endpoint answered 404 Not Found")
    await expect(trouble).to_contain_text("Check the address.")
    answer = page.locator("section").filter(has=page.get_by_role("heading", name="Answer"))
    await expect(answer).to_contain_text("404 Not Found")
    await expect(answer).to_contain_text("no such hook")
    await expect(page.locator("main")).not_to_contain_text("a word of my own")

    file_server.on("/hooks/orders", lambda request: request.answer(201, b'{"ok": true}', "application/json"))
    await page.get_by_role("button", name="Retry", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The same request is sent again")
    await expect(dialog).to_contain_text("webhook-id")
    await dialog.get_by_role("button", name="Retry job").click()
    await expect(page.locator("[data-status=completed]").first).to_be_visible(timeout=30_000)
    await expect(answer).to_contain_text("201 Created")

    first, second = file_server.received
    assert first.body == second.body == b'{"order":7}'
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["webhook-signature"].startswith("v1,")
