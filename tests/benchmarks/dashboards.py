"""Open dashboards: `python -m tests.benchmarks.dashboards [--pages 100] [--changes 100] [--seconds 20]`.

All pages but one are NiceGUI clients without a browser: they open the grid and keep its websocket, as a browser does.
The last one is a Chromium that notes when its rows change. Changes are real: claimed and handed back, or a progress,
committed and published as a worker does it. Then the first row in a cold browser, and an empty NiceGUI page, by turns.
"""

import argparse
import ast
import asyncio
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import socketio  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, async_playwright

from services import lifecycle
from services.database.database import Database
from services.feed import Change, Feed, connect
from services.lifecycle import Claim, Progress
from services.models import Job
from tests.browser.stack import PASSWORD, Stack
from tests.support.chromium import launch_options
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

ROWS = 25
_PERSON = "dana@example.org"
_WORKER = "bench"
_QUERY = re.compile(r"query: (\{.*?\}),\n")
_WATCH = """() => {
  window.seen = [];
  const rowOf = (node) => (node.closest ? node : node.parentElement)?.closest("tr");
  const note = (changes) => {
    for (const row of new Set(changes.map((change) => rowOf(change.target)))) {
      if (row) window.seen.push([row.dataset.jobId, row.dataset.status, row.innerText, Date.now()]);
    }
  };
  const all = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(note).observe(document.querySelector("table"), all);
}"""
_EMPTY = """
import sys
from nicegui import ui

@ui.page("/")
def page() -> None:
    ui.label("x").props('id="there"')

ui.run(port=int(sys.argv[1]), host="127.0.0.1", show=False, reload=False)
"""


@dataclass
class Done:
    """What was committed, and when (seconds)."""

    job: UUID
    word: str
    """What the row shows from then on: a status, or the step that no other change has."""
    at: float


@dataclass
class Writer:
    """Makes changes at a steady pace."""

    db: Database
    feed: Feed
    jobs: Sequence[UUID]
    done: list[Done] = field(default_factory=list)

    async def run(self, per_second: float, seconds: float) -> None:
        """Half of them are changes of status, half are progress."""
        attempts = {job: await self._attempt(job) for job in self.jobs}
        running = dict.fromkeys(self.jobs, False)
        turn = deque(self.jobs)
        begin = time.monotonic()
        for number in range(int(per_second * seconds)):
            job = turn[0]
            turn.rotate(-1)
            claim = Claim(job, attempts[job])
            if running[job] and random.random() < 0.5:
                await self._progress(claim, f"step-{number:06}")
            elif running[job]:
                await self._hand_back(claim)
                attempts[job], running[job] = attempts[job] + 1, False
            else:
                await self._claim(claim)
                running[job] = True
            await asyncio.sleep(max(0.0, begin + (number + 1) / per_second - time.monotonic()))

    async def _attempt(self, job: UUID) -> int:
        async with self.db.read() as session:
            return (await session.get_one(Job, job)).attempt

    async def _claim(self, claim: Claim) -> None:
        won = await self.db.transact(lambda s: lifecycle.claim(s, [claim], _WORKER, 600))
        await self._tell(claim.job_id, "running", [one.change for one in won.values()])

    async def _hand_back(self, claim: Claim) -> None:
        back = await self.db.transact(lambda s: lifecycle.hand_back(s, [claim], _WORKER))
        await self._tell(claim.job_id, "queued", [Change.of(job) for job in back])

    async def _progress(self, claim: Claim, step: str) -> None:
        moved = [Progress(*claim, random.uniform(1, 99), step)]
        changes = await self.db.transact(lambda s: lifecycle.progress(s, moved, _WORKER))
        await self._tell(claim.job_id, step, changes)

    async def _tell(self, job: UUID, word: str, changes: Sequence[Change]) -> None:
        assert changes, f"{word} of {job} was not taken"
        self.done.append(Done(job, word, time.time()))
        await self.feed.publish(changes)


async def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100, help="open dashboards, the browser's among them")
    parser.add_argument("--changes", type=float, default=100, help="a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--cold", type=int, default=7, help="cold starts of a browser, of each page")
    options = parser.parse_args()
    valkey = ValkeyServer()
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        stack = Stack(Path(folder), valkey)
        try:
            stack.start()
            jobs = _make_jobs(stack)
            async with AsyncExitStack() as cleanup:
                playwright = await cleanup.enter_async_context(async_playwright())
                await _load(
                    stack,
                    valkey,
                    jobs,
                    await playwright.chromium.launch(**launch_options()),
                    options,
                    cleanup,
                )
                await _cold(stack, playwright, options.cold)
        finally:
            stack.close()
            valkey.close()


def _make_jobs(stack: Stack) -> list[UUID]:
    """Jobs that no worker takes: they are this benchmark's to run."""
    stack.stop("worker")
    with stack.api(_PERSON) as api:
        order = {"kind": "test.free", "args": {"flag": "/nowhere"}}
        made = [api.post("/api/jobs", json=order | {"title": f"Clip {n}"}).json() for n in range(ROWS)]
    return [UUID(job["id"]) for job in made]


