"""Retries with other arguments, forced ones, and copies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, Field, JsonValue, SecretStr
from sqlmodel import col

from services import credits as ledger
from services import lifecycle
from services.batch.batch import preview
from services.batch.match import Selection
from services.checks import input_in_storage
from services.desk import Desk
from services.errors import (
    Forbidden,
    InputMissing,
    Invalid,
    JobNotFound,
    NeverRecovered,
    NotFound,
    NotOver,
    QueueUnavailable,
)
from services.failures.failures import failure
from services.jobs import deletion, jobs, submission
from services.jobs.copying import copy
from services.lifecycle import Claim, Outcome
from services.models import Attempt, Job, Step, Upload, now
from services.people.access import Actor
from services.policy import RetryPolicy
from services.redaction import HIDDEN
from services.retry.retrying import Wish, plan_retry, retry
from services.storage.uploads import prune_uploads, save_upload
from services.vocabulary import FailureType, Role, Status, StepStatus
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.valkey import ValkeyServer

WORKER = "worker-1"
BROKEN = failure("test.film", FailureType.UNKNOWN, "It broke")


class Film(BaseModel):
    """Arguments with an upload, secrets in the model's words and in names, and a list."""

    upload_id: UUID | None = None
    preset: str = Field(default="720p", max_length=10)
    key: SecretStr | None = None
    url: str | None = None
    headers: list[tuple[str, str]] = []


class Target(BaseModel):
    """Where to send, and with what."""

    url: str
    token: SecretStr | None = None


class Sending(BaseModel):
    """Arguments with receivers, another address, and content."""

    targets: list[Target]
    docs: str = ""
    body: JsonValue = None


class Hook(BaseModel):
    """Arguments of a kind that gives up."""

    n: int = Field(default=0, ge=0)


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kinds = (
        a_kind(
            "test.film",
            args_model=Film,
            upload_field="upload_id",
            steps=("cut", "score"),
            policy=RetryPolicy(cost=1, checks=(input_in_storage,)),
        ),
        a_kind("test.plain", args_model=Film, steps=("cut", "score"), policy=RetryPolicy(cost=1)),
        a_kind("test.sender", args_model=Sending, policy=RetryPolicy()),
        a_kind("test.hook", args_model=Hook, policy=RetryPolicy(hopeless_after=3)),
    )
    async with open_desk(database_url, redis_url, tmp_path, *kinds) as desk:
        yield desk


async def end(desk: Desk, job: Job, status: Status = Status.FAILED) -> Job:
    key = Claim(job.id, job.attempt)
    async with desk.db.write() as session:
        assert await lifecycle.claim(session, [key], WORKER, 30)
        said = BROKEN if status is Status.FAILED else None
        assert await lifecycle.finish(session, [Outcome(*key, status, said)], WORKER)
    return await read(desk, job)


async def read(desk: Desk, job: Job) -> Job:
    async with desk.db.read() as session:
        return await session.get_one(Job, job.id)


async def failed_job(desk: Desk, owner: Actor, kind: str = "test.plain", **args: Any) -> Job:
    return await end(desk, await submission.submit(desk, owner, kind, args))


async def attempts(desk: Desk, job: Job) -> list[Attempt]:
    async with desk.db.read() as session:
        query = sa.select(Attempt).where(col(Attempt.job_id) == job.id).order_by(col(Attempt.number))
        return list((await session.scalars(query)).all())


async def upload(desk: Desk, actor: Actor, name: str = "film.mp4") -> Upload:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"film"

    return await save_upload(desk, actor, name, "video/mp4", chunks())


SECRETS: dict[str, Any] = {
    "key": "a-secret-key",
    "url": "https://dana:sesame@example.org/in",
    "headers": [["Authorization", "Bearer abcdef"], ["Accept", "text/html"]],
}
SHOWN: dict[str, Any] = {
    "key": HIDDEN,
    "url": f"https://{HIDDEN}@example.org/in",
    "headers": [["Authorization", HIDDEN], ["Accept", "text/html"]],
}


