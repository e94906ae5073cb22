"""`system.batch_retry`, `system.batch_cancel` and `system.batch_delete`: many jobs, made by `services/batch/batch.py`.

One chunk after the other here; each pauses and stops between two of them.
"""

import asyncio
import csv
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from time import monotonic

from services.batch.actions import ACTIONS, Done
from services.batch.chunk import Chunk, missing_of_canary, read_chunk
from services.batch.match import Selection
from services.batch.report import outcome, read_batch, skipped_jobs
from services.batch.trial import Tally, against_canary, against_going_on, go_on, is_waiting, stop, tally
from services.batch.walk import Advance, NotHeld, tell, write_chunk
from services.database.patience import with_patience
from services.desk import Desk
from services.errors import Forbidden
from services.failures.failures import JobError
from services.jobs.spreadsheet import as_text
from services.kinds import job_kind
from services.lifecycle import Claim
from services.models import Batch, Job
from services.policy import RetryDialog, RetryPolicy
from services.vocabulary import TERMINAL, BatchAction, FailureType, Status
from tasks.context import RunContext

_COLUMNS = ("job_id", "title", "status", "code", "message")
_LOOK_SECONDS = (0.25, 1.0)
"""Between two looks at the canary: at first, and at most."""
_TALLY_SECONDS = 1.0
_FRESH_SECONDS = 2.0
"""What was read longer ago is read anew: somebody may have lost their role while the batch was paused."""


def _is_left(job: Job) -> bool:
    """A batch that has come to its end has nothing left to do; one that stopped before it has."""
    return job.status is not Status.COMPLETED or bool((job.result or {}).get("stopped"))


_POLICY = RetryPolicy(
    statuses=TERMINAL,
    is_left=_is_left,
    counts=False,
    resets=("Status",),
    keeps=("What the batch has done so far", "The moment it was started: nothing later belongs"),
    dialog=RetryDialog(
        title="Go on with this batch?",
        text="It goes on where it stopped, without a further trial. Nothing is done to a job twice.",
        confirm="Go on",
        variant="info",
    ),
    rescues=1_000,
)


async def run(job: RunContext, args: Selection) -> dict[str, object]:
    """Walks to the end, or until it is stopped; then writes down what came of it."""
    walk = asyncio.create_task(_walk(job, args), name=f"batch {job.id}")
    try:
        await asyncio.shield(walk)
    except asyncio.CancelledError:
        # Stopped at the end of a chunk, so that whoever was queued is also rung for; `job.cancelled` says so to it.
        job.resume()
        try:
            await asyncio.wait([walk])
        finally:
            walk.cancel()
        await _report(job)
        raise
    return await _report(job)


for _action, _title, _icon in (
    (BatchAction.RETRY, "Batch retry", "replay"),
    (BatchAction.CANCEL, "Batch cancel", "block"),
    (BatchAction.DELETE, "Batch delete", "delete"),
):
    job_kind(
        ACTIONS[_action].kind, title=_title, args=Selection, icon=_icon, timeout=24 * 3600, policy=_POLICY,
        can_pause=True,
    )(run)  # fmt: skip


async def _walk(job: RunContext, selection: Selection) -> None:
    held = Claim(job.id, job.attempt)
    try:
        batch = await with_patience(lambda: read_batch(job.desk, job.id))
        if batch.stopped is not None:
            batch = await with_patience(lambda: go_on(job.desk, held, job.worker))
        await _show(job, batch)
        trial = _Trial(job, held)
        if not await trial.allows(batch):  # a canary that was complete when another worker had the batch
            return
        async with aclosing(walk(job.desk, held, job.worker, selection)) as chunks:
            async for batch in chunks:
                await _show(job, batch)
                await job.hold()
                if not await trial.allows(batch) or job.cancelled:
                    return
    except NotHeld:
        job.stop()
        raise asyncio.CancelledError("the attempt is no longer this worker's") from None
    except Forbidden as error:
        advice = "Who started the batch may not do so here any more. Somebody else can start a new one."
        raise JobError(error.message, failure_type=FailureType.PERMANENT, advice=advice) from error


