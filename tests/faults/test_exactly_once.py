"""One retry, exactly once: many clients, two web processes, a real worker, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.machines import Machines, some_machines
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

# A package outside the tree, as somebody else would write it: fails until its flag file is there.
KIND = """
from pathlib import Path
from pydantic import BaseModel
from services.kinds import JobContext, JobError, RetryPolicy, job_kind

class Args(BaseModel):
    flag: str

@job_kind("acme.flaky", title="Flaky", args=Args, policy=RetryPolicy(cost=1), timeout=30)
async def run(job: JobContext, args: Args) -> dict:
    if not Path(args.flag).exists():
        raise JobError("The flag is not there yet", failure_type="transient", advice="Put it there.")
    return {"attempt": job.attempt}
"""


@pytest.fixture
def machines(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Machines]:
    package = tmp_path / "elsewhere" / "acme"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "flaky.py").write_text(KIND)
    with some_machines(
        database_url,
        redis_url,
        tmp_path / "data",
        MULLIGAN_KINDS="acme.flaky",
        PYTHONPATH=str(package.parent),
    ) as machines:
        yield machines


def client(address: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60)


async def a_failed_job(api: httpx.AsyncClient, flag: Path) -> dict[str, object]:
    made = await api.post("/api/jobs", json={"kind": "acme.flaky", "args": {"flag": str(flag)}})
    assert made.status_code == 201, made.text
    return await status_of(api, made.json()["id"], "failed")


async def status_of(api: httpx.AsyncClient, job_id: object, status: str) -> dict[str, object]:
    async def reached() -> dict[str, object]:
        job: dict[str, object] = (await api.get(f"/api/jobs/{job_id}")).json()
        return job if job["status"] == status else {}

    return await eventually(reached, 30, expect=f"the job is {status}")


async def test_fifty_retries_at_two_web_processes(machines: Machines, tmp_path: Path) -> None:
    worker = machines.worker()
    first, second = machines.webs(2)
    token = machines.run("token", "create", "dana@example.org")
    async with client(first, token) as one, client(second, token) as two:
        job = await a_failed_job(one, tmp_path / "flag")
        worker.stop()  # so that the new attempt stays queued while we count
        path = f"/api/jobs/{job['id']}/retry"
        answers = await asyncio.gather(
            *((one, two)[n % 2].post(path, json={"version": job["version"]}) for n in range(50))
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [202] + [409] * 49
        refused = next(answer.json() for answer in answers if answer.status_code == 409)
        assert (refused["code"], refused["current"]) == ("conflict", "queued")
        after = (await two.get(f"/api/jobs/{job['id']}")).json()
        assert [attempt["number"] for attempt in after["attempts"]] == [2, 1]
        account = (await one.get("/api/credits")).json()
        assert account["balance"] == 99
        assert [entry["amount"] for entry in account["entries"]] == [-1, 100]

        (tmp_path / "flag").touch()
        machines.worker()
        done = await status_of(two, job["id"], "completed")
        assert done["result"] == {"attempt": 2}


async def test_the_queue_is_down_while_retry_is_pressed(
    machines: Machines, valkey: ValkeyServer, tmp_path: Path
) -> None:
    machines.worker()
    (address,) = machines.webs()
    async with client(address, machines.run("token", "create", "dana@example.org")) as api:
        job = await a_failed_job(api, tmp_path / "flag")
        path = f"/api/jobs/{job['id']}/retry"
        valkey.stop()
        try:
            refused = await api.post(path, json={"version": job["version"]})
        finally:
            valkey.start()
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_unavailable")
        after = (await api.get(f"/api/jobs/{job['id']}")).json()
        assert (after["status"], after["error"]) == ("failed", "Failed to re-queue task.")
        assert (await api.get("/api/credits")).json()["balance"] == 100

        # Nothing is restarted but Valkey.
        (tmp_path / "flag").touch()
        again = await api.post(path, json={"version": after["version"]})
        assert again.status_code == 202, again.text
        done = await status_of(api, job["id"], "completed")
        assert done["result"] == {"attempt": 3}
        assert (await api.get("/api/credits")).json()["balance"] == 99
