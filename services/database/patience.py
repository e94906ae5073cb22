"""Trying again while the database is away: a restart of it must not fail a job."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.database.database import is_outage

T = TypeVar("T")

_FIRST_SECONDS, _LAST_SECONDS = 0.1, 2.0


async def with_patience(work: Callable[[], Awaitable[T]], *, tries: int | None = None) -> T:
    """Does `work`, again for as long as the database is away; within a run, the lease sets the end.

    Raises what `work` raises for another reason, or at the last of `tries`.
    """
    wait, tried = _FIRST_SECONDS, 0
    while True:
        try:
            return await work()
        except Exception as error:
            tried += 1
            if not is_outage(error) or tried == tries:
                raise
        await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter, not a secret
        wait = min(wait * 2, _LAST_SECONDS)
