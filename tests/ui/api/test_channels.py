"""Channels over HTTP: the contract, and who may."""

from pathlib import Path

from services.vocabulary import Role
from tests.support.channels import TOKEN, a_channel, titles_of
from tests.support.endpoints import an_endpoint, answer
from tests.support.house import House, open_house


async def test_a_channel_from_its_making_to_its_end(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        open_house(database_url, redis_url, tmp_path, allow_private_urls=True) as house,
        an_endpoint(answer(200)) as endpoint,
    ):
        ada = await house.caller()
        address = f"{endpoint.url.replace('http', 'json')}/{TOKEN}"
        made = await ada.post("/api/channels", {"name": "Ops", "address": address, "for_workspace": True})
        assert made.status_code == 201
        one = made.json()
        assert (one["name"], one["service"], one["for_workspace"]) == ("Ops", "JSON at 127.0.0.1", True)
        assert (one["on"], one["failing_since"], one["dropped"]) == (True, None, 0)
        here = f"/api/channels/{one['id']}"
        changed = await ada.call("PATCH", here, json={"events": ["worker_lost"], "on": False})
        assert (changed.json()["events"], changed.json()["on"]) == (["worker_lost"], False)
        tried = await ada.post(f"{here}/test")
        assert tried.json() == {"ok": True, "said": ""}
        assert titles_of(endpoint) == ["Mulligan: a test"]
        (listed,) = (await ada.get("/api/channels")).json()["items"]
        assert listed == (await ada.get(here)).json()
        log = await ada.get("/api/audit")
        for said in (made, changed, tried, log, await ada.get("/api/channels")):
            assert TOKEN not in said.text
        assert [entry["action"] for entry in log.json()["entries"]][:3] == [
            "channel.test", "channel.change", "channel.make",
        ]  # fmt: skip
        assert (await ada.call("DELETE", here)).status_code == 204
        assert (await ada.get(here)).status_code == 404


async def test_each_role_has_its_own_and_admins_the_workspace_s(house: House) -> None:
    ada = await house.caller()
    shared = await a_channel(house.desk, ada.actor)
    for role in Role:
        who = ada if role is Role.ADMIN else await house.caller(role)
        own = await a_channel(house.desk, who.actor, own=True)
        seen = {one["id"] for one in (await who.get("/api/channels")).json()["items"]}
        assert seen == ({str(own.id), str(shared.id)} if role is Role.ADMIN else {str(own.id)})
        # 422: let in, and refused for what is asked.
        order = {"name": "x", "address": "json://hooks.example.org", "events": []}
        assert (await who.post("/api/channels", order)).status_code == 422
        made = await who.post("/api/channels", order | {"for_workspace": True})
        assert made.status_code == (422 if role is Role.ADMIN else 403)
        for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/test"), ("DELETE", "")):
            body = {"json": {"name": "y"}} if method == "PATCH" else {}
            if role is not Role.ADMIN:
                refused = await who.call(method, f"/api/channels/{shared.id}{path}", **body)
                assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
            allowed = await who.call(method, f"/api/channels/{own.id}{path}", **body)
            assert allowed.status_code == (204 if method == "DELETE" else 200)
    eve = await house.caller(workspace="elsewhere")
    assert (await eve.get(f"/api/channels/{shared.id}")).status_code == 404
    assert (await ada.get("/api/channels/nonsense")).status_code == 404
