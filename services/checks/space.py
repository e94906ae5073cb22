"""Preflight tests of room: on the disk, under a size limit, within an owner's quota. A GB here is 10⁹ bytes, as disks
are sold and as sizes stand everywhere else in Mulligan.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from services.checks.checking import Limit, Unknown, Unlearned, found, limit_of, timed
from services.desk import Desk
from services.errors import FileTooLarge, InsufficientDiskSpace, QuotaExceeded
from services.models import Job
from services.policy import Check, CheckResult
from services.settings import Settings

GB = 10**9
_SECONDS = 4.0

SizeOf = Callable[[Desk, Job], Awaitable[int]]
"""How many bytes a job will bring. Raises `Unlearned` where nobody can tell."""


def size_at(url_of: Callable[[Job], str | None]) -> SizeOf:
    """The size of the file at the job's address."""

    async def size(desk: Desk, job: Job) -> int:
        if (url := url_of(job)) is None:
            raise Unlearned("the job names no address")
        from services.checks.remote_size import (
            remote_size,  # with a client for HTTP, which not every kind needs
        )

        return await remote_size(desk.settings, url)

    return size


def remote_size_limit(size_of: SizeOf, limit: Limit, *, unknown: Unknown = "warn") -> Check:
    """The file is not larger than `limit` bytes. A private address is refused in the guard's words."""

    @timed("remote_size_limit", "The size of the remote file", seconds=_SECONDS, unknown=unknown)
    async def check(desk: Desk, job: Job) -> CheckResult:
        size, most = await size_of(desk, job), limit_of(desk.settings, limit)
        too_large = most is not None and size > most
        error = FileTooLarge(size_gb=_gb(size), limit_gb=_gb(most or 0)) if too_large else None
        message = f"File size {_words(size)}" + (f" of at most {_words(most)}" if most is not None else "")
        return found("remote_size_limit", error, message, size=size, limit=most)

    return check


def free_disk_space(
    folder: Callable[[Settings], Path],
    *,
    floor: Limit = None,
    needed: SizeOf | None = None,
    unknown: Unknown = "warn",
) -> Check:
    """Enough room on the disk of `folder`, seen from this machine: what the job brings, and `floor` bytes beside it.

    A size that nobody can tell counts as nothing: the floor alone decides.
    """

    @timed("free_disk_space", "The free disk space", seconds=_SECONDS, unknown=unknown)
    async def check(desk: Desk, job: Job) -> CheckResult:
        free = await asyncio.to_thread(_free, folder(desk.settings))
        wanted = (limit_of(desk.settings, floor) or 0) + await _or_nothing(needed, desk, job)
        error = (
            InsufficientDiskSpace(remaining_gb=_gb(free), needed_gb=_gb(wanted)) if free < wanted else None
        )
        message = f"Disk space {_words(free)} free" + (f", {_words(wanted)} needed" if wanted else "")
        return found("free_disk_space", error, message, free=free, needed=wanted)

    return check


def owner_quota(
    size_of: SizeOf,
    used_of: Callable[[AsyncSession, Job], Awaitable[int]],
    limit: Limit,
    *,
    unknown: Unknown = "warn",
) -> Check:
    """The file fits into what the job's owner has left of `limit` bytes; `used_of` says what is taken."""

    @timed("owner_quota", "Whether it fits into the quota", seconds=_SECONDS, unknown=unknown)
    async def check(desk: Desk, job: Job) -> CheckResult:
        most = limit_of(desk.settings, limit)
        if most is None:
            return found("owner_quota", None, "No quota")
        async with desk.db.read() as session:
            used = await used_of(session, job)
        left = max(most - used, 0)
        size = await size_of(desk, job)
        error = QuotaExceeded(size_gb=_gb(size), available_gb=_gb(left)) if size > left else None
        message = f"File size {_words(size)} of {_words(left)} available space"
        return found("owner_quota", error, message, size=size, used=used, limit=most)

    return check


async def _or_nothing(size_of: SizeOf | None, desk: Desk, job: Job) -> int:
    try:
        return await size_of(desk, job) if size_of else 0
    except Unlearned:
        return 0


def _free(folder: Path) -> int:
    # The folder is made when something is first put there.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _gb(size: int) -> float:
    return round(size / GB, 2)


def _words(size: int) -> str:
    return f"{size / GB:.2f} GB"
