"""A retry that puts a new record in the old one's place, as programs see it."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.policy import RetryPolicy
from services.vocabulary import RetryMode, Role
from tests.support.desks import a_kind
from tests.support.house import House, open_house
from tests.support.waiting import eventually
from tests.ui.api.test_events import listening

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def house(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    kind = a_kind("test.replaced", policy=RetryPolicy(mode=RetryMode.REPLACE))
    async with open_house(database_url, redis_url, tmp_path, kind) as house:
        yield house


async def test_the_answer_names_both_and_the_old_address_leads_to_the_new_job(house: House) -> None:
    dana = await house.caller()
    old = (await dana.submit(kind="test.replaced"))["id"]
    await house.end(old)
    await house.keep(old, "out.mp4", b"1")
    plan = (await dana.get(f"/api/jobs/{old}/retry")).json()
    assert (plan["replaces"], plan["keeps"][0]) == (True, "Title, owner, place in the list")
    done = await dana.post(f"/api/jobs/{old}/retry", {"version": plan["version"]})
    assert done.status_code == 202
    answer = done.json()
    new = answer["job_id"]
    assert (answer["success"], answer["replaced"], answer["status"]) == (True, old, "queued")
    for path in ("", "/retry", "/logs?w=default"):
        led = await dana.get(f"/api/jobs/{old}{path}")
        assert (led.status_code, led.headers["location"]) == (303, f"/api/jobs/{new}{path}")
    job = (await dana.get(f"/api/jobs/{old}", follow_redirects=True)).json()
    assert (job["id"], job["replaces"], job["replaced_by"]) == (new, old, None)
    assert [(a["number"], a["job_id"]) for a in job["attempts"]] == [(2, new), (1, old)]


async def test_commands_on_the_old_one_learn_kindly_who_took_its_place(house: House) -> None:
    dana = await house.caller()
    old = (await dana.submit(kind="test.replaced"))["id"]
    await house.end(old)
    new = (await dana.post(f"/api/jobs/{old}/retry")).json()["job_id"]
    for method, path in (("POST", "/retry"), ("POST", "/cancel"), ("POST", "/start"), ("DELETE", "")):
        late = await dana.call(method, f"/api/jobs/{old}{path}")
        problem = late.json()
        assert (late.status_code, problem["code"], problem["replaced_by"]) == (409, "conflict", new)
        assert problem["current_status"] == "queued"
        assert (
            problem["detail"]
            == "Somebody else was first: a new job took this one's place, and it is queued now."
        )


async def test_strangers_are_led_nowhere(house: House) -> None:
    dana, member = await house.caller(), await house.caller(Role.MEMBER)
    elsewhere = await house.caller(workspace="elsewhere")
    old = (await dana.submit(kind="test.replaced"))["id"]
    await house.end(old)
    await dana.post(f"/api/jobs/{old}/retry")
    for stranger in (member, elsewhere):
        assert (await stranger.get(f"/api/jobs/{old}")).status_code == 404
        assert (await stranger.post(f"/api/jobs/{old}/retry")).status_code == 404
    assert (await dana.get(f"/api/jobs/{uuid4()}")).status_code == 404


async def test_the_stream_tells_of_both(house: House) -> None:
    dana = await house.caller()
    old = (await dana.submit(kind="test.replaced"))["id"]
    await house.end(old)
    async with listening(dana) as stream:
        new = (await dana.post(f"/api/jobs/{old}/retry")).json()["job_id"]
        await eventually(lambda: {job["id"] for job in stream.jobs} == {old, new})
    told = {job["id"]: job for job in stream.jobs}
    assert told[old]["replaced_by"] == new
    assert (told[new]["status"], "replaced_by" in told[new]) == ("queued", False)
