"""Telling people what happened. A loop of its own: a receiver that does not answer must hold nothing else up."""

import asyncio
import logging
import random

from services.desk import Desk
from services.notifications import gathering, sending
from tasks.outage import Outage

logger = logging.getLogger(__name__)

_EVERY_SECONDS = (0.75, 1.25)
_GATHER_LIMIT_SECONDS = 30.0
_AT_ONCE = 3


class Notifying:
    """Turns notices into messages and sends these, a few channels at a time. One in each worker; many do no harm."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._outage = Outage("telling people", logger)
        self._sending: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """For ever, about once a second."""
        try:
            while True:
                await asyncio.sleep(random.uniform(*_EVERY_SECONDS))  # noqa: S311 - jitter, not a secret
                try:
                    async with asyncio.timeout(_GATHER_LIMIT_SECONDS):
                        await self.tick()
                    self._outage.over()
                except Exception as error:  # noqa: BLE001 - the loop must go on, whatever happened
                    self._outage.note(error)
        finally:
            for task in self._sending:  # what a killed one has not noted is sent again
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def tick(self) -> None:
        """Gathers what there is, and has what is due sent beside."""
        while await gathering.gather(self._desk):
            pass
        if len(self._sending) < _AT_ONCE and await sending.is_something_due(self._desk):
            task = asyncio.create_task(self._send(), name="send messages")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self) -> None:
        try:
            while await sending.send_next(self._desk):
                pass
        except Exception as error:  # noqa: BLE001 - it is due again when its lease has ended
            self._outage.note(error)
