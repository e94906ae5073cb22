"""Who is let in, and what a browser may send."""

from collections import defaultdict

import httpx
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.people import people
from services.people.sessions import COOKIE
from services.vocabulary import Role
from tests.support.house import House, serving, web_app
from ui.api.app import describe, make_api

EMAIL, PASSWORD = "mara@example.org", "correct horse"
# The database plays no part here that tests/services/test_people.py has not seen on both.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OPEN = {"/api/auth/login", "/api/auth/logout", "/healthz", "/readyz", "/metrics"}


@pytest.fixture
async def browser(house: House) -> httpx.AsyncClient:
    """Signed in, and telling nothing of where its requests come from."""
    await people.add_user(house.desk, EMAIL, password=PASSWORD, role=Role.ADMIN)
    answer = await house.http.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return house.http


class TestSigningIn:
    async def test_the_cookie_is_the_pages_session(self, house: House) -> None:
        await people.add_user(house.desk, EMAIL, password=PASSWORD)
        answer = await house.http.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
        assert answer.json() == {
            "email": EMAIL, "name": "mara", "workspaces": [{"slug": "default", "name": "Default", "role": "admin"}],
        }  # fmt: skip
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=sess_")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert (await house.http.get("/api/jobs")).status_code == 200

    async def test_over_https_the_cookie_is_secure(self, house: House) -> None:
        await people.add_user(house.desk, EMAIL, password=PASSWORD)
        transport = httpx.ASGITransport(web_app(house.desk))
        async with httpx.AsyncClient(transport=transport, base_url="https://desk.example") as secure:
            answer = await secure.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
        assert "Secure" in answer.headers["set-cookie"].split("; ")

    async def test_signing_out_ends_it_on_the_server(self, house: House, browser: httpx.AsyncClient) -> None:
        cookie = browser.cookies[COOKIE]
        answer = await browser.post("/api/auth/logout", headers={"Origin": house.url})
        assert answer.status_code == 204
        assert 'mulligan_session=""' in answer.headers["set-cookie"]
        again = await browser.get("/api/jobs", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert again.status_code == 401

    async def test_what_is_wrong_is_a_problem(self, house: House) -> None:
        for body in ({"email": EMAIL, "password": "x"}, {"email": "\x01", "password": ""}):
            answer = await house.http.post("/api/auth/login", json=body)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        for _ in range(10):
            answer = await house.http.post("/api/auth/login", json={"email": EMAIL, "password": "x"})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 0

    async def test_a_password_is_never_repeated(self, house: House) -> None:
        answer = await house.http.post("/api/auth/login", json={"email": 1, "password": "sesame" * 400})
        assert answer.status_code == 422
        assert "sesame" not in answer.text

    async def test_the_session_switches_workspaces(self, house: House, browser: httpx.AsyncClient) -> None:
        await people.add_user(house.desk, EMAIL, workspace="second", role=Role.VIEWER)
        await people.add_user(house.desk, "x@y.org", workspace="third")
        eve = await house.caller(email="eve@x.org", workspace="second")
        await eve.submit()
        assert (await browser.get("/api/jobs")).json()["total"] == 0
        assert (await browser.get("/api/jobs?w=second")).json()["total"] == 1
        assert (await browser.get("/api/jobs?w=third")).status_code == 404
        assert (await eve.get("/api/jobs?w=default")).status_code == 404


class TestNotSignedIn:
    async def test_everything_else_is_closed(self, house: House) -> None:
        for path, methods in describe(make_api())["paths"].items():
            for method in methods if path not in OPEN else ():
                answer = await house.http.request(
                    method, path.format_map(defaultdict(lambda: "x")), json={"nonsense": 1}
                )
                assert answer.status_code == 401, (method, path)
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "path", ["/api", "/api/", "/api/nothing", "/api/jobs/", "/api/../api/x", "/api//jobs"]
    )
    async def test_unknown_addresses_are_closed_too(self, house: House, path: str) -> None:
        assert (await house.http.get(path)).status_code == 401

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Basic eDp5", "Bearer mull_wrong", "mull_x", "Bearer é"]
    )
    async def test_a_wrong_header_is_nobody_also_beside_a_cookie(
        self, browser: httpx.AsyncClient, header: str
    ) -> None:
        answer = await browser.get("/api/jobs", headers={b"Authorization": header.encode()})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

    async def test_a_role_that_was_taken_away_is_gone_at_once(self, house: House) -> None:
        ada = await house.caller()
        await people.add_user(house.desk, ada.actor.email, role=Role.VIEWER)
        assert (await ada.post("/api/jobs", {"kind": "test.priced"})).status_code == 403