class TestEdit:
    async def test_the_new_attempt_runs_with_them_and_the_history_says_what_differs(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, preset="480p", url="https://example.org/a")
        wish = Wish(args={"preset": "1080p", "url": "https://example.org/a", "headers": []})
        plan = await plan_retry(desk, dana, job.id, wish=wish)
        changes = [{"path": "preset", "before": "480p", "after": "1080p"}]
        assert (plan.allowed, plan.changes, plan.args) == (True, changes, wish.args)
        await retry(desk, dana, job.id, version=plan.version, wish=wish)
        assert (await read(desk, job)).args == wish.args
        first, second = await attempts(desk, job)
        assert (first.changes, second.changes) == (None, changes)

    async def test_a_default_that_is_written_out_is_no_change(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        done = await retry(desk, dana, job.id, wish=Wish(args={"preset": "720p", "key": None}))
        assert done.job.args == {}
        assert (await attempts(desk, job))[-1].changes is None

    async def test_what_is_shown_hidden_and_comes_back_so_keeps_its_value(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, **SECRETS)
        wish = Wish(args=SHOWN | {"preset": "1080p", "headers": [["Accept", "*/*"], SHOWN["headers"][0]]})
        await retry(desk, dana, job.id, wish=wish)
        moved = [["Accept", "*/*"], SECRETS["headers"][0]]
        assert (await read(desk, job)).args == SECRETS | {"preset": "1080p", "headers": moved}
        told = str((await attempts(desk, job))[-1].changes)
        for secret in ("a-secret-key", "sesame", "abcdef"):
            assert secret not in told

    async def test_a_new_secret_is_a_change_that_says_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, **SECRETS)
        await retry(desk, dana, job.id, wish=Wish(args=SHOWN | {"key": "another-one"}))
        assert (await read(desk, job)).args["key"] == "another-one"
        assert (await attempts(desk, job))[-1].changes == [{"path": "key", "before": HIDDEN, "after": HIDDEN}]

    @pytest.mark.parametrize(
        "edited",
        [
            {"headers": [["X-Plain", HIDDEN]]},  # under this name it would be shown
            {"url": f"https://{HIDDEN}@example.com/in"},  # it would be sent elsewhere
            {"preset": HIDDEN},
        ],
    )
    async def test_something_hidden_means_nothing_elsewhere(self, desk: Desk, edited: dict[str, Any]) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, **SECRETS)
        with pytest.raises(Invalid) as refused:
            await retry(desk, dana, job.id, wish=Wish(args=SHOWN | edited))
        assert refused.value.data["errors"][0]["loc"][0] == next(iter(edited))
        assert (await read(desk, job)).version == job.version

    @pytest.mark.parametrize(
        "elsewhere",
        [
            {"targets": [{"url": "https://evil.example/in", "token": HIDDEN}]},
            {"targets": [{"url": "http://example.org/in", "token": HIDDEN}]},  # without TLS
            {"targets": [{"url": "https://example.org:444/in", "token": HIDDEN}]},
            {
                "targets": [
                    {"url": "https://example.org/in", "token": HIDDEN},
                    {"url": "https://evil.example"},
                ]
            },
            {"targets": [{"url": "https://example.com/in", "token": HIDDEN}]},  # where something else goes
        ],
    )
    async def test_what_is_hidden_is_not_sent_elsewhere(self, desk: Desk, elsewhere: dict[str, Any]) -> None:
        dana = await a_person(desk, credits=5)
        stored = {
            "targets": [{"url": "https://example.org/in", "token": "sesame-open"}],
            "docs": "https://example.com/",
            "body": {"see": "https://example.org"},
        }
        shown = stored | {"targets": [{"url": "https://example.org/in", "token": HIDDEN}]}
        job = await failed_job(desk, dana, "test.sender", **stored)
        for change in (retry(desk, dana, job.id, wish=Wish(args=shown | elsewhere)),
                       copy(desk, dana, job.id, args=shown | elsewhere)):  # fmt: skip
            with pytest.raises(Invalid, match="The address leads elsewhere now") as refused:
                await change
            assert refused.value.data["errors"][0]["loc"] == ["targets", "0", "token"]
        assert await read(desk, job) == job
        # Written out again it goes anywhere; left as it was, to other paths, and with other words.
        written = {"targets": [{"url": "https://new.example/", "token": "another-one"}]}
        assert (await copy(desk, dana, job.id, args=shown | written)).args["targets"] == written["targets"]
        path = {"targets": [{"url": "https://EXAMPLE.org:443/other", "token": HIDDEN}]}
        body = {"body": {"see": "https://new.example"}}
        copied = await copy(desk, dana, job.id, args=shown | path | body)
        assert copied.args["targets"][0]["token"] == "sesame-open"

    async def test_what_does_not_fit_is_refused_as_at_submission(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        with pytest.raises(Invalid) as refused:
            await retry(desk, dana, job.id, wish=Wish(args={"preset": "x" * 11}))
        assert refused.value.data["errors"][0]["loc"] == ["preset"]
        with pytest.raises(Invalid, match="NUL"):
            await retry(desk, dana, job.id, wish=Wish(args={"preset": "\x00"}))

    async def test_not_from_a_step_that_follows_what_the_old_ones_made(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        async with desk.db.write() as session:
            session.add(
                Step(
                    job_id=job.id, attempt=1, name="cut", position=0, status=StepStatus.COMPLETED,
                    result={"value": 1},
                )
            )  # fmt: skip
        with pytest.raises(Invalid, match="made with the old arguments"):
            await retry(desk, dana, job.id, wish=Wish(from_step="score", args={"preset": "1080p"}))
        await retry(desk, dana, job.id, wish=Wish(from_step="cut", args={"preset": "1080p"}))

    async def test_the_queue_being_down_and_taking_it_back_restore_the_old_ones(
        self, desk: Desk, valkey: ValkeyServer
    ) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, preset="480p")
        other = {"preset": "1080p"}
        valkey.pause()
        try:
            with pytest.raises(QueueUnavailable):
                await retry(desk, dana, job.id, wish=Wish(args=other))
        finally:
            valkey.resume()
        assert (await read(desk, job)).args == {"preset": "480p"}
        await retry(desk, dana, job.id, wish=Wish(args=other, at=now() + timedelta(hours=1)))
        assert (await read(desk, job)).args == other
        assert (await jobs.cancel(desk, dana, job.id)).args == {"preset": "480p"}
        assert await ledger.balance(desk, dana) == 5

    async def test_of_many_at_once_with_different_ones_one_wins_with_its_own(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=50)
        job = await failed_job(desk, dana)
        wishes = [Wish(args={"preset": f"{n}p"}) for n in range(1, 9)]
        answers = await asyncio.gather(
            *(retry(desk, dana, job.id, version=job.version, wish=wish) for wish in wishes),
            return_exceptions=True,
        )
        (won,) = [n for n, answer in enumerate(answers) if not isinstance(answer, BaseException)]
        after, runs = await read(desk, job), await attempts(desk, job)
        assert (after.args, len(runs)) == (wishes[won].args, 2)
        assert runs[1].changes == [{"path": "preset", "before": "720p", "after": f"{won + 1}p"}]

    async def test_nothing_of_it_is_left_of_a_deleted_job(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana, **SECRETS)
        done = await retry(desk, dana, job.id, wish=Wish(args={"preset": "1080p"}))
        await deletion.delete(desk, dana, (await end(desk, done.job)).id)
        last = (await attempts(desk, job))[-1]
        assert (last.changes, last.args_before) == (None, None)

    async def test_it_says_nothing_of_how_a_plain_retry_would_do(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        job = await failed_job(desk, dana)
        await end(
            desk, (await retry(desk, dana, job.id, wish=Wish(args={"preset": "1p"}))).job, Status.COMPLETED
        )
        other = await failed_job(desk, dana)
        assert other.fingerprint == job.fingerprint
        assert (await plan_retry(desk, dana, other.id)).odds is None


class TestAnotherInput:
    async def test_a_file_that_is_gone_is_replaced(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old = await upload(desk, dana, "gone.mp4")
        job = await failed_job(desk, dana, "test.film", upload_id=str(old.id))
        await desk.storage.delete([old.storage_key])
        plan = await plan_retry(desk, dana, job.id)
        assert (plan.allowed, plan.replaceable) == (False, "upload_id")
        with pytest.raises(InputMissing, match="retry with the new file"):
            await retry(desk, dana, job.id)
        new = await upload(desk, dana, "again.mp4")
        wish = Wish(args=plan.args | {"upload_id": str(new.id)})
        plan = await plan_retry(desk, dana, job.id, wish=wish)
        assert plan.allowed
        assert plan.replaceable is None
        assert "Input again.mp4 (4 B)" in plan.keeps
        await retry(desk, dana, job.id, wish=wish)
        after = await read(desk, job)
        assert (after.upload_id, after.args) == (new.id, {"upload_id": str(new.id)})

    async def test_only_by_one_that_the_person_may_see(self, desk: Desk) -> None:
        mia, max_ = [await a_person(desk, Role.MEMBER, name=name) for name in ("mia", "max")]
        mine, his = await upload(desk, mia), await upload(desk, max_)
        job = await failed_job(desk, mia, "test.film", upload_id=str(mine.id))
        for odd in (str(his.id), str(job.id)):
            with pytest.raises(NotFound):
                await retry(desk, mia, job.id, wish=Wish(args={"upload_id": odd}))

    async def test_one_that_somebody_put_in_may_stay_in(self, desk: Desk) -> None:
        olga = await a_person(desk, Role.OPERATOR, credits=5)
        mia = await a_person(desk, Role.MEMBER)
        job = await failed_job(desk, mia, "test.film", upload_id=str((await upload(desk, mia)).id))
        hers = str((await upload(desk, olga)).id)
        job = await end(desk, (await retry(desk, olga, job.id, wish=Wish(args={"upload_id": hers}))).job)
        await retry(desk, mia, job.id, wish=Wish(args={"upload_id": hers, "preset": "1080p"}))

    async def test_the_old_one_is_kept_while_the_retry_can_be_taken_back(self, desk: Desk) -> None:
        dana = await a_person(desk, credits=5)
        old, new = await upload(desk, dana), await upload(desk, dana)
        job = await failed_job(desk, dana, "test.film", upload_id=str(old.id))
        wish = Wish(args={"upload_id": str(new.id)}, at=now() + timedelta(hours=1))
        await retry(desk, dana, job.id, wish=wish)
        async with desk.db.write() as session:
            await session.execute(sa.update(Upload).values(created_at=now() - timedelta(days=30)))
        assert await prune_uploads(desk) == 0
        back = await jobs.cancel(desk, dana, job.id)
        assert back.upload_id == old.id
        assert await prune_uploads(desk) == 1  # the new one, which no job names any more
        await retry(desk, dana, job.id)


class TestForce:
    async def test_what_has_never_recovered_is_refused_unless_forced(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.hook")
        for _ in range(3):
            assert (await plan_retry(desk, dana, job.id)).allowed
            job = await end(desk, (await retry(desk, dana, job.id)).job)
        plan = await plan_retry(desk, dana, job.id)
        assert (plan.allowed, plan.can_force) == (False, True)
        (check,) = [check for check in plan.checks if check.code == "never_recovered"]
        assert (check.message, check.forcible) == ("0 of 3 retries after this error recovered.", True)
        with pytest.raises(NeverRecovered) as refused:
            await retry(desk, dana, job.id)
        assert refused.value.data == {"tried": 3}
        forced = await plan_retry(desk, dana, job.id, wish=Wish(force=True))
        assert (forced.allowed, forced.can_force) == (True, False)
        job = await end(desk, (await retry(desk, dana, job.id, wish=Wish(force=True))).job)
        # Something else was tried: that is not the same again.
        await end(desk, (await retry(desk, dana, job.id, wish=Wish(args={"n": 2}))).job, Status.COMPLETED)

    async def test_a_batch_forces_nothing(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, "test.hook")
        for _ in range(3):
            job = await end(desk, (await retry(desk, dana, job.id)).job)
        other = await failed_job(desk, dana)
        seen = await preview(desk, dana, Selection(ids=[job.id, other.id]))
        assert seen.skipped["never_recovered"] == 1

    async def test_it_overrides_nothing_else(self, desk: Desk) -> None:
        dana = await a_person(desk)  # no credits
        job = await failed_job(desk, dana)
        assert not (await plan_retry(desk, dana, job.id)).can_force
        plan = await plan_retry(desk, dana, job.id, wish=Wish(force=True, when_available=True))
        assert plan.error is not None
        assert plan.error.code == "insufficient_credits"


class TestCopy:
    async def test_a_new_job_with_the_same_arguments_that_says_where_it_is_from(self, desk: Desk) -> None:
        mia, olga = await a_person(desk, Role.MEMBER), await a_person(desk, Role.OPERATOR)
        film = await upload(desk, mia)
        args = SECRETS | {"upload_id": str(film.id)}
        job = await end(
            desk, await submission.submit(desk, mia, "test.film", args, title="A film", max_retries=4)
        )
        made = await copy(desk, olga, job.id)
        assert (made.made_from, made.owner_id, made.args) == (job.id, olga.user_id, args)
        assert (made.title, made.max_retries, made.status, made.attempt) == ("A film", 4, Status.QUEUED, 1)
        assert (await read(desk, job)).version == job.version
        detail = await jobs.job_detail(desk, olga, made.id)
        assert detail.origin is not None
        assert detail.origin.id == job.id
        assert [one.id for one in (await jobs.job_detail(desk, olga, job.id)).copies] == [made.id]
        # A member does not see others' copies of their own.
        assert (await jobs.job_detail(desk, mia, job.id)).copies == []
        await deletion.delete(desk, mia, job.id)
        async with desk.db.write() as session:
            await session.execute(sa.update(Upload).values(created_at=now() - timedelta(days=30)))
        assert await prune_uploads(desk) == 0

    async def test_with_other_arguments(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana, **SECRETS)
        made = await copy(desk, dana, job.id, args=SHOWN | {"preset": "1080p"}, title="Sharper")
        assert (made.args, made.title) == (SECRETS | {"preset": "1080p"}, "Sharper")
        with pytest.raises(Invalid):
            await copy(desk, dana, job.id, args={"preset": "x" * 11})

    async def test_the_same_key_gives_the_same_copy(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await failed_job(desk, dana)
        made = await asyncio.gather(*(copy(desk, dana, job.id, idempotency_key="k") for _ in range(4)))
        assert len({one.id for one in made}) == 1

    async def test_only_of_what_is_over_and_by_who_may_change_it(self, desk: Desk) -> None:
        dana = await a_person(desk)
        job = await submission.submit(desk, dana, "test.plain", {})
        with pytest.raises(NotOver):
            await copy(desk, dana, job.id)
        assert not jobs.actions(desk, dana, job).copy
        job = await end(desk, job)
        assert jobs.actions(desk, dana, job).copy
        with pytest.raises(Forbidden):
            await copy(desk, await a_person(desk, Role.VIEWER), job.id)
        for stranger in (await a_person(desk, Role.MEMBER), await a_person(desk, workspace="elsewhere")):
            with pytest.raises(JobNotFound):
                await copy(desk, stranger, job.id)
