"""Every call of the interface, by everybody: the matrix of roles, and the wall between workspaces.

Both tables are held against the description of the interface: a new route fails them until somebody has said who may.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, col

from services.ids import new_id
from services.models import User, Workspace
from services.people import people, sessions, tokens
from services.people.access import Actor
from services.vocabulary import Role
from tests.support.channels import a_channel
from tests.support.house import Caller, House
from ui.api.app import describe, make_api

Ids = dict[str, str]
Body = Callable[[Ids], Any]
PASSWORD = "correct horse"
# Open to all; what they tell is asked for in `test_house.py` and `test_sign_in.py`.
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/logout"),
}


@dataclass(frozen=True)
class Row:
    """What a call is answered: for an admin, an operator, a member (of others' things), a viewer."""

    admin: int
    operator: int
    member: int
    viewer: int
    body: Body | None = None
    files: Any = None
    query: dict[str, str] = field(default_factory=dict)
    of: Ids = field(default_factory=dict)
    """Which thing of the world a name in the path stands for, where it is not the one of that name."""
    everybodys: bool = False
    """What its path names is no workspace's: a stranger is answered as an admin."""


def body(**fields: Any) -> Body:
    """A body that is the same for everybody."""
    return lambda _: fields


# In this order, so that what one row changes does not change another's answer.
ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/api/kinds"): Row(200, 200, 200, 200),
    ("GET", "/api/jobs"): Row(200, 200, 200, 200),
    ("GET", "/api/jobs/export"): Row(200, 200, 200, 200),
    ("GET", "/api/jobs/{job_id}"): Row(200, 200, 404, 200),
    ("GET", "/api/jobs/{job_id}/logs"): Row(200, 200, 404, 200),
    ("GET", "/api/jobs/{job_id}/artifacts/{name}"): Row(200, 200, 404, 200),
    ("GET", "/api/jobs/{job_id}/input"): Row(200, 200, 404, 200, of={"job_id": "filed"}),
    ("GET", "/api/jobs/{job_id}/pages/{number}"): Row(422, 422, 404, 422, of={"job_id": "filed"}),
    ("GET", "/api/jobs/{job_id}/retry"): Row(200, 200, 404, 200),
    ("GET", "/api/stats"): Row(200, 200, 200, 200),
    ("GET", "/api/workers"): Row(200, 200, 200, 200),
    ("GET", "/api/insights"): Row(200, 200, 200, 200),
    ("GET", "/api/queues"): Row(200, 200, 403, 200),
    ("GET", "/api/switches"): Row(200, 200, 200, 200),
    ("GET", "/api/pauses"): Row(200, 200, 200, 200),
    ("GET", "/api/stuck"): Row(200, 200, 403, 200),
    ("GET", "/api/search/completions"): Row(200, 200, 200, 200, query={"q": "owner:"}),
    ("GET", "/api/events"): Row(200, 200, 200, 200),
    ("GET", "/api/failures"): Row(200, 200, 200, 200),
    ("PATCH", "/api/failures/{fingerprint}"): Row(200, 200, 403, 403, body(note="known")),
    ("GET", "/api/credits"): Row(200, 200, 200, 200),
    ("GET", "/api/audit"): Row(200, 200, 403, 200),
    ("GET", "/api/workspace"): Row(200, 200, 200, 200),
    ("GET", "/api/workspace/retention"): Row(200, 403, 403, 403, query={"days": "3"}),
    ("GET", "/api/workspace/webhook-secret"): Row(200, 403, 403, 403),
    ("POST", "/api/workspace/webhook-secret"): Row(201, 403, 403, 403),
    ("DELETE", "/api/workspace/webhook-secret"): Row(204, 403, 403, 403),
    ("PATCH", "/api/workspace"): Row(200, 403, 403, 403, body(retention_days=None)),
    ("POST", "/api/credits"): Row(200, 403, 403, 403, body(amount=1, reason="thanks")),
    # jobs
    ("POST", "/api/uploads"): Row(201, 201, 201, 403, files={"file": ("a.mp4", b"abc")}),
    ("POST", "/api/jobs"): Row(201, 201, 201, 403, body(kind="test.priced")),
    ("POST", "/api/jobs/{job_id}/dismiss"): Row(200, 200, 404, 403, body(reason="known")),
    ("DELETE", "/api/jobs/{job_id}/dismiss"): Row(200, 200, 404, 403),
    ("POST", "/api/jobs/{job_id}/copy"): Row(201, 201, 404, 403),
    # 409 and 422: let in, and refused for what is asked.
    ("POST", "/api/jobs/{job_id}/start"): Row(409, 409, 404, 403, of={"job_id": "active"}),
    ("POST", "/api/jobs/{job_id}/pause"): Row(422, 422, 404, 403, of={"job_id": "active"}),
    ("POST", "/api/jobs/{job_id}/resume"): Row(422, 422, 404, 403, of={"job_id": "active"}),
    ("POST", "/api/jobs/{job_id}/retry"): Row(202, 202, 404, 403),
    ("POST", "/api/jobs/{job_id}/cancel"): Row(202, 202, 404, 403, of={"job_id": "active"}),
    ("DELETE", "/api/jobs/{job_id}"): Row(204, 204, 404, 403, of={"job_id": "done"}),
    ("POST", "/api/retries"): Row(202, 202, 202, 403, lambda _: {"ids": [str(new_id())]}),
    ("POST", "/api/cancellations"): Row(202, 202, 202, 403, lambda _: {"ids": [str(new_id())]}),
    ("POST", "/api/deletions"): Row(202, 202, 202, 403, lambda _: {"ids": [str(new_id())]}),
    ("PUT", "/api/pauses"): Row(200, 200, 403, 403, body(paused=False)),
    ("PUT", "/api/switches/retries"): Row(200, 200, 403, 403, body(off=False)),
    ("POST", "/api/stuck/kick"): Row(202, 202, 403, 403),
    ("POST", "/api/stuck/fail"): Row(200, 200, 403, 403),
    # views
    ("GET", "/api/views"): Row(200, 200, 200, 200),
    ("POST", "/api/views"): Row(201, 201, 201, 201, body(name="mine")),
    ("PATCH", "/api/views/{view_id}"): Row(200, 200, 403, 403, body(name="all of ours")),
    ("DELETE", "/api/views/{view_id}"): Row(204, 204, 403, 403),
    # channels, of the workspace
    ("GET", "/api/channels"): Row(200, 200, 200, 200),
    ("POST", "/api/channels"): Row(
        422, 403, 403, 403, body(name="x", address="json://h", events=[], for_workspace=True)
    ),
    ("GET", "/api/channels/{channel_id}"): Row(200, 404, 404, 404),
    ("PATCH", "/api/channels/{channel_id}"): Row(200, 404, 404, 404, body(name="y")),
    ("POST", "/api/channels/{channel_id}/test"): Row(200, 404, 404, 404),
    ("DELETE", "/api/channels/{channel_id}"): Row(204, 404, 404, 404),
    # people
    ("GET", "/api/members"): Row(200, 403, 403, 403),
    ("GET", "/api/invitations"): Row(200, 403, 403, 403),
    ("POST", "/api/invitations"): Row(201, 403, 403, 403, body(email="another@example.org")),
    ("DELETE", "/api/invitations/{invitation_id}"): Row(204, 403, 403, 403),
    ("POST", "/api/members/{user_id}/sign-in-link"): Row(201, 403, 403, 403),
    ("PATCH", "/api/members/{user_id}"): Row(200, 403, 403, 403, body(role="viewer")),
    # one's own
    ("GET", "/api/me"): Row(200, 200, 200, 200),
    ("PATCH", "/api/me"): Row(200, 200, 200, 200, body(name="Somebody")),
    ("GET", "/api/tokens"): Row(200, 200, 200, 200),
    ("DELETE", "/api/tokens/{token_id}"): Row(204, 404, 404, 404),
    ("GET", "/api/hints"): Row(200, 200, 200, 200),
    ("DELETE", "/api/hints/{name}"): Row(204, 204, 204, 204, of={"name": "hint"}, everybodys=True),
    ("POST", "/api/hints"): Row(204, 204, 204, 204),
    ("GET", "/api/sessions"): Row(200, 200, 200, 200),
    ("DELETE", "/api/sessions"): Row(204, 204, 204, 204),
    ("DELETE", "/api/sessions/{session_id}"): Row(404, 404, 404, 404),
    # A token of a person is not the person.
    ("POST", "/api/tokens"): Row(403, 403, 403, 403, body(name="mine")),
    ("PUT", "/api/me/password"): Row(401, 401, 401, 401, body(password="a new password")),
    ("POST", "/api/invitations/accept"): Row(403, 403, 403, 403, lambda w: {"invitation": w["link"]}),
    ("POST", "/api/invitations/decline"): Row(401, 401, 401, 401, body(invitation="inv_x")),
    ("DELETE", "/api/members/{user_id}"): Row(204, 403, 403, 403),
}


