"""`mulligan jobs`, `user` and `token`, as a shell runs them, against a served desk."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.people import people
from services.vocabulary import Role, Status
from tests.support.house import Caller, House, open_house

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def mulligan(*words: str, stdin: str = "", **env: str) -> Said:
    """Runs the command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ui.cli", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
    )  # fmt: skip
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


@dataclass
class Shell:
    """A shell of somebody with a token."""

    house: House
    caller: Caller

    async def jobs(self, *words: str) -> Said:
        return await self.run("jobs", *words)

    async def run(self, *words: str, stdin: str = "") -> Said:
        env = {"MULLIGAN_URL": self.house.url, "MULLIGAN_TOKEN": self.caller.token}
        return await mulligan(*words, stdin=stdin, **env)


@pytest.fixture
async def house(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(database_url, redis_url, tmp_path) as house:
        yield house


@pytest.fixture
async def shell(house: House) -> Shell:
    return Shell(house, await house.caller())


class TestJobs:
    async def test_submit_list_show(self, shell: Shell) -> None:
        made = await shell.jobs("submit", "test.priced", "--arg", "n=3", "--title", "Bad \x1b[31m title")
        assert (made.code, made.err) == (0, "")
        job_id = made.out.strip()
        listed = await shell.jobs("list", "--status", "queued", "-q", "title")
        assert job_id in listed.out
        assert "\x1b" not in listed.out
        assert "1 of 1" in listed.err
        shown = await shell.jobs("show", job_id, "--json")
        assert (shown.json["args"], shown.json["title"]) == ({"n": 3}, "Bad \x1b[31m title")

    async def test_submit_with_a_file(self, shell: Shell, tmp_path: Path) -> None:
        clip = tmp_path / "clip ü.mp4"
        clip.write_bytes(b"abc")
        made = await shell.jobs("submit", "test.file", "--file", str(clip), "--json")
        assert made.json["args"].keys() == {"upload_id"}
        assert made.json["upload"]["filename"] == "clip ü.mp4"
        assert (await shell.jobs("submit", "test.priced", "--file", str(clip))).code == 2
        missing = await shell.jobs("submit", "test.file", "--file", str(tmp_path / "none"))
        assert (missing.code, "No such file" in missing.err) == (1, True)

    async def test_arguments_are_text_where_the_kind_wants_text(self, shell: Shell) -> None:
        made = await shell.jobs(
            "submit", "test.file", "--arg", "url=123", "--args", '{"upload_id": null}', "--json"
        )
        assert made.json["args"] == {"upload_id": None, "url": "123"}

    async def test_waiting_ends_with_the_job(self, shell: Shell) -> None:
        for status, code in ((Status.COMPLETED, 0), (Status.FAILED, 4)):
            job = await shell.caller.submit()
            await shell.house.end(job["id"])
            waiting = asyncio.create_task(shell.jobs("retry", job["id"], "--wait", "--json"))
            while (await shell.caller.get(f"/api/jobs/{job['id']}")).json()["attempt"] == 1:
                await asyncio.sleep(0.05)
            await shell.house.end(job["id"], status, attempt=2)
            done = await waiting
            assert (done.code, done.json["status"]) == (code, status)

    async def test_the_limit_is_told(self, shell: Shell) -> None:
        made = await shell.jobs("submit", "test.file", "--max-retries", "0", "--json")
        await shell.house.end(made.json["id"])
        refused = await shell.jobs("retry", made.json["id"])
        assert (refused.code, refused.out) == (1, "")
        assert "Max retries (0) reached." in refused.err

    async def test_a_retry_says_first_what_it_would_do(self, shell: Shell) -> None:
        job = await shell.caller.submit()
        refused = await shell.jobs("retry", job["id"], "--dry-run")
        assert (refused.code, "cannot be retried" in refused.out) == (1, True)
        await shell.house.end(job["id"])
        plan = await shell.jobs("retry", job["id"], "--dry-run", "--json")
        assert (plan.code, plan.json["allowed"], plan.json["cost"]) == (0, True, 1)
        assert (await shell.caller.get(f"/api/jobs/{job['id']}")).json()["attempt"] == 1

    async def test_a_retry_sends_the_version(self, shell: Shell) -> None:
        job = await shell.caller.submit()
        await shell.house.end(job["id"])
        stale = await shell.jobs("retry", job["id"], "--version", "1", "--json")
        assert (stale.code, stale.json["code"]) == (1, "conflict")
        done = await shell.jobs("retry", job["id"])
        assert (done.code, "is queued" in done.out) == (0, True)
        assert (await shell.jobs("cancel", job["id"])).out == f"{job['id']} is cancelled\n"

    async def test_a_retry_with_other_arguments_later(self, shell: Shell) -> None:
        job = await shell.caller.submit(args={"n": 1})
        await shell.house.end(job["id"])
        words = ("retry", job["id"], "--at", "2026-12-24T18:00:00+01:00")
        plan = await shell.jobs(*words, "--arg", "n=3", "--dry-run")
        assert (plan.code, "n: 1 -> 3" in plan.out, "begins at 2026-12-24T17:00:00Z" in plan.out) == (
            0,
            True,
            True,
        )
        done = await shell.jobs(*words, "--args", '{"n": 3}')
        assert (done.code, "Job retry scheduled" in done.out) == (0, True)
        shown = await shell.jobs("show", job["id"])
        assert "n: 1 -> 3" in shown.out
        assert "begins at 2026-12-24T17:00:00Z" in shown.out
        wrong = await shell.jobs("retry", job["id"], "--at", "noon")
        assert (wrong.code, len(wrong.err.splitlines())) == (1, 1)
        assert (await shell.jobs("retry", job["id"], job["id"], "--force")).code == 2

    async def test_a_retry_with_another_file_and_a_copy(self, shell: Shell, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(b"abc")
        made = (await shell.jobs("submit", "test.file", "--file", str(clip), "--json")).json
        await shell.house.end(made["id"])
        clip.write_bytes(b"abcd")
        assert (await shell.jobs("retry", made["id"], "--file", str(clip), "--when-available")).code == 0
        after = (await shell.jobs("show", made["id"], "--json")).json
        assert after["upload"]["size"] == 4
        await shell.house.end(made["id"], attempt=2)
        copied = await shell.jobs("copy", made["id"], "--title", "Again")
        copy = (await shell.jobs("show", copied.out.strip(), "--json")).json
        assert (copy["made_from"], copy["title"], copy["args"]) == (made["id"], "Again", after["args"])

    async def test_a_refusal_is_one_line(self, shell: Shell) -> None:
        refused = await shell.jobs("show", "no-such-job")
        assert (refused.code, refused.out, refused.err) == (1, "", "mulligan: There is no such job here.\n")

    async def test_nobody_answers(self, shell: Shell) -> None:
        nobody = await mulligan("jobs", "list", "--url", "http://127.0.0.1:9", MULLIGAN_TOKEN="x")
        assert (nobody.code, len(nobody.err.splitlines())) == (3, 1)

    @pytest.mark.parametrize(
        "words", [("submit", "k", "--arg", "x"), ("submit", "k", "--args", "["), ("list", "--limit", "0")]
    )
    async def test_a_wrong_command_line(self, shell: Shell, words: tuple[str, ...]) -> None:
        assert (await shell.jobs(*words)).code == 2


class TestOnThisMachine:
    async def test_without_a_token_the_first_admin_acts(self, shell: Shell) -> None:
        env = {
            "MULLIGAN_DATABASE_URL": shell.house.desk.settings.effective_database_url,
            "MULLIGAN_URL": shell.house.url,
        }
        listed = await mulligan("jobs", "list", "--json", **env)
        assert (listed.code, listed.json["total"]) == (0, 0)
        assert (
            listed.err
            == f"mulligan: no MULLIGAN_TOKEN; acting as {shell.caller.actor.email}, by this machine's database.\n"
        )
        elsewhere = await mulligan("jobs", "list", "--url", "http://desk.invalid", **env)
        assert (elsewhere.code, "set MULLIGAN_TOKEN" in elsewhere.err) == (1, True)

    async def test_without_anything_it_says_what_to_do(self, house: House, tmp_path: Path) -> None:
        said = await mulligan(
            "jobs", "list", MULLIGAN_DATA_DIR=str(tmp_path / "empty"), MULLIGAN_URL=house.url
        )
        assert (said.code, "set MULLIGAN_TOKEN" in said.err) == (1, True)
        assert not (tmp_path / "empty").exists()


class TestPeople:
    async def test_on_a_new_machine(self, database_url: str, tmp_path: Path) -> None:
        env = {"MULLIGAN_DATA_DIR": str(tmp_path / "new")}
        added = await mulligan("user", "add", "Mara@example.org", "--workspace", "Studio One", **env)
        assert added.code == 0, added.err
        assert added.out.startswith("http://127.0.0.1:8080/login?link=link_")
        assert "admin of workspace studio-one" in added.err
        made = await mulligan("token", "create", "mara@example.org", "--workspace", "Studio One", **env)
        assert (made.code, made.err) == (0, "")
        assert made.out.startswith("mull_")
        assert len(made.out.splitlines()) == 1
        with sqlite3.connect(tmp_path / "new" / "mulligan.db") as database:
            assert database.execute("SELECT balance FROM workspace").fetchall() == [(100,)]

    async def test_a_password_from_stdin(self, house: House) -> None:
        env = {"MULLIGAN_DATABASE_URL": house.desk.settings.effective_database_url}
        words = ("user", "add", "mara@example.org", "--role", "operator", "--password-stdin")
        added = await mulligan(*words, stdin="correct horse\n", **env)
        assert (added.code, added.out) == (0, "")
        signed_in = await people.sign_in(house.desk, "mara@example.org", "correct horse", "::1")
        assert (await people.resolve_session(house.desk, signed_in.cookie)).role is Role.OPERATOR

    async def test_mistakes_are_one_line(self, house: House) -> None:
        env = {"MULLIGAN_DATABASE_URL": house.desk.settings.effective_database_url}
        for words, code in (
            (("user", "add", "nobody"), 1),
            (("user", "add", "a@b.org", "--role", "king"), 2),
            (("token", "create", "nobody@example.org"), 1),
        ):
            said = await mulligan(*words, **env)
            assert (said.code, said.out) == (code, "")
            assert code == 2 or len(said.err.splitlines()) == 1
