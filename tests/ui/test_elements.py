"""Lean elements beside NiceGUI's own: the browser gets the same, and what looks the same is one object."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from nicegui import Client, ElementFilter, core, json
from nicegui.element import Element
from nicegui.page import page

from ui.components.element import Tag
from ui.components.look import look_of
from ui.components.moment import Moment


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(core, "loop", asyncio.get_running_loop())
    client = Client(page("/"))
    yield client
    client.delete()


def sent(element: Element) -> dict[str, Any]:
    """What the browser gets of an element, without what no two elements share."""
    got: dict[str, Any] = json.loads(json.dumps(element._to_dict()))
    for event in got.get("events", []):
        event.pop("listener_id")
    if "children" in got:
        got["children"] = len(got["children"])
    return got


def stock(tag: str, text: str | None, classes: str, **props: Any) -> Element:
    """NiceGUI's own."""
    element = Element(tag)
    element._text = text
    element.classes(classes)
    element._props.update(props)
    return element


class TestLean:
    async def test_the_browser_gets_what_niceguis_own_would_send(self, client: Client) -> None:
        with client:
            lean = Tag("a", "x < y", "link bad", href="/", aria_label="There", hidden=None)
            assert sent(lean) == sent(stock("a", "x < y", "link bad", **{"href": "/", "aria-label": "There"}))
            lean, own = Tag("td"), stock("td", None, "")
            assert sent(lean) == sent(own)
            with lean:
                Tag("b")
            with own:
                Tag("b")
            for each in (lean, own):
                each.on("keydown.enter", print, args=[])
                each.on("click", js_handler="() => {}")
            assert sent(lean) == sent(own)
            assert (sent(lean)["children"], len(sent(lean)["events"])) == (1, 2)

    async def test_it_has_everything_that_niceguis_own_has(self, client: Client) -> None:
        """A new version may give each element something more, and ask for it later than any test here looks."""
        with client:
            lean, own = Tag("td"), Element("td")
        assert [name for name in vars(own) if not hasattr(lean, name)] == []

    async def test_a_component_of_ours_too(self, client: Client) -> None:
        with client:
            moment = Moment(datetime(2026, 11, 28, tzinfo=UTC), prefix="retries ")
        assert sent(moment) == {
            "tag": "nicegui-moment",
            "props": {"mode": "relative", "at": "2026-11-28T00:00:00+00:00", "prefix": "retries "},
        }

    async def test_only_what_differs_is_sent(self, client: Client) -> None:
        with client:
            tag = Tag("td", "queued", "badge", title="x")
        client.outbox.updates.clear()
        tag.say("queued")
        tag.dress("badge")
        tag.put(title="x", disabled=None)
        tag.vary("--p", None)
        tag.toggle("picked", on=False)
        assert not client.outbox.updates
        tag.say("running")
        tag.vary("--p", "5%")
        tag.toggle("picked", on=True)
        tag.put(title=None)
        assert list(client.outbox.updates.values()) == [tag]
        assert sent(tag) == {
            "tag": "td",
            "text": "running",
            "class": ["badge", "picked"],
            "style": {"--p": "5%"},
        }

    async def test_what_is_deleted_goes_with_all_that_is_in_it(self, client: Client) -> None:
        with client, Tag("tr") as row:
            cell = Tag("td")
            with cell:
                inner = Tag("span", "x")
        row.delete()
        assert not {row.id, cell.id, inner.id} & client.elements.keys()
        assert all(one.is_deleted for one in (row, cell, inner))
        assert row not in client.content.default_slot.children

    async def test_it_is_found_by_what_it_says(self, client: Client) -> None:
        with client:
            tag, named = Tag("span", "Clip 7"), Tag("button", aria_label="Close message")
            assert list(ElementFilter(content="Clip")) == [tag]
            assert list(ElementFilter(content="Close")) == [named]

    async def test_its_listeners_hear(self, client: Client) -> None:
        heard: list[str] = []
        with client:
            tag = Tag("button", "Retry").on("click", lambda: heard.append("click"))
        (listener,) = tag._event_listeners.values()
        client.handle_event({"id": tag.id, "listener_id": listener.id, "args": []})
        assert heard == ["click"]


class TestLooks:
    async def test_what_looks_the_same_is_one_object_on_all_pages(self, client: Client) -> None:
        other = Client(page("/"))
        with client:
            here = Tag("td", "failed", "badge", title="x")
        with other:
            there = Tag("td", "queued", "badge", title="x")
        there.say("failed")
        assert here.look is there.look
        other.delete()

    def test_a_number_is_not_taken_for_a_yes(self) -> None:
        assert look_of("input", rows=True).props == {"rows": True}
        assert look_of("input", rows=1).props == {"rows": "1"}

    def test_what_nobody_wears_is_forgotten(self) -> None:
        look = look_of("td", "seen once")
        known = weakref.ref(look)
        del look
        gc.collect()
        assert known() is None

    async def test_an_element_costs_few_objects(self, client: Client) -> None:
        with client:
            Tag("td", "x", "badge")
            gc.collect()
            before = len(gc.get_objects())
            kept = [Tag("td", "x", "badge") for _ in range(100)]
            gc.collect()
            assert len(gc.get_objects()) - before < 3 * len(kept)
