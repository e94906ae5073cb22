"""Open dashboards: `python -m tests.benchmarks.dashboards [--pages 100] [--changes 100] [--seconds 20]`.

All pages but one are sockets in a process of their own (`audience.py`). One, opened in the middle of them, is a
Chromium that notes when its rows change. Changes are real: claimed and handed back, or a progress, committed and
published as a worker does it. Then the first row in a cold browser, and an empty NiceGUI page, by turns.

Everything shares this machine's cores: the load is printed, what the audience took of a core, and how long the web
process took meanwhile to answer a request that costs it nothing, which is how long its event loop was busy.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from playwright.async_api import Browser, Page, async_playwright

from services import lifecycle
from services.database.database import Database
from services.feed import Change, Feed, connect
from services.lifecycle import Claim, Progress
from services.models import Job
from tests.browser.stack import PASSWORD, Stack
from tests.support.chromium import launch_options
from tests.support.machines import ROOT
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

ROWS = 25
_WARM = 5
_IDLE_SECONDS = 5
_PERSON = "dana@example.org"
_WORKER = "bench"
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
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**launch_options())
                await _load(stack, valkey, jobs, browser, options)
                await browser.close()
                if options.cold:
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
    stack: Stack, valkey: ValkeyServer, jobs: Sequence[UUID], browser: Browser, options: argparse.Namespace
) -> None:
    cookies, web = await _sign_in(stack), stack.process("web")
    async with _audience(stack, cookies) as audience:
        page, memory = await _fill(stack, browser, cookies, audience, options.pages - 1)
        await audience.heard()
        idle, _ = await _cores(web, asyncio.sleep(_IDLE_SECONDS))
        quiet = await audience.heard()
        database, redis = Database(stack.database_url), connect(valkey.url)
        writer, answers = Writer(database, Feed(redis), jobs), list[float]()
        asking = asyncio.create_task(_ask(stack.url, answers))
        audience.begin()
        busy, took = await _cores(web, writer.run(options.changes, options.seconds))
        listened, load = audience.took(), os.getloadavg()[0]
        asking.cancel()
        await asyncio.sleep(1)
        heard, seen = await audience.heard(), await page.evaluate("() => window.seen")
        await database.close()
        await redis.aclose()
    delays, told = _delays(writer.done, seen), _told(writer.done, heard["steps"])
    made = len(writer.done) / took
    others, sockets = options.pages - 1, len(heard["steps"])
    messages, size = heard["messages"] / others / took, heard["bytes"] / others / took
    print(
        f"{options.pages} dashboards, {made:.0f} changes/s: {busy:.0%} of a core (idle {idle:.1%}), "
        f"{busy * 1000 / made:.1f} ms a change; {memory / 1e6:.2f} MB a dashboard\n"
        f"  commit → DOM: {_spread(delays)} ({len(delays)} of {len(writer.done)} changes seen apart); "
        f"commit → socket of {sockets} others: {_spread(told)}\n"
        f"  a dashboard gets {messages:.1f} messages/s, {size / 1e3:.1f} kB/s "
        f"(idle {quiet['messages'] / others / _IDLE_SECONDS:.2f} messages/s)\n"
        f"  the web process answers meanwhile: {_spread(sorted(answers))}; "
        f"load {load:.1f}, the audience {listened / took:.0%} of a core"
    )


async def _fill(
    stack: Stack, browser: Browser, cookies: dict[str, str], audience: "Audience", others: int
) -> tuple[Page, float]:
    """Opens the browser's page amid the others; gives what one of these costs in bytes."""
    web = stack.process("web")
    await audience.open(_WARM)  # what the first page costs is not each page's
    before = await _settled_rss(web)
    await audience.open((others - _WARM) // 2)
    half = await _settled_rss(web)
    page = await _open(browser, stack, cookies)
    await page.evaluate(_WATCH)
    between = await _settled_rss(web)
    await audience.open(others - _WARM - (others - _WARM) // 2)
    return page, (half - before + await _settled_rss(web) - between) / (others - _WARM)


async def _settled_rss(web: psutil.Process) -> int:
    """The pages load their rows after their frames."""
    await asyncio.sleep(3)
    return int(web.memory_info().rss)


def _spread(sorted_ms: Sequence[float]) -> str:
    assert sorted_ms, "nothing was seen"
    return f"median {statistics.median(sorted_ms):.0f} ms, p95 {sorted_ms[int(len(sorted_ms) * 0.95)]:.0f} ms"


async def _ask(url: str, answers: list[float]) -> None:
    """Five times a second, a question that the web process answers at once, if it is not busy."""
    async with httpx.AsyncClient(base_url=url) as client:
        while True:
            begin = time.perf_counter()
            await client.get("/healthz")
            answers.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(0.2 * random.uniform(0.5, 1.5))


def _told(done: Sequence[Done], steps: Sequence[dict[str, float]]) -> list[float]:
    """Milliseconds from the commit of each step to the sockets that were told of it."""
    at = {change.word: change.at for change in done}
    return sorted((heard - at[word]) * 1000 for one in steps for word, heard in one.items() if word in at)


@dataclass
class Audience:
    """The dashboards that have no browser."""

    running: asyncio.subprocess.Process
    _began: float = 0.0

    def begin(self) -> None:
        """From now on its work counts."""
        self._began = self._worked

    def took(self) -> float:
        """Seconds of a core since then."""
        return self._worked - self._began

    @property
    def _worked(self) -> float:
        times = psutil.Process(self.running.pid).cpu_times()
        return float(times.user + times.system)

    async def open(self, number: int) -> None:
        """So many more."""
        await self._ask(str(number))

    async def heard(self) -> dict[str, Any]:
        """Since the last time: messages, bytes, and steps as every tenth heard of them."""
        return dict(json.loads(await self._ask("heard")))

    async def _ask(self, line: str) -> bytes:
        assert self.running.stdin
        assert self.running.stdout
        self.running.stdin.write(f"{line}\n".encode())
        answer = await self.running.stdout.readline()
        assert answer, "the audience is there"
        return answer


@asynccontextmanager
async def _audience(stack: Stack, cookies: dict[str, str]) -> AsyncIterator[Audience]:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    command = [sys.executable, "-m", "tests.benchmarks.audience", stack.url, cookie]
    running = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**26
    )
    try:
        yield Audience(running)
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def _cores(process: psutil.Process, work: Any) -> tuple[float, float]:
    """How much of a core the process takes while the work is done, and how many seconds that takes."""
    before, begin = process.cpu_times(), time.monotonic()
    await work
    after, took = process.cpu_times(), time.monotonic() - begin
    return (after.user + after.system - before.user - before.system) / took, took


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
