"""Whatever a client sends: a problem that says so, never a 500."""

import asyncio
import json
import random
from collections import defaultdict
from urllib.parse import urlsplit

import pytest

from services import credits as ledger
from services.ids import new_id
from services.vocabulary import Role
from tests.support.house import House
from ui.api import gate
from ui.api.app import describe, make_api

DEEP = "[" * 100_000 + "]" * 100_000


def order(**fields: object) -> str:
    return json.dumps({"kind": "test.priced", **fields})


BODIES = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"x"',
    "{}",
    DEEP,
    '{"kind": ' + DEEP + "}",
    "\ufeff{}",
    "NaN",
    order(args={"n": float("nan")}),
    order(args={"n": float("inf")}),
    '{"kind": "test.priced", "args": {"n": 1e999}}',
    order(args={"n": 10**30}),
    '{"kind": "test.priced", "args": {"n": ' + "9" * 5000 + "}}",
    order(args={"n": "\x00"}),
    order(args={"\x00": 1}),
    '{"kind": "test.priced", "title": "\\u0000"}',
    '{"kind": "test.priced", "title": "\\ud800"}',
    order(kind="\x00"),
    order(kind="no.such"),
    order(kind=""),
    order(kind=7),
    order(kind="system.batch_retry"),
    order(args=[]),
    order(args=None),
    order(args={"n": {"a": [[[]]]}}),
    order(title="x" * 301),
    order(max_retries=-1),
    order(max_retries=10**12),
    order(max_retries="many"),
    order(run_at="soon"),
    order(run_at="2030-01-01T00:00:00"),
    order(run_at="9999-12-31T23:59:59-23:59"),
    order(run_at="0001-01-01T00:00:00+23:59"),
    order(run_at=1e300),
    order(unknown=1),
]


