"""A download from its beginning to its end: taken up or added, followed, held, limited, and left tidy."""

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.checks.space import GB
from services.errors import (
    FileTooLarge,
    InsufficientDiskSpace,
    MulliganError,
    QuotaExceeded,
    ServiceUnavailable,
)
from services.failures.failures import JobError
from services.guard.proxy import GuardedProxy
from services.sizes import human_size
from services.vocabulary import FailureType
from tasks.context import RunContext
from tasks.kinds.aria2 import failures
from tasks.kinds.aria2.place import clear
from tasks.kinds.aria2.rpc import Aria2, Aria2Error, gid_of
from tasks.kinds.aria2.source import Source

_EVERY_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
_KEYS = [
    "gid", "status", "totalLength", "completedLength", "downloadSpeed", "connections", "errorCode", "errorMessage",
    "followedBy",
]  # fmt: skip
# What is on the disk is no good any more: another retry begins anew.
_SPOILED = {8, 10, 32}


@dataclass(frozen=True)
class Limits:
    """What a download may take, in bytes. None: no limit."""

    size: int | None
    left_of_quota: int | None
    floor: int


@dataclass
class Transfer:
    """One attempt's download at aria2."""

    job: RunContext
    aria2: Aria2
    source: Source
    folder: Path
    limits: Limits
    proxy: GuardedProxy | None
    """What aria2 connects through; None: by itself."""
    _gids: list[str] = field(default_factory=list)
    """The latest last: a magnet link's own download follows the one that asks what it is."""

    async def fetch(self) -> None:
        """Returns when all of it lies in the folder.

        Raises:
            JobError: aria2's words, or a limit's; what is on the disk is kept where another attempt can go on with it.
        """
        self._gids = [gid_of(self.job.id, self.job.attempt)]
        try:
            await self._take_up()
            while not await self._goes_on():
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            # Shielded: also who is cancelled leaves nothing that goes on by itself.
            await asyncio.shield(self._leave())

    async def _take_up(self) -> None:
        """Goes on with what a retry has prepared; else adds it, once what the attempt before had is gone.

        What asks trackers is always added anew: they have been looked at only here.
        """
        await self._patiently(lambda: self.aria2.forget(gid_of(self.job.id, self.job.attempt - 1)))
        said = await self._look()
        if said and said["status"] in {"active", "waiting", "paused"} and not self.source.is_torrent:
            await self._go_through_proxy()
        else:
            await self._add()

    async def _goes_on(self) -> bool:
        """Whether it is complete; otherwise it has been looked after."""
        if self.job.paused:
            await self._hold()
        said = await self._look()
        if said is None:  # aria2 was started anew, and knows nothing of it
            await self._add()
            return False
        self._require_room(said)
        match said["status"]:
            case "complete" if said.get("followedBy"):
                self._gids.append(said["followedBy"][0])
            case "complete":
                return True
            case "paused":
                await self._ask("unpause", self._gids[-1])
            case "error" | "removed":
                await self._fail(int(said.get("errorCode") or 31), said.get("errorMessage") or "")
            case _:
                await self._say(said)
        return False

    async def _hold(self) -> None:
        await self._ask("forcePause", self._gids[-1])
        await self.job.log("Paused")
        await self.job.hold()
        await self._ask("unpause", self._gids[-1])
        await self.job.log("Goes on")

    # --- aria2 --------------------------------------------------------------------------------------------------------

    async def _add(self) -> None:
        gid = self._gids[0]
        self._gids = [gid]
        await self._patiently(lambda: self.aria2.forget(gid))
        through = {"all-proxy": self.proxy.url} if self.proxy else {}
        try:
            await self._patiently(lambda: self.source.add(self.aria2, gid, self.folder, **through))
        except Aria2Error as error:
            raise failures.not_taken(error.message) from error

    async def _go_through_proxy(self) -> None:
        gid = self._gids[-1]
        if self.proxy:
            await self._ask("changeOption", gid, {"all-proxy": self.proxy.url})
        await self._ask("unpause", gid)

    async def _look(self) -> dict[str, Any] | None:
        try:
            said: dict[str, Any] = await self._patiently(
                lambda: self.aria2.call("tellStatus", self._gids[-1], _KEYS)
            )
        except Aria2Error as error:
            if error.is_unknown:
                return None
            raise failures.not_taken(error.message) from error
        return said

    async def _ask(self, method: str, *params: Any) -> None:
        """What may be refused because it is so already, or is not any more: the next look tells."""
        try:
            await self._patiently(lambda: self.aria2.call(method, *params))
        except Aria2Error:
            return

    async def _patiently(self, ask: Any) -> Any:
        """Asks until aria2 answers: it may be on its way up again."""
        began = time.monotonic()
        while True:
            try:
                return await ask()
            except ServiceUnavailable as error:
                if time.monotonic() - began >= PATIENCE_SECONDS:
                    raise failures.unreachable(PATIENCE_SECONDS) from error
            await self.job.progress(float("nan"), "Waiting for aria2")
            await asyncio.sleep(_EVERY_SECONDS)

    async def _fail(self, code: int, message: str) -> None:
        if code in _SPOILED:
            await clear(self.folder)
        await self.job.log(f"aria2: code {code}, {message}" if message else f"aria2: code {code}")
        if self.proxy and self.proxy.refused:
            raise failures.refused(self.proxy.refused.message)
        raise failures.from_code(code, message)

    async def _leave(self) -> None:
        """Removes aria2's entries; the files stay. Where it does not answer, the next attempt removes them."""
        for gid in self._gids:
            try:
                await self.aria2.forget(gid)
            except ServiceUnavailable:
                return

    # --- saying and limiting ------------------------------------------------------------------------------------------

    async def _say(self, said: dict[str, Any]) -> None:
        total, done, speed = (int(said[key]) for key in ("totalLength", "completedLength", "downloadSpeed"))
        if said["status"] == "waiting":
            await self.job.progress(float("nan"), "Waiting for its turn at aria2")
            return
        words = [f"{human_size(done)} of {human_size(total)}" if total else human_size(done)]
        if speed:
            words.append(f"{human_size(speed)}/s")
            if total:
                words.append(f"{_time(max(total - done, 0) / speed)} left")
        await self.job.progress(95 * done / total if total else 0, " · ".join(words))

    def _require_room(self, said: dict[str, Any]) -> None:
        total, done = int(said["totalLength"]), int(said["completedLength"])
        size, limits = max(total, done), self.limits
        if limits.size is not None and size > limits.size:
            raise _refused(FileTooLarge(size_gb=size / GB, limit_gb=limits.size / GB), FailureType.PERMANENT)
        if limits.left_of_quota is not None and size > limits.left_of_quota:
            left = QuotaExceeded(size_gb=size / GB, available_gb=limits.left_of_quota / GB)
            raise _refused(left, FailureType.ENVIRONMENT, "Delete downloads that are not needed, then retry.")
        free = shutil.disk_usage(self.folder).free
        if free < limits.floor + max(total - done, 0) and said["status"] != "complete":
            full = InsufficientDiskSpace(remaining_gb=free / GB)
            raise _refused(full, FailureType.ENVIRONMENT, "Free some room where aria2 runs, then retry.")


def _refused(error: MulliganError, failure_type: FailureType, advice: str | None = None) -> JobError:
    return JobError(error.message, failure_type=failure_type, advice=advice)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
