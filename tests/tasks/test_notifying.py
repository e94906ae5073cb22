"""Messages on their way: through Apprise's own json://, by real workers, to a receiver that answers as it likes."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.database.database import db_now
from services.desk import Desk
from services.kinds import load_kinds
from services.lifecycle import Claim, Outcome
from services.models import Job
from services.notifications import channels, courier, gathering, sending
from services.notifications.courier import Letter
from services.notifications.envoy import Refusals
from services.notifications.tables import Channel, Message
from services.vocabulary import Status
from tests.support.channels import TOKEN, a_channel, address_of, messages_of, reread, titles_of
from tests.support.desks import a_person, open_desk
from tests.support.endpoints import Endpoint, an_endpoint, answer, hang
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker_process
from tests.tasks.conftest import Bench

PATIENCE = 150.0
"""A message is a process that loads Apprise; on a busy machine that takes its time."""


@pytest.fixture
async def bench(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A desk that may send to loopback, as its workers may."""
    kinds = [kind for kind in load_kinds([KINDS]) if kind.name.startswith("test.")]
    async with open_desk(
        database_url,
        redis_url,
        tmp_path,
        *kinds,
        lease_seconds=3,
        allow_private_urls=True,
        notify_timeout_seconds=3,
    ) as desk:
        yield Bench(desk, await a_person(desk, credits=10), tmp_path)


@pytest.fixture
async def receiver() -> AsyncIterator[Endpoint]:
    async with an_endpoint(answer(200)) as endpoint:
        yield endpoint


async def fails(bench: Bench, title: str = "A clip") -> Job:
    """A job that has failed, with its message gathered."""
    job = await bench.submit("flaky", flag="nowhere")
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(title=title))
        assert await lifecycle.claim(session, [Claim(job.id, 1)], "w1", 60)
        assert await lifecycle.finish(session, [Outcome(job.id, 1, Status.FAILED)], "w1")
    assert await gathering.gather(bench.desk)
    return job


async def waiting(desk: Desk) -> int:
    """How many messages are not sent."""
    async with desk.db.read() as session:
        return (await session.execute(sa.select(sa.func.count()).select_from(Message))).scalar_one()


async def rested(desk: Desk, channel: Channel) -> None:
    """The channel's rest is over."""
    async with desk.db.write() as session:
        await session.execute(sa.update(Channel).values(rests_until=None, lease_until=None))


async def test_workers_send_each_event_once(bench: Bench, receiver: Endpoint) -> None:
    channel = await a_channel(bench.desk, bench.me, address_of(receiver))
    jobs = [await bench.submit("noop"), await bench.submit("flaky", flag="nowhere")]
    with a_worker_process(bench.desk.settings, processes=2) as workers:
        for job in jobs:
            await bench.ended(job.id, PATIENCE)
        await eventually(lambda: len(receiver.calls) >= 2, PATIENCE, expect="two messages")
        await eventually(lambda: _is_empty(bench.desk), PATIENCE, expect="they are noted as sent")
        assert workers.stop() == 0
        assert TOKEN not in workers.said()
    assert sorted(titles_of(receiver)) == ["Completed: Nothing", "Failed: Flaky"]
    (failed,) = (message for message in messages_of(receiver) if message["title"].startswith("Failed"))
    assert (failed["type"], failed["message"].splitlines()[0]) == ("failure", "The flag is not there")
    seen = await reread(bench.desk, channel)
    assert (seen.failing_since, seen.dropped) == (None, 0)
    assert seen.sent_at is not None


@pytest.mark.faults
async def test_a_worker_killed_between_sending_and_noting_is_followed_by_another(
    bench: Bench, receiver: Endpoint
) -> None:
    released = asyncio.Event()

    async def answered_late(writer: asyncio.StreamWriter) -> None:
        await released.wait()

    receiver.script[:] = [answered_late, answer(200)]
    await a_channel(bench.desk, bench.me, address_of(receiver, rto="60"))
    await fails(bench)
    with a_worker_process(bench.desk.settings, "first") as first:
        await eventually(lambda: receiver.calls, PATIENCE, expect="it came")
        (pid,) = first.pids()
        envoys = [p for p in psutil.Process(pid).children(recursive=True) if "envoy" in " ".join(p.cmdline())]
        assert envoys
        first.process.send_signal(signal.SIGSTOP)  # it must not start another worker
        os.kill(pid, signal.SIGKILL)
        await eventually(
            lambda: not any(_runs(p) for p in envoys), PATIENCE, expect="the envoy dies with its worker"
        )
    assert await waiting(bench.desk) == 1
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Channel).values(lease_until=db_now(-1)))
    assert await sending.send_next(bench.desk)
    assert titles_of(receiver) == ["Failed: A clip"] * 2  # at least once
    assert await waiting(bench.desk) == 0
    assert not await sending.send_next(bench.desk)


async def test_a_receiver_that_has_been_down_for_months_rests_as_long_as_any(
    bench: Bench, receiver: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(*_: object) -> courier.Answer:
        return courier.Answer(ok=False, said="gone")

    monkeypatch.setattr(courier, "send", refuses)
    channel = await a_channel(bench.desk, bench.me, address_of(receiver))
    await fails(bench)
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Channel).values(misses=5_000))
        await session.execute(sa.update(Message).values(tries=sending.MOST_TRIES - 1))
    assert await sending.send_next(bench.desk)
    seen = await reread(bench.desk, channel)
    assert (seen.misses, seen.dropped, seen.lease_until) == (5_001, 1, None)
    assert seen.rests_until is not None
    assert await waiting(bench.desk) == 0


