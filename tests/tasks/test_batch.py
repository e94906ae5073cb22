"""Batches in real workers: thousands of jobs, cancelling and going on, kill -9 and SIGTERM half-way, who goes first."""

import asyncio
import csv
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.batch import chunk as batch_chunk
from services.batch import walk as batch_walk
from services.batch.batch import Trial, start
from services.batch.match import Selection
from services.batch.trial import Tally, tally
from services.desk import Desk
from services.errors import NotRetryable
from services.jobs import jobs, pausing, submission
from services.kinds import load_kinds
from services.lifecycle import Claim
from services.models import Artifact, Attempt, Batch, Job
from services.people.access import Actor
from services.retry.retrying import retry
from services.vocabulary import ACTIVE, TERMINAL, Status, Trigger
from tasks.kinds import batch as batch_kinds
from tests.support.batches import ended_jobs, money, new_attempts
from tests.support.batches import walk as walk_as_test
from tests.support.desks import a_person, open_desk
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker, a_worker_process

FAILED = Selection(status=[Status.FAILED])


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    names = ("test.", "system.")
    kinds = [k for k in load_kinds([KINDS, "tasks.kinds.batch"]) if k.name.startswith(names)]
    async with open_desk(database_url, redis_url, tmp_path, *kinds, lease_seconds=3) as desk:
        yield desk


async def read(desk: Desk, job_id: UUID) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job_id)


async def over(desk: Desk, job_id: UUID, within: float = 40) -> Job:
    async def is_over() -> bool:
        return (await read(desk, job_id)).status in TERMINAL

    await eventually(is_over, within, expect="the job is over")
    return await read(desk, job_id)


async def all_over(desk: Desk, me: Actor, within: float = 60) -> None:
    query = sa.select(sa.func.count()).where(
        col(Job.workspace_id) == me.workspace_id, col(Job.status).in_(ACTIVE)
    )

    async def look() -> bool:
        async with desk.db.read() as session:
            return await session.scalar(query) == 0

    await eventually(look, within, interval=0.2, expect="no job is active")


async def chunks(desk: Desk, batch_id: UUID) -> int:
    async with desk.db.read() as session:
        return (await session.get_one(Batch, batch_id)).chunks


async def begun(desk: Desk, batch: Job, *, interval: float = 0.02) -> None:
    async def has_begun() -> bool:
        return await chunks(desk, batch.id) > 0

    await eventually(has_begun, 30, interval=interval, expect="the first chunk is committed")


async def skipped_csv(desk: Desk, batch: Job, folder: Path) -> list[dict[str, str]]:
    async with desk.db.read() as session:
        artifact = await session.get_one(Artifact, (batch.id, batch.output_attempt, "skipped.csv"))
    assert artifact.content_type == "text/csv"
    await desk.storage.get_to_file(artifact.storage_key, folder / "skipped.csv")
    with (folder / "skipped.csv").open(newline="") as file:
        return list(csv.DictReader(file))


async def test_thousands_of_jobs(desk: Desk, tmp_path: Path) -> None:
    dana = await a_person(desk, credits=2_400)
    ids = await ended_jobs(desk, dana, 2_500, "test.paid")
    done = await ended_jobs(desk, dana, 2, "test.paid", Status.COMPLETED, title='=HYPERLINK("http://x")')
    batch = await start(desk, dana, Selection(q="kind:test.paid"))
    with a_worker_process(desk.settings):
        ended = await over(desk, batch.id)
        await all_over(desk, dana)
    assert ended.status is Status.COMPLETED
    assert ended.result == {
        "matched": 2_502, "retried": 2_400, "skipped": {"insufficient_credits": 100, "not_retryable": 2}, "failed": 0,
        "expected": 2_502, "cost": 2_400,
    }  # fmt: skip
    assert (ended.progress, ended.title) == (100, "Retry 2,502 jobs: kind test.paid")
    assert await new_attempts(desk, ids) == dict.fromkeys(ids[:2_400], 1) | dict.fromkeys(ids[2_400:], 0)
    assert (await read(desk, ids[0])).status is Status.COMPLETED
    assert await money(desk, dana) == (0, 0, 2_400)
    rows = await skipped_csv(desk, ended, tmp_path)
    assert len(rows) == 102
    by_id = {row["job_id"]: row for row in rows}
    assert by_id[str(done[0])] == {
        "job_id": str(done[0]), "title": '\'=HYPERLINK("http://x")', "status": "completed", "code": "not_retryable",
        "message": "Only failed or timeout jobs can be retried, current status: completed",
    }  # fmt: skip


