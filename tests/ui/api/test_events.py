"""Server-sent events, on a real feed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from services.feed import STREAM, Change
from services.ids import new_id
from services.models import ApiToken, now
from services.people import people
from services.vocabulary import Role, Status
from tests.support.house import Caller, House
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from ui.api import events

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Stream:
    """What a client has heard so far."""

    said: list[dict[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(event["data"]) for event in self.said if event.get("event") == "job"]

    @property
    def resets(self) -> int:
        return len([event for event in self.said if event.get("event") == "reset"])

    def heard(self, block: str) -> None:
        """One block of the stream."""
        lines = block.split("\n")
        self.comments += [line for line in lines if line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines if line and not line.startswith(":"))
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            self.said.append(fields)


@asynccontextmanager
async def listening(caller: Caller, last_event_id: str | None = None) -> AsyncIterator[Stream]:
    """A client that listens, connected when the block begins."""
    stream = Stream()
    headers = {"Authorization": f"Bearer {caller.token}"} | (
        {"Last-Event-ID": last_event_id} if last_event_id else {}
    )

    async def listen(answer: httpx.Response) -> None:
        rest = ""
        async for text in answer.aiter_text():
            *blocks, rest = (rest + text).split("\n\n")
            for block in blocks:
                stream.heard(block)
        stream.ended = True

    async with caller.http.stream("GET", "/api/events", headers=headers, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        task = asyncio.create_task(listen(answer))
        await eventually(lambda: stream.last_id, expect="the stream says where it stands")
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class TestEvents:
    async def test_a_change_is_told(self, house: House) -> None:
        ada = await house.caller()
        async with listening(ada) as stream:
            job = await ada.submit()
            await eventually(lambda: stream.jobs)
        assert stream.jobs == [
            {"id": job["id"], "status": "queued", "version": 1, "progress": 0, "step": None}
        ]

    async def test_everybody_hears_what_they_may_see(self, house: House) -> None:
        ada, mia = await house.caller(), await house.caller(Role.MEMBER)
        eve = await house.caller(workspace="elsewhere")
        async with listening(ada) as admin, listening(mia) as member, listening(eve) as stranger:
            theirs = await ada.submit()
            own = await mia.submit()
            foreign = await eve.submit()
            await eventually(lambda: len(admin.jobs) == 2 and member.jobs and stranger.jobs)
        assert [job["id"] for job in admin.jobs] == [theirs["id"], own["id"]]
        assert [job["id"] for job in member.jobs] == [own["id"]]
        assert [job["id"] for job in stranger.jobs] == [foreign["id"]]

    async def test_many_clients_share_one_follower(self, house: House, valkey: ValkeyServer) -> None:
        ada = await house.caller()
        async with listening(ada) as one, listening(ada) as two, listening(ada) as three:
            await ada.submit()
            await eventually(lambda: one.jobs and two.jobs and three.jobs)
            clients = await house.desk.feed.redis.client_list()
            assert len([client for client in clients if client["cmd"].startswith("xread")]) == 1


class TestResuming:
    async def test_nothing_is_lost_and_nothing_told_twice(self, house: House) -> None:
        ada = await house.caller()
        async with listening(ada) as first:
            await ada.submit()
            await eventually(lambda: first.jobs)
        missed = [(await ada.submit())["id"] for _ in range(3)]
        async with listening(ada, first.last_id) as second:
            await eventually(lambda: len(second.jobs) == 3)
            missed.append((await ada.submit())["id"])
            await eventually(lambda: len(second.jobs) == 4)
        assert [job["id"] for job in second.jobs] == missed
        assert second.resets == 0

    async def test_only_the_last_change_of_an_entry_carries_its_id(self, house: House) -> None:
        ada = await house.caller()
        who = ada.actor
        changes = [
            Change(new_id(), who.workspace_id, who.user_id, Status.QUEUED, 1, 0, None) for _ in range(3)
        ]
        async with listening(ada) as stream:
            await house.desk.feed.publish(changes)
            await eventually(lambda: len(stream.jobs) == 3)
        assert ["id" in event for event in stream.said] == [False, False, True]

    async def test_from_the_very_beginning_nothing_is_lost(self, house: House) -> None:
        ada = await house.caller()
        async with listening(ada) as first:
            assert first.last_id == "0-0"
        job = await ada.submit()
        async with listening(ada, "0-0") as second:
            await eventually(lambda: second.jobs)
        assert [found["id"] for found in second.jobs] == [job["id"]]
        assert second.resets == 0

    @pytest.mark.parametrize(
        "gone", ["trimmed", "another history", "nonsense", "99999999999999999999-0", "1-1"]
    )
    async def test_too_much_was_missed(self, house: House, valkey: ValkeyServer, gone: str) -> None:
        ada = await house.caller()
        async with listening(ada) as first:
            await ada.submit()
            await eventually(lambda: first.jobs)
        if gone == "trimmed":
            await ada.submit()
            await house.desk.feed.redis.xtrim(STREAM, maxlen=1, approximate=False)
        elif gone == "another history":
            valkey.flush()
            await ada.submit()
        last = first.last_id if " " in gone or gone == "trimmed" else gone
        async with listening(ada, last) as second:
            assert (second.resets, second.jobs) == (1, [])
            await ada.submit()
            await eventually(lambda: second.jobs)


class TestTrouble:
    async def test_a_lost_feed_is_told_and_gone_on_with(self, house: House, valkey: ValkeyServer) -> None:
        ada = await house.caller()
        async with listening(ada) as stream:
            await ada.submit()
            await eventually(lambda: stream.jobs)
            valkey.kill9()
            await eventually(lambda: any("feed lost" in comment for comment in stream.comments))
            valkey.start()
            await eventually(lambda: stream.resets == 1)
            job = await ada.submit()
            await eventually(lambda: stream.jobs[-1]["id"] == job["id"])
            assert not stream.ended

    async def test_it_opens_while_redis_is_away(self, house: House, valkey: ValkeyServer) -> None:
        ada = await house.caller()
        valkey.stop()
        async with listening(ada) as stream:
            valkey.start()
            await eventually(lambda: stream.resets)
            await ada.submit()
            await eventually(lambda: stream.jobs)

    async def test_who_is_revoked_hears_no_more(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events, "ASK_AGAIN_SECONDS", 0.2)
        ada = await house.caller()
        async with listening(ada) as stream:
            async with house.desk.db.write() as session:
                await session.execute(sa.update(ApiToken).values(revoked_at=now()))
            await eventually(lambda: stream.ended)

    async def test_a_new_role_counts_in_an_open_stream(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "ASK_AGAIN_SECONDS", 0.0)
        ada, vic = await house.caller(), await house.caller(Role.VIEWER)
        async with listening(vic) as stream:
            await ada.submit()
            await eventually(lambda: stream.jobs)
            await people.add_user(house.desk, vic.actor.email, role=Role.MEMBER)
            await ada.submit()
            async with listening(ada) as witness:
                await ada.submit()
                await eventually(lambda: witness.jobs)
            assert len(stream.jobs) == 1

    async def test_a_quiet_stream_beats_and_moves_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
        ada, eve = await house.caller(), await house.caller(workspace="elsewhere")
        async with listening(ada) as stream:
            await eventually(lambda: ": heartbeat" in stream.comments)
            before = stream.last_id
            await eve.submit()
            await eventually(lambda: stream.last_id != before)
        assert stream.jobs == []
