"""Coming in and going out."""

import re

import pytest
from playwright.async_api import expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_whoever_is_not_signed_in_is_asked_to_and_comes_back(visit: Open, stack: Stack) -> None:
    page = await visit("/?status=failed", who=None)
    await expect(page).to_have_url(re.compile(r"/login\?next="))
    await page.get_by_label("Email").fill("dana@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{stack.url}/?status=failed")
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


async def test_the_door_has_the_fonts_of_the_pages_behind_it(visit: Open) -> None:
    """They are NiceGUI's, at an address of its own choosing."""
    page = await visit("/login", who=None)
    loaded = "(await document.fonts.load(`16px ${getComputedStyle(document.body).fontFamily}`)).length"
    assert await page.evaluate(f"async () => {loaded}") > 0


async def test_a_wrong_password_is_told_in_words(visit: Open) -> None:
    page = await visit("/login", who=None)
    await page.get_by_label("Email").fill("dana@example.org")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    await expect(page.get_by_label("Email")).to_have_value("dana@example.org")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(visit: Open, stack: Stack, target: str) -> None:
    page = await visit(f"/login?next={target}", who=None)
    await page.get_by_label("Email").fill("dana@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{stack.url}/")


async def test_a_link_signs_in_once(visit: Open, stack: Stack) -> None:
    link = stack.add_person("newcomer@example.org", "Studio North", Role.MEMBER)
    assert link
    page = await visit(link, who=None)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    other = await visit(link, who=None)
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.get_by_role("alert")).to_contain_text("used already")


async def test_signing_out_ends_the_session(visit: Open) -> None:
    page = await visit("/login", who=None)
    await page.get_by_label("Email").fill("vera@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Account of vera").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.goto("/")
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_new_password_is_the_one_that_signs_in(visit: Open, stack: Stack) -> None:
    link = stack.add_person("pat@example.org", "Studio North", Role.MEMBER)
    page = await visit(str(link), who=None)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Account of pat").click()
    await page.get_by_role("button", name="Set password").click()
    dialog = page.get_by_role("dialog", name="Set password")
    await dialog.get_by_label("New password").fill("short")
    await dialog.get_by_role("button", name="Set password").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("New password").fill("a much longer one")
    await dialog.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("status").filter(has_text="The password was set.")).to_be_visible()
    other = await visit("/login", who=None)
    await other.get_by_label("Email").fill("pat@example.org")
    await other.get_by_label("Password").fill("a much longer one")
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.get_by_text("No jobs yet")).to_be_visible()
