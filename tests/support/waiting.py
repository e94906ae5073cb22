"""Waiting for what happens elsewhere: polling with a deadline instead of a sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


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

    Raises:
        AssertionError: the deadline passed; shows the last answer or failure.
    """
    deadline = time.monotonic() + timeout
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
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {expect or 'a truthy answer'}; last: {last!r}")
        await asyncio.sleep(interval)


def eventually_sync(
    probe: Callable[[], T], timeout: float = 10, *, interval: float = 0.02, expect: str = ""
) -> T:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := probe():
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {expect or 'a truthy answer'}; last: {answer!r}")
        time.sleep(interval)