async def test_a_receiver_that_is_down_is_tried_less_and_less_and_then_told_all(
    bench: Bench, receiver: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.script[:] = [answer(503)]
    channel = await a_channel(bench.desk, bench.me, address_of(receiver))
    await fails(bench)
    assert await sending.send_next(bench.desk)
    first = await reread(bench.desk, channel)
    assert first.failing_since is not None
    assert first.rests_until is not None
    assert "error=503" in (first.trouble or "")
    assert not await sending.is_something_due(bench.desk)
    assert not await sending.send_next(bench.desk)
    for n in range(3):
        await fails(bench, f"Clip {n}")  # gathered, since it does not answer
    await rested(bench.desk, channel)
    assert await sending.send_next(bench.desk)
    second = await reread(bench.desk, channel)
    assert (second.failing_since, second.misses) == (first.failing_since, 2)
    assert second.rests_until is not None
    assert second.rests_until > first.rests_until
    receiver.script[:] = [answer(200)]
    await rested(bench.desk, channel)
    assert await sending.send_next(bench.desk)
    mended = await reread(bench.desk, channel)
    assert (mended.failing_since, mended.trouble, mended.misses) == (None, None, 0)
    assert not await sending.send_next(bench.desk)  # the digest waits for the end of the window
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Message).values(due_at=db_now(-1)))
    assert await sending.send_next(bench.desk)
    assert titles_of(receiver)[2:] == ["Failed: A clip", "3 more jobs failed"]
    assert TOKEN not in caplog.text


async def test_a_message_is_given_up_at_last(bench: Bench, receiver: Endpoint) -> None:
    receiver.script[:] = [answer(500)]
    channel = await a_channel(bench.desk, bench.me, address_of(receiver))
    await fails(bench)
    async with bench.desk.db.write() as session:
        await session.execute(sa.update(Message).values(tries=sending.MOST_TRIES - 1))
    assert await sending.send_next(bench.desk)
    assert await waiting(bench.desk) == 0
    assert (await reread(bench.desk, channel)).dropped == 1


async def test_a_receiver_that_hangs_is_not_waited_for(bench: Bench, receiver: Endpoint) -> None:
    receiver.script[:] = [hang]
    channel = await a_channel(bench.desk, bench.me, address_of(receiver, rto="60"))
    await fails(bench)
    assert await sending.send_next(bench.desk)
    assert (await reread(bench.desk, channel)).trouble == "No answer within 3 s"
    await eventually(lambda: receiver.hung_up == 1, PATIENCE, expect="it was hung up on")


async def test_one_channel_at_a_time_and_no_two_senders_at_one(bench: Bench, receiver: Endpoint) -> None:
    for _ in range(2):
        await a_channel(bench.desk, bench.me, address_of(receiver))
    await fails(bench)
    sent = await asyncio.gather(*(sending.send_next(bench.desk) for _ in range(4)))
    assert sorted(sent) == [False, False, True, True]
    assert titles_of(receiver) == ["Failed: A clip"] * 2


async def test_a_test_says_what_came_back(bench: Bench, receiver: Endpoint) -> None:
    channel = await a_channel(bench.desk, bench.me, address_of(receiver))
    assert await channels.try_out(bench.desk, bench.me, channel.id) == courier.Answer(
        ok=True, said="", service="JSON at 127.0.0.1", host="127.0.0.1"
    )
    assert titles_of(receiver) == ["Mulligan: a test"]
    receiver.script[:] = [answer(401)]
    refused = await channels.try_out(bench.desk, bench.me, channel.id)
    assert not refused.ok
    assert "error=401" in refused.said
    assert TOKEN not in refused.said


async def test_nothing_inside_is_reached_whatever_the_address_asks_for(
    database_url: str, redis_url: str, tmp_path: Path, receiver: Endpoint
) -> None:
    port = receiver.url.rpartition(":")[2]
    (tmp_path / "secret.json").write_text("{}")
    letter = Letter("T", "B")
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        for address, words in {
            address_of(receiver): "private or reserved network",
            f"json://localhost:{port}/x": "private or reserved network",
            f"mailto://u:p@example.org?smtp=127.0.0.1&port={port}": "private or reserved network",
            f"discord://1234567/abcdefghijk?template={tmp_path}/secret.json": "a file of this machine",
            f"discord://1234567/abcdefghijk?template={Path.cwd()}/pyproject.toml": "a file of this machine",
        }.items():
            said = await courier.send(desk.settings, address, letter)
            assert not said.ok
            assert words in said.said, said
    assert receiver.calls == []


def test_the_envoy_is_refused_whatever_is_not_public(tmp_path: Path) -> None:
    """Asked of the hook itself: a redirect from the public internet to the inside cannot be had here."""
    closed = Refusals(allow_private=False)
    for event, address in (
        ("socket.connect", ("10.0.0.1", 80)), ("socket.connect", ("::1", 80, 0, 0)),
        ("socket.connect", "/run/docker.sock"), ("socket.connect", ("metadata.google.internal", 80)),
        ("socket.sendto", ("169.254.169.254", 53)),
    ):  # fmt: skip
        with pytest.raises(PermissionError):
            closed(event, (None, address))
    closed("socket.connect", (None, ("93.184.216.34", 443)))
    for event in ("subprocess.Popen", "os.system", "os.remove"):
        with pytest.raises(PermissionError):
            closed(event, ())
    with pytest.raises(PermissionError):
        closed("open", (str(tmp_path / "x"), "r", 0))
    closed("open", (asyncio.__file__, "r", 0))


async def _is_empty(desk: Desk) -> bool:
    return await waiting(desk) == 0


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
