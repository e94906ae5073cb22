"""Every page while the world around it is out of order, and whether it is right again by itself afterwards.

A Mulligan of its own, on PostgreSQL, behind a network that can be cut: what happens here would disturb the other tests.
One tab a page, opened once; each test finds all of them right at its beginning and at its end.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from services.vocabulary import Role
from tests.browser.doors import sign_in
from tests.browser.stack import PASSWORD, Stack
from tests.browser.test_looks import require_accessible
from tests.support.postgres import PostgresServer
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.wire import Wire, wire_to

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

RIGHT = {
    "/": 'tr[data-status="failed"]:has-text("Broken clip")',
    "/jobs/{broken}": '.trouble-holder :text("Put it there.")',
    "/new?kind=test.form": '.kind-card:has-text("No worker with steam is online")',
    "/failures": '.failure:has-text("is not there yet")',
    "/insights?period=24h": 'table:has-text("test.fails")',
    "/workers": 'table[aria-label="Workers online"] tbody tr',
    "/audit": 'tr:has-text("Broken clip")',
    "/settings/workspace": ':text("Jobs are kept for ever.")',
    "/settings/members": 'tr:has-text("vera@example.org")',
    "/settings/tokens": 'tr:has-text("dana@example.org")',
    "/settings/credits": 'tr:has-text("The workspace began")',
    "/settings/retries": ':text("Retries are on.")',
    "/settings/notifications": ':text("There is none yet.")',
    "/profile": 'tr:has-text("this browser")',
}
"""What is on a page that has been read."""
_LOCKED = ("job", "job_count", "attempt", "outcome_rollup", "worker", "audit_entry", "api_token", "credit_entry",
           "saved_view", "switch", "channel")  # fmt: skip
_SKELETONS = ("/", "/failures", "/insights?period=24h", "/workers", "/audit", "/settings/tokens",
              "/settings/credits", "/settings/retries", "/settings/notifications")  # fmt: skip


EMPTY = {
    "/": ("No jobs yet", "New job"),
    "/?status=failed": ("No failed jobs", "Show all jobs"),
    "/?q=needle": ("Nothing matches", "Show all jobs"),
    "/?q=nonsense:1": ("Nothing was searched", "Show all jobs"),
    "/failures": ("Nothing has failed", "All jobs"),
    "/failures?muted=yes": ("Nothing is muted", "All failures"),
    "/insights": ("No run has ended in the last 7 days", "All jobs"),
    "/settings/tokens": ("No tokens yet", None),
}
"""What stands where nothing is, and the way on."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.create_database(name="desk")
    yield server
    server.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Stack]:
    valkey = ValkeyServer()
    stack = Stack(tmp_path_factory.mktemp("desk"), valkey, database=postgres.url("desk"))
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
        valkey.close()


@pytest.fixture(scope="module")
def program(desk: Stack) -> Iterator[httpx.Client]:
    with desk.api("dana@example.org") as client:
        yield client


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    return tmp_path / "flag"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(desk: Stack) -> AsyncIterator[Wire]:
    async with wire_to(desk.port) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tabs(browser: Browser, desk: Stack, wire: Wire, program: httpx.Client) -> AsyncIterator[Any]:
    broken = submit(program, "test.fails", "Broken clip", Path("/nowhere"))
    async with tabs_of(browser, wire.url, "dana@example.org", broken["id"]) as tabs:
        await all_right(tabs)
        yield tabs


@asynccontextmanager
async def tabs_of(browser: Browser, url: str, who: str, broken: str) -> AsyncIterator[dict[str, Page]]:
    context = await browser.new_context(base_url=url, storage_state=await sign_in(browser, url, who))
    context.set_default_timeout(60_000)
    tabs = {}
    for path in RIGHT:
        tabs[path] = await context.new_page()
        await tabs[path].goto(path.format(broken=broken))
    yield tabs
    await context.close()


async def all_right(tabs: dict[str, Page]) -> None:
    for path, page in tabs.items():
        await expect(page.locator(RIGHT[path]).first).to_be_visible()
        await expect(page.locator(".pill.live")).to_contain_text("Live")
        await expect(page.locator(".toast:visible")).to_have_count(0)
        await expect(page.locator(".skeleton-lines")).to_have_count(0)


async def test_where_nothing_is_a_page_says_what_to_do_next(browser: Browser, desk: Stack) -> None:
    state = await sign_in(browser, desk.url, "eve@example.org")
    context = await browser.new_context(base_url=desk.url, storage_state=state)
    page = await context.new_page()
    for path, (title, way_on) in EMPTY.items():
        await page.goto(path)
        empty = page.locator(".empty:visible")
        await expect(empty.get_by_role("heading")).to_have_text(title)
        await expect(empty.locator("p")).not_to_be_empty()
        if way_on:
            await expect(empty.get_by_role("link")).to_have_text(way_on)
        await require_accessible(page)
    await context.close()


