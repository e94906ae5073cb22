"""`mulligan failures`, and `mulligan jobs dismiss`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import open_house
from tests.ui.cli.test_commands import Shell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def shell(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with open_house(database_url, redis_url, tmp_path) as house:
        yield Shell(house, await house.caller())


async def test_a_group_is_noted_muted_and_seen_again(shell: Shell) -> None:
    job = await shell.caller.submit()
    await shell.house.end(job["id"])
    fingerprint = (await shell.run("failures", "list")).out.split()[0]
    assert (
        await shell.run("failures", "note", fingerprint, "known")
    ).out.strip() == f"{fingerprint} has the note"
    assert "known" in (await shell.run("failures", "list")).out
    assert "known" in (await shell.run("jobs", "retry", job["id"], "--dry-run")).out
    muted = await shell.run("failures", "mute", fingerprint, "--above", "3", "--json")
    assert muted.json["mute"]["above"] == 3
    assert (await shell.run("failures", "list")).out == ""
    assert fingerprint in (await shell.run("failures", "list", "--muted")).out
    assert (await shell.run("failures", "unmute", fingerprint)).code == 0
    assert fingerprint in (await shell.run("failures", "list")).out
    assert (await shell.run("failures", "mute", "0" * 16)).code == 1


async def test_a_job_is_dismissed_and_restored(shell: Shell) -> None:
    job = await shell.caller.submit()
    await shell.house.end(job["id"])
    assert (await shell.run("jobs", "dismiss", job["id"], "--reason", "not needed")).code == 0
    assert "not needed" in (await shell.run("jobs", "show", job["id"])).out
    assert (await shell.run("failures", "list")).out == ""
    assert (await shell.run("jobs", "restore", job["id"])).out.strip() == f"{job['id']} needs attention"
    assert (await shell.run("failures", "list")).out != ""


async def test_a_mark_says_what_to_change(shell: Shell) -> None:
    job = await shell.caller.submit()
    await shell.house.end(job["id"])
    (group,) = (await shell.caller.get("/api/failures")).json()
    at = f"/api/failures/{group['fingerprint']}"
    for order in ({}, {"mute": {"until": "2020-01-01T00:00:00Z"}}, {"mute": {"above": -1}}, {"other": 1}):
        assert (await shell.caller.call("PATCH", at, json=order)).status_code == 422
    assert (await shell.caller.call("PATCH", "/api/failures/x", json={"note": "a"})).status_code in {404, 422}
