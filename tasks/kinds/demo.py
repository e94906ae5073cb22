"""`demo.task` and `demo.render`: what `mulligan up --demo` plays with. Kinds of one's own look just like these."""

import asyncio
import time
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.failures.failures import JobError
from services.kinds import JobContext, job_kind
from services.policy import AutoRetry, Price, RetryDialog, RetryPolicy
from services.vocabulary import FailureType

_TICK_SECONDS = 0.25


class Ending(StrEnum):
    """What a task comes to."""

    GOOD = "good"
    FLAKY = "flaky"
    BROKEN = "broken"
    ENDLESS = "endless"


class TaskArgs(BaseModel):
    """How long, and how it ends."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(default=3, ge=0, le=600, title="Seconds", description="How long it takes")
    ending: Ending = Field(
        default=Ending.GOOD,
        title="Ending",
        json_schema_extra={
            "labels": {
                Ending.GOOD: "completes",
                Ending.FLAKY: "fails once; a retry mends it",
                Ending.BROKEN: "fails every time",
                Ending.ENDLESS: "runs into its time limit",
            }
        },
    )


@job_kind(
    "demo.task",
    title="Demo task",
    args=TaskArgs,
    icon="science",
    steps=("prepare", "work"),
    timeout=20,
    policy=RetryPolicy(
        cost=Price(1, free=1),
        limit=5,
        dialog=RetryDialog(
            text="The first retry of a demo task is free, the next ones take a credit. This one: {cost}."
        ),
    ),
)
async def run_task(job: JobContext, args: TaskArgs) -> dict[str, Any]:
    """Shows progress for a while, then ends as it was asked to."""
    await job.step("prepare", lambda: {"ready": True})
    await job.log(f"Working for {args.seconds:g} s")
    await job.step("work", lambda: _work(job, args), keep=False)
    return {"seconds": args.seconds, "attempt": job.attempt}


async def _work(job: JobContext, args: TaskArgs) -> None:
    began = time.monotonic()
    while (gone := time.monotonic() - began) < args.seconds:
        await job.progress(100 * gone / args.seconds, "Working")
        await asyncio.sleep(min(_TICK_SECONDS, args.seconds - gone))
    if args.ending is Ending.FLAKY and job.attempt == 1:
        raise JobError(
            "The mirror answered 503",
            failure_type=FailureType.TRANSIENT,
            advice="Worth retrying: the mirror recovers within a minute.",
        )
    if args.ending is Ending.BROKEN:
        raise JobError(
            "The recipe asks for an oven that is not there",
            failure_type=FailureType.PERMANENT,
            advice="A retry cannot mend this: edit the arguments and retry.",
        )
    if args.ending is Ending.ENDLESS:
        await asyncio.sleep(3600)


class RenderArgs(BaseModel):
    """What to render."""

    model_config = ConfigDict(extra="forbid")

    scene: str = Field(default="lighthouse", max_length=80, title="Scene")


@job_kind(
    "demo.render",
    title="Demo render",
    args=RenderArgs,
    icon="landscape",
    # No worker has this engine, so that one sees what its absence looks like.
    needs=("render-farm",),
    policy=RetryPolicy(auto=AutoRetry(limit=2)),
)
async def run_render(job: JobContext, args: RenderArgs) -> dict[str, Any]:
    """Would render, where a worker had the farm."""
    await job.progress(50, "Rendering")
    return {"scene": args.scene}
