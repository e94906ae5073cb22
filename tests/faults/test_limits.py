"""A limit over three real worker processes, one of which is killed half-way; on both databases."""

import os
import signal
from pathlib import Path

import pytest

from services.operations import workers
from services.vocabulary import FailureType, Status
from tests.support.waiting import eventually
from tests.support.workers import a_worker_process
from tests.tasks.conftest import Bench

pytestmark = pytest.mark.faults


async def test_two_at_a_time_over_three_workers_one_of_them_killed(bench: Bench) -> None:
    with a_worker_process(bench.desk.settings, processes=3):
        await eventually(lambda: _online(bench, 3), 60, expect="three workers are online")
        made = [await bench.submit("limited", seconds=0.7) for _ in range(9)]
        await eventually(lambda: len(bench.marked("ended")) >= 2)
        pids = {worker.name: worker.pid for worker in await workers.online(bench.desk)}

        async def somebody_runs_one() -> str | None:
            for job in made:
                if (now := await bench.job(job.id)).status is Status.RUNNING:
                    return now.worker
            return None

        holder = await eventually(somebody_runs_one)
        os.kill(pids[str(holder)], signal.SIGKILL)
        ended = [await bench.ended(job.id, within=60) for job in made]
    lost = {str(job.id) for job in ended if job.failure_type is FailureType.WORKER_LOST}
    assert 1 <= len(lost) <= 2
    assert {job.status for job in ended if str(job.id) not in lost} == {Status.COMPLETED}
    running: set[str] = set()
    for word, job_id, _ in (line.split() for line in Path(bench.marks).read_text().splitlines()):
        if job_id not in lost:
            (running.add if word == "began" else running.discard)(job_id)
        assert len(running) <= 2, "by what the jobs themselves wrote"
    assert len(bench.marked("began")) == 9


async def _online(bench: Bench, count: int) -> bool:
    return len(await workers.online(bench.desk)) == count
