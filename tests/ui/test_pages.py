"""Open pages on a real desk, without a browser: what they read, what they share, and when they stop."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from nicegui import Client, core
from nicegui.page import page
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from services import lifecycle
from services.desk import Desk
from services.feed import Change
from services.jobs import job_list, jobs, submission
from services.jobs.views import Display
from services.lifecycle import Claim, Outcome
from services.models import Job, LogLine, Membership, User
from services.people import sessions
from services.people.access import Actor
from services.policy import RetryPolicy
from services.retry.retrying import Wish, plan_retry, retry
from services.vocabulary import Density, RetryMode, Role, Status
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.waiting import eventually
from ui import live as live_module
from ui.app import _install_plain_pages
from ui.components.element import Lean
from ui.job_views import JobViews
from ui.live import LiveBridge
from ui.pages import door, download, login
from ui.pages import jobs as jobs_module
from ui.pages import open_page as open_page_module
from ui.pages.grid_address import PAGE_SIZE, GridAddress
from ui.pages.job import JobPage
from ui.pages.jobs import JobsPage
from ui.pages.open_page import OpenPage
from ui.visit import Visit, Web

# What the pages do is the same on both databases; the services' own tests use both.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

P = TypeVar("P", bound=OpenPage)


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    replaced = a_kind("test.replaced", policy=RetryPolicy(mode=RetryMode.REPLACE))
    async with open_desk(database_url, redis_url, tmp_path, a_kind(), replaced) as desk:
        yield desk


@dataclass
class House:
    """Opens pages for people."""

    web: Web
    clients: list[Client]

    async def visit(self, actor: Actor) -> Visit:
        """A signed-in person."""
        async with self.web.desk.db.write() as session:
            user = await session.get_one(User, actor.user_id)
            signed_in = await sessions.open_session(session, self.web.desk.settings, user)
        return Visit(self.web, signed_in.cookie, actor, seats=[], address="/")

    def open(self, make: Callable[[], P]) -> P:
        """The page that `make` draws."""
        client = Client(page("/"))
        self.clients.append(client)
        with client:
            return make()

    async def grid(self, actor: Actor, **address: str) -> JobsPage:
        """The jobs, not read yet."""
        visit = await self.visit(actor)
        return self.open(lambda: JobsPage(visit, GridAddress(**address)))  # type: ignore[arg-type]

    async def job(self, actor: Actor, job: Job) -> JobPage:
        """The page of a job."""
        visit = await self.visit(actor)
        detail = await jobs.job_detail(self.web.desk, actor, job.id)
        return self.open(lambda: JobPage(visit, detail))


@pytest.fixture
async def house(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(core, "loop", asyncio.get_running_loop())
    house = House(Web(desk, LiveBridge(desk), JobViews(desk)), [])
    yield house
    for client in house.clients:
        client.delete()


@pytest.fixture
async def dana(desk: Desk) -> Actor:
    return await a_person(desk, credits=10)


async def a_job(desk: Desk, actor: Actor) -> Job:
    return await submission.submit(desk, actor, "test.priced", {})


async def a_failed_job(desk: Desk, actor: Actor, kind: str = "test.replaced") -> Job:
    job = await submission.submit(desk, actor, kind, {})
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, 1)], "w1", 60)
        session.add(LogLine(job_id=job.id, attempt=1, message="fetching"))
        assert await lifecycle.finish(session, [Outcome(job.id, 1, Status.FAILED)], "w1")
    return await jobs.get_job(desk, actor, job.id)


async def throw_out(desk: Desk, actor: Actor) -> None:
    """Ends the person's membership."""
    mine = sa.delete(Membership).where(col(Membership.user_id) == actor.user_id)
    async with desk.db.write() as session:
        await session.execute(mine)


def ways_on(opened: OpenPage) -> list[object]:
    """Where the links of a page lead, which are all that an ended one has."""
    inside = opened.frame.main.descendants()
    return [each.props.get("href") for each in inside if each.tag == "a"]


def titles(grid: JobsPage) -> list[str]:
    return [str(row.view.id) for row in grid.parts.table.rows() if row.view]


