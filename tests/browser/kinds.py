"""Kinds of the browser tests, imported by their worker and web process through MULLIGAN_KINDS."""

import asyncio
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, Field

from services.kinds import JobContext, JobError, RetryPolicy, job_kind
from services.policy import AutoRetry, Backoff


class Flag(BaseModel):
    """Runs until its file is there, or fails until it is."""

    flag: str
    api_token: str = "sekrit"


@job_kind(
    "test.waits",
    title="Waits",
    args=Flag,
    steps=("wait",),
    policy=RetryPolicy(),
    timeout=60,
    icon="hourglass_top",
)
async def waits(job: JobContext, args: Flag) -> None:
    """Goes on until the file is there."""
    job.log("waiting for the flag")
    for percent in range(10, 2000):
        if Path(args.flag).exists():
            return
        await job.progress(min(percent, 99), "Waiting")
        await asyncio.sleep(0.1)


@job_kind("test.fails", title="Fails", args=Flag, policy=RetryPolicy(cost=1), timeout=30)
async def fails(job: JobContext, args: Flag) -> None:
    """Fails until the file is there."""
    if not Path(args.flag).exists():
        raise JobError("<b>The flag</b> is not there yet", failure_type="transient", advice="Put it there.")


class Speed(StrEnum):
    """How it is done."""

    SLOW = "slow"
    FAST = "fast"


class Staged(Flag):
    """With a choice of few."""

    speed: Speed = Field(default=Speed.SLOW, json_schema_extra={"labels": {"slow": "and well"}})


@job_kind(
    "test.staged", title="Staged", args=Staged, steps=("first", "second"), policy=RetryPolicy(), timeout=30
)
async def staged(job: JobContext, args: Staged) -> None:
    """Keeps what its first step made, and fails in the second until the file is there."""
    await job.step("first", lambda: 1)
    await job.step("second", lambda: fails(job, args))


@job_kind("test.free", title="Free", args=Flag, policy=RetryPolicy(), timeout=30)
async def free(job: JobContext, args: Flag) -> None:
    """As `test.fails`; its retries cost nothing."""
    await fails(job, args)


@job_kind("test.later", title="Later", args=Flag, policy=RetryPolicy(), timeout=60)
async def later(job: JobContext, args: Flag) -> None:
    """Fails; a retry of it goes on until the file is there."""
    if job.attempt == 1:
        raise JobError("Not at once", failure_type="transient")
    await waits(job, args)


@job_kind(
    "test.busy",
    title="Busy",
    args=Flag,
    policy=RetryPolicy(auto=AutoRetry(limit=1, backoff=Backoff(base=3600, cap=3600))),
    timeout=30,
)
async def busy(job: JobContext, args: Flag) -> None:
    """Fails in a way that is retried by itself, an hour later or less."""
    await fails(job, args)


@job_kind("test.hopeless", title="Hopeless", args=Flag, policy=RetryPolicy(hopeless_after=1), timeout=30)
async def hopeless(job: JobContext, args: Flag) -> None:
    """Fails as the one above, and is given up soon."""
    await fails(job, args)


class Size(StrEnum):
    """An enumeration."""

    SMALL = "small"
    LARGE = "large"


class Form(BaseModel):
    """Every shape of a field."""

    count: int = Field(ge=1, le=9)
    size: Size = Size.SMALL
    loud: bool = False
    note: str = ""


@job_kind("test.form", title="Form", args=Form)
async def form(job: JobContext, args: Form) -> dict[str, object]:
    """Gives back what it got."""
    return args.model_dump(mode="json")


@job_kind("test.steam", title="Needs steam", args=Flag, icon="train", needs=("steam",))
async def steam(job: JobContext, args: Flag) -> None:
    """No worker here ever has what it needs."""


class File(BaseModel):
    """A file, of which nothing is made."""

    upload_id: UUID


@job_kind("test.file", title="File", args=File, upload_field="upload_id", timeout=30)
async def file(job: JobContext, args: File) -> None:
    """Ends at once."""


@job_kind("test.writes", title="Writes", args=Flag, timeout=30)
async def writes(job: JobContext, args: Flag) -> dict[str, object]:
    """Leaves a text that is longer than what a page shows of it, and one that is empty."""
    await job.save_artifact(
        "notes.txt", b"<b>first line</b>\n" + "\N{EURO SIGN}".encode() * 10_000, "text/plain"
    )
    await job.save_artifact("empty.json", b"", "application/json")
    return {"lines": 2, "nested": {"deep": [1, 2]}}


@job_kind("test.copies", title="Copies", args=File, upload_field="upload_id", timeout=30)
async def copies(job: JobContext, args: File) -> None:
    """Gives back the file that it was given."""
    path = await job.input()
    await job.save_artifact("copy.pdf", path, "application/pdf")
