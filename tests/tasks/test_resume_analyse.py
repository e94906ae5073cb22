"""`resume.analyse` as people have it: submitted, run by a worker, failed for real reasons, retried, erased."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from services import audit
from services.database.database import db_now
from services.desk import Desk
from services.errors import Conflict, InputMissing, Invalid, JobNotFound, NotRetryable, RetryLimitReached
from services.jobs import deletion, jobs, submission
from services.kinds import KindRegistry, load_kinds
from services.lifecycle import Candidate
from services.models import Artifact, Job
from services.operations.waiting import waiting_reasons
from services.people.access import Actor
from services.retry.retrying import plan_retry, retry
from services.settings import Settings, load_settings
from services.storage import uploads
from services.vocabulary import TERMINAL, FailureType, Status, StepStatus
from tests.support import resumes
from tests.support.desks import a_person, open_desk
from tests.support.model_endpoint import Answer, an_endpoint
from tests.support.waiting import eventually
from tests.support.workers import a_worker

KIND = "resume.analyse"
_WANTED = (
    "We look for a developer with Python, Kubernetes, Terraform and Git, and at least 5 years of experience."
)


class Office:
    """A desk where resumes are analysed."""

    def __init__(self, desk: Desk, me: Actor) -> None:
        self.desk = desk
        self.me = me

    async def upload(self, path: Path, name: str = "Quick Brown Resume.pdf") -> UUID:
        """Hands a file in."""

        async def chunks() -> AsyncIterator[bytes]:
            yield path.read_bytes()

        return (await uploads.save_upload(self.desk, self.me, name, None, chunks())).id

    async def submit(self, path: Path, **args: Any) -> Job:
        """A job about a file."""
        upload_id = await self.upload(path)
        return await submission.submit(self.desk, self.me, KIND, {"upload_id": str(upload_id)} | args)

    async def ended(self, job_id: UUID) -> Job:
        """The job once it is over."""

        async def look() -> Job | None:
            job = await jobs.get_job(self.desk, self.me, job_id)
            return job if job.status in TERMINAL else None

        found = await eventually(look, 60, expect="the analysis is over")
        assert found
        return found


@pytest.fixture
async def office(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    folder = tmp_path / "data"
    folder.mkdir()
    async with open_desk(database_url, redis_url, folder, _kinds()[KIND], lease_seconds=5) as desk:
        yield Office(desk, await a_person(desk))


def _with(office: Office, **more: Any) -> Settings:
    return load_settings(**(office.desk.settings.model_dump() | {"_env_file": None} | more))


def _kinds(**settings: Any) -> KindRegistry:
    return load_kinds(["tasks.kinds.resume_analyse"]).configured(load_settings(_env_file=None, **settings))


class TestARun:
    async def test_makes_a_profile_and_a_score(self, office: Office, tmp_path: Path) -> None:
        async with a_worker(office.desk.settings):
            job = await office.submit(resumes.good_pdf(tmp_path / "a.pdf"), job_description=_WANTED)
            job = await office.ended(job.id)
        assert (job.status, job.error) == (Status.COMPLETED, None)
        result = job.result or {}
        assert result["analyser"] == "offline-1"
        assert result["profile"]["name"] == "Amelia Thornquist"
        assert result["profile"]["emails"] == ["amelia.thornquist@example.org"]
        assert (result["language"], result["document"]["format"]) == ("en", "pdf")
        assert result["score"]["matched"] == ["Python", "Kubernetes", "Git"]
        assert result["score"]["missing"] == ["Terraform"]
        assert result["score"]["total"] == pytest.approx(75, abs=15)
        detail = await jobs.job_detail(office.desk, office.me, job.id)
        assert [artifact.name for artifact in detail.artifacts] == ["profile.json"]
        assert [(s.name, s.status) for s in detail.steps] == [
            (name, StepStatus.COMPLETED) for name in ("extract", "sections", "score", "profile")
        ]


class TestARetry:
    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (resumes.encrypted_pdf, "protected by a password"),
            (resumes.scanned_pdf, "it looks scanned"),
            (resumes.bomb, "unpacks to far more"),
        ],
    )
    async def test_is_planned_as_system_c_says(
        self, office: Office, tmp_path: Path, make: Callable[[Path], Path], words: str
    ) -> None:
        async with a_worker(office.desk.settings):
            job = await office.ended((await office.submit(make(tmp_path / "a"))).id)
            assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT)
            assert words in str(job.error)
            assert job.advice
            plan = await plan_retry(office.desk, office.me, job.id)
            assert (plan.allowed, plan.cost, plan.retries_left) == (True, 0, 3)
            assert (plan.dialog.title, plan.dialog.variant, plan.dialog.confirm) == (
                "Retry Analysis Job",
                "info",
                "Retry Job",
            )
            assert plan.dialog.text == (
                "The job will be reset and reprocessed from the beginning. Previous analysis data will be cleared."
            )
            answer = await retry(office.desk, office.me, job.id, version=job.version)
            assert answer.message == plan.dialog.started == "Job retry started successfully"
            with pytest.raises((Conflict, NotRetryable)):
                await retry(office.desk, office.me, job.id, version=job.version)
            again = await office.ended(job.id)
        assert (again.status, again.attempt, again.retry_count) == (Status.FAILED, 2, 1)

    async def test_of_two_at_once_one_wins(self, office: Office, tmp_path: Path) -> None:
        async with a_worker(office.desk.settings):
            job = await office.ended((await office.submit(resumes.blank_pdf(tmp_path / "a"))).id)
        both = await asyncio.gather(
            *(retry(office.desk, office.me, job.id, version=job.version) for _ in range(2)),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in both) == ["Conflict", "Retried"]
        detail = await jobs.job_detail(office.desk, office.me, job.id)
        assert (detail.job.retry_count, len(detail.attempts)) == (1, 2)

    async def test_has_a_limit_and_needs_its_input(self, office: Office, tmp_path: Path) -> None:
        async with a_worker(office.desk.settings):
            job = await office.ended((await office.submit(resumes.blank_pdf(tmp_path / "a"))).id)
            for _ in range(3):
                await retry(office.desk, office.me, job.id)
                job = await office.ended(job.id)
        with pytest.raises(RetryLimitReached):
            await retry(office.desk, office.me, job.id)
        assert job.upload_id
        upload = await uploads.get_upload(office.desk, office.me, job.upload_id)
        await office.desk.storage.delete([upload.storage_key])
        plan = await plan_retry(office.desk, office.me, job.id)
        assert isinstance(next(c for c in plan.checks if c.code == "input_in_storage").error, InputMissing)


class TestWithAModel:
    async def test_a_retry_from_score_keeps_the_extraction(self, office: Office, tmp_path: Path) -> None:
        async with an_endpoint() as endpoint:
            endpoint.answers = [Answer(status=429, body={})]
            async with a_worker(_with(office, llm_url=endpoint.url, llm_model="small-1")):
                job = await office.ended((await office.submit(resumes.good_pdf(tmp_path / "a.pdf"))).id)
                assert (job.status, job.failure_type) == (Status.FAILED, FailureType.TRANSIENT)
                assert job.error == "The model's endpoint is rate limited (429)"
                plan = await plan_retry(office.desk, office.me, job.id)
                assert [step.name for step in plan.steps if step.available] == [
                    "extract",
                    "sections",
                    "score",
                ]
                endpoint.answers = [Answer(json.dumps({"name": "Amelia Thornquist", "skills": ["Python"]}))]
                await retry(office.desk, office.me, job.id, from_step="score")
                job = await office.ended(job.id)
        assert (job.status, (job.result or {})["analyser"]) == (Status.COMPLETED, "model:small-1")
        assert (job.result or {})["usage"]["input"] == 1200
        detail = await jobs.job_detail(office.desk, office.me, job.id)
        assert [step.status for step in detail.steps] == [
            *(StepStatus.KEPT, StepStatus.KEPT),
            *(StepStatus.COMPLETED, StepStatus.COMPLETED),
        ]

    async def test_one_that_is_cancelled_while_it_waits_ends_at_once(
        self, office: Office, tmp_path: Path
    ) -> None:
        async with an_endpoint() as endpoint:
            endpoint.answers = [Answer(wait=30)]
            async with a_worker(_with(office, llm_url=endpoint.url, llm_model="small-1")):
                job = await office.submit(resumes.good_pdf(tmp_path / "a.pdf"))
                await eventually(lambda: endpoint.asked, 30, expect="the model is asked")
                await jobs.cancel(office.desk, office.me, job.id)
                job = await office.ended(job.id)
        assert (job.status, job.result) == (Status.CANCELLED, None)

    async def test_a_retry_waits_for_one_of_five_places(self, office: Office, tmp_path: Path) -> None:
        path = resumes.good_pdf(tmp_path / "a.pdf")
        async with an_endpoint() as endpoint:
            free = asyncio.Event()
            profile = json.dumps({"name": "Amelia Thornquist"})
            endpoint.answers = [Answer(status=400, body={}), Answer(profile, until=free)]
            async with a_worker(_with(office, llm_url=endpoint.url, llm_model="small-1")):
                failed = await office.ended((await office.submit(path)).id)
                others = [await office.submit(path) for _ in range(6)]
                await eventually(lambda: len(endpoint.asked) == 6, 60, expect="five more are under way")
                again = (await retry(office.desk, office.me, failed.id)).job
                reasons = await waiting_reasons(office.desk, [again])
                assert reasons[again.id].code == "no_slot"
                running = [(await jobs.get_job(office.desk, office.me, job.id)).status for job in others]
                assert sorted(running) == [Status.QUEUED] + [Status.RUNNING] * 5
                assert len(endpoint.asked) == 6
                free.set()
                for job in (*others, again):
                    assert (await office.ended(job.id)).status is Status.COMPLETED

    async def test_a_job_that_vanishes_while_it_runs_again_stops_quietly(
        self, office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = resumes.good_pdf(tmp_path / "a.pdf")
        async with an_endpoint() as endpoint:
            profile = json.dumps({"name": "Amelia Thornquist"})
            answered = asyncio.Event()
            endpoint.answers = [Answer(status=400, body={}), Answer(profile, until=answered)]
            async with a_worker(_with(office, llm_url=endpoint.url, llm_model="small-1")):
                job = await office.ended((await office.submit(path)).id)
                await retry(office.desk, office.me, job.id)
                await eventually(lambda: len(endpoint.asked) == 2, 30, expect="it runs again")
                async with office.desk.db.write() as session:
                    gone = sa.update(Job).where(sa.column("id") == job.id)
                    await session.execute(gone.values(status=Status.CANCELLED, deleted_at=db_now()))
                answered.set()
                work = office.desk.settings.data_path / "work"
                await eventually(lambda: not list(work.glob("*")), 20, expect="the run has ended")
                assert (await office.ended((await office.submit(path)).id)).status is Status.COMPLETED
        async with office.desk.db.read() as session:
            after = await session.get_one(Job, job.id)
        assert (after.status, after.result) == (Status.CANCELLED, None)
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class TestTheProfileThatWas:
    async def test_is_gone_while_the_retry_runs_and_its_files_once_it_is_claimed(
        self, office: Office, tmp_path: Path
    ) -> None:
        async with a_worker(office.desk.settings):
            job = await office.ended((await office.submit(resumes.good_pdf(tmp_path / "a.pdf"))).id)
        async with office.desk.db.write() as session:  # as a run that ended late would have left it
            await session.execute(sa.update(Job).values(status=Status.FAILED))
        await retry(office.desk, office.me, job.id)
        detail = await jobs.job_detail(office.desk, office.me, job.id)
        assert (detail.job.result, detail.artifacts) == (None, [])
        async with a_worker(office.desk.settings):
            await office.ended(job.id)
        detail = await jobs.job_detail(office.desk, office.me, job.id)
        assert [(a.name, a.attempt) for a in detail.artifacts] == [("profile.json", 2)]

        async def one_file_is_left() -> bool:
            async with office.desk.db.read() as session:
                return len((await session.scalars(sa.select(Artifact))).all()) == 1

        await eventually(one_file_is_left, 10, expect="the first profile is purged")


class TestErasing:
    async def analysed(self, office: Office, tmp_path: Path) -> Job:
        """A resume that failed once, was mended and retried, so that there is a history."""
        async with a_worker(office.desk.settings):
            job = await office.submit(resumes.good_pdf(tmp_path / "a.pdf"), job_description=_WANTED)
            return await office.ended(job.id)

    async def test_leaves_nothing_of_the_person(self, office: Office, tmp_path: Path) -> None:
        job = await self.analysed(office, tmp_path)
        assert await _traces(office) >= {"job", "step", "upload", "file"}
        await deletion.delete(office.desk, office.me, job.id)
        assert await _traces(office) == set()

    async def test_spares_an_input_that_another_job_has(self, office: Office, tmp_path: Path) -> None:
        job = await self.analysed(office, tmp_path)
        other = await submission.submit(office.desk, office.me, KIND, {"upload_id": str(job.upload_id)})
        await deletion.delete(office.desk, office.me, job.id)
        assert await _traces(office) == {"upload", "job", "file"}, "the other job, and its input"
        await jobs.cancel(office.desk, office.me, other.id)
        await deletion.delete(office.desk, office.me, other.id)
        assert await _traces(office) == set()

    async def test_takes_the_words_out_of_the_audit_log(self, office: Office, tmp_path: Path) -> None:
        one, other = [await self.analysed(office, tmp_path) for _ in range(2)]
        async with office.desk.db.write() as session:
            for job in (one, other):
                audit.record(
                    session, office.me, "job.retry", job.id, attempt=2, after="Amelia Thornquist.pdf is gone"
                )
        await deletion.delete(office.desk, office.me, one.id)
        async with office.desk.db.write() as session:
            chosen = Candidate(other.id, other.version, other.status, None, counts=False, cost=0)
            buried, inputs = await deletion.delete_many(session, [chosen])
        assert (list(buried), len(inputs)) == ([other.id], 1)
        await deletion.purge_deleted(office.desk, [other.id])
        await uploads.remove_unused(office.desk, inputs)
        assert await _traces(office) == set()
        entries, _ = await audit.entries(office.desk, office.me)
        assert [entry.data for entry in entries if entry.action == "job.retry"] == [
            {"attempt": 2},
            {"attempt": 2},
        ]

    async def test_happens_by_itself_when_it_was_kept_long_enough(
        self, office: Office, tmp_path: Path
    ) -> None:
        job = await self.analysed(office, tmp_path)
        kept = replace(office.desk, kinds=_kinds(resume_days=30))
        assert await deletion.delete_old(kept) == 0
        async with office.desk.db.write() as session:
            await session.execute(sa.update(Job).values(finished_at=db_now(-31 * 86_400)))
        assert await deletion.delete_old(office.desk) == 0, "0 days: kept for ever"
        assert await deletion.delete_old(kept) == 1
        assert await _traces(office) == set()
        with pytest.raises(JobNotFound):
            await jobs.get_job(office.desk, office.me, job.id)
        entries, _ = await audit.entries(office.desk, office.me)
        assert (entries[0].action, entries[0].actor) == ("job.erase", "Mulligan")


async def _traces(office: Office) -> set[str]:
    """Where anything of the person on the resume still stands: tables of the database, and the storage."""
    signs = ("Thornquist", "example.org", "555-01", "Quick Brown Resume")
    found = set()
    async with office.desk.db.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            if table.name == "user_account":
                continue
            rows = (await session.execute(sa.select(table))).mappings().all()
            text = json.dumps([dict(row) for row in rows], default=str, ensure_ascii=False)
            if any(sign in text.replace(office.me.email, "") for sign in signs):
                found.add(table.name)
    folder = office.desk.settings.data_path / "storage"
    if any(path.is_file() for path in folder.rglob("*")):
        found.add("file")
    return found


class TestTheKind:
    def test_is_as_the_settings_want_it(self) -> None:
        kind = _kinds()[KIND]
        assert (kind.policy.limit, kind.concurrency, kind.keep_days) == (3, 5, None)
        assert kind.policy.statuses == {Status.FAILED, Status.TIMEOUT}
        changed = _kinds(resume_retries=1, resume_days=7)[KIND]
        assert (changed.policy.limit, changed.keep_days) == (1, 7)
        assert _kinds()[KIND].policy.limit == 3, "what was declared stays"

    @pytest.mark.parametrize("args", [{}, {"upload_id": "x"}, {"job_description": "y" * 20_001}])
    def test_refuses_other_arguments(self, args: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            _kinds()[KIND].parse_args({"upload_id": str(UUID(int=1)), "n": 1} | args)

    def test_costs_the_web_process_no_library(self) -> None:
        heavy = ("pypdfium2", "pypdf", "docx", "lxml", "phonenumbers", "httpx", "services.process")
        code = f"import sys, tasks.kinds.resume_analyse; print([m for m in {heavy} if m in sys.modules])"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert said.stdout.strip() == "[]"