@pytest.mark.faults
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
async def test_its_worker_ends_half_way(desk: Desk, tmp_path: Path, sign: signal.Signals) -> None:
    dana = await a_person(desk, credits=5_000)
    ids = await ended_jobs(desk, dana, 6_000, "test.paid")
    batch = await start(desk, dana, FAILED)
    with a_worker_process(desk.settings) as worker:
        await begun(desk, batch, interval=0.005)
        if sign == signal.SIGKILL:
            os.killpg(worker.process.pid, sign)
        else:
            # To the process itself as well: taskiq's manager passes it on within a second, which is many chunks.
            os.kill(worker.pids()[0], sign)
            worker.stop()
    assert 0 < await chunks(desk, batch.id) < 6, "half-way"
    with a_worker_process(desk.settings, "second"):
        ended = await over(desk, batch.id)
        assert ended.status is Status.COMPLETED
        assert ended.attempt >= 2, "gone on with; on a busy machine the short lease may run out once more"
    assert ended.result
    assert (ended.result["retried"], ended.result["skipped"]) == (5_000, {"insufficient_credits": 1_000})
    async with desk.db.read() as session:
        query = sa.select(col(Attempt.job_id), sa.func.count()).where(col(Attempt.trigger) == Trigger.BATCH)
        batched = {row[0]: row[1] for row in await session.execute(query.group_by(col(Attempt.job_id)))}
    assert batched == dict.fromkeys(ids[:5_000], 1)
    assert await money(desk, dana) == (0, 0, 5_000)
    assert len(await skipped_csv(desk, ended, tmp_path)) == 1_000


class TestCancel:
    @pytest.fixture(autouse=True)
    def _slow_and_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tell = batch_walk.tell

        async def slowly(*args: Any) -> None:
            await asyncio.sleep(0.05)
            await tell(*args)

        monkeypatch.setattr(batch_chunk, "CHUNK", 50)
        monkeypatch.setattr(batch_kinds, "tell", slowly)

    async def test_it_stops_at_the_end_of_a_chunk_and_can_go_on(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 3_000, "test.noop")
        limited = await ended_jobs(desk, dana, 20, "test.noop", retry_count=1, max_retries=1)
        batch = await start(desk, dana, Selection(ids=[*limited, *ids[-900:]]))
        async with a_worker(desk.settings):
            await begun(desk, batch)
            await jobs.cancel(desk, dana, batch.id)
            ended = await over(desk, batch.id)
            assert ended.status is Status.CANCELLED
            assert ended.result
            so_far = ended.result["matched"]
            assert so_far % 50 == 0
            assert 0 < so_far < 920
            assert sum((await new_attempts(desk, ids)).values()) == ended.result["retried"]
            skipped = await skipped_csv(desk, ended, tmp_path)
            assert len(skipped) == sum(ended.result["skipped"].values())
            await retry(desk, dana, batch.id)
            ended = await over(desk, batch.id)
            await all_over(desk, dana)
        assert ended.status is Status.COMPLETED
        assert ended.result
        assert ended.result["retried"] == 900
        assert ended.result["skipped"] == {"retry_limit_reached": 20}
        assert sum((await new_attempts(desk, ids)).values()) == 900
        assert len(await skipped_csv(desk, ended, tmp_path)) == 20


