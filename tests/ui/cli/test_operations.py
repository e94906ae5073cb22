"""`mulligan retries`, `kinds` and `stuck`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import open_house
from tests.ui.api.test_operations import age
from tests.ui.cli.test_commands import Shell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def shell(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with open_house(database_url, redis_url, tmp_path) as house:
        yield Shell(house, await house.caller())


async def test_retries_off_status_on(shell: Shell) -> None:
    off = await shell.run("retries", "off", "--kind", "test.priced", "--reason", "storage moves")
    assert off.code == 0
    assert off.out.startswith("Retries of test.priced are off since ")
    assert "storage moves" in (await shell.run("retries", "status")).out
    assert (await shell.run("retries", "on", "--kind", "test.priced")).out.strip() == "Retries are on."


async def test_a_kind_is_paused_and_resumed(shell: Shell) -> None:
    held = await shell.run("kinds", "pause", "--kind", "test.priced", "--reason", "the store moves")
    assert (held.code, held.out.startswith("test.priced  paused by ")) == (0, True)
    assert "the store moves" in (await shell.run("kinds", "paused")).out
    job = await shell.caller.submit()
    assert "waits: test.priced is paused by" in (await shell.run("jobs", "show", job["id"])).out
    assert (await shell.run("kinds", "resume", "--kind", "test.priced")).out.strip() == "nothing is paused"


async def test_stuck_list_kick_fail(shell: Shell) -> None:
    job = await shell.caller.submit(title="left alone")
    await age(shell.house, job["id"], 4000)
    listed = await shell.run("stuck", "list")
    assert (listed.code, "left alone: No worker is online" in listed.out) == (0, True)
    assert (await shell.run("stuck", "kick", job["id"])).out.strip() == "1 rung for"
    assert (await shell.run("stuck", "fail")).code == 2, "all is said, never meant by silence"
    assert (await shell.run("stuck", "fail", "--all")).out.strip() == "1 failed"
