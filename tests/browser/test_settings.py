"""The settings and the profile, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

SECTIONS = ("workspace", "members", "tokens", "credits", "retries")


async def toast(page: Page, words: str) -> None:
    await expect(page.get_by_role("status").filter(has_text=words).last).to_be_visible()


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_section_and_the_profile_in_both_schemes(
    visit: Open, api: httpx.Client, scheme: str, width: int
) -> None:
    call(api, "POST", "/api/invitations", {"email": "somebody-with-a-long-name@studio.example.org"})
    page = await visit("/settings", scheme=scheme, width=width)
    for section in SECTIONS:
        await page.get_by_role("navigation", name="Settings").locator(f"[href*='/{section}']").click()
        await expect(page).to_have_url(re.compile(f"/settings/{section}$"))
        await expect(
            page.locator(".settings :is(.card, .grid-card):not(.skeleton-line)").last
        ).to_be_visible()
        await require_no_sideways_scrolling(page)
        await require_accessible(page)
    await page.goto("/profile")
    await expect(page.get_by_role("table", name="Sessions")).to_contain_text("this browser")
    await require_no_sideways_scrolling(page)
    await require_accessible(page)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("dialog").get_by_label("New password")).to_be_focused()
    await require_accessible(page)


async def test_who_is_invited_joins_is_promoted_and_removed(visit: Open, stack: Stack) -> None:
    page = await visit("/settings/members")
    await page.get_by_label("Email").fill("Iris@example.org")
    await page.get_by_label("Role of the new member").select_option("viewer")
    await expect(page.get_by_text("Viewer: sees every job, changes nothing.")).to_be_visible()
    await page.get_by_role("button", name="Invite").click()
    link = await page.get_by_role("textbox", name="Link to hand on").text_content()
    assert str(link).startswith(f"{stack.url}/join?invitation=")
    await expect(page.get_by_role("table", name="Invitations")).to_contain_text("iris@example.org")

    iris = await visit(str(link), who=None)
    await expect(iris.get_by_text("dana@example.org invites you to Studio North, as viewer.")).to_be_visible()
    await require_accessible(iris)
    await iris.get_by_label("Your name").fill("Iris <b>Ink</b>")
    await iris.get_by_label("Choose a password").fill(PASSWORD)
    await iris.get_by_role("button", name="Join").click()
    await expect(iris.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    again = await visit(str(link), who=None)
    await expect(again.get_by_role("alert")).to_contain_text("used already")
    await iris.goto("/settings")
    sections = iris.get_by_role("navigation", name="Settings").get_by_role("link")
    await expect(sections.filter(has_text="Credits")).to_be_visible()
    for name in ("Workspace", "Members", "Retries"):
        await expect(sections.filter(has_text=name)).to_have_count(0)
    await iris.goto("/settings/members")
    await expect(iris.get_by_role("heading", name="Not found")).to_be_visible()

    await page.reload()
    row = page.get_by_role("table", name="Members").get_by_role("row").filter(has_text="iris@example.org")
    await expect(row).to_contain_text("Iris <b>Ink</b>")
    await row.get_by_role("combobox").select_option("operator")
    await toast(page, "is operator now.")
    await iris.goto("/settings/retries")
    await expect(iris.get_by_text("Retries are on.")).to_be_visible()
    await row.get_by_role("button", name="Sign-in link").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make link").click()
    await expect(page.get_by_role("textbox", name="Link to hand on")).to_contain_text("/login?link=")
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)
    await iris.goto("/")
    await expect(iris.get_by_label("Password")).to_be_visible()


async def test_who_has_an_account_accepts_as_that_account_or_declines(
    visit: Open, stack: Stack, api: httpx.Client
) -> None:
    def invite(email: str) -> str:
        made = call(api, "POST", "/api/invitations", {"email": email, "role": "operator"})
        return str(made.json()["link"])

    for name in ("otto", "ottilie"):
        stack.add_person(f"{name}@example.org", "Studio South", Role.ADMIN, PASSWORD)
    link = invite("otto@example.org")
    other = await visit(link, who="ottilie@example.org")
    await expect(other.get_by_text("You are signed in as ottilie@example.org.")).to_be_visible()
    await expect(other.get_by_role("button", name="Accept")).to_have_count(0)
    page = await visit(link, who=None)
    await expect(page.get_by_text("otto@example.org has an account, which has to accept.")).to_be_visible()
    await expect(page.get_by_label("Choose a password")).to_have_count(0)
    await require_accessible(page)
    await page.get_by_role("link", name="Sign in as otto@example.org").click()
    await expect(page.get_by_label("Email")).to_have_value("otto@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(
        page.get_by_text("dana@example.org invites you to Studio North, as operator.")
    ).to_be_visible()
    await require_accessible(page)
    await page.get_by_role("button", name="Accept").click()
    await expect(page).to_have_url(re.compile(r"/\?w=studio-north$"))
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    await page.goto(link)
    await expect(page.get_by_role("alert")).to_contain_text("used already")

    await other.goto(invite("ottilie@example.org"))
    await other.get_by_role("button", name="Decline").click()
    await expect(other.get_by_text("You have declined.")).to_be_visible()
    audit = await visit("/audit")
    await expect(audit.get_by_role("cell", name="declined an invitation")).to_be_visible()
    waiting = call(api, "GET", "/api/invitations").json()["items"]
    assert "ottilie@example.org" not in {one["email"] for one in waiting}


async def test_a_token_is_made_used_and_revoked(visit: Open, stack: Stack) -> None:
    page = await visit("/settings/tokens")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("A token's name has between")).to_be_visible()
    await page.get_by_label("What is it for?").fill("nightly")
    await page.get_by_label("How long it works").select_option("30")
    await page.get_by_role("button", name="Create").click()
    token = str(await page.get_by_role("textbox", name="API token").text_content())
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}) as program:
        assert call(program, "GET", "/api/me").json()["email"] == "dana@example.org"
        row = page.get_by_role("row").filter(has_text="nightly")
        await expect(row).to_contain_text(f"ends in {token[-4:]}")
        await page.get_by_role("button", name="Done").click()
        await expect(page.get_by_text(token)).to_have_count(0)
        await row.get_by_role("button", name="Revoke").click()
        await require_accessible(page)
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(row).to_have_count(0)
        assert call(program, "GET", "/api/me").status_code == 401


async def test_credits_are_added_with_a_reason_and_never_below_0(visit: Open, api: httpx.Client) -> None:
    before = call(api, "GET", "/api/credits").json()["balance"]
    page = await visit("/settings/credits")
    await page.get_by_label("Amount").fill(str(before + 1))
    await page.get_by_label("Reason, shown in the ledger").fill("by mistake")
    await page.get_by_role("button", name="Take away").click()
    await expect(page.get_by_text(f"There are {before}: the balance never goes below 0.")).to_be_visible()
    await page.get_by_label("Amount").fill("25")
    await page.get_by_label("Reason, shown in the ledger").fill("invoice <114>")
    await page.get_by_role("button", name="Add").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"The balance is {before} now and {before + 25} afterwards.")
    await dialog.get_by_role("button", name="Add 25 credits").click()
    line = page.get_by_role("table", name="Ledger").get_by_role("row").nth(1)
    await expect(line).to_contain_text("invoice <114>")
    await expect(line).to_contain_text("+25")


async def test_a_secret_signs_webhooks_until_it_is_taken_away(visit: Open, api: httpx.Client) -> None:
    page = await visit("/settings/webhooks")
    await expect(page.get_by_text("only webhooks with a secret of their own are signed")).to_be_visible()
    await page.get_by_role("button", name="Make a secret").click()
    shown = page.get_by_role("textbox", name="Signing secret")
    await expect(shown).to_have_text(re.compile("^whsec_"))
    first = await shown.inner_text()
    await expect(page.get_by_text("Webhooks are signed. Made by dana")).to_be_visible()
    await require_accessible(page)
    await page.get_by_role("button", name="Make another").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make another").click()
    await expect(shown).not_to_have_text(first)
    await page.get_by_role("button", name="Sign no more").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign no more").click()
    await expect(shown).to_have_count(0)
    await expect(page.get_by_role("button", name="Make a secret")).to_be_visible()
    assert call(api, "GET", "/api/workspace/webhook-secret").json() == {"made_at": None, "made_by": None}


async def test_a_charge_leads_to_its_job(
    visit: Open, submit: Callable[..., dict[str, Any]], api: httpx.Client
) -> None:
    job = submit("test.fails", "charged for a retry")
    page = await visit(f"/jobs/{job['id']}")
    await expect(page.get_by_role("alert").filter(has_text="Put it there.")).to_be_visible()
    assert call(api, "POST", f"/api/jobs/{job['id']}/retry").status_code == 202
    await page.goto("/settings/credits")
    await page.get_by_role("link", name="charged for a retry").first.click()
    await expect(page.get_by_role("heading", name="charged for a retry")).to_be_visible()


async def test_jobs_are_kept_for_a_time_and_for_ever_again(visit: Open, api: httpx.Client) -> None:
    page = await visit("/settings/workspace")
    await page.get_by_label("Days after the end").fill("3000")
    await page.get_by_role("button", name="Set", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("No job is that old yet.")
    await dialog.get_by_role("button", name="Remove old jobs").click()
    await expect(page.get_by_text("Jobs are removed 3,000 days after they have ended.")).to_be_visible()
    assert call(api, "GET", "/api/workspace").json()["retention_days"] == 3000
    await page.get_by_role("button", name="Keep for ever").click()
    await expect(page.get_by_text("Jobs are kept for ever.").first).to_be_visible()


async def test_a_person_changes_their_name_and_signs_other_browsers_out(visit: Open, stack: Stack) -> None:
    stack.add_person("paul@example.org", "Studio North", Role.MEMBER, PASSWORD)
    page, other = await visit("/profile", who="paul@example.org"), await visit("/login", who=None)
    await other.get_by_label("Email").fill("paul@example.org")
    await other.get_by_label("Password").fill(PASSWORD)
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    await page.get_by_label("Name").fill("Paul Pen")
    await page.get_by_role("button", name="Save").click()
    await toast(page, "Your name is saved.")
    await page.get_by_role("radio", name="Dark").check()
    await expect(page.locator("html")).to_have_class("dark")
    await page.reload()
    await expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    await page.get_by_role("button", name="Sign out the others").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out the others").click()
    await expect(page.get_by_role("table", name="Sessions").get_by_role("row")).to_have_count(2)
    await other.goto("/")
    await expect(other.get_by_label("Password")).to_be_visible()
    await page.goto("/")
    await page.get_by_role("button", name="Account of Paul Pen").click()
    await expect(page.get_by_role("link", name="Profile")).to_be_visible()


def call(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """One request of a program."""
    return client.request(method, path, json=body)
