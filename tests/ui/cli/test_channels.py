"""`mulligan channels`, as a shell runs it, against a served desk and a receiver."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.vocabulary import Role
from tests.support.channels import TOKEN, a_channel, titles_of
from tests.support.endpoints import an_endpoint, answer
from tests.support.house import open_house
from tests.ui.cli.test_commands import Shell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def shell(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with open_house(database_url, redis_url, tmp_path, allow_private_urls=True) as house:
        yield Shell(house, await house.caller())


async def test_a_channel_from_its_making_to_its_end(shell: Shell) -> None:
    async with an_endpoint(answer(200), answer(500)) as endpoint:
        address = f"{endpoint.url.replace('http', 'json')}/{TOKEN}"
        made = await shell.run(
            "channels", "add", "On call", "--workspace", "--event", "job_failed", "--event", "worker_lost",
            stdin=f"{address}\n",
        )  # fmt: skip
        assert made.code == 0, made.err
        assert "On call  JSON at 127.0.0.1  on  (job_failed, worker_lost)" in made.out
        channel_id = made.out.split()[0]
        tried = await shell.run("channels", "test", "On call")
        assert (tried.code, titles_of(endpoint)) == (0, ["Mulligan: a test"])
        refused = await shell.run("channels", "test", channel_id[:-1], "--json")
        assert (refused.code, refused.json["ok"]) == (1, False)
    off = await shell.run("channels", "off", channel_id)
    assert "  off  (" in off.out
    assert "  on  (" in (await shell.run("channels", "on", "On call")).out
    listed = await shell.run("channels", "list", "--json")
    assert [one["id"] for one in listed.json] == [channel_id]
    for said in (made, tried, refused, off, listed):
        assert TOKEN not in said.out + said.err
    assert (await shell.run("channels", "remove", "On call")).out.strip() == "On call is removed"
    assert (await shell.run("channels", "list")).out == ""


async def test_what_cannot_be_is_said(shell: Shell) -> None:
    wrong = await shell.run("channels", "add", "x", stdin="nonsense\n")
    assert (wrong.code, "cannot be used" in wrong.err) == (1, True)
    for _ in range(2):
        await a_channel(shell.house.desk, shell.caller.actor, own=True)
    several = await shell.run("channels", "remove", "ops")
    assert (several.code, "2 channels are called so" in several.err) == (1, True)
    none = await shell.run("channels", "test", "nobody")
    assert (none.code, "no channel 'nobody'" in none.err) == (1, True)
    member = Shell(shell.house, await shell.house.caller(Role.MEMBER))
    denied = await member.run("channels", "add", "x", "--workspace", stdin="json://hooks.example.org\n")
    assert (denied.code, "does not allow" in denied.err) == (1, True)
