"""`mulligan members`, `token`, `credits`, `workspace`, and jobs named by how their ids begin."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.people import people
from services.vocabulary import Role
from tests.support.house import open_house
from tests.ui.cli.test_commands import Shell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def shell(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with open_house(database_url, redis_url, tmp_path) as house:
        yield Shell(house, await house.caller())


async def test_members_are_invited_listed_changed_and_taken_out(shell: Shell) -> None:
    made = await shell.run("members", "invite", "new@example.org", "--role", "viewer")
    assert made.out.startswith(f"{shell.house.url}/join?invitation=inv_")
    listed = await shell.run("members", "list")
    assert "admin     admin@default.example" in listed.out
    assert "viewer    new@example.org  invited, until" in listed.out
    assert (await shell.run("members", "remove", "new@example.org")).out.strip() == "new@example.org is out"
    eve = await shell.house.caller(workspace="elsewhere")
    known = await shell.run("members", "invite", eve.actor.email)
    assert known.out.startswith(f"{shell.house.url}/join?invitation=inv_"), "nobody joins without a link"
    await people.add_user(shell.house.desk, eve.actor.email, role=Role.MEMBER)
    changed = await shell.run("members", "role", eve.actor.email, "operator")
    assert changed.out.strip() == f"{eve.actor.email} is operator"
    refused = await shell.run("members", "link", eve.actor.email)
    assert (refused.code, "no admin of" in refused.err) == (1, True)
    last = await shell.run("members", "role", "admin@default.example", "viewer")
    assert (last.code, "only admin" in last.err) == (1, True)
    assert "no member" in (await shell.run("members", "remove", "nobody@example.org")).err


async def test_tokens_credits_and_the_workspace(shell: Shell) -> None:
    (one,) = json.loads((await shell.run("token", "list", "--all", "--json")).out)
    assert (await shell.run("credits", "add", "25", "--reason", "invoice 114")).out.strip() == "125"
    assert "invoice 114" in (await shell.run("credits", "show")).out
    dry = await shell.run("workspace", "set", "--keep-days", "30", "--dry-run")
    assert dry.out.strip() == "0 jobs would go now"
    said = await shell.run("workspace", "set", "--name", "Studio", "--keep-days", "30")
    assert said.out.strip() == "Studio (default): 125 credits, jobs are kept for 30 days after their end"
    assert (await shell.run("workspace", "set", "--keep-days", "0")).out.strip().endswith("kept for ever")
    assert (await shell.run("workspace", "set")).code == 2
    secret = await shell.run("workspace", "webhook-secret")
    assert (secret.code, secret.out.startswith("whsec_"), secret.out.count("\n")) == (0, True, 1)
    unsigned = await shell.run("workspace", "webhook-secret", "--remove")
    assert (unsigned.code, unsigned.out) == (0, "")
    assert (await shell.run("token", "revoke", one["id"])).code == 0
    assert (await shell.run("workspace", "show")).code == 1


async def test_a_job_is_named_by_how_its_id_begins(shell: Shell) -> None:
    job, other = await shell.caller.submit(title="the one"), await shell.caller.submit()
    same = next(n for n in range(36) if job["id"][:n] != other["id"][:n])
    shown = await shell.run("jobs", "show", job["id"][:same])
    assert (shown.code, shown.out.splitlines()[0]) == (0, "the one")
    several = await shell.run("jobs", "cancel", job["id"][:8])
    assert (several.code, "2 jobs have an id" in several.err, other["id"] in several.err) == (1, True, True)
    none = await shell.run("jobs", "show", "ffffffff")
    assert (none.code, "no job whose id begins with ffffffff" in none.err) == (1, True)
    done = await shell.run("jobs", "cancel", job["id"][:same], other["id"][:same], "--dry-run")
    assert done.code == 0, done.err
