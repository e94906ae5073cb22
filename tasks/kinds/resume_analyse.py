"""`resume.analyse`: a candidate's profile and score from a PDF or Word file. System C's policy: free, three retries."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.checks import input_in_storage
from services.kinds import JobKind, job_kind
from services.policy import RetryDialog, RetryPolicy
from services.settings import Settings
from services.vocabulary import Status
from tasks.context import RunContext

if TYPE_CHECKING:
    from tasks.kinds.resume.document import Document
    from tasks.kinds.resume.profile import Finding
    from tasks.kinds.resume.sections import Section

_MOST_DESCRIPTION = 20_000


class ResumeAnalyseArgs(BaseModel):
    """Which resume, and what it is compared with."""

    model_config = ConfigDict(extra="forbid")

    upload_id: UUID = Field(title="Resume file", description="A PDF or Word file (.docx)")
    job_description: str | None = Field(
        default=None,
        max_length=_MOST_DESCRIPTION,
        title="Job description",
        description="What the candidate is compared with. Empty: the score says how complete the resume is.",
        json_schema_extra={"in_front": True},
    )


_POLICY = RetryPolicy(
    statuses=frozenset({Status.FAILED, Status.TIMEOUT}),
    limit=3,
    checks=(input_in_storage,),
    resets=("Status → queued", "Progress, step, error, finish time", "Candidate profile"),
    keeps=("Title, owner, created time", "Job description"),
    dialog=RetryDialog(
        title="Retry Analysis Job",
        text=(
            "The job will be reset and reprocessed from the beginning. Previous analysis data will be cleared."
        ),
        confirm="Retry Job",
        variant="info",
        started="Job retry started successfully",
    ),
)


def _as_set(kind: JobKind, settings: Settings) -> JobKind:
    policy = replace(kind.policy, limit=settings.resume_retries)
    return replace(kind, policy=policy, keep_days=settings.resume_days or None)


@job_kind(
    "resume.analyse",
    title="Analyse a resume",
    args=ResumeAnalyseArgs,
    icon="badge",
    steps=("extract", "sections", "score", "profile"),
    timeout=360,
    concurrency=5,
    policy=_POLICY,
    upload_field="upload_id",
    configure=_as_set,
)
async def analyse_resume(job: RunContext, args: ResumeAnalyseArgs) -> dict[str, Any]:
    """Reads the document, finds its parts, scores, and writes the profile down.

    Raises:
        JobError: see docs/features/resume-analysis.md for what can go wrong.
    """
    from tasks.kinds.resume.document import Document, extract
    from tasks.kinds.resume.sections import Section, find_sections

    async def read() -> dict[str, Any]:
        await job.progress(5, "Reading the document")
        return (await extract(await job.input(args.upload_id), job.workdir)).as_json()

    document = Document.from_json(await job.step("extract", read))
    await job.progress(45, "Finding its sections")
    kept = await job.step("sections", lambda: [s.as_json() for s in find_sections(document.lines)])
    sections = [Section.from_json(section) for section in kept]
    await job.progress(55, "Analysing and scoring")
    analysis = await job.step("score", lambda: _analysis(job.desk.settings, document, sections, args))
    await job.progress(95, "Writing the profile")
    await job.step("profile", lambda: _keep_profile(job, analysis), keep=False)
    await job.progress(100, "Done")
    return dict(analysis)


async def _analysis(
    settings: Settings, document: "Document", sections: "list[Section]", args: ResumeAnalyseArgs
) -> dict[str, Any]:
    """What was found, by the model where one is configured; and the score, which the rules give whoever found it."""
    import asyncio

    from tasks.kinds.resume import model, offline

    today = datetime.now(UTC).date()
    wanted = (args.job_description or "").strip() or None
    if settings.llm_url:
        finding = await model.analyse(settings, document, wanted)
    else:
        finding = await asyncio.to_thread(offline.analyse, document, sections, wanted, today)
    return await asyncio.to_thread(_scored, finding, document, wanted, today)


def _scored(finding: "Finding", document: "Document", wanted: str | None, today: date) -> dict[str, Any]:
    from tasks.kinds.resume.profile import Analysis
    from tasks.kinds.resume.score import score_against, score_completeness
    from tasks.kinds.resume.sections import language_of

    profile = finding.profile
    score = score_against(profile, document.text, wanted) if wanted else score_completeness(profile)
    about = {"format": document.format, "pages": document.pages, "words": len(document.text.split())}
    analysis = Analysis(
        **finding.model_dump(), score=score, language=language_of(document.text), document=about,
        as_of=today.isoformat(),
    )  # fmt: skip
    return analysis.model_dump(mode="json")


async def _keep_profile(job: RunContext, analysis: dict[str, Any]) -> None:
    content = json.dumps(analysis, ensure_ascii=False, indent=2).encode()
    await job.save_artifact("profile.json", content, "application/json")
