"""What sees to it that aria2 connects to nothing inside: a proxy, and for torrents a tracker of ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from services.failures.failures import JobError
from services.guard.proxy import GuardedProxy, guarded_proxy
from services.settings import Settings
from services.vocabulary import FailureType
from tasks.kinds.aria2.relay import relayed
from tasks.kinds.aria2.rpc import Aria2
from tasks.kinds.aria2.source import Source


@asynccontextmanager
async def guarded(settings: Settings, source: Source) -> AsyncIterator[tuple[Source, GuardedProxy]]:
    """The source, with our tracker in front of its own, and what aria2 is to connect through."""
    if not source.is_torrent:
        async with guarded_proxy(settings) as proxy:
            yield source, proxy
        return
    async with (
        relayed(settings, source.trackers) as relay,
        guarded_proxy(settings, neighbours=[(relay.host, relay.port)]) as proxy,
    ):
        yield replace(source, trackers=[relay.url], relayed=True), proxy


async def require_no_dht(aria2: Aria2) -> None:
    """Through DHT anybody may name peers, and nobody looks at them.

    Raises:
        JobError: aria2 takes part in it (environment).
    """
    options = await aria2.call("getGlobalOption")
    if "true" in (options.get("enable-dht"), options.get("enable-dht6")):
        raise JobError(
            "aria2 looks for peers by DHT, where nobody can see to it that they are public",
            failure_type=FailureType.ENVIRONMENT,
            advice="Start aria2 with --enable-dht=false --enable-dht6=false, then retry.",
        )