async def test_a_slow_database_has_a_face(tabs: dict[str, Page], postgres: PostgresServer) -> None:
    for path in _SKELETONS:
        page = tabs[path]
        async with locked(postgres):
            await page.reload(wait_until="commit")
            await expect(page.locator(".skeleton-lines, tr.skeleton").first).to_be_visible()
            await expect(page.locator(".toast:visible")).to_have_count(0)
        await expect(page.locator(RIGHT[path]).first).to_be_visible()
        await expect(page.locator("tr.skeleton")).to_have_count(0)
    await all_right(tabs)


async def test_a_database_that_is_gone_is_told_of_once(
    tabs: dict[str, Page], postgres: PostgresServer, wire: Wire
) -> None:
    context = tabs["/"].context
    postgres.stop()
    try:
        read_anew(wire)
        for path, page in tabs.items():
            await expect(page.locator(".toast.sign.on")).to_contain_text("The database does not answer.")
            await expect(page.locator(".pill.live")).to_contain_text("Not up to date")
            await expect(page.locator(RIGHT[path]).first).to_be_visible()  # what was there stays
            await expect(page.locator(".toast.bad")).to_have_count(0)
        await require_accessible(tabs["/"])
        await tabs["/failures"].get_by_role("button", name="Reload").click()
        await expect(tabs["/failures"].get_by_role("alert")).to_contain_text(
            "Nothing was lost. Try again in a moment."
        )
        await tabs["/failures"].get_by_role("button", name="Close message").click()
        asked = await out_of_order(context, "/jobs/0198c2e4-7a51-7d0e-8000-000000000000", 503, "One moment")
        await require_accessible(asked)
        stranger = await context.browser.new_context(base_url=wire.url)  # type: ignore[union-attr]
        await out_of_order(stranger, "/login?link=some", 200, "Mulligan")
        page = stranger.pages[0]
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("main")).to_contain_text("send it again")
        await stranger.close()
    finally:
        postgres.start()
    await expect(asked.get_by_role("heading", name="Not found")).to_be_visible()  # asked again by itself
    await asked.close()
    await all_right(tabs)


async def test_a_query_that_fails_is_our_mistake_and_says_so(
    tabs: dict[str, Page], postgres: PostgresServer
) -> None:
    postgres.sql("ALTER TABLE failure_mark RENAME TO elsewhere", "desk")
    try:
        page, sign = tabs["/failures"], "Something went wrong on our side"
        await page.reload()
        await expect(page.locator(".toast.sign.on")).to_contain_text(sign)
        # The first reload may have been given what another page had read just before; the next one is not.
        await page.reload()
        await expect(page.locator(".skeleton-lines")).to_be_visible()
        await expect(page.locator(".toast.sign.on")).to_contain_text(sign)
        postgres.sql("ALTER TABLE web_session RENAME TO elsewhere_too", "desk")
        asked = await out_of_order(page.context, "/failures", 500, sign)
        await require_accessible(asked)
        postgres.sql("ALTER TABLE elsewhere_too RENAME TO web_session", "desk")
        await asked.get_by_role("link", name="Try again").click()
        await expect(asked.get_by_role("heading", name="Failures")).to_be_visible()
        await asked.close()
    finally:
        postgres.sql("ALTER TABLE IF EXISTS elsewhere_too RENAME TO web_session", "desk")
        postgres.sql("ALTER TABLE elsewhere RENAME TO failure_mark", "desk")
    await all_right(tabs)


async def test_the_web_process_is_killed_and_comes_back(
    tabs: dict[str, Page], desk: Stack, program: httpx.Client, flag: Path
) -> None:
    job = submit(program, "test.waits", "while nobody served", flag)
    grid, new = tabs["/"], tabs["/new?kind=test.form"]
    row = grid.locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "running")
    await new.get_by_label("Title (optional)").fill("not to be lost")
    desk.kill9("web")
    for page in tabs.values():
        await expect(page.locator(".pill.live")).to_have_text("Reconnecting…", use_inner_text=True)
    flag.touch()
    for path, page in tabs.items():
        await expect(page.locator(".pill.live")).to_have_text("Offline", use_inner_text=True)
        await expect(page.get_by_text("Mulligan does not answer")).to_be_visible()
        await expect(page.locator(RIGHT[path]).first).to_be_visible()
    await require_accessible(grid)
    before = grid.url
    await grid.get_by_role("link", name="Failures").click()
    await grid.get_by_role("button", name="Reload", exact=True).first.click()
    await expect(grid.locator(".toast.when-off")).to_have_class(re.compile("again"))
    assert grid.url == before
    desk.start_web()
    await expect(new.get_by_text("Mulligan was restarted")).to_be_visible()
    await expect(new.get_by_label("Title (optional)")).to_have_value("not to be lost")
    await new.locator(".toast.when-gone").get_by_role("button", name="Reload").click()
    await all_right(tabs)
    await expect(row).to_have_attribute("data-status", "completed")


