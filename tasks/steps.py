"""The steps of one run: a row each, with the checkpoint that a later attempt can start from."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import lifecycle
from services.database.database import Database, db_now
from services.database.patience import with_patience
from services.lifecycle import Claim
from services.models import Step
from services.vocabulary import StepStatus
from tasks.checkpoint import as_json
from tasks.threads import in_daemon_thread


class Steps:
    """Runs steps, each name once, and knows the results that were kept for this attempt.

    What is written is fenced: of an attempt that is no longer this worker's, history stays as it is.
    """

    def __init__(
        self, db: Database, job_id: UUID, attempt: int, declared: tuple[str, ...], worker: str
    ) -> None:
        self._db = db
        self._worker = worker
        self._job_id = job_id
        self._attempt = attempt
        self._declared = declared
        self._begun: set[str] = set()
        self._kept: dict[str, Any] | None = None

    async def run(self, name: str, fn: Callable[[], Any], *, keep: bool) -> Any:
        """Runs `fn` as the step `name`, or returns its kept result.

        Raises:
            ValueError: the run had a step of this name already.
            TypeError: the result is to be kept and is not JSON.
        """
        if name in self._begun:
            raise ValueError(f"the step {name!r} ran already; each needs a name of its own")
        self._begun.add(name)
        kept = await self._find_kept()
        if keep and name in kept:
            return kept[name]
        await self._begin(name)
        try:
            result = await _call(fn)
            checkpoint = {"value": as_json(result, f"the result of step {name!r}")} if keep else None
        except BaseException:
            # Also where the run is cancelled; the runner waits for this to be written.
            await self._end(name, StepStatus.FAILED, None)
            raise
        await self._end(name, StepStatus.COMPLETED, checkpoint)
        return checkpoint["value"] if checkpoint else result

    async def _find_kept(self) -> dict[str, Any]:
        if self._kept is None and self._attempt == 1:
            self._kept = {}  # nothing came before it
        if self._kept is None:
            query = sa.select(Step).where(
                col(Step.job_id) == self._job_id,
                col(Step.attempt) == self._attempt,
                col(Step.status) == StepStatus.KEPT,
            )

            async def find() -> dict[str, Any]:
                async with self._db.read() as session:
                    steps = (await session.scalars(query)).all()
                return {step.name: step.result["value"] for step in steps if step.result}

            self._kept = await with_patience(find)
        return self._kept

    async def _begin(self, name: str) -> None:
        position = (
            self._declared.index(name) if name in self._declared else len(self._declared) + len(self._begun)
        )
        key = (col(Step.job_id) == self._job_id, col(Step.attempt) == self._attempt, col(Step.name) == name)

        async def work(session: AsyncSession) -> None:
            await session.execute(sa.delete(Step).where(*key))
            row = {"job_id": self._job_id, "attempt": self._attempt, "name": name, "position": position}
            await session.execute(
                sa.insert(Step).values(**row, status=StepStatus.RUNNING, started_at=db_now())
            )

        await self._write(work)

    async def _end(self, name: str, status: StepStatus, result: dict[str, Any] | None) -> None:
        change = (
            sa.update(Step)
            .where(
                col(Step.job_id) == self._job_id, col(Step.attempt) == self._attempt, col(Step.name) == name
            )
            .values(status=status, result=result, finished_at=db_now())
        )

        async def work(session: AsyncSession) -> None:
            await session.execute(change, execution_options={"synchronize_session": False})

        await self._write(work)

    async def _write(self, work: Callable[[AsyncSession], Awaitable[None]]) -> None:
        async def held(session: AsyncSession) -> None:
            if await lifecycle.is_held(session, Claim(self._job_id, self._attempt), self._worker):
                await work(session)

        await with_patience(lambda: self._db.transact(held))


async def _call(fn: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(fn):
        return await fn()
    result = await in_daemon_thread(fn)
    # `lambda: encode(path)` is plain and returns a coroutine.
    return await result if inspect.isawaitable(result) else result