def calls() -> set[tuple[str, str]]:
    """Every call that the interface describes."""
    paths = describe(make_api())["paths"].items()
    return {(method.upper(), path) for path, methods in paths for method in methods}


async def a_world(house: House) -> Ids:
    """One of everything, of others' in workspace `default`, by the names that stand in paths."""
    await house.caller(Role.ADMIN, email="boss@default.example")
    owner = await house.caller(Role.OPERATOR, email="owner@default.example")
    failed, active, done = await owner.submit(), await owner.submit(), await owner.submit()
    upload = (await owner.post("/api/uploads", files={"file": ("ours-alone.mp4", b"abc")})).json()
    filed = await owner.submit(kind="test.file", args={"upload_id": upload["id"]})
    await house.keep(failed["id"], "out.mp4", b"x")
    await house.end(failed["id"], output=True)
    await house.end(done["id"])
    view = (await owner.post("/api/views", {"name": "ours-alone", "shared": True})).json()
    boss = await house.caller(Role.ADMIN, email="boss@default.example")
    invitation = (await boss.post("/api/invitations", {"email": "ours-alone@example.org"})).json()
    ((token,), _) = await tokens.list_tokens(house.desk, owner.actor)
    channel = await a_channel(house.desk, boss.actor)
    return {
        "job_id": failed["id"], "active": active["id"], "done": done["id"], "filed": filed["id"],
        "name": "out.mp4", "number": "1", "hint": "welcome",
        "upload_id": upload["id"], "view_id": view["id"], "channel_id": str(channel.id),
        "invitation_id": invitation["id"], "link": invitation["link"].partition("=")[2],
        "fingerprint": (await owner.get(f"/api/jobs/{failed['id']}")).json()["fingerprint"],
        "user_id": str(owner.actor.user_id), "token_id": str(token.token.id),
        "session_id": await a_session(house, owner.actor),
    }  # fmt: skip


