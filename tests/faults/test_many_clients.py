"""200 clients in four processes retry the same 20 jobs at two web processes, one by one and as batches."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.test_exactly_once import client, machines
from tests.support.machines import Machines
from tests.support.waiting import eventually

__all__ = ["machines"]

pytestmark = pytest.mark.faults

JOBS, PROCESSES, CLIENTS = 20, 4, 50
PRESSED = 5
"""Each client presses Retry of so many jobs, at the version it saw; every fifth of one, then sends a batch of all."""

# Each process tells when it is ready and waits for a line, so that all press together.
CLIENT = """
import asyncio, json, sys
import httpx

addresses, token, jobs, clients, pressed = json.loads(sys.argv[1])

async def press(number, api):
    said = []
    for n in range(1 if number % 5 == 4 else pressed):
        job = jobs[(3 * number + n) % len(jobs)]
        answer = await api.post(f"/api/jobs/{job['id']}/retry", json={"version": job["version"]})
        said.append((job["id"], answer.status_code, answer.json()))
    if number % 5 == 4:
        answer = await api.post("/api/retries", json={"ids": [job["id"] for job in jobs]})
        said.append(("batch", answer.status_code, answer.json()))
    return said

async def main():
    more = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 120}
    one, two = [httpx.AsyncClient(base_url=address, **more) for address in addresses]
    async with one, two:
        print("ready", flush=True)
        sys.stdin.readline()
        answers = await asyncio.gather(*(press(n, (one, two)[n % 2]) for n in range(clients)))
    print(json.dumps([answer for said in answers for answer in said]), flush=True)

asyncio.run(main())
"""


async def test_200_clients_make_20_attempts_and_20_charges(machines: Machines, tmp_path: Path) -> None:
    machines.worker()
    addresses = machines.webs(2)
    token = machines.run("token", "create", "dana@example.org")
    async with client(addresses[0], token) as api:
        jobs = await failed_jobs(api, tmp_path / "flag")
        # What is retried now completes, and so is not retryable any more: one new attempt each, whoever comes first.
        (tmp_path / "flag").touch()
        answers = await asyncio.to_thread(press_all, addresses, token, jobs)
        refused = [(code, body) for job, code, body in answers if job == "batch" and code != 202]
        assert refused == []
        batches = [await ended(api, body["batch_id"]) for job, _, body in answers if job == "batch"]
        after = [await ended(api, job["id"]) for job in jobs]
        account = (await api.get("/api/credits", params={"limit": 200})).json()

    singles = [(job, code, body) for job, code, body in answers if job != "batch"]
    fifth = PROCESSES * CLIENTS // 5
    assert (len(batches), len(singles)) == (fifth, fifth + 4 * fifth * PRESSED)
    assert {code for _, code, _ in singles} <= {202, 409}
    assert {body["code"] for _, code, body in singles if code == 409} <= {"conflict"}
    accepted = Counter(job for job, code, _ in singles if code == 202)
    assert set(accepted.values()) <= {1}, "a job is accepted once"
    results = [batch["result"] for batch in batches]
    assert {batch["status"] for batch in batches} == {"completed"}
    assert accepted.total() + sum(result["retried"] for result in results) == JOBS
    assert all(result["retried"] + sum(result["skipped"].values()) == JOBS for result in results)
    assert sum(result["cost"] for result in results) == JOBS - accepted.total()

    assert {job["status"] for job in after} == {"completed"}
    for job in after:
        assert [attempt["number"] for attempt in job["attempts"]] == [2, 1]
        trigger = job["attempts"][0]["trigger"]
        assert trigger == ("manual" if job["id"] in accepted else "batch")
    assert account["balance"] == 100 - JOBS
    charged = Counter(entry["job_id"] for entry in account["entries"] if entry["amount"] == -1)
    assert charged == Counter(job["id"] for job in jobs)
    print(f"{accepted.total()} by single retries, {JOBS - accepted.total()} by {len(batches)} batches")


async def failed_jobs(api: httpx.AsyncClient, flag: Path) -> list[dict[str, Any]]:
    order = {"kind": "acme.flaky", "args": {"flag": str(flag)}}
    made = await asyncio.gather(*(api.post("/api/jobs", json=order) for _ in range(JOBS)))
    jobs = [await ended(api, answer.json()["id"]) for answer in made]
    assert {job["status"] for job in jobs} == {"failed"}
    return jobs


async def ended(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    async def over() -> dict[str, Any]:
        job: dict[str, Any] = (await api.get(f"/api/jobs/{job_id}")).json()
        return job if job["finished_at"] else {}

    return await eventually(over, 90, interval=0.1, expect="the job is over")


def press_all(addresses: Sequence[str], token: str, jobs: Sequence[dict[str, Any]]) -> list[Any]:
    """What every client was answered: the job or "batch", the status, the body."""
    seen = [{"id": job["id"], "version": job["version"]} for job in jobs]
    command = [sys.executable, "-c", CLIENT, json.dumps([*[addresses], token, seen, CLIENTS, PRESSED])]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("now\n")
            process.stdin.flush()
        said = [process.communicate(timeout=150)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [answer for text in said for answer in json.loads(text)]