class TestSameOrigin:
    """With a cookie, what changes things must come from our own pages."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": ""}, 403),
            ({"Origin": "http://HERE.evil.example"}, 403),
            ({"Origin": "http://HOST"}, 403),
            ({"Referer": "http://evil.example/HERE"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Origin": "http://HERE"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Origin": "http://HERE"}, 201),
            ({"Referer": "http://HERE/jobs?q=1"}, 201),
            ({"Sec-Fetch-Site": "same-origin"}, 201),
            ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 201),
            ({"Sec-Fetch-Site": "none"}, 201),
        ],
    )
    async def test_a_change_by_cookie(
        self, house: House, browser: httpx.AsyncClient, headers: dict[str, str], status: int
    ) -> None:
        here = house.url.removeprefix("http://")
        headers = {
            n: v.replace("HERE", here).replace("HOST", here.partition(":")[0]) for n, v in headers.items()
        }
        answer = await browser.post("/api/jobs", json={"kind": "test.priced"}, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 403:
            assert answer.json()["code"] == "forbidden"

    async def test_reading_and_tokens_need_no_origin(self, house: House, browser: httpx.AsyncClient) -> None:
        assert (await browser.get("/api/jobs", headers={"Origin": "http://evil.example"})).status_code == 200
        ada = await house.caller()
        order = {"kind": "test.priced"}
        assert (
            await ada.post("/api/jobs", order, headers={"Origin": "http://evil.example"})
        ).status_code == 201

    @pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
    async def test_another_site_signs_nobody_in_or_out(
        self, browser: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        order = {"email": EMAIL, "password": PASSWORD}
        assert (await browser.post("/api/auth/login", json=order, headers=headers)).status_code == 403
        assert (await browser.post("/api/auth/logout", headers=headers)).status_code == 403
        assert (await browser.get("/api/jobs")).status_code == 200

    async def test_a_form_is_no_json(self, house: House) -> None:
        await people.add_user(house.desk, EMAIL, password=PASSWORD)
        body = f'{{"email": "{EMAIL}", "password": "{PASSWORD}"}}'
        answer = await house.http.post(
            "/api/auth/login", content=body, headers={"Content-Type": "text/plain"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


class TestPages:
    """The guard in front of the dashboard."""

    async def test_pages_carry_headers_that_protect(self, house: House) -> None:
        headers = (await house.http.get("/page")).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]

    async def test_another_site_changes_nothing(self, house: House, browser: httpx.AsyncClient) -> None:
        evil = {"Origin": "http://evil.example"}
        assert (await browser.post("/page", headers=evil)).status_code == 403
        assert (await browser.post("/page", headers={"Origin": house.url})).status_code == 200
        assert (await browser.get("/page", headers=evil)).status_code == 200
        assert (await browser.get("/_nicegui_ws/socket.io/", headers=evil)).status_code == 403

    @pytest.mark.parametrize(
        ("origin", "opened"), [("http://evil.example", False), ("HERE", True), (None, True)]
    )
    async def test_the_websocket_checks_its_origin(
        self, house: House, origin: str | None, opened: bool
    ) -> None:
        app = web_app(house.desk)

        @app.websocket("/_nicegui_ws/socket.io/")
        async def live(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("open")

        async with serving(app) as url:
            address = url.replace("http://", "ws://") + "/_nicegui_ws/socket.io/"
            own = url if origin == "HERE" else origin
            if opened:
                async with connect(address, additional_headers={"Origin": own} if own else {}) as socket:
                    assert await socket.recv() == "open"
            else:
                with pytest.raises(InvalidStatus, match="403"):
                    await connect(address, additional_headers={"Origin": own or ""})
