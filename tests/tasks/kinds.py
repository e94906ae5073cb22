"""Kinds for the tests of workers: a worker process imports this module by MULLIGAN_KINDS."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from services.desk import Desk
from services.errors import ServiceUnavailable
from services.failures.failures import JobError
from services.kinds import JobContext, RetryPolicy, job_kind
from services.models import Job
from services.people.access import Actor
from services.policy import AutoRetry, Backoff, CheckResult
from services.process import run_process


class Nothing(BaseModel):
    """No arguments."""


class Marks(BaseModel):
    """Where a run leaves a line when it begins, so that a test counts runs, and one when it ends."""

    marks: str
    seconds: float = 0


def mark(args: Marks, word: str, job: JobContext) -> None:
    """Appends `word job attempt` in one write, which is atomic for short lines."""
    with Path(args.marks).open("a") as file:
        file.write(f"{word} {job.id} {job.attempt}\n")


@job_kind("test.noop", title="Nothing", args=Nothing)
async def noop(job: JobContext, args: Nothing) -> None:
    """Does nothing."""


@job_kind("test.paid", title="Nothing, for a credit", args=Nothing, policy=RetryPolicy(cost=1))
async def paid(job: JobContext, args: Nothing) -> None:
    """Does nothing; a retry of it costs a credit."""


@job_kind(
    "test.again", title="Fails, and tries again in an hour", args=Nothing,
    policy=RetryPolicy(auto=AutoRetry(limit=1, backoff=Backoff(base=3600, cap=3600))),
)  # fmt: skip
async def again(job: JobContext, args: Nothing) -> None:
    """Fails in a way that another try may mend."""
    raise JobError("The line was busy", failure_type="transient")


class Flag(BaseModel):
    """What must be there for a run to succeed."""

    flag: str = ""


@job_kind("test.flaky", title="Flaky", args=Flag)
async def flaky(job: JobContext, args: Flag) -> None:
    """Fails until its flag is there."""
    if not Path(args.flag).exists():
        raise JobError("The flag is not there", failure_type="environment")


async def flag_is_there(desk: Desk, job: Job, actor: Actor) -> CheckResult:
    """What the job needs answers once its flag is there."""
    if not Path(job.args["flag"]).exists():
        raise ServiceUnavailable(service="The flag")
    return CheckResult("flag_answers", passed=True, message="The flag is there")


@job_kind("test.needy", title="Needy", args=Flag, policy=RetryPolicy(cost=1, checks=(flag_is_there,)))
async def needy(job: JobContext, args: Flag) -> None:
    """As `flaky`, and its retry looks for the flag first."""
    await flaky(job, args)


@job_kind("test.clock", title="Clock", args=Nothing)
async def clock(job: JobContext, args: Nothing) -> dict[str, int]:
    """Says when it began, by the clock that all processes of a machine share."""
    return {"began": time.monotonic_ns()}


@job_kind("test.sleep", title="Sleep", args=Marks, timeout=60)
async def sleep(job: JobContext, args: Marks) -> dict[str, int]:
    """Begins, sleeps, ends."""
    mark(args, "began", job)
    await job.progress(30, "asleep")
    await asyncio.sleep(args.seconds)
    mark(args, "ended", job)
    return {"attempt": job.attempt}


@job_kind(
    "test.holds", title="Can hold on", args=Marks, timeout=5, can_pause=True, policy=RetryPolicy(rescues=3)
)
async def holds(job: JobContext, args: Marks) -> None:
    """Goes on for so many seconds of its own, and leaves a mark at each of its short steps."""
    mark(args, "began", job)
    for _ in range(round(args.seconds / 0.05)):
        await job.hold()
        mark(args, "step", job)
        await asyncio.sleep(0.05)
    mark(args, "ended", job)


@job_kind("test.narrow", title="Few at a time", args=Marks, timeout=60, per_worker=2)
async def narrow(job: JobContext, args: Marks) -> None:
    """As `test.sleep`, two at a time in a worker."""
    mark(args, "began", job)
    await asyncio.sleep(args.seconds)
    mark(args, "ended", job)


@job_kind("test.rescued", title="Sleep, rescued", args=Marks, policy=RetryPolicy(rescues=2))
async def rescued(job: JobContext, args: Marks) -> None:
    """As `test.sleep`, and goes on by itself when its worker is lost; the second attempt is quick."""
    mark(args, "began", job)
    await asyncio.sleep(args.seconds if job.attempt == 1 else 0)
    mark(args, "ended", job)


@job_kind("test.child", title="A program", args=Marks, timeout=60)
async def child(job: JobContext, args: Marks) -> None:
    """Runs a program that writes its process id and sleeps."""
    script = f"import os, time; open({args.marks!r}, 'a').write(f'pid {{os.getpid()}}\\n'); time.sleep({args.seconds})"
    await run_process([sys.executable, "-c", script], cwd=job.workdir)


@job_kind("test.stubborn", title="Does not stop", args=Marks, timeout=60)
async def stubborn(job: JobContext, args: Marks) -> None:
    """Takes no notice of being cancelled."""
    mark(args, "began", job)
    end = time.monotonic() + args.seconds
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


@job_kind("test.thread", title="A thread", args=Marks, timeout=60)
async def thread(job: JobContext, args: Marks) -> None:
    """A plain function that never looks at `job.cancelled`."""
    mark(args, "began", job)
    await job.step("wait", lambda: time.sleep(args.seconds))


class Key(BaseModel):
    """A secret."""

    api_key: str


@job_kind("test.tells", title="Tells all", args=Key)
async def tells(job: JobContext, args: Key) -> dict[str, str]:
    """Says its secrets in every way but an error."""
    job.progress(5, f"with {args.api_key}")
    job.log(f"GET https://u:s3cret@h/?token=abc with {args.api_key}")
    return {"token": "abc", "from": "https://u:s3cret@h/"}


@job_kind("test.slow", title="Out of time", args=Nothing, timeout=0.3)
async def slow(job: JobContext, args: Nothing) -> None:
    """Takes longer than it may."""
    await asyncio.sleep(30)


class HowToEnd(BaseModel):
    """What goes wrong."""

    how: str


@job_kind("test.ends", title="Ends", args=HowToEnd, timeout=5)
async def ends(job: JobContext, args: HowToEnd) -> object:  # noqa: C901 - a list
    """Ends in one of many ways."""
    match args.how:
        case "job_error":
            raise JobError("The moon is wrong", failure_type="environment", advice="Wait a fortnight.")
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancelled":
            raise asyncio.CancelledError
        case "timeout_inside":
            async with asyncio.timeout(0.01):
                await asyncio.sleep(1)
        case "not_a_dict":
            return [1]
        case "not_json":
            return {"path": Path()}
        case "nul":
            return {"text": "a\x00b", "kept": "\\u0000"}
        case "nan":
            return {"n": float("nan")}
        case "nul_error":
            raise ValueError("zero \x00 and lone surrogate \ud800")
    return {"how": args.how}


@job_kind("test.steps", title="Steps", args=Marks, steps=("first", "second", "third"))
async def steps(job: JobContext, args: Marks) -> dict[str, object]:
    """Three steps; the second fails in the first attempt."""

    async def first() -> dict[str, object]:
        mark(args, "first", job)
        return {"tuple": (1, 2)}

    def second() -> int:
        mark(args, "second", job)
        if job.attempt == 1:
            raise JobError("not yet", failure_type="transient")
        return 2

    return {"first": await job.step("first", first), "second": await job.step("second", second)}


@job_kind("test.talks", title="Talks", args=Marks)
async def talks(job: JobContext, args: Marks) -> None:
    """Says much about itself, from the loop and from a thread."""
    job.progress(10, "begins")
    job.log("one")
    await job.log("two")
    await job.progress(float("nan"))

    def in_thread() -> None:
        job.progress(250, "from a thread")
        job.log("three")

    await job.step("thread", in_thread)
    await job.save_artifact("../../etc/pass\x00wd.txt", b"hello", None)
    (job.workdir / "file.bin").write_bytes(b"x" * 1000)
    await job.save_artifact("file.bin", job.workdir / "file.bin")
    job.progress(42, "the end")
    await asyncio.sleep(args.seconds)
    if args.seconds:
        raise JobError("on purpose", failure_type="permanent")


@job_kind("test.limited", title="Few at a time, everywhere", args=Marks, timeout=60, concurrency=2)
async def limited(job: JobContext, args: Marks) -> None:
    """As `test.sleep`, two at a time over all workers."""
    mark(args, "began", job)
    await asyncio.sleep(args.seconds)
    mark(args, "ended", job)


@job_kind("test.engine", title="Needs an engine", args=Marks, timeout=60, needs=("steam",))
async def engine(job: JobContext, args: Marks) -> None:
    """Begins and ends, where there is steam."""
    mark(args, "began", job)


async def engines() -> dict[str, str | None]:
    """Steam is where `MULLIGAN_DATA_DIR` has a file of that name."""
    return {"steam": "1.0" if (Path(os.environ.get("MULLIGAN_DATA_DIR", "")) / "steam").exists() else None}
