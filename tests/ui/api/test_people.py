"""Members, invitations, tokens, sessions and the workspace over HTTP: the contract, and who may."""

from dataclasses import replace
from typing import Any

import pytest

from services.people import people, sessions, tokens
from services.vocabulary import Role
from tests.support.house import Caller, House

PASSWORD = "correct horse"


async def ids(caller: Caller, path: str, **query: Any) -> list[str]:
    answer = await caller.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_an_admin_looks_after_the_members(house: House) -> None:
    ada, mona = await house.caller(), await house.caller(Role.MEMBER)
    page = (await ada.get("/api/members", params={"limit": 1})).json()
    assert (page["items"][0]["email"], page["items"][0]["role"]) == (ada.actor.email, "admin")
    (found,) = (await ada.get("/api/members", params={"cursor": page["next_cursor"]})).json()["items"]
    assert (found["email"], found["role"]) == (mona.actor.email, "member")
    at = f"/api/members/{found['id']}"
    changed = await ada.call("PATCH", at, json={"role": "operator"})
    assert (changed.status_code, changed.json()["role"]) == (200, "operator")
    link = (await ada.post(f"{at}/sign-in-link")).json()
    assert link["link"].startswith(f"{house.url}/login?link=link_")
    assert link["valid_hours"] == 24
    last = await ada.call("DELETE", f"/api/members/{ada.actor.user_id}")
    assert (last.status_code, last.json()["code"]) == (409, "last_admin")
    assert (await ada.call("DELETE", at)).status_code == 204
    assert (await mona.get("/api/jobs")).status_code == 401
    assert (await ada.call("DELETE", at)).status_code == 404
    assert (await ada.call("PATCH", at, json={"role": "king"})).json()["code"] == "invalid"


