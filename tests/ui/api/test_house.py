"""Kinds, credits, figures, health, and the interface's description."""

import asyncio
import json
from pathlib import Path

import pytest

from services import migrate
from services.desk import Desk
from services.models import Worker
from services.vocabulary import Role, Status
from tests.support.house import House, open_house
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from ui.api import health
from ui.api.app import describe, make_api

DESCRIPTION = Path(__file__).parents[3] / "docs" / "openapi.json"


class TestFigures:
    async def test_kinds_tell_their_policies(self, house: House) -> None:
        kinds = (await (await house.caller()).get("/api/kinds")).json()
        assert [kind["name"] for kind in kinds] == ["test.file", "test.priced"]
        assert kinds[0]["upload_field"] == "upload_id"
        assert kinds[0]["args_schema"]["properties"].keys() == {"upload_id", "url", "secret"}
        assert (kinds[1]["steps"], kinds[1]["retry"]["cost"]) == (["probe", "encode"], 1)
        assert kinds[1]["retry"]["statuses"] == ["failed", "timeout"]

    async def test_credits_have_a_ledger(self, house: House) -> None:
        ada = await house.caller()
        assert (await ada.post("/api/credits", {"amount": 5, "reason": "thanks"})).json() == {"balance": 105}
        first = (await ada.get("/api/credits?limit=1")).json()
        assert (first["balance"], first["entries"][0]["note"], first["entries"][0]["reason"]) == (
            105,
            "thanks",
            "grant",
        )
        second = (await ada.get("/api/credits", params={"limit": 1, "cursor": first["next_cursor"]})).json()
        assert ([entry["reason"] for entry in second["entries"]], second["next_cursor"]) == (
            ["initial"],
            None,
        )

    async def test_the_audit_says_who_did_what(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        entries = (await ada.get("/api/audit")).json()["entries"]
        assert (entries[0]["actor"], entries[0]["action"], entries[0]["job_id"]) == (
            ada.actor.email, "job.submit", job["id"],
        )  # fmt: skip

    async def test_the_audit_of_one_person_action_or_job(self, house: House) -> None:
        ada, olga = await house.caller(), await house.caller(Role.OPERATOR)
        mine, hers = await ada.submit(), await olga.submit()
        await olga.post(f"/api/jobs/{mine['id']}/cancel")

        async def jobs(**query: str) -> list[str]:
            entries = (await ada.get("/api/audit", params=query)).json()["entries"]
            return [entry["job_id"] for entry in entries if entry["job_id"] in {mine["id"], hers["id"]}]

        assert await jobs(by=olga.actor.email) == [mine["id"], hers["id"]]
        assert await jobs(action="job.submit") == [hers["id"], mine["id"]]
        assert await jobs(job=mine["id"]) == [mine["id"], mine["id"]]
        assert await jobs(by=olga.actor.email, action="job.cancel", job=mine["id"]) == [mine["id"]]
        assert await jobs(by="nobody") == []
        assert (await ada.get("/api/audit", params={"by": "\0"})).status_code == 422

    async def test_stats_count_what_one_sees(self, house: House) -> None:
        ada, mia = await house.caller(), await house.caller(Role.MEMBER)
        job, _ = await ada.submit(), await mia.submit()
        await house.end(job["id"])
        await ada.post(f"/api/jobs/{job['id']}/retry")
        await house.end(job["id"], Status.COMPLETED, attempt=2)
        stats = (await ada.get("/api/stats")).json()
        assert (stats["jobs"]["completed"], stats["jobs"]["queued"], stats["jobs"]["failed"]) == (1, 1, 0)
        assert stats["retries"] == {"tried": 1, "succeeded": 1}
        assert stats["last_day"] == {"created": 2, "completed": 1, "failed": 1, "timeout": 0, "cancelled": 0}
        assert (await mia.get("/api/stats")).json()["jobs"]["completed"] == 0

    async def test_insights_tell_what_runs_came_to(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.end(job["id"])
        await ada.post(f"/api/jobs/{job['id']}/retry")
        await house.end(job["id"], Status.COMPLETED, attempt=2)
        seen = (await ada.get("/api/insights", params={"period": "24h"})).json()
        assert seen["total"]["ended"] == {"completed": 1, "failed": 1, "cancelled": 0, "timeout": 0}
        assert seen["total"]["retries"] == {"tried": 1, "succeeded": 1}
        assert seen["kinds"][job["kind"]]["waiting"]["runs"] == 2
        assert (len(seen["bars"]), seen["span_seconds"], seen["complete"]) == (24, 3600, True)
        assert seen["since"].endswith("Z")
        assert (await ada.get("/api/insights", params={"kind": "other"})).json()["total"]["runs"] == 0
        wrong = await ada.get("/api/insights", params={"period": "1y"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")

    async def test_workers_are_those_that_are_online(self, house: House) -> None:
        async with house.desk.db.write() as session:
            session.add(Worker(name="w1", host="h", pid=1, version="1", engines={"ffmpeg": "7"}, running=2))
        workers = (await (await house.caller()).get("/api/workers")).json()
        assert [(worker["name"], worker["engines"], worker["running"]) for worker in workers] == [
            ("w1", {"ffmpeg": "7"}, 2)
        ]
        assert workers[0]["seen_at"].endswith("Z")


class TestHealth:
    async def test_alive_and_ready(self, house: House) -> None:
        assert (await house.http.get("/healthz")).json() == {"status": "ok"}
        ready = await house.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]) == (
            200, {"database": "ok", "migrations": "ok", "redis": "ok"},
        )  # fmt: skip

    async def test_not_ready_without_redis(self, house: House, valkey: ValkeyServer) -> None:
        valkey.stop()
        assert (await house.http.get("/healthz")).status_code == 200
        ready = await house.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "ok")
        assert ready.json()["checks"]["redis"] != "ok"

    async def test_metrics_are_counted(self, house: House, valkey: ValkeyServer) -> None:
        await (await house.caller()).submit()
        text = (await house.http.get("/metrics")).text
        lines = text.splitlines()
        assert 'mulligan_jobs{status="queued"} 1' in lines
        assert "mulligan_queue_backlog 1" in lines
        assert "mulligan_workers 0" in lines

    async def test_figures_are_counted_once_for_all_who_ask(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = 0

        async def count(desk: Desk) -> dict[str, int]:
            nonlocal counted
            counted += 1
            await asyncio.sleep(0.1)
            return {"queued": 7}

        monkeypatch.setattr(health, "jobs_everywhere", count)
        answers = await asyncio.gather(*(house.http.get("/metrics") for _ in range(5)))
        assert all('mulligan_jobs{status="queued"} 7' in answer.text for answer in answers)
        assert counted == 1

    async def test_scripts_are_read_once(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        await house.http.get("/readyz")
        monkeypatch.setattr(migrate, "ScriptDirectory", None)
        assert (await house.http.get("/readyz")).status_code == 200

    async def test_without_a_database_it_says_so(self, redis_url: str, tmp_path: Path) -> None:
        nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
        async with open_house(nowhere, redis_url, tmp_path) as house:
            answer = await house.http.get("/api/jobs", headers={"Authorization": "Bearer mull_x"})
            assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
            ready = await house.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "ok")


class TestDescription:
    def test_the_one_in_docs_is_true(self) -> None:
        written = json.loads(DESCRIPTION.read_text())
        made = json.loads(json.dumps(describe(make_api())))
        assert written == made, "run: python -m ui.api.app > docs/openapi.json"

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_it_is_served_and_readable_without_other_hosts(self, house: House) -> None:
        served = (await house.http.get("/api/openapi.json")).json()
        assert served["openapi"].startswith("3.")
        page = await house.http.get("/api/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "<script" not in page.text
        assert "//" not in page.text.replace("://", "").replace("<!--", "") or "src=" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in served["paths"]:
            assert path in page.text

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_other_addresses_are_the_pages(self, house: House) -> None:
        assert (await house.http.get("/page")).text == "a page"
        assert (await house.http.get("/apiary")).json() == {"detail": "Not Found"}
