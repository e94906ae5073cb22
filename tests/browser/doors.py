"""How tests come into a Mulligan by a browser."""

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page

from tests.browser.stack import PASSWORD, Stack

# A busy machine is slow; what is never shown still fails its test.
PATIENCE_MS = 30_000
# Each costs the memory of a process.
_OFTEN = ("dana@example.org", "vera@example.org", None)


@dataclass
class Doors:
    """Signs people in, each once, and opens browsers of theirs.

    Most tests want one of a few people. Their browsers are kept from test to test, since to start a process for a page
    and to compile all of its scripts costs twice as much as all else that a page does. A page that stays open keeps
    that process alive; cookies and what pages have stored are put back after each test.
    """

    browser: Browser
    stack: Stack
    _states: dict[str, Any] = field(default_factory=dict)
    _kept: dict[str | None, Page] = field(default_factory=dict)
    _in_use: set[str | None] = field(default_factory=set)
    _fresh: list[BrowserContext] = field(default_factory=list)

    async def open(self, who: str | None, *, prepare: str | None, **own: Any) -> BrowserContext:
        """A browser of one's own: nobody else in this test has the same one. `own`: a locale, a density of pixels, …"""
        if prepare or own or who not in _OFTEN or who in self._in_use:
            context = await self._new_context(who, **own)
            self._fresh.append(context)
            if prepare:
                await context.add_init_script(prepare)
            return context
        if who not in self._kept:
            context = await self._new_context(who)
            self._kept[who] = await context.new_page()
            await self._kept[who].goto("/assets/mulligan.svg")
        self._in_use.add(who)
        return self._kept[who].context

    async def tidy(self) -> None:
        """After a test."""
        for context in self._fresh:
            await context.close()
        self._fresh.clear()
        for who in self._in_use:
            kept = self._kept[who]
            for page in kept.context.pages:
                if page is not kept:
                    await page.close()
            await kept.evaluate("localStorage.clear()")
            await kept.context.clear_permissions()
            await kept.context.clear_cookies()
            await kept.context.add_cookies(self._states[who]["cookies"] if who else [])
        self._in_use.clear()

    async def _new_context(self, who: str | None, **own: Any) -> BrowserContext:
        if who and who not in self._states:
            self._states[who] = await sign_in(self.browser, self.stack.url, who)
        state = self._states[who] if who else None
        context = await self.browser.new_context(base_url=self.stack.url, storage_state=state, **own)
        context.set_default_timeout(PATIENCE_MS)
        return context


async def sign_in(browser: Browser, url: str, who: str) -> Any:
    """What a browser keeps of somebody who is signed in."""
    context = await browser.new_context(base_url=url)
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("Email").fill(who)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{url}/")
    state = await context.storage_state()
    await context.close()
    return json.loads(json.dumps(state))
