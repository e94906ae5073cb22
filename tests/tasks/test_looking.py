"""A retry that waits until something is back begins by itself, in a worker, on both databases."""

import pytest

from services import credits as ledger
from services.errors import ServiceUnavailable
from services.jobs import jobs
from services.retry.retrying import Wish, retry
from services.vocabulary import Status
from tests.support.workers import a_worker
from tests.tasks.conftest import Bench


async def test_it_runs_once_what_it_needs_is_back(bench: Bench) -> None:
    flag = bench.folder / "flag"
    async with a_worker(bench.desk.settings):
        job = await bench.submit("needy", flag=str(flag))
        assert (await bench.ended(job.id)).status is Status.FAILED
        with pytest.raises(ServiceUnavailable):
            await retry(bench.desk, bench.me, job.id)
        waiting = (await retry(bench.desk, bench.me, job.id, wish=Wish(when_available=True))).job
        assert (waiting.status, waiting.waits_for) == (Status.SCHEDULED, "service_unavailable")
        flag.touch()
        await jobs.start_now(bench.desk, bench.me, job.id)  # not only after ten seconds
        after = await bench.ended(job.id)
    assert (after.status, after.attempt, after.waits_for) == (Status.COMPLETED, 2, None)
    assert await ledger.balance(bench.desk, bench.me) == 9