async def test_an_invitation_is_made_listed_and_withdrawn(house: House) -> None:
    ada, eve = await house.caller(), await house.caller(workspace="elsewhere")
    made = await ada.post("/api/invitations", {"email": "New@example.org", "role": "viewer"})
    said = made.json()
    assert (made.status_code, said["email"], said["role"]) == (201, "new@example.org", "viewer")
    assert said["link"].startswith(f"{house.url}/join?invitation=inv_")
    assert await ids(ada, "/api/invitations") == [said["id"]]
    assert await ids(eve, "/api/invitations") == []
    assert (await eve.call("DELETE", f"/api/invitations/{said['id']}")).status_code == 404
    assert (await ada.call("DELETE", f"/api/invitations/{said['id']}")).status_code == 204
    # That an email has an account is not told: it gets a link as everybody does.
    known = (await ada.post("/api/invitations", {"email": eve.actor.email})).json()
    assert known.keys() == said.keys()
    assert [one["email"] for one in (await ada.get("/api/members")).json()["items"]] == [ada.actor.email]
    again = await ada.post("/api/invitations", {"email": ada.actor.email})
    assert (again.status_code, again.json()["code"]) == (409, "already_member")
    wrong = await ada.post("/api/invitations", {"email": "nobody"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


async def test_tokens_are_shown_once_and_end_when_revoked(house: House) -> None:
    ada, mona = await house.caller(), await house.caller(Role.MEMBER)
    person = replace(mona.actor, by_token=False)
    token = await tokens.create_own_token(house.desk, person, "nightly", 30)
    mine = (await mona.get("/api/tokens")).json()["items"]
    assert [(one["name"], one["ending"]) for one in mine][:1] == [("nightly", token[-4:])]
    assert token not in str(mine)
    assert (await mona.get("/api/tokens", params={"all": True})).status_code == 403
    every = (await ada.get("/api/tokens", params={"all": True})).json()["items"]
    assert {one["email"] for one in every} == {ada.actor.email, mona.actor.email}
    hers = next(one["id"] for one in every if one["email"] == ada.actor.email)
    assert (await mona.call("DELETE", f"/api/tokens/{hers}")).status_code == 404
    assert (await ada.call("DELETE", f"/api/tokens/{mine[0]['id']}")).status_code == 204
    used = await house.http.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert used.status_code == 401
    told = (await ada.get("/api/audit")).json()["entries"]
    assert [entry["action"] for entry in told[:2]] == ["token.revoke", "token.create"]
    assert token not in str(told)


async def test_one_s_own_name_password_and_sessions(house: House) -> None:
    await people.add_user(house.desk, "mara@example.org", password=PASSWORD)
    own = {"Sec-Fetch-Site": "same-origin"}
    login = {"email": "mara@example.org", "password": PASSWORD}
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    answer = await house.http.post("/api/auth/login", json=login, headers=headers)
    assert answer.status_code == 200
    other = await sessions.sign_in(house.desk, "mara@example.org", PASSWORD, "::1")
    renamed = await house.http.patch("/api/me", json={"name": "  Mara  Moss "}, headers=own)
    assert (renamed.json()["name"], (await house.http.get("/api/me")).json()["name"]) == ("Mara Moss",) * 2
    found = (await house.http.get("/api/sessions")).json()
    assert [(one["browser"], one["is_this"]) for one in found] == [("Firefox on Linux", True), (None, False)]
    assert other.cookie not in str(found)
    refused = await house.http.delete("/api/sessions", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert (await house.http.delete("/api/sessions", headers=own)).status_code == 204
    assert [one["is_this"] for one in (await house.http.get("/api/sessions")).json()] == [True]
    short = await house.http.put("/api/me/password", json={"password": "short"}, headers=own)
    assert (short.status_code, short.json()["code"]) == (422, "invalid")
    token = await people.create_token(house.desk, "mara@example.org")
    bearer = {"Authorization": f"Bearer {token}"}
    # A program that found a token cannot take the account over.
    stolen = await house.http.put("/api/me/password", json={"password": "a new password"}, headers=bearer)
    assert stolen.status_code == 401
    without = await house.caller(Role.MEMBER)
    first = await without.call("PUT", "/api/me/password", json={"password": "a new password"})
    assert first.status_code == 401, "nor where there is none yet"
    changed = {"password": "a new password", "current": PASSWORD}
    assert (await house.http.put("/api/me/password", json=changed, headers=own)).status_code == 204
    assert (await sessions.sign_in(house.desk, "mara@example.org", "a new password", "::1")).cookie


async def test_the_workspace_has_a_name_and_keeps_jobs_for_a_time(house: House) -> None:
    ada = await house.caller()
    asked = await ada.get("/api/workspace/retention", params={"days": 30})
    assert asked.json() == {"days": 30, "jobs": 0, "more": False}
    changed = await ada.call("PATCH", "/api/workspace", json={"name": "Studio  South", "retention_days": 30})
    said = changed.json()
    assert (said["name"], said["slug"], said["retention_days"]) == ("Studio South", "default", 30)
    kept = await ada.call("PATCH", "/api/workspace", json={"name": "Studio"})
    assert (kept.json()["name"], kept.json()["retention_days"]) == ("Studio", 30)
    off = await ada.call("PATCH", "/api/workspace", json={"retention_days": None})
    assert (off.json()["name"], off.json()["retention_days"]) == ("Studio", None)
    for wrong in ({"name": ""}, {"name": None}, {"retention_days": 0}):
        answer = await ada.call("PATCH", "/api/workspace", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), wrong


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.MEMBER, Role.VIEWER])
async def test_who_may(house: House, role: Role) -> None:
    ada, person = await house.caller(), await house.caller(role)
    someone = f"/api/members/{ada.actor.user_id}"
    invited = (await ada.post("/api/invitations", {"email": "new@example.org"})).json()["id"]
    ((hers,), _) = await tokens.list_tokens(house.desk, ada.actor)
    assert (await person.call("DELETE", f"/api/tokens/{hers.token.id}")).status_code == 404
    for method, path, body in (
        ("GET", "/api/members", None),
        ("PATCH", someone, {"role": "viewer"}),
        ("DELETE", someone, None),
        ("POST", f"{someone}/sign-in-link", None),
        ("GET", "/api/invitations", None),
        ("POST", "/api/invitations", {"email": "x@example.org"}),
        ("DELETE", f"/api/invitations/{invited}", None),
        ("GET", "/api/tokens?all=true", None),
        ("PATCH", "/api/workspace", {"name": "Mine"}),
        ("GET", "/api/workspace/retention?days=3", None),
    ):
        answer = await person.call(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
    for method, path, body, status in (
        ("GET", "/api/me", None, 200),
        ("PATCH", "/api/me", {"name": "Somebody"}, 200),
        ("GET", "/api/sessions", None, 200),
        ("GET", "/api/tokens", None, 200),
        ("GET", "/api/workspace", None, 200),
    ):
        assert (await person.call(method, path, json=body)).status_code == status, (method, path)


async def test_hints_are_read_dismissed_and_shown_again(house: House) -> None:
    vera = await house.caller(Role.VIEWER)
    assert (await vera.get("/api/hints")).json() == ["welcome"]
    assert (await vera.call("DELETE", "/api/hints/welcome")).status_code == 204
    assert (await vera.get("/api/hints")).json() == []
    assert (await vera.call("DELETE", "/api/hints/none")).status_code == 422
    assert (await vera.post("/api/hints")).status_code == 204
    assert (await vera.get("/api/hints")).json() == ["welcome"]
