"""`system.batch_retry`: another chance for many jobs. Made by `services/batch.py`; one chunk after the other here."""

import asyncio
import csv
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from services.batch import KIND
from services.batch_match import Selection
from services.batch_report import outcome, read_batch, skipped_jobs
from services.batch_walk import NotHeld, advance, tell
from services.desk import Desk
from services.errors import Forbidden
from services.failures import JobError
from services.kinds import job_kind
from services.lifecycle import Claim
from services.models import Batch
from services.policy import RetryDialog, RetryPolicy
from services.vocabulary import FailureType, Status
from tasks.context import RunContext
from tasks.patience import with_patience

_COLUMNS = ("job_id", "title", "status", "code", "message")
# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@job_kind(
    KIND,
    title="Batch retry",
    args=Selection,
    icon="replay",
    timeout=24 * 3600,
    policy=RetryPolicy(
        statuses=frozenset({Status.FAILED, Status.TIMEOUT, Status.CANCELLED}),
        counts=False,
        resets=("Status",),
        keeps=("What the batch has done so far", "The moment it was started: nothing later belongs"),
        dialog=RetryDialog(
            title="Go on with this batch?",
            text="It goes on where it stopped. Jobs that it has retried are not retried again.",
            confirm="Go on",
            variant="info",
        ),
        rescues=1_000,
    ),
)
async def run(job: RunContext, args: Selection) -> dict[str, object]:
    """Walks to the end, or until it is stopped; then writes down what came of it."""
    walk = asyncio.create_task(_walk(job, args), name=f"batch {job.id}")
    try:
        await asyncio.shield(walk)
    except asyncio.CancelledError:
        # Stopped at the end of a chunk, so that whoever was queued is also rung for; `job.cancelled` says so to it.
        try:
            await asyncio.wait([walk])
        finally:
            walk.cancel()
        await _report(job)
        raise
    return await _report(job)


async def _walk(job: RunContext, selection: Selection) -> None:
    await _show(job, await with_patience(lambda: read_batch(job.desk, job.id)))
    try:
        async with aclosing(walk(job.desk, Claim(job.id, job.attempt), job.worker, selection)) as chunks:
            async for batch in chunks:
                await _show(job, batch)
                if job.cancelled:
                    return
    except NotHeld:
        job.stop()
        raise asyncio.CancelledError("the attempt is no longer this worker's") from None
    except Forbidden as error:
        advice = "Who started the batch may not retry jobs here any more. Somebody else can start a new one."
        raise JobError(error.message, failure_type=FailureType.PERMANENT, advice=advice) from error


async def walk(desk: Desk, held: Claim, worker: str, selection: Selection) -> AsyncGenerator[Batch, None]:
    """How far the batch is after each chunk, to its end. The ringing for one goes on during the next."""
    telling: asyncio.Task[None] | None = None
    try:
        while True:
            chunk = await with_patience(lambda: advance(desk, held, worker, selection))
            if telling:
                await telling
            telling = asyncio.create_task(tell(desk, chunk.requeued), name="tell")
            yield chunk.batch
            if chunk.batch.done:
                return
    finally:
        if telling:
            await telling


async def _show(job: RunContext, batch: Batch) -> None:
    job.so_far = outcome(batch)
    percent = 100 * batch.matched / batch.expected if batch.expected else 0
    await job.progress(percent, f"{batch.matched:,} of {batch.expected:,}")


async def _report(job: RunContext) -> dict[str, object]:
    path = job.workdir / "skipped.csv"
    await _write_skipped(job, path)
    await job.save_artifact("skipped.csv", path, "text/csv")
    return outcome(await with_patience(lambda: read_batch(job.desk, job.id)))


async def _write_skipped(job: RunContext, path: Path) -> None:
    # Written some thousand rows at a time, each in a few milliseconds: no thread is worth it.
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        async for rows in skipped_jobs(job.desk, job.id):
            writer.writerows(
                (skip.job_id, _as_text(title), skip.status or "", skip.code, _as_text(skip.message))
                for skip, title in rows
            )


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
