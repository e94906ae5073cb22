"""One Mulligan and one Chromium for all tests here; a context of its own for each."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.stack import PASSWORD, Stack
from tests.support.chromium import launch_options
from tests.support.valkey import ValkeyServer

Open = Callable[..., Awaitable[Page]]

# A busy machine is slow; what is never shown still fails its test.
_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    valkey = ValkeyServer()
    stack = Stack(tmp_path_factory.mktemp("stack"), valkey)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
        valkey.close()


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[httpx.Client]:
    """Dana's own program."""
    with stack.api("dana@example.org") as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def _doors() -> dict[str, Any]:
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, stack: Stack, _doors: dict[str, Any]) -> AsyncIterator[Open]:
    """`await visit("/", who="dana@example.org", scheme="dark", width=390)`: a page of a browser of one's own.

    A page that throws, or that asks another host for anything, fails its test.
    """
    contexts = []
    trouble: list[str] = []

    async def open_page(
        path: str = "/",
        *,
        who: str | None = "dana@example.org",
        scheme: Any = "light",
        width: int = 1360,
        height: int = 900,
        prepare: str | None = None,
    ) -> Page:
        if who and who not in _doors:
            _doors[who] = await sign_in(browser, stack.url, who)
        context = await browser.new_context(
            base_url=stack.url, viewport={"width": width, "height": height}, color_scheme=scheme,
            storage_state=_doors[who] if who else None,
        )  # fmt: skip
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        if prepare:
            await context.add_init_script(prepare)
        page = await context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda r: trouble.append(r.url) if not _is_ours(r.url, stack) else None)
        await page.goto(path)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert not trouble


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "flag"


@pytest.fixture
def submit(api: httpx.Client, flag: Path) -> Callable[..., dict[str, Any]]:
    """Makes a job of a kind that looks at the flag."""

    def make(kind: str, title: str, **more: Any) -> dict[str, Any]:
        answer = api.post(
            "/api/jobs", json={"kind": kind, "title": title, "args": {"flag": str(flag)}} | more
        )
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    return make


def _is_ours(url: str, stack: Stack) -> bool:
    return url.startswith((stack.url, "data:", "blob:"))


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
