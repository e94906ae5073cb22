"""Makes the pictures of docs/images from a running demo: `make pictures`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright

from tests.support.chromium import launch_options
from tests.support.demo import Demo
from tests.support.machines import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually

_TARGET = ROOT / "docs" / "images"
_PAGES = ("new", "failures", "insights", "workers", "audit", "settings", "profile")
_WIDE, _PHONE = ViewportSize(width=1360, height=900), ViewportSize(width=390, height=844)
_NO_HINTS = """async () => {
  for (const hint of await (await fetch("/api/hints")).json()) await fetch(`/api/hints/${hint}`, { method: "DELETE" });
}"""
_STILL = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished))"""


async def main() -> None:
    """Starts the demo, waits until all of it is there, takes the pictures in both schemes and widths."""
    _TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        demo = Demo(Path(folder), port)
        try:
            await eventually(demo.is_ready, 240, interval=1, expect="the demo is ready")
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**launch_options())
                state = await _sign_in(browser, demo.link)
                for scheme in ("light", "dark"):
                    await _take_all(browser, f"http://127.0.0.1:{port}", state, scheme)
                await browser.close()
        finally:
            demo.stop()


async def _sign_in(browser: Browser, link: str) -> Any:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("table", name="Jobs").wait_for()
    await page.evaluate(_NO_HINTS)
    state = await context.storage_state()
    await context.close()
    return state


async def _take_all(browser: Browser, address: str, state: Any, scheme: Any) -> None:
    suffix = "" if scheme == "light" else f"-{scheme}"
    for viewport, prefix in ((_WIDE, ""), (_PHONE, "phone-")):
        context = await browser.new_context(
            base_url=address,
            storage_state=state,
            color_scheme=scheme,
            viewport=viewport,
        )
        page = await context.new_page()
        for name in _PAGES:
            await page.goto(f"/{name}")
            await _take(page, page.get_by_role("heading").first, f"{prefix}{name}{suffix}")
        await _jobs(page, prefix, suffix)
        await context.close()


async def _jobs(page: Page, prefix: str, suffix: str) -> None:
    """The grid, the dialog, and the page of a job."""
    await page.goto("/")
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Retry")).first
    await _take(page, row, f"{prefix}jobs{suffix}")
    broken = await row.get_attribute("data-job-id")
    await row.get_by_role("button", name="Retry").click()
    await _take(page, page.get_by_role("dialog").get_by_text("Will be kept"), f"{prefix}retry{suffix}")
    await page.goto(f"/jobs/{broken}")
    await _take(page, page.get_by_text("Timeline"), f"{prefix}job{suffix}")


async def _take(page: Page, there: Locator, name: str) -> None:
    await there.wait_for()
    await page.wait_for_load_state("networkidle")
    await page.evaluate(_STILL)
    await page.screenshot(path=_TARGET / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
