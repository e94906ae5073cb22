"""Jobs and retries over HTTP."""

import asyncio

import pytest

from services.ids import new_id
from services.redaction import HIDDEN
from services.vocabulary import Role, Status
from tests.support.house import House
from tests.support.valkey import ValkeyServer

PROMISED = {
    *(
        "id",
        "kind",
        "title",
        "status",
        "progress",
        "step",
        "error",
        "failure_type",
        "advice",
        "fingerprint",
        "args",
    ),
    *(
        "result",
        "attempt",
        "retry_count",
        "max_retries",
        "auto_retry_count",
        "owner",
        "workspace",
        "worker",
        "version",
    ),
    *(
        "created_at",
        "updated_at",
        "queued_at",
        "started_at",
        "finished_at",
        "next_retry_at",
        "replaces",
        "replaced_by",
    ),
    "can",
}
PROMISED_OF_ATTEMPTS = {
    *(
        "number",
        "trigger",
        "requested_by",
        "status",
        "error",
        "failure_type",
        "traceback",
        "worker",
        "queued_at",
    ),
    *("started_at", "finished_at", "cost"),
}


class TestJobs:
    async def test_a_job_has_the_promised_shape(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit(args={"n": 2}, title="Two")
        assert job.keys() >= PROMISED
        assert (job["status"], job["attempt"], job["owner"], job["workspace"]) == (
            "queued",
            1,
            ada.actor.email,
            "default",
        )
        assert (
            job["can"].items() >= {"retry": False, "cancel": True, "delete": False, "download": False}.items()
        )
        assert job["created_at"].endswith("Z")
        await house.end(job["id"])
        detail = (await ada.get(f"/api/jobs/{job['id']}")).json()
        assert detail.keys() >= PROMISED | {"attempts", "steps", "artifacts"}
        assert detail["attempts"][0].keys() >= PROMISED_OF_ATTEMPTS
        assert (detail["status"], detail["error"], detail["advice"]) == ("failed", "It broke", "Try again")
        assert (
            detail["can"].items()
            >= {"retry": True, "cancel": False, "delete": True, "download": False}.items()
        )
        assert "JobError" in detail["attempts"][0]["traceback"]

    async def test_the_list_filters_searches_and_pages(self, house: House) -> None:
        ada = await house.caller()
        ids = [(await ada.submit(title=f"Clip {n}"))["id"] for n in range(5)]
        await house.end(ids[0])
        await house.end(ids[1], Status.COMPLETED)
        first = (await ada.get("/api/jobs", params={"limit": 2})).json()
        assert ([job["id"] for job in first["items"]], first["total"]) == ([ids[4], ids[3]], 5)
        second = (await ada.get("/api/jobs", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [job["id"] for job in second["items"]] == [ids[2], ids[1]]
        both = (await ada.get("/api/jobs?status=failed&status=completed&sort=oldest")).json()
        assert [job["id"] for job in both["items"]] == ids[:2]
        for query in ({"q": "error:broke"}, {"q": '"Clip 0"'}, {"kind": "test.priced", "status": "failed"}):
            found = (await ada.get("/api/jobs", params=query)).json()
            assert [job["id"] for job in found["items"]] == ids[:1]
        assert (await ada.get("/api/jobs", params={"owner": "me"})).json()["total"] == 5
        assert (await ada.get("/api/jobs", params={"owner": "no@body.org"})).json()["total"] == 0

    async def test_a_view_is_exported(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        answer = await ada.get("/api/jobs/export", params={"q": "status:queued"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="jobs.csv"' in answer.headers["content-disposition"]
        assert answer.text.splitlines()[1].startswith(job["id"])
        wrong = await ada.get("/api/jobs/export", params={"q": "status:nonsense"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")

    async def test_a_search_is_completed(self, house: House) -> None:
        ada = await house.caller()
        answer = (await ada.get("/api/search/completions", params={"q": "clip sta", "at": 8})).json()
        option = {"text": "status:", "label": "status:", "hint": "where it stands"}
        assert answer == {"start": 5, "end": 8, "options": [option]}

    async def test_a_search_with_a_mistake_says_where(self, house: House) -> None:
        answer = await (await house.caller()).get("/api/jobs", params={"q": "x status:faild"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert (answer.json()["position"], answer.json()["suggestion"]) == (2, "status:failed")

    async def test_one_idempotency_key_makes_one_job(self, house: House) -> None:
        ada = await house.caller()
        order = {"kind": "test.priced"}
        answers = await asyncio.gather(
            *(ada.post("/api/jobs", order, headers={"Idempotency-Key": "abc-1"}) for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1

    async def test_run_at_makes_it_wait(self, house: House) -> None:
        job = await (await house.caller()).submit(run_at="2199-01-01T00:00:00+01:00")
        assert (job["status"], job["run_at"]) == ("scheduled", "2198-12-31T23:00:00Z")

    async def test_secrets_are_never_told(self, house: House) -> None:
        ada = await house.caller()
        args = {"secret": "sesame", "url": "https://u:sesame@example.org/"}
        job = await ada.submit(kind="test.file", args=args)
        assert job["args"] == {"secret": HIDDEN, "url": f"https://{HIDDEN}@example.org/"}
        for path in (f"/api/jobs/{job['id']}", "/api/jobs", "/api/audit"):
            assert "sesame" not in (await ada.get(path)).text

    async def test_cancelling_is_for_jobs_that_are_not_over(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        stale = await ada.post(f"/api/jobs/{job['id']}/cancel", {"version": 99})
        assert (stale.status_code, stale.json()["code"], stale.json()["current_status"]) == (
            409,
            "conflict",
            "queued",
        )
        done = await ada.post(f"/api/jobs/{job['id']}/cancel", {"version": job["version"]})
        assert (done.status_code, done.json()["status"]) == (202, "cancelled")
        assert (await ada.post(f"/api/jobs/{job['id']}/cancel")).status_code == 409

    async def test_deleting_is_for_jobs_that_are_over(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        early = await ada.call("DELETE", f"/api/jobs/{job['id']}")
        assert (early.status_code, early.json()["code"]) == (409, "conflict")
        await house.end(job["id"])
        gone = await ada.call("DELETE", f"/api/jobs/{job['id']}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert (await ada.get(f"/api/jobs/{job['id']}")).json()["code"] == "job_not_found"

    async def test_log_lines_go_on_from_the_cursor(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.keep(job["id"], "out.mp4", b"x")
        first = (await ada.get(f"/api/jobs/{job['id']}/logs")).json()
        assert [line["message"] for line in first["lines"]] == ["encoding"]
        again = (await ada.get(f"/api/jobs/{job['id']}/logs", params={"cursor": first["next_cursor"]})).json()
        assert again == {"lines": [], "next_cursor": first["next_cursor"]}


class TestRetry:
    async def test_the_plan_says_what_a_retry_would_do(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.end(job["id"])
        plan = (await ada.get(f"/api/jobs/{job['id']}/retry")).json()
        assert (plan["allowed"], plan["error"], plan["cost"], plan["balance"], plan["balance_after"]) == (
            True, None, 1, 100, 99,
        )  # fmt: skip
        assert plan["previous_error"] == "It broke"
        assert {
            "resets",
            "keeps",
            "checks",
            "retries_left",
            "steps",
            "odds",
            "advice",
            "dialog",
        } <= plan.keys()

    async def test_a_plan_that_is_refused_says_with_which_problem(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        plan = (await ada.get(f"/api/jobs/{job['id']}/retry")).json()
        assert (plan["allowed"], plan["error"]["code"], plan["error"]["status"]) == (
            False,
            "not_retryable",
            400,
        )
        refused = await ada.post(f"/api/jobs/{job['id']}/retry")
        assert refused.status_code == 400
        assert refused.json()["code"] == "not_retryable"
        assert refused.json()["detail"] == plan["error"]["message"]

    async def test_a_retry_is_accepted_once(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.end(job["id"])
        version = (await ada.get(f"/api/jobs/{job['id']}")).json()["version"]
        answers = await asyncio.gather(
            *(ada.post(f"/api/jobs/{job['id']}/retry", {"version": version}) for _ in range(20))
        )
        accepted = [answer.json() for answer in answers if answer.status_code == 202]
        refused = [answer.json() for answer in answers if answer.status_code != 202]
        assert len(accepted) == 1
        assert accepted[0].items() >= {"success": True, "job_id": job["id"], "status": "queued"}.items()
        assert accepted[0]["message"]
        assert {(problem["status"], problem["code"]) for problem in refused} == {(409, "conflict")}
        account = (await ada.get("/api/credits")).json()
        assert (account["balance"], [entry["amount"] for entry in account["entries"]]) == (99, [-1, 100])
        attempts = (await ada.get(f"/api/jobs/{job['id']}")).json()["attempts"]
        assert [(a["number"], a["trigger"], a["cost"]) for a in attempts] == [
            (2, "manual", 1),
            (1, "first", 0),
        ]

    async def test_without_credits_it_is_refused_in_the_published_words(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.end(job["id"])
        assert (await ada.post("/api/credits", {"amount": -100, "reason": "test"})).json() == {"balance": 0}
        refused = await ada.post(f"/api/jobs/{job['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_credits")
        assert refused.json()["detail"] == "Insufficient credits. Please purchase more credits to retry."

    async def test_the_limit_is_told(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit(kind="test.file", max_retries=0)
        await house.end(job["id"])
        refused = (await ada.post(f"/api/jobs/{job['id']}/retry")).json()
        assert (refused["code"], refused["status"], refused["detail"]) == (
            "retry_limit_reached", 400, "Max retries (0) reached.",
        )  # fmt: skip

    async def test_without_the_queue_nothing_is_charged(self, house: House, valkey: ValkeyServer) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.end(job["id"])
        valkey.stop()
        refused = await ada.post(f"/api/jobs/{job['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_unavailable")
        after = (await ada.get(f"/api/jobs/{job['id']}")).json()
        assert (after["status"], after["error"]) == ("failed", "Failed to re-queue task.")
        assert (await ada.get("/api/credits")).json()["balance"] == 100


class TestWalls:
    """What is not yours is not found, wherever one asks."""

    @pytest.mark.parametrize("who", ["another workspace", "another member"])
    async def test_others_jobs_are_not_found(self, house: House, who: str) -> None:
        ada = await house.caller()
        job = await ada.submit()
        await house.keep(job["id"], "out.mp4", b"x")
        await house.end(job["id"])
        assert (await ada.post(f"/api/jobs/{job['id']}/retry")).status_code == 202
        await house.end(job["id"], Status.COMPLETED, attempt=2)
        if who == "another workspace":
            stranger = await house.caller(workspace="elsewhere")
        else:
            stranger = await house.caller(Role.MEMBER)
        address = f"/api/jobs/{job['id']}"
        asked = [
            ("GET", ""), ("DELETE", ""), ("GET", "/retry"), ("POST", "/retry"), ("POST", "/cancel"), ("GET", "/logs"),
            ("GET", "/artifacts/out.mp4"), ("HEAD", "/artifacts/out.mp4"),
        ]  # fmt: skip
        for method, path in asked:
            answer = await stranger.call(method, address + path)
            assert answer.status_code == 404, (method, path)
            assert method == "HEAD" or answer.json()["code"] == "job_not_found"
        assert (await stranger.get("/api/jobs")).json()["total"] == 0
        assert (await stranger.get("/api/stats")).json()["jobs"]["completed"] == 0
        assert job["id"] not in (await stranger.get("/api/credits")).text
        assert job["id"] in (await ada.get("/api/credits")).text

    @pytest.mark.parametrize(
        "job_id",
        ["x", "1", "%00", "0198", "..", "'", "0198c0de-0000-7000-8000-000000000000", "é", "a" * 2000],
    )
    async def test_what_is_no_job_is_not_found(self, house: House, job_id: str) -> None:
        ada = await house.caller()
        for method, path in (("GET", ""), ("POST", "/retry"), ("GET", "/logs"), ("GET", "/artifacts/x")):
            answer = await ada.call(method, f"/api/jobs/{job_id}{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")

    async def test_an_upload_of_another_workspace_is_no_input(self, house: House) -> None:
        ada, eve = await house.caller(), await house.caller(workspace="elsewhere")
        upload = (await ada.post("/api/uploads", files={"file": ("a.mp4", b"abc", "video/mp4")})).json()
        order = {"kind": "test.file", "args": {"upload_id": upload["id"]}}
        assert (await eve.post("/api/jobs", order)).status_code == 404
        assert (await ada.post("/api/jobs", order)).status_code == 201


# What each role is answered: admin, operator, member (of another's job), viewer.
MATRIX = {
    "see another's job": (200, 200, 404, 200),
    "list another's job": (1, 1, 0, 1),
    "export another's job": ((200, 1), (200, 1), (200, 0), (200, 1)),
    "complete a search for owners": (3, 3, 1, 3),
    "save a view of one's own": (201, 201, 201, 201),
    "share a view": (201, 201, 403, 403),
    "see views": (["all", "mine", "ours"], ["all", "mine", "ours"], ["mine", "ours"], ["mine", "ours"]),
    "rename another's shared view": (200, 200, 403, 403),
    "remove another's own view": (404, 404, 404, 404),
    "submit": (201, 201, 201, 403),
    "upload": (201, 201, 201, 403),
    "plan a retry": (200, 200, 404, 200),
    "copy": (201, 201, 404, 403),
    "start": (409, 409, 404, 403),
    "pause": (422, 422, 404, 403),
    "resume": (422, 422, 404, 403),
    "plan for many": ((200, 1), (200, 1), (200, 0), (403, None)),
    "retry many": (202, 202, 202, 403),
    "cancel many": (202, 202, 202, 403),
    "delete many": (202, 202, 202, 403),
    "submit before others": (201, 201, 403, 403),
    "groups of failures": (1, 1, 0, 1),
    "mute a failure": (200, 200, 403, 403),
    "note a failure": (200, 200, 403, 403),
    "dismiss a job": (200, 200, 404, 403),
    "undo that": (200, 200, 404, 403),
    "switches": (200, 200, 200, 200),
    "queues": (200, 200, 403, 200),
    "stuck jobs": (200, 200, 403, 200),
    "switch retries on": (200, 200, 403, 403),
    "pauses": (200, 200, 200, 200),
    "resume a kind": (200, 200, 403, 403),
    "ring for stuck jobs": (202, 202, 403, 403),
    "fail stuck jobs": (200, 200, 403, 403),
    "retry": (202, 202, 404, 403),
    "cancel": (202, 202, 404, 403),
    "delete": (204, 204, 404, 403),
    "logs": (200, 200, 404, 200),
    "see credits": (200, 200, 200, 200),
    "grant credits": (200, 403, 403, 403),
    "audit": (200, 200, 403, 200),
    "workers": (200, 200, 200, 200),
    "stats": (200, 200, 200, 200),
    "insights": (3, 3, 0, 2),
    "kinds": (200, 200, 200, 200),
}


@pytest.mark.parametrize(("column", "role"), list(enumerate(Role)))
async def test_who_may_do_what(house: House, column: int, role: Role) -> None:
    owner = await house.caller(Role.OPERATOR, email="owner@default.example")
    failed, active = await owner.submit(), await owner.submit()
    other = await owner.submit()
    await house.end(failed["id"])
    await house.end(other["id"])
    who = await house.caller(role, email="who@default.example")
    at = {
        name: f"/api/jobs/{job['id']}"
        for name, job in (("failed", failed), ("active", active), ("other", other))
    }
    total = (await who.get("/api/jobs", params={"status": "queued"})).json()["total"]
    dry = await who.post("/api/retries", {"ids": [failed["id"]], "dry_run": True})
    ours = (await owner.post("/api/views", {"name": "ours", "status": ["failed"], "shared": True})).json()
    theirs = (await owner.post("/api/views", {"name": "theirs"})).json()
    exported = await who.get("/api/jobs/export", params={"status": "queued", "format": "json"})
    owners = (await who.get("/api/search/completions", params={"q": "owner:"})).json()
    many = {"ids": [str(new_id())]}
    at_group = f"/api/failures/{(await owner.get(at['failed'])).json()['fingerprint']}"
    got = {
        "start": (await who.post(f"{at['active']}/start")).status_code,
        "pause": (await who.post(f"{at['active']}/pause")).status_code,
        "resume": (await who.post(f"{at['active']}/resume")).status_code,
        "plan for many": (dry.status_code, dry.json().get("allowed")),
        "retry many": (await who.post("/api/retries", many)).status_code,
        "cancel many": (await who.post("/api/cancellations", many)).status_code,
        "delete many": (await who.post("/api/deletions", many)).status_code,
        "submit before others": (
            await who.post("/api/jobs", {"kind": "test.priced", "priority": "high"})
        ).status_code,
        "groups of failures": len((await who.get("/api/failures")).json()),
        "mute a failure": (await who.call("PATCH", at_group, json={"mute": {}})).status_code,
        "note a failure": (await who.call("PATCH", at_group, json={"note": "known"})).status_code,
        "dismiss a job": (await who.post(f"{at['failed']}/dismiss", {"reason": "known"})).status_code,
        "undo that": (await who.call("DELETE", f"{at['failed']}/dismiss")).status_code,
        "switches": (await who.get("/api/switches")).status_code,
        "queues": (await who.get("/api/queues")).status_code,
        "stuck jobs": (await who.get("/api/stuck")).status_code,
        "pauses": (await who.get("/api/pauses")).status_code,
        "resume a kind": (await who.call("PUT", "/api/pauses", json={"paused": False})).status_code,
        "switch retries on": (
            await who.call("PUT", "/api/switches/retries", json={"off": False})
        ).status_code,
        "ring for stuck jobs": (await who.post("/api/stuck/kick")).status_code,
        "fail stuck jobs": (await who.post("/api/stuck/fail")).status_code,
        "export another's job": (exported.status_code, len(exported.json())),
        "complete a search for owners": len(owners["options"]),
        "save a view of one's own": (
            await who.post("/api/views", {"name": "mine", "q": "owner:me"})
        ).status_code,
        "share a view": (await who.post("/api/views", {"name": "all", "shared": True})).status_code,
        "see views": [view["name"] for view in (await who.get("/api/views")).json()],
        "rename another's shared view": (
            await who.call("PATCH", f"/api/views/{ours['id']}", json={"name": "ours"})
        ).status_code,
        "remove another's own view": (await who.call("DELETE", f"/api/views/{theirs['id']}")).status_code,
        "see another's job": (await who.get(at["failed"])).status_code,
        "list another's job": total,
        "submit": (await who.post("/api/jobs", {"kind": "test.priced"})).status_code,
        "upload": (await who.post("/api/uploads", files={"file": ("a", b"abc")})).status_code,
        "plan a retry": (await who.get(f"{at['failed']}/retry")).status_code,
        "logs": (await who.get(f"{at['failed']}/logs")).status_code,
        "copy": (await who.post(f"{at['failed']}/copy")).status_code,
        "retry": (await who.post(f"{at['failed']}/retry")).status_code,
        "cancel": (await who.post(f"{at['active']}/cancel")).status_code,
        "delete": (await who.call("DELETE", at["other"])).status_code,
        "see credits": (await who.get("/api/credits")).status_code,
        "grant credits": (await who.post("/api/credits", {"amount": 1, "reason": "x"})).status_code,
        "audit": (await who.get("/api/audit")).status_code,
        "workers": (await who.get("/api/workers")).status_code,
        "stats": (await who.get("/api/stats")).status_code,
        "insights": (await who.get("/api/insights")).json()["total"]["runs"],
        "kinds": (await who.get("/api/kinds")).status_code,
    }
    assert got == {action: answers[column] for action, answers in MATRIX.items()}


async def test_a_member_does_all_of_it_with_their_own(house: House) -> None:
    mia = await house.caller(Role.MEMBER)
    job = await mia.submit()
    await house.end(job["id"])
    at = f"/api/jobs/{job['id']}"
    assert (await mia.get(f"{at}/retry")).json()["allowed"] is True
    assert (await mia.post(f"{at}/retry")).status_code == 202
    assert (await mia.post(f"{at}/cancel")).status_code == 202
    assert (await mia.call("DELETE", at)).status_code == 204


async def test_a_view_says_how_it_is_drawn(house: House) -> None:
    ada = await house.caller()
    plain = (await ada.post("/api/views", {"name": "plain"})).json()
    assert (plain["density"], plain["columns"]) == (None, None)
    dense = (await ada.post("/api/views", {"name": "dense", "density": "compact"})).json()
    assert (dense["density"], dense["columns"]) == ("compact", ["kind", "progress", "retries", "created"])
    few = (await ada.post("/api/views", {"name": "few", "columns": ["created"]})).json()
    assert (few["density"], few["columns"]) == ("comfortable", ["created"])
    for wrong in ({"density": "tiny"}, {"columns": ["status"]}):
        answer = await ada.post("/api/views", {"name": "wrong"} | wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
