"""`mulligan jobs retry` for many jobs at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.batches import ended_jobs
from tests.support.house import open_house
from tests.ui.cli.test_commands import Shell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def shell(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with open_house(database_url, redis_url, tmp_path) as house:
        yield Shell(house, await house.caller())


async def test_by_search_it_says_first_what_it_would_do(shell: Shell) -> None:
    await ended_jobs(shell.house.desk, shell.caller.actor, 103)
    said = await shell.jobs("retry", "--status", "failed", "-q", "kind:test.priced", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "100 of 103 jobs would be retried",
        "  3 left alone: insufficient_credits",
        "Cost: 100 credits; 0 left after it",
    ]  # fmt: skip
    nothing = await shell.jobs("retry", "-q", "kind:other", "--dry-run", "--json")
    assert (nothing.code, nothing.json["allowed"]) == (1, 0)


async def test_several_ids_make_a_batch(shell: Shell) -> None:
    ids = await ended_jobs(shell.house.desk, shell.caller.actor, 2)
    made = await shell.jobs("retry", *map(str, ids))
    assert made.code == 0
    batch = (await shell.caller.get(f"/api/jobs/{made.out.strip()}")).json()
    assert (batch["kind"], batch["args"]) == ("system.batch_retry", {"ids": [str(job_id) for job_id in ids]})


@pytest.mark.parametrize("words", [(), ("--status", "failed", "--version", "3")])
async def test_what_makes_no_sense_is_a_wrong_command_line(shell: Shell, words: tuple[str, ...]) -> None:
    assert (await shell.jobs("retry", *words)).code == 2