async def _load(
    stack: Stack, valkey: ValkeyServer, jobs: Sequence[UUID], browser: Browser, options: argparse.Namespace,
    cleanup: AsyncExitStack,
) -> None:  # fmt: skip
    cookies = await _sign_in(stack)
    web = stack.process("web")
    page = await _open(browser, stack, cookies)
    await page.evaluate(_WATCH)
    warm = [
        await _dashboard(stack, cookies) for _ in range(5)
    ]  # what the first page costs is not each page's
    before = web.memory_info().rss
    clients = warm + [await _dashboard(stack, cookies) for _ in range(options.pages - 1 - len(warm))]
    for client in clients:
        cleanup.push_async_callback(client.disconnect)
    await asyncio.sleep(3)  # the pages load their rows after their frames
    memory = (web.memory_info().rss - before) / max(len(clients) - len(warm), 1)
    database, redis = Database(stack.database_url), connect(valkey.url)
    cleanup.push_async_callback(database.close)
    cleanup.push_async_callback(redis.aclose)
    writer = Writer(database, Feed(redis), jobs)
    idle = await _cores(web, asyncio.sleep(5))
    busy = await _cores(web, writer.run(options.changes, options.seconds))
    await asyncio.sleep(1)
    delays = _delays(writer.done, await page.evaluate("() => window.seen"))
    made, p95 = len(writer.done) / options.seconds, delays[int(len(delays) * 0.95)]
    print(f"{len(clients) + 1} dashboards, {made:.0f} changes/s: {busy:.0%} of a core (idle {idle:.1%}), "
          f"{memory / 1e6:.2f} MB a dashboard; commit → DOM median {statistics.median(delays):.0f} ms, "
          f"p95 {p95:.0f} ms ({len(delays)} of {len(writer.done)} changes seen apart)")  # fmt: skip
    await browser.close()


async def _cores(process: psutil.Process, work: Any) -> float:
    """How much of a core the process takes while the work is done."""
    before, begin = process.cpu_times(), time.monotonic()
    await work
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - begin)


def _delays(done: Sequence[Done], seen: Sequence[Sequence[Any]]) -> list[float]:
    """Milliseconds from each commit to the row that shows it, without what a later change overtook within a blink."""
    delays = []
    rows: dict[str, list[Sequence[Any]]] = {}
    for row in seen:
        rows.setdefault(row[0], []).append(row)
    for change in done:
        shown = (
            at - change.at * 1000
            for _, status, words, at in rows.get(str(change.job), ())
            if (status == change.word or change.word in words) and -1 < at - change.at * 1000 < 2_000
        )
        if (delay := next(shown, None)) is not None:
            delays.append(delay)
    return sorted(delays)


async def _sign_in(stack: Stack) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=stack.url) as client:
        answer = await client.post(
            "/api/auth/login", json={"email": _PERSON, "password": PASSWORD}, headers={"Origin": stack.url}
        )
        answer.raise_for_status()
        return dict(client.cookies)


async def _dashboard(stack: Stack, cookies: dict[str, str]) -> socketio.AsyncClient:
    """A page with its websocket, as a browser has it; what it is told goes nowhere."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "Origin": stack.url}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
        text = (await client.get("/")).text
    found = _QUERY.search(text)
    assert found, "the page says how to connect"
    query = ast.literal_eval(found[1]) | {
        "tab_id": str(UUID(int=random.getrandbits(128))),
        "document_id": "1",
    }
    sio = socketio.AsyncClient(reconnection=False)
    address = stack.url + "/?" + "&".join(f"{name}={value}" for name, value in query.items())
    await sio.connect(
        address, headers=headers, socketio_path="/_nicegui_ws/socket.io", transports=["websocket"]
    )
    if not query.get("implicit_handshake"):
        assert await sio.call("handshake", query)
    return sio


async def _open(browser: Browser, stack: Stack, cookies: dict[str, str]) -> Page:
    context = await browser.new_context(base_url=stack.url, viewport={"width": 1360, "height": 900})
    await context.add_cookies([{"name": n, "value": v, "url": stack.url} for n, v in cookies.items()])
    page = await context.new_page()
    await page.goto("/")
    await page.locator("tr[data-job-id]").nth(ROWS - 1).wait_for()
    return page


# --- a cold browser ---------------------------------------------------------------------------------------------------


async def _cold(stack: Stack, playwright: Any, rounds: int) -> None:
    cookies = await _sign_in(stack)
    port = free_port()
    script = stack.folder / "empty.py"
    script.write_text(_EMPTY)
    command = [sys.executable, str(script), str(port)]
    empty = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    try:
        await eventually(lambda: _answers(port), 30, expect="the empty page answers")
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(await _first(playwright, f"http://127.0.0.1:{port}/", {}, "#there"))
            ours.append(await _first(playwright, f"{stack.url}/", cookies, "tr[data-job-id]"))
    finally:
        empty.kill()
        await empty.wait()
    mine, bare = statistics.median(ours), statistics.median(theirs)
    print(
        f"cold browser: first row {mine:.0f} ms, an empty NiceGUI page {bare:.0f} ms, ratio {mine / bare:.2f}"
    )


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


async def _first(playwright: Any, address: str, cookies: dict[str, str], what: str) -> float:
    """Milliseconds from the navigation's start until it is there, in a browser that knows nothing yet."""
    browser = await playwright.chromium.launch(**launch_options())
    try:
        context = await browser.new_context(viewport={"width": 1360, "height": 900})
        await context.add_cookies([{"name": n, "value": v, "url": address} for n, v in cookies.items()])
        page = await context.new_page()
        await page.add_init_script(
            f"""const look = () => document.querySelector({what!r}) ? (window.there = performance.now())
                : requestAnimationFrame(look); look();"""
        )
        await page.goto(address)
        await page.wait_for_function("() => window.there")
        return float(await page.evaluate("() => window.there"))
    finally:
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
