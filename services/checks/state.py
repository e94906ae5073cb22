"""Preflight tests of what a job is and what it needs to run: not running, no torrent, a service that answers."""

import asyncio
from collections.abc import Awaitable, Callable

from services.checks.checking import Unknown, found, timed
from services.desk import Desk
from services.errors import MulliganError, ServiceUnavailable, StillActive, TorrentNotRetryable
from services.models import Job
from services.policy import Check, CheckResult
from services.vocabulary import ACTIVE

_SECONDS = 3.0


def not_running() -> Check:
    """The job has ended. A policy's statuses see to it anyway; this says it, where people ask for it."""

    @timed("not_running", "Whether the job runs", seconds=_SECONDS, unknown="block")
    async def check(_: Desk, job: Job) -> CheckResult:
        error = StillActive(current=job.status) if job.status in ACTIVE else None
        return found("not_running", error, f"Not running · it is {job.status}")

    return check


def not_a_torrent(is_torrent: Callable[[Job], bool]) -> Check:
    """The job was not made from a torrent file, which is not there any more once its download has begun."""

    @timed("not_a_torrent", "Whether it is a torrent", seconds=_SECONDS, unknown="block")
    async def check(_: Desk, job: Job) -> CheckResult:
        return found(
            "not_a_torrent", TorrentNotRetryable() if is_torrent(job) else None, "Not a torrent file"
        )

    return check


def service_answers(
    name: str,
    probe: Callable[[Desk], Awaitable[str | None]],
    *,
    seconds: float = _SECONDS,
    unknown: Unknown = "block",
) -> Check:
    """A service that the job needs is there: `probe` asks it, and may answer with its version.

    Args:
        name: as people know it, "aria2" for instance.
        probe: raises a `MulliganError`, `OSError` or `TimeoutError` where it does not answer.
        unknown: what it means that it does not answer; with "warn", the job may wait for it in the queue.
    """
    code = f"{name.lower().replace(' ', '_')}_answers"

    @timed(code, f"Whether {name} answers", seconds=seconds + 1, unknown=unknown)
    async def check(desk: Desk, _: Job) -> CheckResult:
        try:
            version = await _within(seconds, probe(desk))
        except (MulliganError, OSError, TimeoutError) as why:
            said = why if isinstance(why, ServiceUnavailable) else ServiceUnavailable(service=name)
            return CheckResult(
                code, passed=False, message=said.message, blocking=unknown == "block", error=said
            )
        return found(
            code, None, f"{name} {version} answers" if version else f"{name} answers", version=version
        )

    return check


async def _within(seconds: float, asked: Awaitable[str | None]) -> str | None:
    async with asyncio.timeout(seconds):
        return await asked
