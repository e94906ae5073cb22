"""What this worker can run, as its heartbeat tells."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from services.desk import Desk
from services.kinds import KindRegistry
from services.queue import DEFAULT_QUEUE

logger = logging.getLogger(__name__)

Tidy = Callable[[Desk], Awaitable[None]]

_LIMIT_SECONDS = 10


async def engines(modules: Iterable[str]) -> dict[str, Any]:
    """Engine name → version, or null where it is missing: what each kind's module says in `async def engines()`."""
    found: dict[str, Any] = {}
    for module in modules:
        tell = getattr(import_module(module), "engines", None)
        if tell is None:
            continue
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                found |= await tell()
        except Exception:
            logger.exception("%s cannot tell what it needs", module)
    return found


def tidiers(modules: Iterable[str]) -> list[Tidy]:
    """What removes, now and then, what the runs of a kind left behind: its module's `async def tidy(desk)`."""
    found = (getattr(import_module(module), "tidy", None) for module in modules)
    return [tidy for tidy in found if tidy is not None]


def queues_of(kinds: KindRegistry, found: Mapping[str, Any]) -> frozenset[str]:
    """The queues of the kinds that can run here: every engine that they need was found."""
    here = {name for name, version in found.items() if version}
    return frozenset({DEFAULT_QUEUE, *(kind.queue for kind in kinds if here.issuperset(kind.needs))})
