"""The doorbell of the workers. The database is the truth; a message only says where to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.vocabulary import Priority

DEFAULT_QUEUE = "default"
"""The queue of kinds that need nothing special: every worker listens to it."""


@dataclass(frozen=True, slots=True)
class Doorbell:
    """Tells a worker that this attempt of this job is queued. Lost, late or doubled, it does no harm."""

    job_id: UUID
    attempt: int
    kind: str = ""
    """Decides in which queue it rings: `JobKind.queue`, or the default one where the kind is not known here."""
    priority: Priority = Priority.NORMAL
    """Its lane in that queue: `high` is answered first, `low` last."""


class JobQueue(Protocol):
    """What services need of the task queue; `tasks/queue.py` has the real one."""

    async def kick(self, doorbells: Sequence[Doorbell]) -> None:
        """Rings for each, in as few round trips as there are lanes.

        Raises:
            QueueUnavailable: the queue did not answer within `Settings.kick_timeout_seconds`. Some of the messages may
                have arrived all the same.
        """

    async def depths(self) -> Mapping[str, int]:
        """How many doorbells no worker has answered yet, for each queue of the kinds known here.

        Raises:
            QueueUnavailable: the queue did not answer.
        """

    async def backlog(self) -> int:
        """The sum of `depths`.

        Raises:
            QueueUnavailable: the queue did not answer.
        """
