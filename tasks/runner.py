"""From doorbell to outcome: claim, run, write what came of it. Everything about one attempt, in one direction."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from time import monotonic
from types import NoneType
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services import lifecycle
from services.database.commit import GroupCommit
from services.database.database import is_outage
from services.database.patience import with_patience
from services.desk import Desk
from services.errors import Invalid
from services.failures.failures import Failure, classify, failure
from services.feed import Change
from services.kinds import JobKind
from services.lifecycle import Claim, Claimed, Outcome
from services.vocabulary import FailureType, Status
from tasks.checkpoint import as_json
from tasks.context import RunContext
from tasks.lease import Leases
from tasks.output import purge_earlier
from tasks.reporter import Announcer, Reporter
from tasks.room import Lack, NoRoomError, Refused, Room
from tasks.run import Run, Stop
from tasks.traced import say_how_it_ended, traced

logger = logging.getLogger(__name__)

_CLAIM_TRIES = 6
_OUTCOME_TRIES = 5
_TRY_AGAIN_SECONDS = 0.5

Won = tuple[Claimed, float]
"""A claimed job, and when its lease ends by this process's monotonic clock."""


class Runner:
    """Runs attempts, many at a time. Its claims and outcomes are committed in groups."""

    def __init__(
        self, desk: Desk, worker: str, leases: Leases, announcer: Announcer, reporter: Reporter
    ) -> None:
        self.active = 0
        self.interrupted: list[Claim] = []
        """Runs that were stopped because the worker stops, to be handed back."""
        self._desk = desk
        self._worker = worker
        self._leases = leases
        self._announcer = announcer
        self._reporter = reporter
        self._deeds: GroupCommit[Claim | Outcome, Won | Refused | bool | None] = GroupCommit(self._commit)
        self._room = Room(desk)
        self._ringing: asyncio.Task[None] | None = None
        self._draining = False
        self._idle = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    def can_run(self, queues: frozenset[str]) -> None:
        """Only kinds of these queues are run from now on."""
        self._room.queues = queues

    async def answer(self, claim: Claim, ack: Callable[[], Awaitable[None]]) -> None:
        """Answers a doorbell: runs the attempt if this worker wins it, and returns when it is over.

        The doorbell is acked once the claim is decided. Where it cannot be, it will be delivered again; where there
        is no room for its kind, it waits for some, here and elsewhere.
        """
        if self._draining:
            return
        told = self._room.refused_before(claim)
        if told and self._room.free(told.kind) == 0:
            self._wait(claim, told, ack)
            return
        kind = told.kind if told else None
        self.active += 1
        self._idle.clear()
        try:
            kind = await self._claim_and_run(claim, ack) or kind
        finally:
            self.active -= 1
            if not self.active:
                self._idle.set()
            if kind:
                self._fill(kind)

    async def _claim_and_run(self, claim: Claim, ack: Callable[[], Awaitable[None]]) -> str | None:
        """The kind, where it came to be known."""
        try:
            won = await with_patience(lambda: self._deeds.submit(claim), tries=_CLAIM_TRIES)
        except Exception as error:  # noqa: BLE001 - the doorbell stays unanswered and comes again
            logger.warning("job %s: not claimed (%s: %s)", claim.job_id, type(error).__name__, error)
            return None
        if isinstance(won, Refused):
            await self._refused(claim, won, ack)
            return won.kind
        self._room.forget(claim)
        await ack()
        if not isinstance(won, tuple):
            return None
        kind = won[0].kind
        try:
            await self._run(*won)
        finally:
            self._room.leave(claim, kind)
        await self._room.ring_next(kind)
        return kind

    async def _refused(self, claim: Claim, refused: Refused, ack: Callable[[], Awaitable[None]]) -> None:
        match refused.lack:
            case Lack.HERE:
                self._wait(claim, refused, ack)
            case Lack.ANYWHERE:
                self._room.forget(claim)
                await ack()
            case Lack.ENGINE:
                await self._room.pass_on(claim, refused, ack)

    def _wait(self, claim: Claim, refused: Refused, ack: Callable[[], Awaitable[None]]) -> None:
        if self._draining:
            return
        self._room.wait(claim, refused, ack)
        if self._ringing is None or self._ringing.done():
            self._ringing = self._in_background(self._room.ring_others())

    def _fill(self, kind: str) -> None:
        """Answers the doorbell that waits for room of this kind, if there is any."""
        if not self._draining and (waiting := self._room.next(kind)):
            _ = self._in_background(self.answer(*waiting))

    async def drain(self, seconds: float) -> None:
        """Takes no more jobs, stops those that run, and waits for them to end."""
        self._draining = True
        self._room.clear()
        for run in list(self._leases.held.values()):
            run.stop(Stop.SHUTDOWN)
        if self.active:
            try:
                await asyncio.wait_for(self._idle.wait(), seconds)
            except TimeoutError:
                logger.warning("%d jobs do not end; their leases will run out", self.active)

    async def close(self) -> None:
        """Lets go of work that nobody waits for."""
        for task in self._background:
            task.cancel()

    # --- batches ----------------------------------------------------------------------------------------------------

    async def _commit(self, deeds: Sequence[Claim | Outcome]) -> Sequence[Won | Refused | bool | None]:
        """Claims and outcomes in one transaction: whether each claim was won, whether each outcome was taken."""
        refused: dict[Claim, Refused] = {}
        while True:
            try:
                return await self._commit_but(refused, deeds)
            except NoRoomError as error:  # undone; each time there are fewer claims
                refused |= error.excess

    async def _commit_but(
        self, refused: dict[Claim, Refused], deeds: Sequence[Claim | Outcome]
    ) -> Sequence[Won | Refused | bool | None]:
        claims = [deed for deed in deeds if isinstance(deed, Claim) and deed not in refused]
        outcomes = [deed for deed in deeds if isinstance(deed, Outcome)]
        lease = self._desk.settings.lease_seconds
        deadline = (
            monotonic() + lease
        )  # from before the request, so that it ends no later than the database's

        async def work(session: AsyncSession) -> tuple[dict[Claim, Change], dict[Claim, Claimed]]:
            ended = await lifecycle.finish(session, outcomes, self._worker) if outcomes else {}
            claimed = await lifecycle.claim(session, claims, self._worker, lease) if claims else {}
            await self._room.require(session, claimed, claims)
            return ended, claimed

        ended, claimed = await self._desk.db.transact(work)
        self._room.take(claimed)
        self._announcer.announce([*ended.values(), *(won.change for won in claimed.values())])

        def answer(deed: Claim | Outcome) -> Won | Refused | bool | None:
            if isinstance(deed, Outcome):
                return Claim(deed.job_id, deed.attempt) in ended
            if deed in refused:
                return refused[deed]
            won = claimed.pop(deed, None)  # of a doubled claim only the first wins
            return (won, deadline) if won else None

        return [answer(deed) for deed in deeds]

    # --- one run ----------------------------------------------------------------------------------------------------

    async def _run(self, claimed: Claimed, deadline: float) -> None:
        desk = self._desk
        kind = desk.kinds.get(claimed.kind)
        work = desk.settings.data_path / "work"
        run = Run(claimed, deadline, RunContext(claimed, kind, self._worker, desk, work))
        self._leases.hold(run)
        if self._draining:
            run.stop(Stop.SHUTDOWN)
        if claimed.attempt > 1:
            _ = self._in_background(self._purge(claimed))
        try:
            async with traced(desk.db, claimed) as span:
                outcome = await self._perform(run, kind)
                if outcome:
                    await self._settle(run, outcome)
                say_how_it_ended(span, None if run.is_lost else outcome, claimed.kind)
        finally:
            self._leases.release(run)
            await run.context.close()

    async def _perform(self, run: Run, kind: JobKind | None) -> Outcome | None:
        if kind is None:
            return _failed(run, _unknown_kind(run.claimed.kind))
        try:
            args = kind.parse_args(run.claimed.args)
        except Invalid as error:
            advice = "The kind has changed since this job was submitted. Edit its arguments and retry."
            return _failed(run, failure(kind.name, FailureType.PERMANENT, error.message, advice))
        task = await run.perform(_body(kind, run.context, args), kind.timeout)
        outcome = self._outcome(run, kind, task)
        return _with_what_there_is(run, outcome) if outcome and run.context.so_far is not None else outcome

    def _outcome(self, run: Run, kind: JobKind, task: asyncio.Task[Any]) -> Outcome | None:
        """What the end of the task means. None: nothing may be written, or the job is handed back."""
        ended_well = task.done() and not task.cancelled() and task.exception() is None
        match run.stopped:
            case Stop.LOST:
                return None
            case Stop.CANCELLED:
                return _ended(run, Status.CANCELLED, lifecycle.cancelled(run.cancelled_by))
            case Stop.TIMEOUT:
                why = f"Exceeded {kind.timeout:g} s limit"
                advice = "Jobs of this kind may not take longer. Use a smaller input, or try when the worker is idle."
                return _ended(run, Status.TIMEOUT, failure(kind.name, FailureType.TIMEOUT, why, advice), kind)
            case Stop.SHUTDOWN if not ended_well:
                self.interrupted.append(run.claim)
                return None
        if task.cancelled():
            return _failed(run, failure(kind.name, FailureType.UNKNOWN, "The run cancelled itself"), kind)
        if error := task.exception():
            return _failed(run, classify(error, kind.name, run.context.secrets), kind)
        return _completed(run, kind, task.result())

    async def _settle(self, run: Run, outcome: Outcome) -> None:
        """Writes the outcome, again and again while the database is away and the lease lasts."""
        tries = 0
        while not run.is_lost:
            try:
                await self._reporter.flush(run)
                if not await self._deeds.submit(outcome):
                    logger.warning("job %s: taken from this worker before its outcome", run.claim.job_id)
                return
            except Exception as error:
                if not is_outage(error):
                    tries += 1
                    logger.exception("job %s: its outcome cannot be written", run.claim.job_id)
                    # Something in it that the database refuses: then only that it failed.
                    why = f"The outcome cannot be stored: {type(error).__name__}"
                    outcome = _failed(run, failure(run.claimed.kind, FailureType.UNKNOWN, why))
                if tries == _OUTCOME_TRIES:
                    return  # no renewal any more: the lease runs out, and housekeeping ends it
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def _purge(self, claimed: Claimed) -> None:
        try:
            await purge_earlier(self._desk, claimed)
        except Exception as error:  # noqa: BLE001 - the next attempt tries again
            logger.warning("job %s: old files are not purged (%s)", claimed.change.id, error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


async def _body(kind: JobKind, context: RunContext, args: Any) -> Any:
    try:
        return await kind.run(context, args)
    except (KeyboardInterrupt, SystemExit) as error:
        # Out of a task these would end the whole worker.
        raise RuntimeError(f"The job tried to end its worker: {type(error).__name__}") from error


def _completed(run: Run, kind: JobKind, result: Any) -> Outcome:
    try:
        if not isinstance(result, (dict, NoneType)):
            raise TypeError(f"a kind returns a dict or None, not {type(result).__name__}")
        kept = None if result is None else as_json(result, "the result")
    except TypeError as error:
        return _failed(run, classify(error, kind.name, run.context.secrets))
    return Outcome(
        run.claim.job_id, run.claim.attempt, Status.COMPLETED, result=kept, has_output=run.context.has_output
    )


def _with_what_there_is(run: Run, outcome: Outcome) -> Outcome:
    """An early end of a run that can say how far it came."""
    if outcome.status is Status.COMPLETED:
        return outcome
    return outcome._replace(result=run.context.so_far, has_output=run.context.has_output)


def _failed(run: Run, why: Failure, kind: JobKind | None = None) -> Outcome:
    return _ended(run, Status.FAILED, why, kind)


def _ended(run: Run, status: Status, why: Failure, kind: JobKind | None = None) -> Outcome:
    """An unsuccessful end; with the kind whose policy may retry by itself."""
    wait = None
    if kind and run.context.desk.settings.retries_enabled:
        wait = kind.policy.auto.wait(why.type, run.claimed.auto_retries, why.retry_after)
    return Outcome(run.claim.job_id, run.claim.attempt, status, failure=why, retry_in=wait)


def _unknown_kind(name: str) -> Failure:
    advice = "Name its module in MULLIGAN_KINDS on every worker and restart them, then retry."
    return failure(name, FailureType.ENVIRONMENT, f"This worker does not know the kind {name}", advice)
