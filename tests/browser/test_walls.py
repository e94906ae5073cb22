"""What is not yours is not there; what somebody typed is only ever text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.stack import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

EVIL = (
    "<img src=x onerror='window.evil=1'><script>window.evil=1</script>"
    "{{constructor.constructor('window.evil=1')()}}"
)


@pytest.mark.parametrize("path", ["/jobs/{id}", "/jobs/{id}?w=studio-north", "/jobs/{id}/download"])
async def test_another_workspaces_job_is_not_found(
    visit: Open, submit: Callable[..., dict[str, Any]], flag: Path, path: str
) -> None:
    flag.touch()
    job = submit("test.waits", "not yours")
    page = await visit("/", who="eve@example.org")
    answer = await page.goto(path.format(id=job["id"]))
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(page.get_by_text("not yours")).to_have_count(0)


@pytest.mark.parametrize("path", ["/jobs/0198c2e4-7a51-7d0e-8000-000000000000", "/jobs/nothing"])
async def test_an_unknown_job_is_not_found(visit: Open, path: str) -> None:
    page = await visit("/")
    answer = await page.goto(path)
    assert answer is not None
    assert answer.status == 404


async def test_an_unknown_address_leads_back(visit: Open) -> None:
    page = await visit("/")
    answer = await page.goto("/nothing/here")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_text("There is no such page here.")).to_be_visible()
    await page.get_by_role("link", name="All jobs").click()
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


async def test_what_somebody_typed_is_only_text(visit: Open, submit: Callable[..., dict[str, Any]]) -> None:
    job = submit("test.fails", EVIL, args={"flag": "/nowhere", "api_token": "sekrit"})
    page = await visit("/")
    row = page.locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "failed")
    await expect(row.get_by_role("link")).to_have_text(EVIL)
    await expect(row).to_contain_text("<b>The flag</b> is not there yet")
    await row.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("dialog").get_by_text(EVIL)).to_be_visible()
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.get_by_role("heading", name=EVIL)).to_be_visible()
    await expect(page.get_by_text("api_token: ••••••")).to_be_visible()
    assert "sekrit" not in await page.content()
    assert await page.evaluate("window.evil") is None


async def test_another_site_gets_no_live_connection(visit: Open, stack: Stack) -> None:
    page = await visit("/")
    target = f"{stack.url}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    ours = await page.context.request.get(target, headers={"Origin": stack.url})
    theirs = await page.context.request.get(target, headers={"Origin": "https://evil.example"})
    assert (ours.status, theirs.status) == (200, 403)
