"""Retries later, with other arguments and forced, and copies, over the wire."""

from datetime import datetime, timedelta

from services.models import now
from services.redaction import HIDDEN
from tests.support.house import Caller, House


async def failed(house: House, who: Caller, **order: object) -> str:
    job = await who.submit(**order)
    await house.end(job["id"])
    return f"/api/jobs/{job['id']}"


async def test_later_is_scheduled_paid_and_taken_back_by_a_cancel(house: House) -> None:
    ada = await house.caller()
    at = await failed(house, ada)
    when = (now() + timedelta(hours=1)).isoformat()
    accepted = await ada.post(f"{at}/retry", {"at": when})
    assert accepted.status_code == 202
    assert (
        accepted.json().items() >= {"success": True, "status": "scheduled", "cost": 1, "attempt": 2}.items()
    )
    assert datetime.fromisoformat(accepted.json()["next_retry_at"]) == datetime.fromisoformat(when)
    job = (await ada.get(at)).json()
    assert (job["status"], job["error"], job["next_retry_at"], job["waits_for"]) == (
        "scheduled", "It broke", accepted.json()["next_retry_at"], None,
    )  # fmt: skip
    assert job["can"].items() >= {"retry": False, "cancel": True, "start": True, "copy": False}.items()
    assert (await ada.get("/api/credits")).json()["balance"] == 99
    back = (await ada.post(f"{at}/cancel", {"version": job["version"]})).json()
    assert (back["status"], back["error"], back["retry_count"]) == ("failed", "It broke", 0)
    assert (await ada.get("/api/credits")).json()["balance"] == 100


async def test_other_arguments_are_planned_kept_apart_and_told(house: House) -> None:
    ada = await house.caller()
    at = await failed(house, ada, kind="test.file", args={"url": "https://a.example", "secret": "sesame"})
    shown = (await ada.get(at)).json()["args"]
    assert shown["secret"] == HIDDEN
    edited = {"args": shown | {"url": "https://a.example/other"}}
    plan = await ada.post(f"{at}/retry", edited | {"dry_run": True})
    changes = [{"path": "url", "before": "https://a.example", "after": "https://a.example/other"}]
    assert (plan.status_code, plan.json()["changes"], plan.json()["args"]) == (200, changes, edited["args"])
    assert (await ada.get(at)).json()["attempt"] == 1
    assert (await ada.post(f"{at}/retry", edited)).status_code == 202
    job = await ada.get(at)
    assert job.json()["args"] == edited["args"]
    assert [attempt["changes"] for attempt in job.json()["attempts"]] == [changes, None]
    assert "sesame" not in job.text


async def test_what_does_not_fit_is_422_with_where_and_why(house: House) -> None:
    ada = await house.caller()
    at = await failed(house, ada)
    for order in (
        {"args": {"n": -1}},
        {"args": {"n": HIDDEN}},
        {"at": "2026-12-24T18:00:00"},
        {"at": "2999-01-01T00:00:00Z"},
    ):
        for dry_run in (True, False):
            refused = await ada.post(f"{at}/retry", order | {"dry_run": dry_run})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), order
    problem = (await ada.post(f"{at}/retry", {"args": {"n": -1}})).json()
    assert problem["errors"][0]["loc"] == ["n"]
    assert (await ada.get(at)).json()["attempt"] == 1


async def test_a_copy_is_a_job_of_ones_own(house: House) -> None:
    ada = await house.caller()
    at = await failed(house, ada, kind="test.file", args={"secret": "sesame"}, title="Original")
    answers = [
        await ada.post(f"{at}/copy", {"title": "Copy"}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    made, again = (answer.json() for answer in answers)
    assert made["id"] == again["id"]
    assert (made["made_from"], made["title"], made["status"]) == (at.rsplit("/", 1)[1], "Copy", "queued")
    early = await ada.post(f"/api/jobs/{made['id']}/copy")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
