"""Waiting for what happens elsewhere: polling with a deadline instead of a sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

# A look costs a query, or a request to a web process; who has waited for long can wait a tenth longer.
_LONGEST_PAUSE = 0.3


def _pause(interval: float, waited: float) -> float:
    return max(interval, min(waited / 10, _LONGEST_PAUSE))


@overload
async def eventually(
    probe: Callable[[], Awaitable[T]],
    timeout: float = ...,  # noqa: ASYNC109
    *,
    interval: float = ...,
    expect: str = ...,
) -> T: ...


@overload
async def eventually(
    probe: Callable[[], T],
    timeout: float = ...,  # noqa: ASYNC109
    *,
    interval: float = ...,
    expect: str = ...,
) -> T: ...


async def eventually(
    probe: Callable[[], T | Awaitable[T]],
    timeout: float = 10,  # noqa: ASYNC109 - a deadline of its own, with a message
    *,
    interval: float = 0.02,
    expect: str = "",
) -> T:
    """The first truthy answer of `probe`, which may be async; an AssertionError inside it counts as "not yet".

    Looks every `interval` seconds, and less often the longer it waits.

    Raises:
        AssertionError: the deadline passed; shows the last answer or failure.
    """
    began = time.monotonic()
    while True:
        last: object
        try:
            answer = probe()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            last = answer
        except AssertionError as failure:
            last = failure
        waited = time.monotonic() - began
        if waited >= timeout:
            raise AssertionError(f"not within {timeout:g} s: {expect or 'a truthy answer'}; last: {last!r}")
        await asyncio.sleep(_pause(interval, waited))


def eventually_sync(
    probe: Callable[[], T], timeout: float = 10, *, interval: float = 0.02, expect: str = ""
) -> T:
    """`eventually` for tests without an event loop."""
    began = time.monotonic()
    while True:
        if answer := probe():
            return answer
        waited = time.monotonic() - began
        if waited >= timeout:
            raise AssertionError(f"not within {timeout:g} s: {expect or 'a truthy answer'}; last: {answer!r}")
        time.sleep(_pause(interval, waited))
