"""Everything that opens above a page: accessible in both schemes and widths, the focus in it, and back after Esc."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import Page, expect

from services.vocabulary import Role
from tests.browser.conftest import Open
from tests.browser.stack import PASSWORD, Stack
from tests.browser.test_looks import Submit, require_accessible, require_no_sideways_scrolling

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

_LOOKS: Sequence[tuple[Any, int]] = (("light", 390), ("dark", 390), ("dark", 1360), ("light", 1360))
_ROW = 'tr[data-job-id="{job}"]'
_MORE = f"{_ROW} button[aria-label=More]"
_DIALOG = "[role=dialog]:visible"
_MENU = "[role=menu]:visible"

OVERLAYS = {
    "/": (
        ("Account", ["button.avatar"], _DIALOG),
        ("Password", ["button.avatar", ".menu:visible button:has-text('Set password')"], _DIALOG),
        ("Export", ["button:has-text('Export')"], _MENU),
        ("Display", ["button[aria-label=Display]"], _DIALOG),
        ("Views", ["button:has-text('Views')"], _DIALOG),
        ("Row menu", [_MORE], _MENU),
        ("Retry", [f"{_ROW} .btn.retry"], _DIALOG),
        ("Edit and retry", [_MORE, f"{_MENU} >> text=Edit and retry"], _DIALOG),
        ("Dismiss", [_MORE, f"{_MENU} >> text=Dismiss"], _DIALOG),
        ("Delete", [_MORE, f"{_MENU} >> text=Delete"], _DIALOG),
        ("Retry many", [f"{_ROW} input[type=checkbox]", "button[aria-label='Retry selected jobs']"], _DIALOG),
        ("Delete many", ["button[aria-label='Delete selected jobs']"], _DIALOG),
    ),
    "/jobs/{job}": (
        ("More", [".page-head button[aria-label=More]"], _MENU),
        ("Edit", [".page-head button[aria-label=More]", f"{_MENU} >> text=Edit"], _DIALOG),
        ("Delete", [".page-head button:has-text('Delete')"], _DIALOG),
    ),
    "/failures": (
        ("Note, mute", [".failure button:has-text('Note, mute')"], _DIALOG),
        ("Retry group", [".failure .btn.retry"], _DIALOG),
    ),
    "/workers": (("Fail", ["tr:has(a[href*='{steam}']) button:has-text('Fail')"], _DIALOG),),
    "/settings/tokens": (("Revoke", ["tr:has-text('API token') button:has-text('Revoke')"], _DIALOG),),
    "/settings/notifications": (("Channel", ["button:has-text('Add a channel')"], _DIALOG),),
}


@pytest.mark.parametrize("path", OVERLAYS)
async def test_what_opens_is_for_everybody(visit: Open, submit: Submit, path: str) -> None:
    job = submit("test.fails", "opened from everywhere")
    steam = submit("test.steam", "waits for ever")
    page = await visit(path.format(job=job["id"]))
    for name, presses, what in OVERLAYS[path]:
        await _open(page, [press.format(job=job["id"], steam=steam["id"]) for press in presses])
        overlay = page.locator(what).last
        await expect(overlay, name).to_be_visible()
        for scheme, width in _LOOKS:
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 900})
            await expect(overlay, f"{name}, {width}").to_be_visible()
            await require_accessible(page)
            await require_no_sideways_scrolling(page)
        assert await overlay.evaluate("(it) => it.contains(document.activeElement)"), f"{name}: no focus"
        await page.keyboard.press("Escape")
        await expect(overlay, name).to_be_hidden()
        # What was chosen in a menu goes back to the button of the menu.
        by = presses[0] if any("menu" in press for press in presses) else presses[-1]
        opener = page.locator(by.format(job=job["id"], steam=steam["id"])).first
        await expect(opener, f"{name}: the focus is not back").to_be_focused()


async def test_the_workspaces_of_a_person(visit: Open, stack: Stack) -> None:
    stack.add_person("twice@example.org", "Studio North", Role.OPERATOR, PASSWORD)
    stack.add_person("twice@example.org", "Elsewhere", Role.OPERATOR)
    page = await visit("/", who="twice@example.org")
    opener = page.get_by_role("button", name=re.compile("^Workspace"))
    await opener.click()
    menu = page.get_by_role("menu")
    await expect(menu.get_by_role("menuitem")).to_have_count(2)
    await require_accessible(page)
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(opener).to_be_focused()


async def _open(page: Page, presses: Sequence[str]) -> None:
    for press in presses:
        await page.locator(press).first.click()
