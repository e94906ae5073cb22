"""How soon a retry runs: from `retry()` accepted to the kind's first line, with nothing else going on."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from uuid import UUID

from services.desk import Desk
from services.ids import new_id
from services.jobs import jobs, submission
from services.kinds import JobKind
from services.migrate import upgrade
from services.models import Job
from services.people.access import Actor
from services.policy import RetryPolicy
from services.retry.retrying import retry
from services.vocabulary import Status
from tests.benchmarks.rig import Rig
from tests.support.desks import a_person, open_desk
from tests.support.waiting import eventually

_WARM_UP = 10
_PAUSE_SECONDS = 0.03


@dataclass(frozen=True)
class StartTimes:
    """Milliseconds; `call_` ones are from the call of `retry()`, the others from its return."""

    median: float
    p95: float
    call_median: float
    call_p95: float


async def measure_start(rig: Rig, samples: int) -> StartTimes:
    """Retries one completed job again and again, as system A allows, and reads when its body began."""
    rig.valkey.flush()
    await upgrade(rig.database_url)
    policy = RetryPolicy(statuses=frozenset({Status.COMPLETED}), counts=False)
    kinds = [
        JobKind(k.name, k.title, k.args_model, k.run, policy) if k.name == "test.clock" else k
        for k in rig.kinds
    ]
    async with open_desk(rig.database_url, rig.valkey.url, rig.folder, *kinds) as desk:
        me = await a_person(desk, workspace=new_id().hex, name=new_id().hex)
        with rig.worker("tasks.broker:broker"):
            job = await submission.submit(desk, me, "test.clock", {})
            await _completed(desk, me, job.id, 1)
            found = [await _once(desk, me, job.id) for _ in range(samples + _WARM_UP)][_WARM_UP:]
    accepted, called = sorted(a for a, _ in found), sorted(c for _, c in found)
    return StartTimes(
        statistics.median(accepted), accepted[int(len(accepted) * 0.95)],
        statistics.median(called), called[int(len(called) * 0.95)],
    )  # fmt: skip


async def _once(desk: Desk, me: Actor, job_id: UUID) -> tuple[float, float]:
    await asyncio.sleep(_PAUSE_SECONDS)
    called = time.monotonic_ns()
    retried = await retry(desk, me, job_id)
    accepted = time.monotonic_ns()
    job = await _completed(desk, me, job_id, retried.job.attempt)
    began = (job.result or {})["began"]
    # The body may begin while retry() still publishes the change.
    return max(began - accepted, 0) / 1e6, (began - called) / 1e6


async def _completed(desk: Desk, me: Actor, job_id: UUID, attempt: int) -> Job:
    async def look() -> Job | None:
        job = await jobs.get_job(desk, me, job_id)
        return job if job.status is Status.COMPLETED and job.attempt == attempt else None

    found = await eventually(look, 30, interval=0.005)
    assert found
    return found
