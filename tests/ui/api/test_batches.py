"""`POST /api/retries`: what a batch would do, and starting it."""

from uuid import UUID

import pytest

from services.ids import new_id
from services.models import Job
from services.vocabulary import Role
from tests.support.batches import ended_jobs, walk
from tests.support.house import House


class TestBatches:
    async def test_a_dry_run_says_what_it_would_do(self, house: House) -> None:
        ada = await house.caller()
        await ended_jobs(house.desk, ada.actor, 103)
        answer = await ada.post(
            "/api/retries", {"q": "kind:test.priced", "status": ["failed"], "dry_run": True}
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "matched": 103, "allowed": 100, "skipped": {"insufficient_credits": 3}, "cost": 100, "balance_after": 0,
            "unchecked": 0,
        }  # fmt: skip
        assert (await ada.get("/api/credits")).json()["balance"] == 100

    async def test_it_starts_a_job(self, house: House) -> None:
        ada = await house.caller()
        ids = await ended_jobs(house.desk, ada.actor, 3)
        answer = await ada.post("/api/retries", {"ids": [str(job_id) for job_id in ids]})
        assert answer.status_code == 202, answer.text
        batch = (await ada.get(f"/api/jobs/{answer.json()['batch_id']}")).json()
        assert (batch["kind"], batch["status"], batch["title"]) == (
            "system.batch_retry",
            "queued",
            "Retry 3 chosen jobs",
        )
        assert batch["args"] == {"ids": [str(job_id) for job_id in ids]}
        async with house.desk.db.read() as session:
            job = await session.get_one(Job, UUID(batch["id"]))
        assert (await walk(house.desk, job)).retried == 3
        assert {(await ada.get(f"/api/jobs/{job_id}")).json()["status"] for job_id in ids} == {"queued"}

    @pytest.mark.parametrize(
        "order",
        [
            {},
            {"ids": []},
            {"q": " "},
            {"ids": ["nonsense"]},
            {"status": ["broken"]},
            {"q": "colour:red"},
            {"q": "x", "ids": [str(new_id())]},
            {"q": "x", "surprise": 1},
            {"ids": [str(new_id())] * 1_001},
            {"q": "x" * 501},
            {"q": "a\x00b"},
            [],
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, house: House, order: object) -> None:
        ada = await house.caller()
        for dry in ({}, {"dry_run": True}):
            sent = order | dry if isinstance(order, dict) else order
            answer = await ada.post("/api/retries", sent)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text

    async def test_a_viewer_and_a_stranger(self, house: House) -> None:
        viewer = await house.caller(Role.VIEWER)
        answer = await viewer.post("/api/retries", {"q": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await house.http.post("/api/retries", json={"q": "x"})).status_code == 401

    async def test_nobody_submits_one_as_a_job(self, house: House) -> None:
        ada = await house.caller()
        answer = await ada.post("/api/jobs", {"kind": "system.batch_retry", "args": {"q": "x"}})
        assert answer.status_code == 422