class _Trial:
    """Waits for the canary, and keeps an eye on the share of retries that fail."""

    def __init__(self, job: RunContext, held: Claim) -> None:
        self._job = job
        self._held = held
        self._looked_at = 0.0

    async def allows(self, batch: Batch) -> bool:
        """Whether the batch goes on. Where not, it is stopped, and says why."""
        why = None
        if is_waiting(batch):
            why = await self._canary(batch)
        elif batch.stop_at is not None and monotonic() - self._looked_at >= _TALLY_SECONDS:
            why = against_going_on(batch, await self._tally(batch))
        if why is None:
            return True
        await _show(
            self._job, await with_patience(lambda: stop(self._job.desk, self._held, self._job.worker, why))
        )
        return False

    async def _canary(self, batch: Batch) -> str | None:
        wait, most = _LOOK_SECONDS
        while not self._job.cancelled:
            seen = await self._tally(batch)
            if not seen.unended:
                return against_canary(batch, seen)
            await _show(self._job, batch, f"canary: {batch.canary - seen.unended} of {batch.canary} ended")
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, most)
            await self._job.hold()
        return None

    async def _tally(self, batch: Batch) -> Tally:
        self._looked_at = monotonic()
        return await with_patience(lambda: tally(self._job.desk, batch.job_id))


async def walk(desk: Desk, held: Claim, worker: str, selection: Selection) -> AsyncGenerator[Batch, None]:
    """How far the batch is after each chunk, to its end. While a chunk is written, the next one is read; what is to be
    told of it is told during the next."""
    telling: asyncio.Task[None] | None = None
    ahead = _Ahead(desk, selection)
    try:
        while True:
            advanced = await with_patience(lambda: _advance(desk, held, worker, ahead))
            if telling:
                await telling
            telling = asyncio.create_task(tell(desk, advanced), name="tell")
            yield advanced.batch
            if advanced.batch.done:
                return
    finally:
        ahead.drop()
        if telling:
            await telling


async def _advance(desk: Desk, held: Claim, worker: str, ahead: "_Ahead") -> Advance:
    batch = ahead.batch or await read_batch(desk, held.job_id)
    ahead.batch = None  # whatever goes wrong from here on, the next try asks the database
    if batch.done:
        return Advance(batch, Done())
    chunk = await ahead.take(batch)
    ahead.begin(batch, chunk)
    try:
        advanced = await write_chunk(desk, batch, chunk, held, worker)
    except BaseException:
        ahead.drop()
        raise
    ahead.batch = advanced.batch
    return advanced


class _Ahead:
    """The chunk behind the one that is being written, read meanwhile."""

    def __init__(self, desk: Desk, selection: Selection) -> None:
        self.batch: Batch | None = None
        """As the last chunk left it."""
        self._desk = desk
        self._selection = selection
        self._reading: asyncio.Task[Chunk] | None = None
        self._began = 0.0

    def begin(self, batch: Batch, chunk: Chunk) -> None:
        """Reads on behind `chunk`. What a canary must wait for is not read ahead."""
        if not chunk.is_last and missing_of_canary(batch) is None:
            self._began = monotonic()
            read = read_chunk(self._desk, batch, self._selection, chunk.cursor)
            self._reading = asyncio.create_task(read, name="read ahead")

    async def take(self, batch: Batch) -> Chunk:
        """The next chunk of the batch."""
        reading, self._reading = self._reading, None
        if reading and monotonic() - self._began < _FRESH_SECONDS:
            return await reading
        if reading:
            reading.cancel()
        return await read_chunk(self._desk, batch, self._selection, batch.cursor)

    def drop(self) -> None:
        """Nothing of it is wanted."""
        if self._reading:
            self._reading.cancel()
            self._reading = None


async def _show(job: RunContext, batch: Batch, words: str | None = None) -> None:
    job.so_far = outcome(batch)
    percent = 100 * batch.matched / batch.expected if batch.expected else 0
    await job.progress(percent, words or f"{batch.matched:,} of {batch.expected:,}")


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
                (skip.job_id, as_text(title), skip.status or "", skip.code, as_text(skip.message))
                for skip, title in rows
            )
