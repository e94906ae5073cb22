"""The doorbell of the workers. The database is the truth; a message only says where to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Doorbell:
    """Tells a worker that this attempt of this job is queued. Lost, late or doubled, it does no harm."""

    job_id: UUID
    attempt: int
    bulk: bool = False
    """One of very many: those that are not are answered first."""


class JobQueue(Protocol):
    """What services need of the task queue; `tasks/queue.py` has the real one."""

    async def kick(self, doorbells: Sequence[Doorbell]) -> None:
        """Rings for each, in one round trip.

        Raises:
            QueueUnavailable: the queue did not answer within `Settings.kick_timeout_seconds`. Some of the messages may
                have arrived all the same.
        """

    async def backlog(self) -> int:
        """How many doorbells no worker has answered yet.

        Raises:
            QueueUnavailable: the queue did not answer.
        """
