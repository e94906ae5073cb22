"""Nobody is offered what the server would refuse: each button of each page, in each role, against the published matrix.

The matrix is in docs/features/people.md; `tests/ui/api` asks the server for each of its cells. A button that is in
neither list here fails the test: say who may press it.
"""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

A, O, M, V = Role.ADMIN, Role.OPERATOR, Role.MEMBER, Role.VIEWER  # noqa: E741 - as the columns of the matrix
PEOPLE = {A: "dana@example.org", O: "olga@example.org", M: "mona@example.org", V: "vera@example.org"}
EVERYBODY, CHANGES, OPERATES, ADMIN = {A, O, M, V}, {A, O, M}, {A, O}, {A}

WHO_MAY: dict[str, set[Role]] = {
    "New job": CHANGES,
    "Start job": CHANGES,
    "Start, then another": CHANGES,
    "Retry": CHANGES,
    "Cancel": CHANGES,
    "Delete": CHANGES,
    "Edit and retry": CHANGES,
    "Run again as a copy": CHANGES,
    "Dismiss the failure": CHANGES,
    "Retry all matching": CHANGES,
    "Note, mute": OPERATES,
    "Switch off": OPERATES,
    "Ring again": OPERATES,
    "Pause .*": OPERATES,
    "Fail": OPERATES,
    "Ring for all": OPERATES,
    "Fail all": OPERATES,
    "Set": ADMIN,
    "Invite": ADMIN,
    "Make a sign-in link for .*": ADMIN,
    "Remove .*": ADMIN,
    "Add": ADMIN,
    "Take away": ADMIN,
    "Save": EVERYBODY,
    "Create": EVERYBODY,
    "Revoke .*": EVERYBODY,
    "Add a channel: your channels": EVERYBODY,
    "Add a channel: the workspace.*": ADMIN,
    "Change password": EVERYBODY,
}
HARMLESS = re.compile(
    r"Reload|Export|Display|Views|More|Open|Copy .*|CREATED|Table|Chart|\d+ (hours|days)|Show more|Clear|Got it|Close.*"
    r"|Previous|Next|First|Search.*|Sign out.*|.*(test|video|webhook|file|resume)\.\w+.*|All jobs|All kinds"
    r"|Tell me in this browser|API tokens|Notifications|Show them again|Leave.*|Older|Newest"
)
PAGES = ("/?q={title}", "/jobs/{job}", "/new?kind=test.form", "/failures", "/insights", "/workers", "/audit",
         "/settings/workspace", "/settings/members", "/settings/tokens", "/settings/credits", "/settings/retries",
         "/settings/notifications", "/profile")  # fmt: skip


@pytest.mark.parametrize("role", PEOPLE)
async def test_buttons_are_those_of_the_role(visit: Open, stack: Stack, flag: Path, role: Role) -> None:
    who, title = PEOPLE[role], f"offered-{role}"
    stack.add_person(who, "Studio North", role, PASSWORD)
    with stack.api(who):
        pass  # everybody has a token, to be revoked
    # Of one's own, where there can be: a member sees no other.
    with stack.api(who if role in CHANGES else "dana@example.org") as program:
        failed, *_ = (make(program, kind, title, flag) for kind in ("test.fails", "test.steam", "test.steam"))
    page = await visit("/", who=who)
    seen: dict[str, str] = {}
    for path in PAGES:
        answer = await page.goto(path.format(title=title, job=failed["id"]))
        assert answer
        if answer.status == 404:
            continue
        await expect(page.locator(".pill.live")).to_contain_text("Live")
        await page.wait_for_load_state("networkidle")
        if path.startswith("/?q"):
            await expect(page.locator('tr[data-status="failed"]')).to_have_count(1)
            await page.locator('tr[data-status="failed"] button[aria-label=More]').click()
            await expect(page.get_by_role("menuitem", name="Copy id")).to_be_visible()
        for name in await offered(page):
            seen.setdefault(name, path)
    may = {name: rule for name in seen for rule in WHO_MAY if re.fullmatch(rule, name)}
    unknown = [f"{name} ({seen[name]})" for name in seen.keys() - may.keys() if not HARMLESS.fullmatch(name)]
    assert not unknown, "\n".join(unknown)
    refused = [f"{name} ({seen[name]})" for name, rule in may.items() if role not in WHO_MAY[rule]]
    assert not refused, "\n".join(refused)
    missing = {rule for rule, roles in WHO_MAY.items() if role in roles} - set(may.values())
    assert not missing, "\n".join(missing)


async def offered(page: Page) -> list[str]:
    """What can be pressed, without figures and dots."""
    found = page.locator(
        "main button:visible, [role=menuitem]:visible, main .btn:visible, main .tab .btn:visible"
    )
    names = await found.evaluate_all(
        "(all) => all.filter((one) => !one.disabled)"
        ".map((one) => one.getAttribute('aria-label') || one.innerText || one.title)"
    )
    return [re.sub(r"\s+", " ", re.sub(r"\s\d+…?$|…$", "", name)).strip() for name in names]


def make(program: httpx.Client, kind: str, title: str, flag: Path) -> Any:
    answer = program.post("/api/jobs", json={"kind": kind, "title": title, "args": {"flag": str(flag)}})
    assert answer.status_code == 201, answer.text
    return answer.json()
