"""What becomes news, who is told of it, and that nobody is flooded. Sending: `tests/tasks/test_notifying.py`."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.batch import batch
from services.batch.match import Selection
from services.database.database import db_now
from services.desk import Desk
from services.errors import Forbidden, Invalid, NotFound, RateLimited
from services.failures import marks
from services.failures.failures import failure
from services.jobs import deletion, submission
from services.lifecycle import Claim, Outcome
from services.models import AuditEntry, Job, Membership, Worker, Workspace
from services.notifications import channels, gathering
from services.notifications.channels import Wanted
from services.notifications.letters import letter_of, plain
from services.notifications.sealing import Unsealable, unseal
from services.notifications.tables import Channel, Message, Notice
from services.operations import workers
from services.people import members
from services.people.access import Actor
from services.policy import AutoRetry, RetryPolicy
from services.retry.retrying import retry
from services.settings import Settings
from services.vocabulary import FailureType, NoticeEvent, Role, Status
from tests.support.channels import TOKEN, a_channel, reread
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

KIND, OTHER, AUTO, BATCH = "test.priced", "test.other", "test.auto", "system.batch_retry"
FLAKY = failure(KIND, FailureType.TRANSIENT, "The other side is busy")
E = NoticeEvent


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind(KIND, policy=RetryPolicy(limit=2)),
        a_kind(OTHER),
        a_kind(AUTO, policy=RetryPolicy(auto=AutoRetry(limit=1))),
        a_kind(BATCH, args_model=Selection),
    )
    async with open_desk(
        database_url, redis_url, tmp_path, *kinds, notify_rate="3/1h", public_url="https://desk.example.org"
    ) as desk:
        yield desk


async def ends(
    desk: Desk, me: Actor, job: Job | None = None, status: Status = Status.FAILED, **more: Any
) -> Job:
    """A run that ends so; of a new job, unless one is given."""
    job = job or await submission.submit(
        desk, me, more.pop("kind", KIND), {}, title=more.pop("title", "A clip")
    )
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [Claim(job.id, job.attempt)], "w1", 60)
        why = None if status is Status.COMPLETED else FLAKY
        assert await lifecycle.finish(session, [Outcome(job.id, job.attempt, status, why, **more)], "w1")
        return await session.get_one(Job, job.id, populate_existing=True)


async def told(desk: Desk, channel: Channel | None = None) -> list[NoticeEvent | None]:
    """What is to be sent after everything was gathered, oldest first; None is a digest."""
    while await gathering.gather(desk):
        pass
    async with desk.db.read() as session:
        query = sa.select(Message).order_by(col(Message.id))
        found = (await session.scalars(query)).all()
        assert (await session.scalars(sa.select(Notice))).all() == []
    return [m.event for m in found if channel is None or m.channel_id == channel.id]


async def letters(desk: Desk, channel: Channel) -> list[tuple[str, str]]:
    async with desk.db.read() as session:
        query = sa.select(Message).where(col(Message.channel_id) == channel.id).order_by(col(Message.id))
        found = [
            await letter_of(
                session, desk.settings, message, await session.get_one(Workspace, channel.workspace_id)
            )
            for message in (await session.scalars(query)).all()
        ]
    return [(letter.title, letter.body) for letter in found if letter]


async def run(desk: Desk, statement: Any) -> None:
    async with desk.db.write() as session:
        await session.execute(statement)


class TestNews:
    async def test_nothing_is_noted_where_nobody_listens(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada, is_on=False)
        await a_channel(desk, await a_person(desk, workspace="elsewhere"))
        await ends(desk, ada)
        assert await told(desk) == []

    async def test_each_end_is_told_once_as_what_it_is(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada)
        await ends(desk, ada, status=Status.COMPLETED)
        failed = await ends(desk, ada)
        assert await told(desk) == [E.JOB_COMPLETED, E.JOB_FAILED]
        await run(desk, sa.delete(Message))
        await run(desk, sa.update(Channel).values(window_sent=0))
        await retry(desk, ada, failed.id)
        again = await ends(desk, ada, await _now(desk, failed))
        assert await told(desk) == [E.RETRY_FAILED]
        await retry(desk, ada, failed.id)
        again = await ends(desk, ada, await _now(desk, again))
        assert again.retry_count == 2  # of two
        assert await told(desk) == [E.RETRY_FAILED, E.RETRIES_USED_UP]
        assert await told(desk) == [E.RETRY_FAILED, E.RETRIES_USED_UP]

    async def test_a_job_that_tries_again_by_itself_is_told_of_at_its_end(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada)
        waits = await ends(desk, ada, kind=AUTO, retry_in=0)
        assert (waits.status, await told(desk)) == (Status.SCHEDULED, [])
        await desk.db.transact(lifecycle.queue_due)
        await ends(desk, ada, await _now(desk, waits))
        assert await told(desk) == [E.RETRIES_USED_UP]
        waits = await ends(desk, ada, kind=AUTO, retry_in=0)
        await desk.db.transact(lifecycle.queue_due)
        await ends(desk, ada, await _now(desk, waits), status=Status.COMPLETED)
        assert await told(desk) == [E.RETRIES_USED_UP, E.JOB_COMPLETED]

    async def test_what_a_lost_worker_ran_is_told_of_when_it_is_failed(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada)
        job = await submission.submit(desk, ada, KIND, {})
        lost = failure(KIND, FailureType.WORKER_LOST, "Worker lost")
        async with desk.db.write() as session:
            assert await lifecycle.claim(session, [Claim(job.id, 1)], "w1", -1)
            assert await lifecycle.expire(session, job, lost, rescue=True)
        assert await told(desk) == []
        async with desk.db.write() as session:
            assert await lifecycle.claim(session, [Claim(job.id, 2)], "w1", -1)
            assert await lifecycle.expire(session, await session.get_one(Job, job.id), lost, rescue=False)
        assert await told(desk) == [E.JOB_FAILED]

    async def test_a_cancelled_job_is_no_news_and_neither_is_a_deleted_one(self, desk: Desk) -> None:
        ada = await a_person(desk)
        channel = await a_channel(desk, ada)
        await ends(desk, ada, status=Status.CANCELLED)
        job = await ends(desk, ada)
        assert await told(desk) == [E.JOB_FAILED]
        gone = await ends(desk, ada)
        for one in (job, gone):
            await deletion.delete(desk, ada, one.id)
        assert await told(desk) == [E.JOB_FAILED]
        assert await letters(desk, channel) == []  # it was deleted before it was sent

    async def test_of_a_muted_group_nobody_is_told(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada)
        await ends(desk, ada)
        assert await told(desk) == [E.JOB_FAILED]
        await marks.mute(desk, ada, str(FLAKY.fingerprint), marks.Mute())
        await ends(desk, ada)
        await ends(desk, ada, status=Status.COMPLETED)
        assert await told(desk) == [E.JOB_FAILED, E.JOB_COMPLETED]
        await marks.mute(desk, ada, str(FLAKY.fingerprint), None)
        await ends(desk, ada)
        assert await told(desk) == [E.JOB_FAILED, E.JOB_COMPLETED, E.JOB_FAILED]

    async def test_a_batch_is_one_message(self, desk: Desk) -> None:
        ada = await a_person(desk)
        failed = [await ends(desk, ada) for _ in range(4)]
        channel = await a_channel(desk, ada)
        made = await batch.start(desk, ada, Selection(ids=[job.id for job in failed]))
        async with desk.db.write() as session:
            chosen = [
                lifecycle.Candidate(job.id, job.version, job.status, job.fingerprint, counts=True, cost=0)
                for job in failed
            ]
            assert len(await lifecycle.requeue_many(session, chosen, "ada", made.id)) == 4
        for job in failed:
            await ends(desk, ada, await _now(desk, job), status=Status.COMPLETED)
        result = {"matched": 5, "retried": 4, "skipped": {"conflict": 1}, "failed": 0}
        await ends(desk, ada, made, status=Status.COMPLETED, result=result)
        assert await told(desk) == [E.BATCH_FINISHED]
        ((title, body),) = await letters(desk, channel)
        assert title.startswith("Batch finished: ")
        assert body.splitlines()[0] == "5 matched, 4 retried, 1 skipped"

    async def test_a_lost_worker_is_told_of_once_in_every_workspace(self, desk: Desk) -> None:
        ada, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
        here = await a_channel(desk, ada)
        await a_channel(desk, eve)
        row = Worker(name="w1", host="box", pid=1, version="1", running=2)
        await desk.db.transact(lambda session: workers.beat(session, row))
        assert await told(desk) == []
        await run(desk, sa.update(Worker).values(seen_at=db_now(-20)))
        assert await told(desk) == [E.WORKER_LOST, E.WORKER_LOST]
        assert await told(desk) == [E.WORKER_LOST, E.WORKER_LOST]
        ((title, body),) = await letters(desk, here)
        assert title == "Worker lost"
        assert body.startswith("w1 on box stopped answering.\nIt had 2 jobs running")
        await desk.db.transact(lambda session: workers.beat(session, row))  # it was only asleep
        await run(desk, sa.update(Worker).values(seen_at=db_now(-20)))
        assert len(await told(desk)) == 4


class TestWhoIsTold:
    async def test_events_kinds_and_whose_jobs(self, desk: Desk) -> None:
        ada = await a_person(desk)
        mona = await a_person(desk, Role.MEMBER)
        failures = await a_channel(desk, ada, events=[E.JOB_FAILED])
        others = await a_channel(desk, ada, kinds=[OTHER])
        mine = await a_channel(desk, ada, own=True, only_own=True)
        all_ = await a_channel(desk, ada, own=True)
        hers = await a_channel(desk, mona, own=True)
        await ends(desk, ada, status=Status.COMPLETED)
        await ends(desk, mona, kind=OTHER)
        assert await told(desk, failures) == [E.JOB_FAILED]
        assert await told(desk, others) == [E.JOB_FAILED]
        assert await told(desk, mine) == [E.JOB_COMPLETED]
        assert await told(desk, all_) == [E.JOB_COMPLETED, E.JOB_FAILED]
        assert await told(desk, hers) == [E.JOB_FAILED]  # others' jobs do not exist for a member

    async def test_who_is_no_member_any_more_is_told_nothing(self, desk: Desk) -> None:
        ada, tom = await a_person(desk), await a_person(desk, Role.OPERATOR)
        his = await a_channel(desk, tom, own=True)
        await run(desk, sa.delete(Membership).where(col(Membership.user_id) == tom.user_id))
        await ends(desk, ada)
        assert await told(desk, his) == []

    async def test_who_is_removed_leaves_no_channel(self, desk: Desk) -> None:
        ada, tom = await a_person(desk), await a_person(desk, Role.OPERATOR)
        shared = await a_channel(desk, ada)
        await a_channel(desk, tom, own=True)
        await members.remove_member(desk, ada, tom.user_id)
        async with desk.db.read() as session:
            assert (await session.scalars(sa.select(col(Channel.id)))).all() == [shared.id]

    async def test_another_workspace_is_told_nothing(self, desk: Desk) -> None:
        ada, eve = await a_person(desk), await a_person(desk, workspace="elsewhere")
        theirs = await a_channel(desk, eve)
        await a_channel(desk, ada)
        await ends(desk, ada)
        assert await told(desk, theirs) == []


class TestFloods:
    async def test_so_many_go_one_by_one_and_the_rest_in_one_digest(self, desk: Desk) -> None:
        ada = await a_person(desk)
        channel = await a_channel(desk, ada)
        for n in range(20):
            await ends(desk, ada, kind=KIND if n % 4 else OTHER)
            if n % 7 == 0:
                await told(desk)
        assert await told(desk) == [E.JOB_FAILED] * 3 + [None]
        title, body = (await letters(desk, channel))[-1]
        assert title == "17 more jobs failed"
        assert body.splitlines() == [
            "17 more jobs failed: test.priced 13, test.other 4",
            "Workspace default",
            "https://desk.example.org/?w=default",
        ]

    async def test_a_new_window_begins_when_the_time_is_over(self, desk: Desk) -> None:
        ada = await a_person(desk)
        channel = await a_channel(desk, ada, window_sent=3, window_at=(await _clock(desk)))
        await ends(desk, ada)
        assert await told(desk) == [None]
        await run(desk, sa.update(Channel).values(window_at=db_now(-3601)))
        await ends(desk, ada)
        assert await told(desk) == [None, E.JOB_FAILED]
        assert (await reread(desk, channel)).window_sent == 1

    async def test_what_comes_while_it_does_not_answer_is_gathered(self, desk: Desk) -> None:
        ada = await a_person(desk)
        await a_channel(desk, ada, failing_since=(await _clock(desk)))
        for _ in range(3):
            await ends(desk, ada)
            await told(desk)
        assert await told(desk) == [None]


class TestWords:
    async def test_a_failure_says_what_where_and_leads_there(self, desk: Desk) -> None:
        ada = await a_person(desk)
        channel = await a_channel(desk, ada)
        job = await ends(
            desk, ada, title="Clip <!channel> @everyone https://u:pass@x.example/?token=abc\u202e"
        )
        await told(desk)
        ((title, body),) = await letters(desk, channel)
        assert title.startswith("Failed: Clip <\u2060!channel> @\u2060everyone https://")
        assert not any(secret in title for secret in ("pass", "abc", "\u202e"))
        lines = body.splitlines()
        assert lines[0] == "The other side is busy"
        assert lines[-2:] == ["Workspace default", f"https://desk.example.org/jobs/{job.id}?w=default"]

    def test_a_long_one_is_cut(self) -> None:
        assert len(plain("x" * 1000)) == 120


class TestChannels:
    """Each that asks Apprise starts a process; so these say much at once."""

    @pytest.fixture
    async def open_house(self, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
        async with open_desk(database_url, redis_url, tmp_path, allow_private_urls=True) as desk:
            yield desk

    async def test_made_changed_and_removed_by_whose_it_is(self, open_house: Desk) -> None:
        desk = open_house
        ada, vera = await a_person(desk), await a_person(desk, Role.VIEWER)
        other = await a_person(desk, Role.ADMIN, name="other")
        address = f"json://user:{TOKEN}@127.0.0.1:9/hook"
        with pytest.raises(Forbidden):
            await channels.make(desk, vera, Wanted(name="x", address=address), for_workspace=True)
        shared = await channels.make(
            desk, ada, Wanted(name=" Ops  room ", address=address), for_workspace=True
        )
        hers = await channels.make(desk, vera, Wanted(name="me", address=address, only_own=True))
        assert (shared.name, shared.service, shared.owner_id) == ("Ops room", "JSON at 127.0.0.1", None)
        assert shared.events == [event.value for event in E if event in channels.DEFAULT_EVENTS]
        assert [c.id for c in await channels.list_channels(desk, ada)] == [shared.id]
        assert [c.id for c in await channels.list_channels(desk, vera)] == [hers.id]
        for who, which in ((vera, shared), (ada, hers)):
            with pytest.raises(NotFound):
                await channels.change(desk, who, which.id, Wanted(name="mine"))
            with pytest.raises(NotFound):
                await channels.try_out(desk, who, which.id)
            with pytest.raises(NotFound):
                await channels.remove(desk, who, which.id)
        changed = await channels.change(
            desk, other, shared.id, Wanted(events=[E.WORKER_LOST], kinds=[KIND], is_on=False)
        )
        assert (changed.events, changed.kinds, changed.is_on) == (["worker_lost"], [KIND], False)
        for wrong in (
            Wanted(events=[]), Wanted(kinds=["no.such"]), Wanted(name=" "), Wanted(only_own=True),
            Wanted(name="a\x00b"), Wanted(address="not an address"), Wanted(address=""),
        ):  # fmt: skip
            with pytest.raises(Invalid):
                await channels.change(desk, ada, shared.id, wrong)
        await channels.remove(desk, ada, shared.id)
        assert await channels.list_channels(desk, ada) == []
        async with desk.db.read() as session:
            log = (await session.scalars(sa.select(AuditEntry).order_by(col(AuditEntry.id)))).all()
        assert [entry.action for entry in log] == [
            "channel.make", "channel.make", "channel.change", "channel.remove",
        ]  # fmt: skip
        assert not any(TOKEN in entry.model_dump_json() for entry in log)

    async def test_its_address_is_stored_sealed(self, open_house: Desk) -> None:
        desk = open_house
        ada = await a_person(desk)
        address = f"json://user:{TOKEN}@127.0.0.1:9/hook"
        made = await channels.make(desk, ada, Wanted(name="x", address=address))
        async with desk.db.read() as session:
            stored = (await session.execute(sa.text("SELECT * FROM channel"))).one()
        assert TOKEN not in repr(stored)
        assert "user" not in made.service
        assert unseal(desk.settings, made.sealed) == address
        with pytest.raises(Unsealable, match="another MULLIGAN_SECRET_KEY"):
            unseal(Settings(secret_key="another", _env_file=None), made.sealed)

    @pytest.mark.parametrize(
        ("address", "shown"),
        [("ntfys://a-secret-topic", "ntfy"), (f"matrixs://{'a1' * 32}?mode=t2bot", "Matrix")],
    )
    async def test_a_topic_or_token_in_place_of_a_host_is_neither_shown_nor_looked_up(
        self, desk: Desk, address: str, shown: str
    ) -> None:
        made = await channels.make(desk, await a_person(desk), Wanted(name="x", address=address))
        assert made.service == shown

    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("json://127.0.0.1:8000/x", "private or reserved network"),
            ("gotify://10.0.0.1/A1b2C3d4e5F6g7h", "private or reserved network"),
            ("syslog://", "no service on the network"),
            ("nonsense://x", "knows no such address"),
        ],
    )
    async def test_what_leads_inside_or_nowhere_is_refused(
        self, desk: Desk, address: str, words: str
    ) -> None:
        ada = await a_person(desk)
        with pytest.raises(Invalid, match=words):
            await channels.make(desk, ada, Wanted(name="x", address=address))

    async def test_tries_are_limited(
        self, desk: Desk, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channels, "_TRIALS", 0)
        with pytest.raises(RateLimited):
            await channels.make(desk, await a_person(desk), Wanted(name="x", address="json://example.org"))

    async def test_there_are_not_too_many(self, open_house: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        ada = await a_person(open_house)
        monkeypatch.setattr(channels, "MOST", 1)
        await a_channel(open_house, ada, own=True)
        with pytest.raises(Invalid, match="already"):
            await channels.make(open_house, ada, Wanted(name="x", address="json://127.0.0.1"))


def test_the_web_process_and_the_worker_never_load_apprise() -> None:
    loaded = "import sys, ui.app, tasks.worker; sys.exit('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", loaded], timeout=120, check=False)
    assert done.returncode == 0


async def _now(desk: Desk, job: Job) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def _clock(desk: Desk) -> Any:
    async with desk.db.read() as session:
        return (await session.scalars(sa.select(db_now()))).one()