async def a_session(house: House, actor: Actor) -> str:
    async with house.desk.db.write() as session:
        user = await session.get_one(User, actor.user_id)
        cookie = (await sessions.open_session(session, house.desk.settings, user)).cookie
    return (await sessions.list_sessions(house.desk, actor, cookie))[0].id


async def ask(who: Caller, method: str, path: str, world: Ids, row: Row) -> tuple[int, str]:
    """Status and text of a call; of a stream only the status."""
    address = path.format_map(world | {name: world[thing] for name, thing in row.of.items()})
    headers = {"Authorization": f"Bearer {who.token}"}
    content = row.body(world) if row.body else None
    call = who.http.stream(method, address, headers=headers, params=row.query, json=content, files=row.files)
    async with call as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, ""
        return answer.status_code, (await answer.aread()).decode()


def test_every_call_has_a_row() -> None:
    assert ROWS.keys() | OPEN == calls(), "say who may call it: here, and in docs/features/people.md"


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_call_what(house: House, role: Role) -> None:
    world = await a_world(house)
    who = await house.caller(role, email="who@default.example")
    got = {place: (await ask(who, *place, world, row))[0] for place, row in ROWS.items()}
    assert got == {place: getattr(row, role) for place, row in ROWS.items()}


# What a stranger may send that names our things, where a path does not.
NAMING: dict[tuple[str, str], Body] = {
    ("POST", "/api/jobs"): lambda w: {"kind": "test.file", "args": {"upload_id": w["upload_id"]}},
    ("POST", "/api/retries"): lambda w: {"ids": [w["job_id"], w["active"]]},
    ("POST", "/api/cancellations"): lambda w: {"ids": [w["active"]]},
    ("POST", "/api/deletions"): lambda w: {"ids": [w["done"]]},
    ("POST", "/api/stuck/kick"): lambda w: {"ids": [w["active"]]},
    ("POST", "/api/stuck/fail"): lambda w: {"ids": [w["active"]]},
}


