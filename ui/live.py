"""The live bridge: one follower of the change feed per web process, and everything that open pages need of it.

Changes are gathered for a blink. Those of jobs that some page shows are read by one query a scope; a change that only
moved the progress needs none. Each page is told in a try of its own. Live is a convenience: pages reread by themselves.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from services.desk import Desk
from services.feed import Batch, Change
from services.jobs import jobs
from services.models import Job
from services.people.access import Actor

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.15
REREAD_SECONDS = 60.0
REREAD_SECONDS_WHEN_CUT_OFF = 10.0
SETTLE_SECONDS = 0.7
TICK_SECONDS = 10.0
_RESTART_SECONDS = 1.0

T = TypeVar("T")
Listener = Callable[[Mapping[UUID, Change]], None]
Scope = tuple[UUID, UUID | None]
"""A workspace, and the one owner whose jobs are seen where not all of them are."""


def scope_of(actor: Actor) -> Scope:
    """What two actors must share for one query to serve both."""
    return actor.workspace_id, None if actor.sees_all_jobs else actor.user_id


class LiveView(Protocol):
    """An open page, as the bridge sees it."""

    rereads_every: float
    """Seconds, for what no change of a job tells of."""

    @property
    def actor(self) -> Actor:
        """Who looks, as of the page's last look."""

    def shown(self) -> Mapping[UUID, int]:
        """The jobs that the page shows, with the version it has of each."""

    def progressed(self, change: Change) -> None:
        """A job that is shown went on; nothing else of it changed."""

    def changed(self, jobs: Sequence[Job], gone: Collection[UUID]) -> None:
        """Jobs that are shown changed, or are not there to be seen any more."""

    def replaced(self, old: UUID, job: Job) -> None:
        """Another job took the place of one that is shown."""

    def stirred(self) -> None:
        """Something changed in the workspace: counters, lists and balances may differ. It may ask to `settle`."""

    async def settle(self) -> None:
        """Read what may differ, as it asked for: all that did so lately at once, so that they share the answers."""

    def connected(self, *, live: bool) -> None:
        """The feed was lost, or is back."""

    async def tick(self) -> None:
        """What is due every ten seconds, whatever happens."""

    async def reread(self) -> None:
        """Read everything anew: something may have been missed. Must not flicker."""


@dataclass
class _Subscription:
    view: LiveView
    due: float
    ticks_at: float
    task: asyncio.Task[None] | None = None
    ticking: asyncio.Task[None] | None = None


