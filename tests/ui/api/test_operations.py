"""Queues, switches and stuck jobs over HTTP: the contract, and who may."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.models import Job, now
from services.vocabulary import Role
from tests.support.house import House
from tests.support.valkey import ValkeyServer


async def age(house: House, job_id: str, seconds: float) -> None:
    async with house.desk.db.write() as session:
        long_ago = sa.update(Job).where(col(Job.id) == UUID(job_id))
        await session.execute(long_ago.values(queued_at=now() - timedelta(seconds=seconds)))


async def test_a_waiting_job_says_why_and_a_kind_whether_it_can_run(house: House) -> None:
    ada = await house.caller()
    job = await ada.submit(priority="high")
    assert job["priority"] == "high"
    seen = (await ada.get(f"/api/jobs/{job['id']}")).json()
    assert seen["waiting"] == {
        "code": "no_worker", "message": "No worker is online", "place": None, "not_before": None,
    }  # fmt: skip
    kind = (await ada.get("/api/kinds")).json()[0]
    assert (kind["needs"], kind["concurrency"], kind["available"]) == ([], None, False)
    assert kind["reason"] == "No worker is online"
    assert (await ada.get("/api/kinds?address=https://example.org/a.iso")).json() == [], (
        "none of these suits it"
    )
    mona = await house.caller(Role.MEMBER)
    refused = await mona.post("/api/jobs", {"kind": "test.priced", "priority": "high"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_retries_are_switched_off_and_on(house: House) -> None:
    ada = await house.caller()
    job = await ada.submit()
    await house.end(job["id"])
    order = {"off": True, "kind": "test.priced", "reason": "storage moves"}
    off = await ada.call("PUT", "/api/switches/retries", json=order)
    (switch,) = off.json()["retries"]
    assert (switch["kind"], switch["reason"], switch["by"]) == (
        "test.priced",
        "storage moves",
        ada.actor.name,
    )
    refused = await ada.post(f"/api/jobs/{job['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (403, "retries_disabled")
    assert "storage moves" in refused.json()["detail"]
    on = await ada.call("PUT", "/api/switches/retries", json={"off": False, "kind": "test.priced"})
    assert on.json() == {"retries": []}
    assert (await ada.post(f"/api/jobs/{job['id']}/retry")).status_code == 202
    wrong = await ada.call("PUT", "/api/switches/retries", json={"off": True, "kind": "no.such"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


async def test_stuck_jobs_are_listed_rung_for_and_failed(house: House) -> None:
    ada = await house.caller()
    job, fresh = await ada.submit(), await ada.submit()
    await age(house, job["id"], 3985)
    page = (await ada.get("/api/stuck")).json()
    assert ([one["job"]["id"] for one in page["items"]], page["total"]) == ([job["id"]], 1)
    assert page["items"][0]["waiting"]["code"] == "no_worker"
    assert (await ada.post("/api/stuck/kick")).json() == {"jobs": 1}
    assert (await ada.post("/api/stuck/fail", {"ids": [job["id"], fresh["id"]]})).json() == {"jobs": 1}
    failed = (await ada.get(f"/api/jobs/{job['id']}")).json()
    assert (failed["status"], failed["failure_type"]) == ("failed", "environment")
    assert failed["error"] == "Stayed queued for 1 h 6 min: no worker took it"
    queues = (await ada.get("/api/queues")).json()
    assert [(queue["name"], queue["waiting"], queue["workers"]) for queue in queues] == [("default", 1, 0)]


async def test_failures_are_told_of_whatever_has_failed(house: House, valkey: ValkeyServer) -> None:
    ada = await house.caller()
    reverted, stuck = await ada.submit(), await ada.submit()
    await house.end(reverted["id"])
    await age(house, stuck["id"], 3985)
    assert (await ada.post("/api/stuck/fail")).json() == {"jobs": 1}
    valkey.stop()
    try:
        assert (await ada.post(f"/api/jobs/{reverted['id']}/retry")).status_code == 503
    finally:
        valkey.start()
    answer = await ada.get("/api/failures")
    assert answer.status_code == 200
    assert [group["jobs"] for group in answer.json()] == [1, 1]


async def test_who_may(house: House) -> None:
    await house.caller()
    for role, look, act in (
        (Role.OPERATOR, 200, {200, 202}),
        (Role.VIEWER, 200, {403}),
        (Role.MEMBER, 403, {403}),
    ):
        person = await house.caller(role)
        for path in ("/api/stuck", "/api/queues"):
            assert (await person.get(path)).status_code == look, (role, path)
        assert (await person.get("/api/switches")).status_code == 200
        put = await person.call("PUT", "/api/switches/retries", json={"off": False})
        assert put.status_code in act
        for path in ("/api/stuck/kick", "/api/stuck/fail"):
            assert (await person.post(path)).status_code in act, (role, path)