async def test_another_workspace_s_things_are_not_there(house: House) -> None:
    world = await a_world(house)
    eve = await house.caller(Role.ADMIN, workspace="elsewhere")
    async with house.desk.db.read() as session:
        home = (
            await session.scalars(sa.select(col(Workspace.id)).where(col(Workspace.slug) == "default"))
        ).one()
    before = await rows_of(house, home)
    marks = {*world.values(), "ours-alone", "owner@", "boss@"} - {
        world["name"],
        world["number"],
        world["hint"],
    }
    for (method, path), row in ROWS.items():
        asked = replace(row, body=NAMING.get((method, path), row.body))
        status, text = await ask(eve, method, path, world, asked)
        if row.everybodys:
            assert status == row.admin, (method, path, text)
        else:
            assert status == 404 if "{" in path else status < 500, (method, path, status, text)
        assert not [mark for mark in marks if mark in text], (method, path, text)
        if (method, path) in NAMING:
            assert status == 404 or eve_changed_nothing(text), (method, path, text)
        elsewhere = replace(asked, query=asked.query | {"w": "default"})
        assert (await ask(eve, method, path, world, elsewhere))[0] == 404, (method, path)
    for batch in (await eve.get("/api/jobs", params={"kind": "system.*"})).json()["items"]:
        assert batch["workspace"] == "elsewhere"
    assert await rows_of(house, home) == before


def eve_changed_nothing(text: str) -> bool:
    """Whether an answer tells of a batch, which finds nothing, or of no job."""
    answer = json.loads(text)
    return "batch_id" in answer or answer == {"jobs": 0}


async def rows_of(house: House, workspace_id: UUID) -> dict[str, list[str]]:
    """All that a workspace has, table by table."""
    async with house.desk.db.read() as session:
        found = {}
        for name, table in SQLModel.metadata.tables.items():
            if "workspace_id" in table.columns:
                query = sa.select(table).where(table.c.workspace_id == workspace_id)
                found[name] = sorted(str(tuple(row)) for row in await session.execute(query))
        return found


async def test_a_token_of_a_person_is_not_the_person(house: House) -> None:
    """What a program is refused, the person may with a session: making tokens, and joining another workspace."""
    await people.add_user(house.desk, "mara@example.org", password=PASSWORD)
    login = {"email": "mara@example.org", "password": PASSWORD}
    assert (await house.http.post("/api/auth/login", json=login)).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin"}
    made = await house.http.post("/api/tokens", json={"name": "nightly"}, headers=own)
    assert made.status_code == 201
    program = {"Authorization": f"Bearer {made.json()['token']}"}
    ada = await house.caller(Role.ADMIN, workspace="other")
    link = (await ada.post("/api/invitations", {"email": "mara@example.org", "role": "viewer"})).json()[
        "link"
    ]
    order = {"invitation": link.partition("=")[2]}
    me = (await house.http.get("/api/me", headers=own)).json()["id"]
    for path, body in (
        ("/api/tokens", {"name": "more"}),
        ("/api/invitations/accept", order),
        (f"/api/members/{me}/sign-in-link", None),
    ):
        refused = await house.http.post(path, json=body, headers=program)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
    joined = await house.http.post("/api/invitations/accept", json=order, headers=own)
    assert (joined.status_code, joined.json()) == (200, {"workspace": "other"})
    assert (await house.http.get("/api/me?w=other")).json()["role"] == "viewer"
    again = (
        (await ada.post("/api/invitations", {"email": "nina@example.org"})).json()["link"].partition("=")[2]
    )
    wrong = await house.http.post("/api/invitations/accept", json={"invitation": again}, headers=own)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_account")
    declined = await ada.post("/api/invitations/decline", {"invitation": again})
    assert declined.status_code == 204
    gone = await ada.post("/api/invitations/decline", {"invitation": again})
    assert (gone.status_code, gone.json()["code"]) == (401, "unauthenticated")
