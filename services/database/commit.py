"""Group commit: what gathers within a few milliseconds goes to the database in one transaction.

A transaction costs the same for one row and for a hundred, and batched writes are fifteen times as fast on both
databases. Each item is still guarded and answered on its own: claims and outcomes are set-based statements whose
RETURNING says who won.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from services.database.database import is_outage

Item = TypeVar("Item")
Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

# Waited for company only when the last batch had some, and only while more comes: a single job is not slowed down.
_LINGER_SECONDS = 0.002
_MOST_LINGERS = 5


class GroupCommit(Generic[Item, Answer]):
    """Gathers items, hands them to `work` as one batch, and answers each.

    `work` takes a sequence of items, does one transaction, and returns an answer for each, in order. When a batch of
    several fails, its items are tried one by one, so that only the culprit gets the error; not so in an outage.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Answer]]], *, most: int = 500
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._had_company = False

    async def submit(self, item: Item) -> Answer:
        """The answer for one item, once its transaction has committed. Raises what `work` raises for it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="group-commit")
        return await future

    async def _write(self) -> None:
        while self._waiting:
            if self._had_company:
                await self._gather()
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._had_company = len(batch) > 1
            await self._answer(batch)

    async def _gather(self) -> None:
        for _ in range(_MOST_LINGERS):
            seen = len(self._waiting)
            await asyncio.sleep(_LINGER_SECONDS)
            if len(self._waiting) == seen:
                return

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is its waiters' to handle
            # With the database away, each item would only wait for the same again.
            if len(batch) == 1 or is_outage(error):
                for _, future in batch:
                    _settle(future, error=error)
                return
            logger.warning("a batch of %d failed (%s), its items are tried one by one", len(batch), error)
            for single in batch:
                await self._answer([single])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                _settle(future, answer)


def _settle(future: asyncio.Future[Any], answer: Any = None, error: Exception | None = None) -> None:
    if future.done():  # its waiter was cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)