async def test_the_network_is_cut(tabs: dict[str, Page], wire: Wire) -> None:
    wire.cut()
    for page in tabs.values():
        await expect(page.locator(".pill.live")).to_have_text("Reconnecting…", use_inner_text=True)
    wire.mend()
    await all_right(tabs)


async def test_in_a_dead_network_a_page_stays_and_tries_on(tabs: dict[str, Page], wire: Wire) -> None:
    some = {path: tabs[path] for path in ("/", "/jobs/{broken}", "/settings/tokens")}
    for page in some.values():
        await page.evaluate("""() => {
            window.refused = 0;
            socket.io.timeout(1000);
            socket.on("connect_error", () => window.refused++);
        }""")
    wire.go_dead()
    for path, page in some.items():
        await expect(page.locator(".pill.live")).to_have_text("Offline", use_inner_text=True)
        # NiceGUI itself would load the page anew at the second time, and end on a page of the browser's.
        await eventually(lambda p=page: p.evaluate("window.refused > 2"), 60, interval=0.5)  # type: ignore[misc]
        await expect(page.locator(RIGHT[path]).first).to_be_visible()
    wire.mend()
    await all_right(tabs)


async def test_without_redis_pages_say_so_and_are_right_within_seconds(
    tabs: dict[str, Page], desk: Stack, program: httpx.Client
) -> None:
    job = submit(program, "test.steam", "without a feed", Path("/nowhere"))
    row = tabs["/"].locator(f'tr[data-job-id="{job["id"]}"]')
    await expect(row).to_have_attribute("data-status", "queued")
    page = await tabs["/"].context.new_page()
    await page.goto(f"/jobs/{job['id']}")
    desk.valkey.stop()
    try:
        for tab in [*tabs.values(), page]:
            await expect(tab.locator(".pill.live")).to_have_text("Reconnecting…", use_inner_text=True)
        cancel(program, job)
        await expect(row).to_have_attribute("data-status", "cancelled")
        await expect(page.locator(".page-head .badge")).to_have_text("cancelled")
    finally:
        desk.valkey.start()
    await page.close()
    await all_right(tabs)


async def test_who_is_let_in_no_more_sees_nothing_more(
    browser: Browser, tabs: dict[str, Page], desk: Stack, program: httpx.Client, wire: Wire
) -> None:
    broken = tabs["/jobs/{broken}"].url.rsplit("/", 1)[-1]
    desk.add_person("zoe@example.org", "Studio North", Role.ADMIN, PASSWORD)
    desk.add_person("zoe@example.org", "Elsewhere", Role.ADMIN)
    async with tabs_of(browser, wire.url, "zoe@example.org", broken) as own:
        await all_right(own)
        remove_member(program, "zoe")
        read_anew(wire)
        await nothing_left(own, "You are no member of this workspace any more", "Go on")
    async with tabs_of(browser, wire.url, "dana@example.org", broken) as own:
        await all_right(own)
        left = await own["/"].context.request.post(
            "/api/auth/logout", headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert left.status == 204
        read_anew(wire)
        await nothing_left(own, "You have been signed out", "Sign in again")


def read_anew(wire: Wire) -> None:
    """Every page connects again, and reads everything anew."""
    wire.cut()
    wire.mend()


async def nothing_left(tabs: dict[str, Page], title: str, way_on: str) -> None:
    for path, page in tabs.items():
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await expect(page.locator(RIGHT[path])).to_have_count(0)
        await expect(page.locator("main button")).to_have_count(0)
        await expect(page.get_by_role("main").get_by_role("link")).to_have_text([way_on])
    await require_accessible(tabs["/"])


async def out_of_order(context: BrowserContext, path: str, status: int, title: str) -> Page:
    """A page that is asked for and cannot be made; nothing of how Mulligan is made is told."""
    page = await context.new_page()
    answer = await page.goto(path)
    assert answer is not None
    assert answer.status == status
    await expect(page.get_by_role("heading", name=title)).to_be_visible()
    told = (await page.content()).lower()
    assert not [word for word in ("sql", "traceback", "exception", "asyncpg") if word in told]
    return page


@asynccontextmanager
async def locked(postgres: PostgresServer) -> AsyncIterator[None]:
    """Somebody holds what pages read; who comes is still known."""
    holder = await asyncpg.connect(user="postgres", database="desk", host=str(postgres.folder))
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {', '.join(_LOCKED)} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await holder.close()


def remove_member(program: httpx.Client, name: str) -> None:
    found = program.get("/api/members").json()
    person = next(one for one in found["items"] if one["name"] == name)
    assert program.delete(f"/api/members/{person['id']}").status_code == 204


def cancel(program: httpx.Client, job: dict[str, Any]) -> None:
    assert program.post(f"/api/jobs/{job['id']}/cancel").status_code < 300


def submit(program: httpx.Client, kind: str, title: str, flag: Path) -> dict[str, Any]:
    answer = program.post("/api/jobs", json={"kind": kind, "title": title, "args": {"flag": str(flag)}})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job
