"""Running yt-dlp: the order for its script, what it tells meanwhile, and the proxy that it may connect through."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.guard.proxy import GuardedProxy, guarded_proxy
from services.process import Limits, run_process
from services.settings import Settings
from tasks.kinds.media_archive import failures
from tasks.kinds.media_archive.formats import Format, selector
from tasks.kinds.video.ffmpeg import find_ffmpeg

_SCRIPT = Path(__file__).with_name("fetch.py")
_SOCKET_SECONDS = 20.0
_RETRIES = 3
_LOOK_SECONDS = 180


@dataclass(frozen=True)
class Wish:
    """What is wanted of an address."""

    url: str
    format: Format = Format.BEST
    thumbnail: bool = False
    subtitles: bool = False


@dataclass(frozen=True)
class Fetched:
    """How far a download is: bytes, bytes a second, seconds; None where nobody knows."""

    file: int
    """Picture and sound may come as two files, one after the other."""
    done: int
    total: int | None
    speed: float | None
    left: float | None


@dataclass
class YtDlp:
    """One job's yt-dlp, in its folder."""

    settings: Settings
    workdir: Path
    wish: Wish
    warn: Callable[[str], object]
    proxy: GuardedProxy | None
    _ffmpeg: Path | None = field(default=None)

    @property
    def folder(self) -> Path:
        """Where `fetch` leaves what it has fetched."""
        return self.workdir / "media"

    async def look(self) -> dict[str, Any]:
        """What the address holds.

        Raises:
            JobError: see `failures.py`.
        """
        found: list[dict[str, Any]] = []
        try:
            await self._run("look", lambda said: found.append(said["info"]) if "info" in said else None)
        except TimeoutError:
            raise failures.from_told({"all_words": "timed out"}, None) from None
        return found[0]

    async def fetch(self, show: Callable[[Fetched], None]) -> None:
        """Fetches what `look` has found.

        Raises:
            JobError: see `failures.py`.
        """

        def hear(said: dict[str, Any]) -> None:
            if progress := said.get("progress"):
                show(
                    Fetched(
                        int(progress["file"]),
                        int(progress["done"] or 0),
                        progress["total"],
                        progress["speed"],
                        progress["left"],
                    )
                )

        await self._run("fetch", hear)

    async def _run(self, do: str, hear: Callable[[dict[str, Any]], object]) -> None:
        told: dict[str, Any] = {}

        def listen(line: str) -> None:
            try:
                said = json.loads(line)
            except ValueError:
                return
            if "warning" in said:
                self.warn(str(said["warning"]))
            told.update(said.get("error") or {})
            hear(said)

        self.folder.mkdir(exist_ok=True)
        ended = await run_process(
            # -P: the folder of the script holds modules of ours, which must not stand in for others'.
            [sys.executable, "-P", _SCRIPT],
            cwd=self.workdir,
            on_line=listen,
            timeout=_LOOK_SECONDS if do == "look" else None,
            limits=Limits(file_bytes=self.settings.max_download_bytes),
            env={
                "MULLIGAN_ORDER": json.dumps(await self._order(do)),
                "YTDLP_NO_PLUGINS": "1",
                "HOME": str(self.workdir),
            },
        )
        if told:
            raise failures.from_told(told, self.proxy.refused if self.proxy else None)
        if ended.code != 0:
            raise failures.from_end(ended.code, ended.stderr)

    async def _order(self, do: str) -> dict[str, Any]:
        self._ffmpeg = self._ffmpeg or await asyncio.to_thread(find_ffmpeg)
        return {
            "do": do,
            "url": self.wish.url,
            "selector": selector(self.wish.format),
            "audio": self.wish.format is Format.AUDIO,
            "thumbnail": self.wish.thumbnail,
            "subtitles": self.wish.subtitles,
            "proxy": self.proxy.url if self.proxy else "",
            "socket_seconds": _SOCKET_SECONDS,
            "retries": _RETRIES,
            "max_bytes": self.settings.max_download_bytes,
            "ffmpeg": str(self._ffmpeg) if self._ffmpeg else None,
        }


@asynccontextmanager
async def ytdlp(
    settings: Settings, workdir: Path, wish: Wish, warn: Callable[[str], object]
) -> AsyncIterator[YtDlp]:
    """yt-dlp for one job. Everything that it connects to passes the guard, unless private addresses are allowed."""
    if settings.allow_private_urls:
        yield YtDlp(settings, workdir, wish, warn, None)
        return
    async with guarded_proxy(settings) as proxy:
        yield YtDlp(settings, workdir, wish, warn, proxy)