class TestTrial:
    """`test.flaky` recovers where its flag is there."""

    async def test_a_canary_that_recovers_lets_the_rest_follow(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 40, "test.flaky", args={"flag": str(tmp_path)})
        limited = await ended_jobs(desk, dana, 2, "test.flaky", retry_count=1, max_retries=1)
        async with a_worker(desk.settings):
            batch = await start(desk, dana, Selection(ids=[*limited, *ids]), trial=Trial(canary=5))
            ended = await over(desk, batch.id)
            await all_over(desk, dana)
        assert ended.result
        assert (ended.result["retried"], ended.result["skipped"]) == (40, {"retry_limit_reached": 2})
        assert "stopped" not in ended.result
        async with desk.db.read() as session:
            queued = sa.select(col(Attempt.queued_at)).where(col(Attempt.batch_id) == batch.id)
            first = sa.select(sa.func.max(col(Attempt.finished_at))).where(col(Attempt.job_id).in_(ids[:5]))
            finished = await session.scalar(first)
            times = (await session.scalars(queued)).all()
        assert finished
        assert len([time for time in times if time < finished]) == 5, "only then the others"

    async def test_a_canary_that_fails_stops_it_and_a_person_may_go_on(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        dana = await a_person(desk)
        ids = await ended_jobs(desk, dana, 30, "test.flaky", args={"flag": str(tmp_path / "flag")})
        async with a_worker(desk.settings):
            batch = await start(desk, dana, FAILED, trial=Trial(canary=3))
            ended = await over(desk, batch.id)
            assert (ended.status, ended.output_attempt) == (Status.COMPLETED, 1)
            assert ended.result == {
                "matched": 30, "retried": 3, "skipped": {"stopped": 27}, "failed": 0, "expected": 30, "cost": 0,
                "stopped": "None of the first 3 recovered.",
            }  # fmt: skip
            assert jobs.actions(desk, dana, ended).retry
            (tmp_path / "flag").touch()
            await retry(desk, dana, batch.id)
            ended = await over(desk, batch.id)
            await all_over(desk, dana)
        assert ended.result
        assert (ended.result["retried"], ended.result["skipped"]) == (30, {})
        assert await new_attempts(desk, ids) == dict.fromkeys(ids, 1)
        assert not jobs.actions(desk, dana, ended).retry, "nothing is left"
        with pytest.raises(NotRetryable):
            await retry(desk, dana, batch.id)

    async def test_too_many_failures_on_the_way_stop_it(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch_chunk, "CHUNK", 25)
        monkeypatch.setattr(batch_kinds, "_TALLY_SECONDS", 0)
        tell = batch_walk.tell

        async def until_all_have_ended(desk: Desk, advanced: batch_walk.Advance) -> None:
            await tell(desk, advanced)

            async def none_is_left() -> bool:
                return (await tally(desk, advanced.batch.job_id)).failed >= advanced.batch.retried

            await eventually(none_is_left, 30)

        monkeypatch.setattr(batch_kinds, "tell", until_all_have_ended)
        dana = await a_person(desk)
        await ended_jobs(desk, dana, 400, "test.flaky", args={"flag": str(tmp_path / "flag")})
        async with a_worker(desk.settings):
            batch = await start(desk, dana, FAILED, trial=Trial(stop_at=0.5))
            ended = await over(desk, batch.id)
        assert ended.result
        assert re.fullmatch(
            r"\d+ of \d+ retries failed \(100%\); it stops beyond 50%\.", ended.result["stopped"]
        )
        assert ended.result["retried"] + ended.result["skipped"]["stopped"] == 400
        assert ended.result["retried"] <= 100

    async def test_an_interrupted_run_that_goes_on_is_no_failure(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        (job_id,) = await ended_jobs(desk, dana, 1, "test.flaky")
        batch = await start(desk, dana, Selection(ids=[job_id]))
        await walk_as_test(desk, batch)
        key = Claim(job_id, 2)
        async with desk.db.write() as session:
            await lifecycle.claim(session, [key], "w", 60)
            await lifecycle.hand_back(session, [key], "w")
        assert await tally(desk, batch.id) == Tally(recovered=0, failed=0, unended=1)


async def test_it_is_paused_and_resumed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_chunk, "CHUNK", 10)
    tell = batch_walk.tell

    async def slowly(*args: Any) -> None:
        await asyncio.sleep(0.1)
        await tell(*args)

    monkeypatch.setattr(batch_kinds, "tell", slowly)
    dana = await a_person(desk)
    ids = await ended_jobs(desk, dana, 600, "test.noop")
    async with a_worker(desk.settings):
        batch = await start(desk, dana, FAILED)
        await begun(desk, batch)
        await pausing.pause(desk, dana, batch.id)

        async def stands_still() -> bool:
            before = await chunks(desk, batch.id)
            await asyncio.sleep(0.6)
            return await chunks(desk, batch.id) == before

        await eventually(stands_still, 20)
        assert await chunks(desk, batch.id) < 60
        await pausing.resume(desk, dana, batch.id)
        ended = await over(desk, batch.id)
    assert ended.result
    assert ended.result["retried"] == 600
    assert await new_attempts(desk, ids) == dict.fromkeys(ids, 1)


class TestWhoGoesFirst:
    async def test_a_click_waits_for_no_batch(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        marks = tmp_path / "marks"
        slow = {"marks": str(marks), "seconds": 0.1}
        await ended_jobs(desk, dana, 150, "test.sleep", args=slow)
        async with a_worker(desk.settings, most=2):
            batch = await start(desk, dana, FAILED)
            await over(desk, batch.id)
            await eventually(lambda: marks.exists() and len(marks.read_text().splitlines()) > 4)
            click = await submission.submit(desk, dana, "test.sleep", slow)
            began = marks.read_text().count("began")
            await over(desk, click.id)
            lines = marks.read_text().splitlines()
        place = [line.split()[1] for line in lines if line.startswith("began")].index(str(click.id))
        assert place <= began + 4, "only what had a slot, or was on its way to one, went first"

    async def test_bulk_that_a_stopped_worker_had_read_is_rung_again(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        dana = await a_person(desk)
        marks = {"marks": str(tmp_path / "marks"), "seconds": 0.2}
        ids = await ended_jobs(desk, dana, 12, "test.sleep", args=marks)
        async with a_worker(desk.settings, most=2):
            batch = await start(desk, dana, FAILED)
            await over(desk, batch.id)
        async with a_worker(desk.settings):
            await all_over(desk, dana, 12)
        assert {(await read(desk, job_id)).status for job_id in ids} == {Status.COMPLETED}
