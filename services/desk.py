"""Everything a service needs from around it, in one value that the composition roots of web, worker and shell make."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from services.database.database import Database
from services.feed import Feed
from services.kinds import KindRegistry
from services.queue import JobQueue
from services.settings import Settings, SettingsError
from services.storage.kept_pages import Kept
from services.storage.storage import Storage


@dataclass(frozen=True)
class Desk:
    """The parts that services work with.

    Raises:
        SettingsError: `MULLIGAN_CONCURRENCY` names a kind that there is not.
    """

    settings: Settings
    db: Database
    queue: JobQueue
    feed: Feed
    storage: Storage
    kinds: KindRegistry

    def __post_init__(self) -> None:
        for name in self.settings.concurrency_limits:
            if self.kinds.get(name) is None:
                known = ", ".join(kind.name for kind in self.kinds)
                raise SettingsError(
                    f"MULLIGAN_CONCURRENCY: there is no kind {name!r}. Known kinds: {known or 'none'}"
                )

    @cached_property
    def pages(self) -> Kept:
        """Pages of documents that were drawn in this process lately."""
        return Kept()

    @cached_property
    def limits(self) -> Mapping[str, int]:
        """Kinds of which only so many run at a time over all workers: as declared, or as the setting says."""
        declared = {kind.name: kind.concurrency for kind in self.kinds if kind.concurrency is not None}
        return {**declared, **self.settings.concurrency_limits}
