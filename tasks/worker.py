"""The composition root of a worker process: its desk, its runner, its loops, its beginning and its end."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from services import lifecycle
from services.database.database import Database
from services.desk import Desk
from services.errors import QueueUnavailable
from services.feed import Change, Feed, connect
from services.kinds import load_kinds
from services.lifecycle import Claim
from services.models import Worker as WorkerRow
from services.operations import workers
from services.settings import Settings
from services.storage.storage import Storage
from services.tracing import flush_spans, set_up_tracing
from tasks.engines import engines, queues_of, tidiers
from tasks.housekeeping import Housekeeping
from tasks.kinds import BUILT_IN
from tasks.lease import Leases
from tasks.logs import set_up_logs
from tasks.looking import Looking
from tasks.notifying import Notifying
from tasks.outage import Outage
from tasks.queue import TaskiqQueue
from tasks.reporter import Announcer, Reporter
from tasks.runner import Runner
from tasks.stream import StreamBroker

logger = logging.getLogger(__name__)

# How long running jobs get to end when the worker stops.
_DRAIN_SECONDS = 4.0
_HAND_BACK_SECONDS = 3.0
_LOOK_AT_ENGINES_SECONDS = 60.0


class Worker:
    """One worker process. `start` when taskiq starts, `answer` a doorbell, `stop` at the end."""

    def __init__(self, settings: Settings, broker: StreamBroker) -> None:
        set_up_logs(settings)
        set_up_tracing("mulligan-worker")
        self.name = broker.consumer_name
        self._broker = broker
        self._modules = (*BUILT_IN, *settings.kind_modules)
        kinds = load_kinds(self._modules).configured(settings)
        self._redis = connect(settings.effective_redis_url)
        self._desk = Desk(
            settings,
            Database(settings.effective_database_url),
            TaskiqQueue(broker, settings.kick_timeout_seconds, kinds),
            Feed(self._redis),
            Storage.from_settings(settings),
            kinds,
        )
        self._announcer = Announcer(self._desk.feed)
        self._leases = Leases(self._desk.db, self.name, settings.lease_seconds)
        self._reporter = Reporter(self._desk.db, self.name, self._leases, self._announcer)
        self._runner = Runner(self._desk, self.name, self._leases, self._announcer, self._reporter)
        self._housekeeping = Housekeeping(self._desk, self._announcer, tidiers(self._modules))
        self._looking = Looking(self._desk, self._announcer)
        self._notifying = Notifying(self._desk)
        self._row = WorkerRow(
            name=self.name, host=socket.gethostname(), pid=os.getpid(), version=version("mulligan")
        )
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the loops. What is away now, the database for instance, is waited for."""
        await self._look_at_engines()
        for loop in (
            *(self._leases.keep, self._reporter.watch, self._housekeeping.keep, self._looking.keep),
            *(self._notifying.keep, self._beat, self._watch_engines),
        ):
            self._loops.append(asyncio.create_task(loop(), name=loop.__qualname__))
            self._loops[-1].add_done_callback(_must_not_end)
        logger.info("worker %s started", self.name)

    async def answer(self, claim: Claim, ack: Callable[[], Awaitable[None]]) -> None:
        """Answers a doorbell; returns when the attempt is over."""
        await self._runner.answer(claim, ack)

    async def drain(self) -> None:
        """Taskiq stops listening: running jobs are stopped and go back to the queue, for other workers."""
        await self._runner.drain(_DRAIN_SECONDS)
        await self._hand_back(self._runner.interrupted)

    async def _hand_back(self, interrupted: list[Claim]) -> None:
        if not interrupted:
            return
        logger.info("%d interrupted jobs are handed back", len(interrupted))
        try:
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                jobs = await self._desk.db.transact(
                    lambda session: lifecycle.hand_back(session, interrupted, self.name)
                )
        except Exception as error:  # noqa: BLE001 - their leases run out, and housekeeping elsewhere ends them
            logger.error("not handed back: %s: %s", type(error).__name__, error)  # noqa: TRY400
            return
        self._announcer.announce(map(Change.of, jobs))
        try:
            await self._desk.queue.kick(lifecycle.doorbells(jobs))
        except QueueUnavailable:
            logger.info("the queue is away; housekeeping rings when it is back")

    async def stop(self) -> None:
        """Ends the loops and closes what is open."""
        for loop in self._loops:
            loop.remove_done_callback(_must_not_end)
            loop.cancel()
        await asyncio.gather(
            *self._loops, return_exceptions=True
        )  # a program that one has started ends with it
        await self._runner.close()
        await self._announcer.drain()
        await flush_spans()
        await self._say_goodbye()
        await self._redis.aclose()
        await self._desk.db.close()

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._desk.db.transact(lambda session: workers.leave(session, self.name))
        except Exception as error:  # noqa: BLE001 - the row is forgotten after a day
            logger.debug("left without a word to the database (%s)", error)

    async def _watch_engines(self) -> None:
        """What was installed or came back is used without a restart, and what is gone is not waited for."""
        while True:
            await asyncio.sleep(_LOOK_AT_ENGINES_SECONDS)
            await self._look_at_engines()

    async def _look_at_engines(self) -> None:
        found = await engines(self._modules)
        queues = queues_of(self._desk.kinds, found)
        self._row.engines, self._row.queues = found, sorted(queues)
        self._runner.can_run(queues)
        self._housekeeping.hears(queues)
        self._broker.listen_to(queues)

    async def _beat(self) -> None:
        outage = Outage("heartbeat (database)", logger)
        while True:
            self._row.running = self._runner.active
            try:
                async with asyncio.timeout(workers.HEARTBEAT_SECONDS):
                    await self._desk.db.transact(lambda session: workers.beat(session, self._row))
                outage.over()
            except Exception as error:  # noqa: BLE001 - a worker is not less a worker for it
                outage.note(error)
            await asyncio.sleep(workers.HEARTBEAT_SECONDS)


def _must_not_end(loop: asyncio.Task[None]) -> None:
    """Without one of its loops a worker does harm: it ends, and is started again."""
    error = None if loop.cancelled() else loop.exception()
    logger.critical("the loop %s ended; so does this worker", loop.get_name(), exc_info=error)
    os.kill(os.getpid(), signal.SIGTERM)
