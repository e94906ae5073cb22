"""Makes the pictures of docs/images from a running Mulligan: `python -m tests.browser.pictures`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, async_playwright

from tests.browser.stack import PASSWORD, ROOT, Stack
from tests.support.chromium import launch_options
from tests.support.media import good_clip, noise
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

_TARGET = ROOT / "docs" / "images"
_NAMES = ("launch-teaser", "onboarding", "q3-townhall", "talk-41", "interview-li-wen", "product-tour")


async def main() -> None:
    """Starts everything, makes jobs, takes the pictures."""
    _TARGET.mkdir(parents=True, exist_ok=True)
    valkey = ValkeyServer()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), valkey)
        try:
            stack.start()
            broken = await _make_jobs(stack, Path(folder))
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**launch_options())
                for scheme in ("light", "dark"):
                    await _take(browser, stack, broken, scheme)
                await browser.close()
        finally:
            stack.close()
            valkey.close()


async def _make_jobs(stack: Stack, folder: Path) -> str:
    with stack.api("dana@example.org") as api:
        short, long, bad = (
            good_clip(folder / "s.mp4", 1),
            good_clip(folder / "l.mp4", 60),
            noise(folder / "n.mp4"),
        )
        done = [_submit(api, short, f"{name}.mp4", preset) for name in _NAMES for preset in ("480p", "audio")]
        broken = _submit(api, bad, "keynote-2026.mov", "720p")
        await eventually(lambda: all(_status(api, job) == "completed" for job in done), 60)
        await eventually(lambda: _status(api, broken) == "failed", 30)
        cancelled = _submit(api, long, "talk-archive.mkv", "1080p")
        api.post(f"/api/jobs/{cancelled}/cancel")
        _submit(api, long, "all-hands.mp4", "1080p")
        return broken


def _submit(api: httpx.Client, path: Path, name: str, preset: str) -> str:
    with path.open("rb") as file:
        upload = api.post("/api/uploads", files={"file": (name, file, "video/mp4")}).json()
    args: dict[str, Any] = {"upload_id": upload["id"], "preset": preset}
    return str(api.post("/api/jobs", json={"kind": "video.process", "args": args}).json()["id"])


def _status(api: httpx.Client, job: str) -> str:
    return str(api.get(f"/api/jobs/{job}").json()["status"])


async def _take(browser: Browser, stack: Stack, broken: str, scheme: Any) -> None:
    suffix = "" if scheme == "light" else f"-{scheme}"
    context = await browser.new_context(
        base_url=stack.url,
        color_scheme=scheme,
        viewport={"width": 1360, "height": 900},
        device_scale_factor=1,
    )
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("Email").fill("dana@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    row = page.locator(f'tr[data-job-id="{broken}"]')
    await row.wait_for()
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=_TARGET / f"jobs{suffix}.png")
    await row.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_text("Will be kept").wait_for()
    await page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations === 1).map(a => a.finished))"
    )
    await page.screenshot(path=_TARGET / f"retry{suffix}.png")
    await page.goto(f"/jobs/{broken}")
    await page.get_by_text("Timeline").wait_for()
    await page.screenshot(path=_TARGET / f"job{suffix}.png")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto("/")
    await row.wait_for()
    await page.screenshot(path=_TARGET / f"phone{suffix}.png")
    await context.close()


if __name__ == "__main__":
    asyncio.run(main())
