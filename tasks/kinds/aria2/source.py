"""What is to be fetched, in aria2's words."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.kinds.aria2.place import name_from
from tasks.kinds.aria2.rpc import Aria2

MAGNET = "magnet:?"

_OPTIONS = {
    "continue": "true",
    # A server that cannot go on with a part is asked for the whole, instead of failing for ever.
    "always-resume": "false",
    "max-resume-failure-tries": "0",
    "allow-overwrite": "true",
    "auto-file-renaming": "false",
    "file-allocation": "none",
    "follow-torrent": "false",
    "follow-metalink": "false",
    "max-connection-per-server": "4",
    "split": "4",
    "min-split-size": "1M",
    "max-tries": "3",
    "retry-wait": "1",
    "connect-timeout": "15",
    "timeout": "30",
    "seed-time": "0",
    "bt-stop-timeout": "300",
    "remote-time": "false",
    "user-agent": "Mulligan",
}


@dataclass(frozen=True)
class Source:
    """An address, a magnet link, or a torrent file."""

    url: str | None = None
    torrent: bytes | None = None
    checksum: str | None = None
    """As aria2 wants it: `sha-256=…`."""
    trackers: list[str] = field(default_factory=list)
    """Those that aria2 shall ask, whatever the torrent names."""
    relayed: bool = False
    """Whether they are one of ours, which tells of nobody inside: aria2 may hear of peers in no other way then."""

    @property
    def is_torrent(self) -> bool:
        """Whether peers are asked for it."""
        return self.torrent is not None or (self.url or "").startswith(MAGNET)

    async def add(self, aria2: Aria2, gid: str, folder: Path, **more: str) -> None:
        """Hands it to aria2 under an id of ours.

        Raises:
            Aria2Error: it does not take it.
            ServiceUnavailable: it does not answer.
        """
        options: dict[str, Any] = _OPTIONS | {"gid": gid, "dir": str(folder)} | more
        if self.is_torrent:
            options |= {"bt-exclude-tracker": "*", "bt-tracker": ",".join(self.trackers)}
        if self.relayed:
            options |= {"enable-peer-exchange": "false", "bt-enable-lpd": "false"}
        if self.torrent is not None:
            await aria2.call("addTorrent", base64.b64encode(self.torrent).decode(), [], options)
            return
        url = self.url or ""
        if not self.is_torrent:
            options["out"] = name_from(url)
        if self.checksum:
            options["checksum"] = self.checksum
        await aria2.call("addUri", [url], options)
