"""How often retries may be asked for: by a person, and of a job. Counted are those that were accepted.

Batches and automatic retries are not counted: they have limits of their own. Redis being away stops nobody; the
doorbell cannot be rung then anyway.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from uuid import UUID

from services import rate_limit
from services.desk import Desk
from services.errors import RateLimited
from services.people.access import Actor
from services.policy import CheckResult
from services.rate_limit import Use, Window
from services.settings import Rate

_CODE = "rate_limited"
_NEAR = 0.8


@asynccontextmanager
async def counted(desk: Desk, actor: Actor, line: UUID, attempt: int) -> AsyncIterator[None]:
    """Counts the retry that makes this attempt, in which the block tries; uncounts it where the block raises.

    Fifty who try to make the same attempt count once, since one of them at most is accepted.

    Args:
        line: what a job shares with the records whose place it took (`Job.rank`).

    Raises:
        RateLimited: it would be one too many; `retry_after` says how many seconds to wait.
    """
    windows, member, token = _windows(desk, actor, line), f"{line}:{attempt}", token_hex(8)
    for use in await rate_limit.take(desk.feed.redis, windows, member, token):
        if use.wait > 0:
            raise _refusal(use)
    try:
        yield
    except BaseException:
        await rate_limit.give_back(desk.feed.redis, windows, member, token)
        raise


async def check_rate(desk: Desk, actor: Actor, line: UUID, attempt: int) -> list[CheckResult]:
    """A line for each limit that is reached, or nearly."""
    uses = await rate_limit.take(desk.feed.redis, _windows(desk, actor, line), f"{line}:{attempt}")
    return [_result(use) for use in uses if use.wait > 0 or use.count >= _NEAR * use.window.rate.limit]


def _windows(desk: Desk, actor: Actor, line: UUID) -> Sequence[Window]:
    person, job = desk.settings.rate_per_person, desk.settings.rate_per_job
    limits: list[tuple[str, str, Rate | None]] = [
        ("retries:person", f"{actor.workspace_id}:{actor.user_id}", person),
        ("retries:job", str(line), job),
    ]
    return [Window(name, who, rate) for name, who, rate in limits if rate is not None]


def _refusal(use: Use) -> RateLimited:
    rate = use.window.rate
    whose = "of this job" if use.window.name == "retries:job" else "by you"
    words = f"At most {rate.limit} retries {whose} within {rate.span}. Wait {use.wait} s."
    return RateLimited(words, retry_after=use.wait)


def _result(use: Use) -> CheckResult:
    rate = use.window.rate
    facts = {"used": use.count, "limit": rate.limit, "seconds": rate.seconds}
    if use.wait > 0:
        error = _refusal(use)
        return CheckResult(_CODE, passed=False, message=error.message, facts=facts, error=error)
    whose = "of this job" if use.window.name == "retries:job" else "by you"
    message = f"{use.count} of {rate.limit} retries {whose} within {rate.span}"
    return CheckResult(_CODE, passed=True, message=message, facts=facts)