class TestSharing:
    async def test_what_was_read_of_a_job_goes_when_its_rows_are_drawn(
        self, house: House, dana: Actor
    ) -> None:
        """Arguments and results may be megabytes; a view is a few words."""
        views = house.web.views
        job = await a_job(house.web.desk, dana)
        view, read = views.of(dana, job, None), weakref.ref(job)
        assert views.of(dana, job, None) is view
        del job
        gc.collect()
        assert read() is None

    async def test_a_change_that_comes_while_a_page_waits_is_in_what_it_reads(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "SETTLE_SECONDS", 0.2)
        monkeypatch.setattr(open_page_module, "SHARED_SECONDS", 60.0)
        grid, other = await house.grid(dana), await house.grid(dana)
        await grid.load()
        grid.stirred()
        await other.load()  # before the next change, and fresh enough to be shared
        job = await a_job(house.web.desk, dana)
        grid.stirred()
        await eventually(lambda: grid.parts.table.row(job.id), expect="the job is shown")

    async def test_pages_that_are_told_together_share_what_they_read_then(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        really = job_list.read_page

        async def read_page(*args: object) -> object:
            asked.append(args)
            return await really(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(job_list, "read_page", read_page)
        monkeypatch.setattr(open_page_module, "SHARED_SECONDS", 60.0)
        grids = [await house.grid(dana) for _ in range(3)]
        for grid in grids:
            grid.stirred()
        await eventually(lambda: not house.web.live.settling)
        await asyncio.gather(*(grid.load() for grid in grids))
        assert len(asked) == 1

    async def test_my_jobs_are_mine_also_right_after_somebody_else_asked_for_theirs(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(open_page_module, "SHARED_SECONDS", 60.0)
        olaf = await a_person(house.web.desk, Role.OPERATOR)
        job = await a_job(house.web.desk, dana)
        hers, his = await house.grid(dana, q="owner:me"), await house.grid(olaf, q="owner:me")
        await hers.load()
        await his.load()
        assert (titles(hers), titles(his)) == ([str(job.id)], [])
        assert [grid.parts._tabs[Status.QUEUED][1].text for grid in (hers, his)] == ["1", "0"]


class TestCost:
    """What an open page costs, in what can be counted. The figures are in docs/features/live-updates.md."""

    async def test_a_page_is_few_elements_and_most_of_them_are_lean(self, house: House, dana: Actor) -> None:
        for _ in range(PAGE_SIZE):
            await a_failed_job(house.web.desk, dana)
        grid = await house.grid(dana)
        await grid.load()
        elements = list(grid.client.elements.values())
        stock = [each for each in elements if not isinstance(each, Lean)]
        heard = sum(len(each._event_listeners) for each in elements)
        assert len(elements) <= 650
        assert len(stock) <= 45, [str(each)[:40] for each in stock]
        assert heard <= 140

    async def test_twenty_pages_are_told_by_as_many_queries_as_one(self, house: House, dana: Actor) -> None:
        desk = house.web.desk
        made = [await a_job(desk, dana) for _ in range(5)]
        grids = [await house.grid(dana) for _ in range(20)]
        for grid in grids:
            await grid.load()
            house.web.live.subscribe(grid)
        over = [await jobs.cancel(desk, dana, job.id) for job in made]
        told = {job.id: Change.of(job) for job in over}
        house.web.live.shared.forget()
        statements: list[str] = []
        engine = desk.db.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))

        await house.web.live._tell(told)
        assert len([s for s in statements if s.startswith("SELECT")]) == 1
        statements.clear()
        assert house.web.live.settling == len(grids)
        house.web.live._settle()
        await eventually(lambda: not house.web.live.settling)

        assert len([s for s in statements if s.startswith("SELECT")]) <= 8, statements
        for grid in grids:
            assert {row.view.status for row in grid.parts.table.rows() if row.view} == {Status.CANCELLED}

    async def test_what_a_page_is_told_goes_to_its_browser_as_one_message(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[tuple[str, dict[Any, Any]]] = []

        async def emit(event: str, data: dict[Any, Any], **_: Any) -> None:
            sent.append((event, data))

        desk = house.web.desk
        moving, changing, still = [await a_job(desk, dana) for _ in range(3)]
        async with desk.db.write() as session:
            assert await lifecycle.claim(session, [Claim(moving.id, 1)], "w", 60)
        grid = await house.grid(dana)
        await grid.load()
        house.web.live.subscribe(grid)
        monkeypatch.setattr(core.sio, "emit", emit)
        grid.client.outbox.updates.clear()
        grid.client.outbox.messages.clear()
        grid.client.tab_id = "a browser"  # from now on the outbox sends
        version = grid.shown()[moving.id]
        over = await jobs.cancel(desk, dana, changing.id)
        await house.web.live._tell(
            {
                moving.id: Change(
                    moving.id, dana.workspace_id, dana.user_id, Status.RUNNING, version, 40, "Encoding"
                ),
                over.id: Change.of(over),
            }
        )
        await eventually(lambda: sent)
        ((event, data),) = sent
        rows = grid.parts.table.by_id()
        told = {
            each.id
            for job in (moving, changing)
            for each in rows[job.id].element.descendants(include_self=True)
        }
        assert event == "update"
        assert data.keys() - {"_id"} <= told
        assert rows[moving.id]._progress.id in data
        assert not {each.id for each in rows[still.id].element.descendants()} & data.keys()
        # One that shows the same already is told nothing.
        sent.clear()
        await house.web.live._tell({over.id: Change.of(over)})
        assert not grid.client.outbox.updates


class TestOlderAndNewer:
    async def test_a_list_from_before_a_change_leaves_the_changed_row_as_it_is(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(open_page_module, "SHARED_SECONDS", 60.0)
        job = await a_job(house.web.desk, dana)
        grid = await house.grid(dana)
        await grid.load()
        grid.changed([await jobs.cancel(house.web.desk, dana, job.id)], ())
        await grid.load()  # what is shared is from before the cancelling
        row = grid.parts.table.row(job.id)
        assert row
        assert row.view
        assert row.view.status is Status.CANCELLED

    async def test_an_answer_that_comes_late_does_not_undo_a_later_one(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        grid, really = await house.grid(dana), job_list.read_page
        has_read, release = asyncio.Event(), asyncio.Event()
        await grid.load()

        async def slow(*args: object) -> object:
            found = await really(*args)  # type: ignore[arg-type]
            has_read.set()
            await release.wait()
            return found

        monkeypatch.setattr(job_list, "read_page", slow)
        house.web.live.shared.forget()
        early = asyncio.ensure_future(grid.refresh())
        await has_read.wait()
        job = await a_job(house.web.desk, dana)
        monkeypatch.setattr(job_list, "read_page", really)
        house.web.live.shared.forget()
        await grid.refresh()
        release.set()
        await early
        assert titles(grid) == [str(job.id)]

    async def test_a_job_page_keeps_what_is_newer_than_what_it_read(self, house: House, dana: Actor) -> None:
        job = await a_job(house.web.desk, dana)
        opened, before = await house.job(dana, job), await jobs.job_detail(house.web.desk, dana, job.id)
        opened.changed([await jobs.cancel(house.web.desk, dana, job.id)], ())
        opened._show(before)
        assert opened._head.view
        assert opened._head.view.status is Status.CANCELLED


class TestWhatWasSeen:
    async def test_cancelling_names_the_version_that_the_page_shows(self, house: House, dana: Actor) -> None:
        desk = house.web.desk
        job = await a_job(desk, dana)
        grid, opened = await house.grid(dana), await house.job(dana, job)
        await grid.load()
        async with desk.db.write() as session:  # the page has not heard of it yet
            assert await lifecycle.claim(session, [Claim(job.id, 1)], "w", 30)

        row = grid.parts.table.row(job.id)
        assert row
        await grid.on_action("cancel", row)
        await opened._on_action("cancel")

        assert (await jobs.get_job(desk, dana, job.id)).cancel_requested_at is None


class TestReplaced:
    """A retry that puts a new record in the old one's place: open pages swap it where it stands."""

    async def test_a_row_is_swapped_where_it_is_on_the_page_that_asked_and_on_others(
        self, house: House, dana: Actor
    ) -> None:
        desk = house.web.desk
        older, old, newer = [await a_failed_job(desk, dana) for _ in range(3)]
        mine, other = await house.grid(dana), await house.grid(dana)
        for grid in (mine, other):
            await grid.load()
        await house.web.live.start()
        with other.client:
            other.open()
        with mine.client:
            await mine.retrying._carry_out(await plan_retry(desk, dana, old.id), Wish())
        (new,) = (await jobs.replacements(desk, dana, [old.id])).values()
        expected = [str(newer.id), str(new.id), str(older.id)]
        assert titles(mine) == expected
        row = mine.parts.table.row(new.id)
        assert row
        assert row.view
        assert (row.view.status, row.view.retrying, mine.retrying.optimism.holds(old.id)) == (
            Status.QUEUED, False, False,
        )  # fmt: skip
        assert (row.element.props["data-job-id"], "gone" in row.element.classes) == (str(new.id), False)
        await eventually(lambda: titles(other) == expected, expect="the other page has swapped it too")
        await house.web.live.stop()

    async def test_a_page_that_missed_it_swaps_it_at_its_next_reading(
        self, house: House, dana: Actor
    ) -> None:
        desk = house.web.desk
        old = await a_failed_job(desk, dana)
        grid = await house.grid(dana)
        await grid.load()
        new = (await retry(desk, dana, old.id)).job
        await grid._reread_job(old.id)
        assert titles(grid) == [str(new.id)]

    async def test_the_page_of_the_old_one_goes_on_with_the_new_one(self, house: House, dana: Actor) -> None:
        desk = house.web.desk
        old = await a_failed_job(desk, dana)
        opened = await house.job(dana, old)
        with opened.client:
            await opened.refresh()
            assert opened._log._count == 1
            await opened.retrying._carry_out(await plan_retry(desk, dana, old.id), Wish())
            (new,) = (await jobs.replacements(desk, dana, [old.id])).values()
            assert list(opened.shown()) == [new.id]
            await opened.refresh()
        assert not opened.ended
        assert opened._log._count == 0
        inside = [getattr(each, "text", "") for each in opened.frame.main.descendants()]
        assert {"#1", "#2", str(old.id), str(new.id)} <= set(inside)

    async def test_the_page_learns_it_by_reading_where_somebody_else_did_it(
        self, house: House, dana: Actor
    ) -> None:
        old = await a_failed_job(house.web.desk, dana)
        opened = await house.job(dana, old)
        new = (await retry(house.web.desk, dana, old.id)).job
        with opened.client:
            await opened.refresh()
        assert list(opened.shown()) == [new.id]

    async def test_the_page_is_told_by_the_bridge(self, house: House, dana: Actor) -> None:
        old = await a_failed_job(house.web.desk, dana)
        opened = await house.job(dana, old)
        new = (await retry(house.web.desk, dana, old.id)).job
        opened.replaced(old.id, new)  # as the bridge does: in no page's context
        assert opened._head.view
        assert (opened._head.view.id, opened._head.view.status) == (new.id, Status.QUEUED)


class TestEnding:
    async def test_a_page_that_comes_back_draws_nothing_for_somebody_who_was_thrown_out(
        self, house: House, dana: Actor
    ) -> None:
        vera = await a_person(house.web.desk, Role.VIEWER)
        grid = await house.grid(vera)
        with grid.client:
            grid.open()
        await grid.load()
        await throw_out(house.web.desk, vera)
        await a_job(house.web.desk, dana)
        await grid._on_connect()
        assert grid.ended
        assert titles(grid) == []
        assert house.web.live.views == 0

    async def test_somebody_who_was_signed_out_is_led_to_the_sign_in_page(
        self, house: House, dana: Actor
    ) -> None:
        grid = await house.grid(dana)
        await sessions.sign_out(house.web.desk, grid.visit.cookie)
        await grid.reload()
        assert ways_on(grid) == ["/login?next=%2F"]

    async def test_a_page_that_has_ended_reads_nothing_and_does_nothing(
        self, house: House, dana: Actor
    ) -> None:
        job = await a_job(house.web.desk, dana)
        pages = [await house.grid(dana), await house.job(dana, job)]
        for opened in pages:
            opened._end("It is over", "So it is.", ("Go on", "/"))
        statements: list[str] = []
        engine = house.web.desk.db.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        for opened in pages:
            opened.stirred()
            for read in (
                opened._on_connect,
                opened.tick,
                opened.refresh,
                opened.reread,
                opened.show_figures,
            ):
                await read()
        assert not house.web.live.settling
        assert not statements

    async def test_what_was_being_read_when_a_page_ended_is_not_drawn(
        self, house: House, dana: Actor
    ) -> None:
        await a_job(house.web.desk, dana)
        grid = await house.grid(dana)
        reading = [asyncio.ensure_future(read()) for read in (grid.load, grid.refresh)]
        await asyncio.sleep(0)
        grid._end("It is over", "So it is.", ("Go on", "/"))
        await asyncio.gather(*reading)
        assert titles(grid) == []

    async def test_a_job_page_that_ends_while_deleting_is_told_nothing_more(
        self, house: House, dana: Actor
    ) -> None:
        opened = await house.job(dana, await a_job(house.web.desk, dana))
        with opened.client:
            opened.open()
        await sessions.sign_out(house.web.desk, opened.visit.cookie)
        await opened._delete()
        assert house.web.live.views == 0

    async def test_a_job_page_that_could_not_delete_goes_on(self, house: House, dana: Actor) -> None:
        opened = await house.job(dana, await a_job(house.web.desk, dana))
        with opened.client:
            opened.open()
        await opened._delete()  # it is queued, and stays
        assert house.web.live.views == 1


class TestFirstReading:
    @pytest.mark.parametrize("skeletons_first", [False, True])
    async def test_a_failure_is_shown_with_a_way_to_try_again(
        self, house: House, dana: Actor, monkeypatch: pytest.MonkeyPatch, skeletons_first: bool
    ) -> None:
        trouble = asyncio.Event()

        async def fail(*_: object) -> None:
            await trouble.wait()
            raise OSError("the database is away")

        really = job_list.read_page
        monkeypatch.setattr(job_list, "read_page", fail)
        monkeypatch.setattr(jobs_module, "_SKELETON_AFTER_SECONDS", 0.01 if skeletons_first else 30)
        grid = await house.grid(dana, q="word")
        if not skeletons_first:
            trouble.set()
        with grid.client:
            await grid.begin()
        trouble.set()
        said = grid.parts._empty
        await eventually(lambda: said._title.text == "The jobs could not be read")
        assert "tries again" in said._text.text
        assert (said._link.text, said._link.props["href"]) == ("Reload", "/?q=word")
        assert not grid.parts.table._skeletons
        monkeypatch.setattr(job_list, "read_page", really)
        house.web.live.shared.forget()
        await grid.reload()
        assert said._title.text == "Nothing matches"


async def test_the_dialog_of_views_opens_without_another_question_to_the_browser(
    house: House, dana: Actor
) -> None:
    """The press says how the grid is drawn: on a slow connection the answer to a question would come too late."""
    grid = await house.grid(dana)
    grid.ask_views("compact no-kind")
    assert grid.views.dialog.is_open
    assert grid.views._display == Display(Density.COMPACT, ("progress", "retries", "created"))


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """Asks for the plain pages."""
    app = FastAPI()
    _install_plain_pages(app)
    login.install(app, house.web)
    download.install(app, house.web)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://desk.example"
    ) as client:
        yield client


class TestPlainPages:
    async def test_a_mistake_of_ours_is_said_and_logged(
        self, browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also one of the database's, which is no outage: the page promises that the log says more."""

        async def fails(*_: object) -> None:
            raise IntegrityError("INSERT", {}, Exception("no such thing"))

        monkeypatch.setattr(login, "_sign_in", fails)
        answer = await browser.post("/login", data={"email": "x", "password": "y"})
        assert answer.status_code == 500
        assert "its log says more" in answer.text
        assert "no such thing" in caplog.text

    async def test_a_form_of_too_many_fields_is_answered_in_words(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post("/login", data={f"field{n}": "" for n in range(11)})
        assert answer.status_code == 400
        assert "This is not the form of this page." in answer.text

    async def test_a_form_that_does_not_arrive_is_answered_in_words(
        self, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(door, "_PATIENCE_SECONDS", 0.05)

        async def slowly() -> AsyncIterator[bytes]:
            yield b"email="
            await asyncio.Event().wait()

        answer = await browser.post("/login", content=slowly())
        assert answer.status_code == 408
        assert "did not arrive in time" in answer.text

    async def test_the_download_of_a_replaced_job_leads_to_the_new_one(
        self, house: House, dana: Actor, browser: httpx.AsyncClient
    ) -> None:
        old = await a_failed_job(house.web.desk, dana)
        new = (await retry(house.web.desk, dana, old.id)).job
        browser.cookies.set(sessions.COOKIE, (await house.visit(dana)).cookie or "")
        answer = await browser.get(f"/jobs/{old.id}/download")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{new.id}/download")

    async def test_the_download_of_no_job_is_a_page(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/jobs/nonsense/download")
        assert answer.status_code == 404
        assert "There is no such job here." in answer.text