class LiveBridge:
    """Follows the feed while the web process runs, and tells the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._subscriptions: dict[int, _Subscription] = {}
        self._listeners: list[Listener] = []
        self._pending: dict[UUID, Change] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsettled: dict[int, LiveView] = {}
        self._settling: dict[int, asyncio.Task[None]] = {}
        self.shared = SharedReads()
        self.live = False
        """Whether changes arrive."""

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to follow."""
        loops = (self._follow, self._flush, self._watch)
        self._tasks = [asyncio.create_task(_for_ever(loop), name=f"live {loop.__name__}") for loop in loops]

    async def stop(self) -> None:
        """Ends the following."""
        tasks = [*self._tasks, *self._settling.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, view: LiveView) -> None:
        """From now on the view is told, until `unsubscribe`."""
        now = time.monotonic()
        self._subscriptions[id(view)] = _Subscription(view, now + self._patience(view), now + TICK_SECONDS)

    def unsubscribe(self, view: LiveView) -> None:
        """No more of it. Twice does no harm."""
        subscription = self._subscriptions.pop(id(view), None)
        if subscription and subscription.task:
            subscription.task.cancel()
        self._unsettled.pop(id(view), None)

    def settle(self, view: LiveView) -> None:
        """Has the view settle in a moment, together with all others that ask meanwhile."""
        if not self._unsettled:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settle)
        self._unsettled[id(view)] = view

    def hear(self, listener: Listener) -> Callable[[], None]:
        """Has all that the feed says told to `listener`, gathered; the answer, called once, ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def views(self) -> int:
        """How many pages are told."""
        return len(self._subscriptions)

    @property
    def settling(self) -> int:
        """How many pages wait to settle, or do."""
        return len(self._unsettled.keys() | self._settling.keys())

    def _patience(self, view: LiveView) -> float:
        return min(view.rereads_every, REREAD_SECONDS if self.live else REREAD_SECONDS_WHEN_CUT_OFF)

    # --- the feed -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        # Before the first entry comes, an answering Redis is the sign of life.
        after = await self._position()
        async for batch in self._desk.feed.follow(after):
            self._take(batch)

    async def _position(self) -> str | None:
        try:
            position = await self._desk.feed.last_id()
        except Exception:  # noqa: BLE001 - follow() tells of it, whatever it is
            self._set_live(live=False)
            return None
        self._set_live(live=True)
        return position

    def _take(self, batch: Batch) -> None:
        self._set_live(live=batch.connected)
        if not batch.connected:
            return
        if batch.reset:
            self._reread_all()
        for change in batch.changes:
            known = self._pending.get(change.id)
            if known is None or change.version >= known.version:
                self._pending[change.id] = change
        if self._pending:
            self._wake.set()

    def _set_live(self, *, live: bool) -> None:
        if live == self.live:
            return
        self.live = live
        for subscription in self._all():
            _quietly(partial(subscription.view.connected, live=live))
        if live:
            self._reread_all()
        else:
            self._reread_soon(REREAD_SECONDS_WHEN_CUT_OFF)

    # --- telling the pages --------------------------------------------------------------------------------------------

    async def _flush(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            pending, self._pending = self._pending, {}
            await self._tell(pending)

    async def _tell(self, pending: Mapping[UUID, Change]) -> None:
        workspaces = {change.workspace_id for change in pending.values()}
        concerned = [s.view for s in self._all() if s.view.actor.workspace_id in workspaces]
        wanted: dict[Scope, set[UUID]] = defaultdict(set)
        actors: dict[Scope, Actor] = {}
        for view in concerned:
            scope = scope_of(view.actor)
            actors[scope] = view.actor
            _quietly(partial(_note_wanted, view, pending, wanted[scope]))
        read = {scope: await self._read(actors[scope], ids) for scope, ids in wanted.items()}
        # From here on nothing is waited for, so that a browser gets all of it by one message.
        for view in concerned:
            _quietly(partial(_tell_one, view, pending, read.get(scope_of(view.actor), _NOTHING_READ)))
        for listener in list(self._listeners):
            _quietly(partial(listener, pending))

    async def _read(self, actor: Actor, ids: Collection[UUID]) -> "_Found":
        """One query a scope, however many pages show the jobs."""
        if not ids:
            return _NOTHING_READ
        try:
            async with asyncio.timeout(5):
                found = await jobs.read_jobs(self._desk, actor, ids)
        except Exception:
            logger.exception("live: changed jobs could not be read; pages reread them")
            self._reread_soon(REREAD_SECONDS_WHEN_CUT_OFF)
            return _NOTHING_READ
        return _Found(frozenset(ids), {job.id: job for job in found})

    def _settle(self) -> None:
        views, self._unsettled = self._unsettled, {}
        for key, view in views.items():
            if key in self._settling:  # a slow search, say: once more when that is through
                self.settle(view)
                continue
            self._settling[key] = asyncio.create_task(self._settle_one(key, view), name="page settles")

    async def _settle_one(self, key: int, view: LiveView) -> None:
        try:
            await view.settle()
        except Exception:
            logger.exception("live: a page could not settle")
        finally:
            del self._settling[key]

    # --- the safety net -----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for subscription in self._all():
                if subscription.due <= now:
                    self._reread(subscription)
                if subscription.ticks_at <= now and (
                    subscription.ticking is None or subscription.ticking.done()
                ):
                    subscription.ticks_at = now + TICK_SECONDS
                    subscription.ticking = asyncio.create_task(
                        _tick_quietly(subscription.view), name="page ticks"
                    )

    def _reread_all(self) -> None:
        # Once for all pages, which so still share what they read from here on.
        self.shared.forget()
        for subscription in self._all():
            self._reread(subscription)

    def _reread_soon(self, seconds: float) -> None:
        for subscription in self._all():
            subscription.due = min(subscription.due, time.monotonic() + seconds)

    def _reread(self, subscription: _Subscription) -> None:
        subscription.due = time.monotonic() + self._patience(subscription.view)
        if subscription.task is None or subscription.task.done():
            subscription.task = asyncio.create_task(_reread_quietly(subscription.view), name="live reread")

    def _all(self) -> list[_Subscription]:
        return list(self._subscriptions.values())


@dataclass(frozen=True, slots=True)
class _SharedRead:
    began: float
    until: float
    answer: "asyncio.Future[Any]"


class SharedReads:
    """Lets pages that ask the same within a moment share one query."""

    def __init__(self) -> None:
        self._reads: dict[Hashable, _SharedRead] = {}

    def get(
        self, key: Hashable, seconds: float, load: Callable[[], Awaitable[T]], *, not_before: float = 0.0
    ) -> Awaitable[T]:
        """What `load` gives, or gave for the same key within the last `seconds`. Reading begins at once.

        `not_before` is a time of `time.monotonic()`: an answer whose reading began earlier may miss what the page was
        told of then, and is not given.
        """
        now = time.monotonic()
        found = self._reads.get(key)
        if found is None or found.began < not_before or (found.until < now and found.answer.done()):
            self._forget_old(now)
            found = self._reads[key] = _SharedRead(now, now + seconds, asyncio.ensure_future(load()))
        # Shielded: a page that goes away must not take the others' answer with it.
        return asyncio.shield(cast("asyncio.Future[T]", found.answer))

    def _forget_old(self, now: float) -> None:
        for old in [k for k, read in self._reads.items() if read.until < now and read.answer.done()]:
            del self._reads[old]

    def forget(self) -> None:
        """Changes may have been missed: nobody is given what was read until now. Who waits already, gets it."""
        self._reads.clear()


@dataclass(frozen=True, slots=True)
class _Found:
    """What was asked for, and what of it is there to be seen."""

    asked: Collection[UUID]
    jobs: Mapping[UUID, Job]


_NOTHING_READ = _Found((), {})


def _note_wanted(view: LiveView, pending: Mapping[UUID, Change], wanted: set[UUID]) -> None:
    """Adds the jobs that must be read before the view can be told."""
    shown = view.shown()
    for job_id, change in pending.items():
        version = shown.get(job_id)
        if version is not None and change.version > version:
            wanted.add(_successor(job_id, pending))


def _tell_one(view: LiveView, pending: Mapping[UUID, Change], found: _Found) -> None:
    changed, gone = [], set()
    shown = view.shown()
    for job_id, change in pending.items():
        version = shown.get(job_id)
        if version is None or change.version < version:
            continue
        if change.version == version:
            view.progressed(change)
            continue
        new = _successor(job_id, pending)
        job = found.jobs.get(new)
        if job is None:
            if new in found.asked:
                gone.add(new)
            continue
        if new != job_id:
            view.replaced(job_id, job)
        changed.append(job)
    if changed or gone:
        view.changed(changed, gone)
    for job in changed:
        # The database hears of progress later than the feed.
        told = pending.get(job.id)
        if told and told.version == job.version and told.step and told.progress >= job.progress:
            view.progressed(told)
    view.stirred()


def _successor(job_id: UUID, pending: Mapping[UUID, Change]) -> UUID:
    """What stands in the job's place, after some changes; the job itself where nothing has replaced it."""
    while (change := pending.get(job_id)) and change.replaced_by:
        job_id = change.replaced_by
    return job_id


def _quietly(tell: Callable[[], None]) -> None:
    """One page's trouble is not the others'."""
    try:
        tell()
    except Exception:
        logger.exception("live: a page could not be told")


async def _tick_quietly(view: LiveView) -> None:
    try:
        await view.tick()
    except Exception:
        logger.exception("live: a page could not do what is due")


async def _reread_quietly(view: LiveView) -> None:
    try:
        await view.reread()
    except Exception:
        logger.exception("live: a page could not reread")


async def _for_ever(loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(Exception):
            try:
                await loop()
            except Exception:
                logger.exception("live: a loop failed and is started again")
                raise
        await asyncio.sleep(_RESTART_SECONDS)
