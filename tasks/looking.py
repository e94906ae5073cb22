"""Looking again for what retries wait for. A loop of its own: what does not answer must hold nothing else up."""

import asyncio
import logging
import random

from services import lifecycle
from services.desk import Desk
from services.errors import QueueUnavailable
from services.feed import Change
from services.retry.awaited import look_again
from tasks.outage import Outage
from tasks.reporter import Announcer

logger = logging.getLogger(__name__)

_EVERY_SECONDS = (0.75, 1.25)
_TICK_LIMIT_SECONDS = 30.0


class Looking:
    """Asks the database first, and those outside only where a look is due. One in each worker; many do no harm."""

    def __init__(self, desk: Desk, announcer: Announcer) -> None:
        self._desk = desk
        self._announcer = announcer
        self._outage = Outage("looking for what retries wait for", logger)

    async def keep(self) -> None:
        """For ever, about once a second."""
        while True:
            await asyncio.sleep(random.uniform(*_EVERY_SECONDS))  # noqa: S311 - jitter, not a secret
            try:
                async with asyncio.timeout(_TICK_LIMIT_SECONDS):
                    await self.tick()
                self._outage.over()
            except Exception as error:  # noqa: BLE001 - the loop must go on, whatever happened
                self._outage.note(error)

    async def tick(self) -> None:
        """Looks once, where it is time to."""
        if not self._desk.settings.retries_enabled:
            return
        async with self._desk.db.read() as session:
            is_time = await lifecycle.is_awaited(session)
        if not is_time:
            return
        changed = await look_again(self._desk)
        self._announcer.announce(map(Change.of, changed))
        try:
            await self._desk.queue.kick(lifecycle.doorbells(changed))
        except QueueUnavailable:
            logger.info("the queue is away; housekeeping rings when it is back")
