"""One Mulligan and one Chromium for all tests here; a context of its own for each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.doors import PATIENCE_MS, Doors
from tests.browser.stack import Stack
from tests.support.chromium import launch_options
from tests.support.valkey import ValkeyServer

Open = Callable[..., Awaitable[Page]]

expect.set_options(timeout=PATIENCE_MS)


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
    options = launch_options()
    options["args"].append("--process-per-site")  # see `Doors`
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def _doors(browser: Browser, stack: Stack) -> Doors:
    return Doors(browser, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(stack: Stack, _doors: Doors) -> AsyncIterator[Open]:
    """`await visit("/", who="dana@example.org", scheme="dark", width=390)`: a page of a browser of one's own.

    A page that throws, or that asks another host for anything, fails its test.
    """
    trouble: list[str] = []

    async def open_page(
        path: str = "/",
        *,
        who: str | None = "dana@example.org",
        scheme: Any = "light",
        width: int = 1360,
        height: int = 900,
        prepare: str | None = None,
        **own: Any,
    ) -> Page:
        page = await (await _doors.open(who, prepare=prepare, **own)).new_page()
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=scheme, reduced_motion=own.get("reduced_motion"))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda r: trouble.append(r.url) if not _is_ours(r.url, stack) else None)
        await page.goto(path)
        return page

    yield open_page
    await _doors.tidy()
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