class TestBodies:
    async def test_a_job_that_cannot_be(self, house: House) -> None:
        ada = await house.caller()
        for body in BODIES:
            answer = await ada.call(
                "POST",
                "/api/jobs",
                content=body.encode("utf-8", "surrogatepass"),
                headers={"Content-Type": "application/json"},
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (body[:80], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "content_type",
        ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"],
    )
    async def test_what_is_not_called_json(self, house: House, content_type: str) -> None:
        ada = await house.caller()
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await ada.call("POST", "/api/jobs", content=order(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert "Content-Type: application/json" in answer.json()["detail"]

    async def test_too_much(self, house: House) -> None:
        ada = await house.caller()
        body = order(title="x" * 2**20)
        answer = await ada.call(
            "POST", "/api/jobs", content=body, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_a_body_that_never_ends_is_not_waited_for(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gate, "PATIENCE_SECONDS", 0.2)

        url = urlsplit(house.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = "POST /api/auth/login HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\nContent-Length: 99"
        writer.write(f'{head}\r\n\r\n{{"email": '.encode())
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"}")
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"slow_body"' in answer

    @pytest.mark.parametrize("key", ["", "é", "x" * 201, "a b"])
    async def test_an_idempotency_key_is_printed(self, house: House, key: str) -> None:
        ada = await house.caller()
        answer = await ada.post(
            "/api/jobs", {"kind": "test.priced"}, headers={"Idempotency-Key": key.encode()}
        )
        assert answer.status_code == 422

    async def test_orders_that_make_no_sense(self, house: House) -> None:
        ada = await house.caller()
        job = await ada.submit()
        at = f"/api/jobs/{job['id']}"
        for path, body in (
            (f"{at}/retry", {"version": 0}),
            (f"{at}/retry", {"version": 2**31}),
            (f"{at}/retry", {"version": "x"}),
            (f"{at}/retry", {"from_step": "\x00"}),
            (f"{at}/retry", {"from_step": "no such"}),
            (f"{at}/retry", {"at": "now"}),
            (f"{at}/cancel", {"version": 10**30}),
            ("/api/credits", {"amount": 0, "reason": "x"}),
            ("/api/credits", {"amount": 1, "reason": " "}),
            ("/api/credits", {"amount": 2**40, "reason": "x"}),
            ("/api/credits", {"amount": -101, "reason": "x"}),
            ("/api/credits", {"amount": 1.5, "reason": "x"}),
        ):
            answer = await ada.post(path, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (path, body, answer.text)

    async def test_credits_without_end(self, house: House) -> None:
        ada = await house.caller()
        await ledger.grant(house.desk, ada.actor, 10**9, "much")
        await ledger.grant(house.desk, ada.actor, 10**9, "more")
        answers = [await ada.post("/api/credits", {"amount": 10**6, "reason": "x"}) for _ in range(150)]
        assert {answer.status_code for answer in answers} <= {200, 422}


class TestQueries:
    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=99999999999999999999",
            "status=lost",
            "status=",
            "sort=random",
            "cursor=x",
            "cursor=a",
            "cursor=%00",
            "cursor=a%ff",
            "cursor=" + "a" * 65,
            "q=%00",
            "q=status:x",
            "q=" + "x" * 501,
            "kind=%00",
            "owner=%00",
            "q=age:<999999999w",
            "&".join("kind=x" for _ in range(51)),
        ],
    )
    async def test_a_list_that_cannot_be(self, house: House, query: str) -> None:
        answer = await (await house.caller()).get(f"/api/jobs?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text

    @pytest.mark.parametrize(
        "query", ["q=%ff", "owner=%ff", "kind=%f0%9f%98%80", "q=%F0%9F%98%80", "unknown=1", "&&&=", "cursor="]
    )
    async def test_a_list_that_can(self, house: House, query: str) -> None:
        assert (await (await house.caller()).get(f"/api/jobs?{query}")).status_code == 200

    @pytest.mark.parametrize("path", ["/api/credits", "/api/audit"])
    async def test_pages_of_ledger_and_log(self, house: House, path: str) -> None:
        ada = await house.caller()
        for query in ("cursor=x", "cursor=%00", "limit=0", "limit=1e9"):
            assert (await ada.get(f"{path}?{query}")).status_code == 422
        assert (
            await ada.get(f"{path}?cursor=ffffffff-ffff-ffff-ffff-ffffffffffff&limit=1")
        ).status_code == 200

    async def test_unknown_addresses_and_methods_are_problems(self, house: House) -> None:
        ada = await house.caller()
        for path in (
            "/api",
            "/api/",
            "/api/nothing",
            "/api/jobs/",
            "/api/%00",
            "/api/jobs/%2e%2e",
        ):
            answer = await ada.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (
                404,
                "application/problem+json",
            ), path

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("/api/jobs", "GET, POST"),
            ("/api/jobs/x", "DELETE, GET"),
            ("/api/jobs/x/artifacts/b.mp4", "GET"),
            ("/api/switches/retries", "PUT"),
            ("/healthz", "GET"),
        ],
    )
    async def test_a_method_that_is_not_possible_says_which_are(
        self, house: House, path: str, allowed: str
    ) -> None:
        ada = await house.caller()
        for method in ("OPTIONS", "TRACE", "PATCH"):
            wrong = await ada.call(method, path)
            assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
            assert wrong.headers["allow"] == allowed

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    @pytest.mark.parametrize("value", [0, 1, "no", "yes", 0.0])
    async def test_yes_and_no_are_said_as_json_says_them(self, house: House, value: object) -> None:
        ada = await house.caller()
        for method, path, body in (
            ("PUT", "/api/switches/retries", {"off": value}),
            ("POST", "/api/retries", {"status": ["failed"], "dry_run": value}),
            ("POST", f"/api/jobs/{new_id()}/retry", {"force": value}),
            ("POST", "/api/views", {"name": "x", "shared": value}),
        ):
            answer = await ada.call(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (path, answer.text)


JUNK = [
    "",
    "x",
    "-1",
    "0",
    "1e9",
    "null",
    "[]",
    "\x00",
    "\ud800",
    "é" * 50,
    "../..",
    "'; --",
    "%",
    "{}",
    "a" * 3000,
    "\u0661",
    "\r\n",
    "🎬",
]


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_makes_it_stumble(house: House, seed: int) -> None:
    """Junk in every place that the description names, and in some that it does not."""
    dice = random.Random(seed)
    ada = await house.caller(Role.ADMIN)
    job = await ada.submit()
    places = [(path, method) for path, methods in describe(make_api())["paths"].items() for method in methods]
    skipped = {"/api/events", "/api/auth/login"}

    def junk() -> object:
        values: list[object] = [
            *JUNK,
            None,
            True,
            -1,
            2**31,
            2**63,
            1.5,
            [],
            {},
            [["x"]],
            {"a": "\x00"},
            job["id"],
        ]
        return dice.choice(values)

    for path, method in [place for place in places if place[0] not in skipped] * 8:
        known = {"job_id": dice.choice([job["id"], "x"]), "name": "n"}
        address = path.format_map(
            defaultdict(lambda: dice.choice(["x", str(ada.actor.user_id), "%00"]), known)
        )
        if "{job_id}" in path and dice.random() < 0.2:
            odd = {"job_id": "%00" if dice.random() < 0.5 else "%f0", "name": "%2e%00"}
            address = path.format_map(defaultdict(lambda: "x", odd))
        names = ("status", "kind", "q", "owner", "sort", "limit", "cursor", "from_step", "w")
        query = {name: str(junk()).encode("utf-8", "replace") for name in names if dice.random() < 0.15}
        fields = (
            "kind",
            "args",
            "title",
            "max_retries",
            "run_at",
            "version",
            "from_step",
            "amount",
            "reason",
            "email",
        )
        body = {name: junk() for name in fields if dice.random() < 0.3}
        headers = {
            "Idempotency-Key": b"\xff",
            "Last-Event-ID": b"x",
            "Range": b"bytes=a-b",
            "If-Range": b"\xff",
        }
        sent = {name: value for name, value in headers.items() if dice.random() < 0.2}
        content = json.dumps(body).encode() if dice.random() < 0.8 else dice.randbytes(50)
        answer = await ada.call(
            method.upper(),
            address,
            params=query,
            content=content,
            headers={"Content-Type": "application/json", **sent},
        )
        assert answer.status_code < 500, (method, address, query, body, answer.text)
        if answer.status_code >= 400:
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["code"]
            assert problem["detail"]
