"""Pages that were drawn lately, kept in this process: some megabytes of them."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

_KEPT_BYTES = 16 * 2**20
_DRAWING = 2
"""Processes that draw at the same time."""


@dataclass(frozen=True)
class Sheet:
    """A page as a picture (WebP), its size in pixels."""

    picture: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Drawn:
    """Pages that follow each other, or why there are none."""

    pages: int = 0
    sheets: tuple[Sheet, ...] = ()
    trouble: str | None = None
    until: float = math.inf
    """By `time.monotonic()`: what the machine may have brought about is no verdict on the file."""

    @property
    def size(self) -> int:
        return 500 + sum(len(sheet.picture) for sheet in self.sheets)


@dataclass
class Kept:
    """What was drawn lately, by storage key and page. Objects never change: a key is written once."""

    _drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_DRAWING))
    _own: WeakValueDictionary[UUID, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _size: int = 0
    _drawn: OrderedDict[tuple[str, int], Drawn] = field(default_factory=OrderedDict)

    def get(self, key: str, first: int) -> Drawn | None:
        """What was drawn from that page on."""
        found = self._drawn.get((key, first))
        if found is None or found.until < time.monotonic():
            return None
        self._drawn.move_to_end((key, first))
        return found

    def put(self, key: str, first: int, drawn: Drawn) -> None:
        """Keeps it, and lets go of what nobody has asked for for longest."""
        if (before := self._drawn.pop((key, first), None)) is not None:
            self._size -= before.size
        self._drawn[key, first] = drawn
        self._size += drawn.size
        while self._size > _KEPT_BYTES and len(self._drawn) > 1:
            self._size -= self._drawn.popitem(last=False)[1].size

    @asynccontextmanager
    async def turn(self, who: UUID) -> AsyncIterator[None]:
        """May draw now. One at a time for each person, so that nobody's slow file takes every place."""
        own = self._own.setdefault(who, asyncio.Lock())
        async with own, self._drawing:
            yield
