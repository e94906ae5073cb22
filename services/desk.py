"""Everything a service needs from around it, in one value that the composition roots of web, worker and shell make."""

from dataclasses import dataclass

from services.database import Database
from services.feed import Feed
from services.kinds import KindRegistry
from services.queue import JobQueue
from services.settings import Settings
from services.storage import Storage


@dataclass(frozen=True)
class Desk:
    """The parts that services work with."""

    settings: Settings
    db: Database
    queue: JobQueue
    feed: Feed
    storage: Storage
    kinds: KindRegistry
