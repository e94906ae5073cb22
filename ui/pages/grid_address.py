"""What the address of the grid says: status, search, order, place. Reload and share give the same view."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

from services.jobs.job_list import JobQuery
from services.vocabulary import Status

PAGE_SIZE = 25

Sort = Literal["newest", "oldest"]


@dataclass(frozen=True)
class GridAddress:
    """A view of the grid."""

    status: Status | None = None
    q: str = ""
    sort: Sort = "newest"
    cursor: str | None = None
    workspace: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], workspace: str | None) -> "GridAddress":
        """What an address asks for; words that mean nothing are left out, as a hand-edited address deserves."""
        status = query.get("status")
        return cls(
            status=Status(status) if status in set(Status) else None,
            q=query.get("q", "")[:500],
            sort="oldest" if query.get("sort") == "oldest" else "newest",
            cursor=query.get("cursor") or None,
            workspace=workspace,
        )

    def change(self, **changes: Any) -> "GridAddress":
        """Another view; it starts at the first page, unless it names a cursor."""
        return replace(self, **{"cursor": None, **changes})

    @property
    def path(self) -> str:
        """The address."""
        words = {
            "status": str(self.status) if self.status else "",
            "q": self.q,
            "sort": "" if self.sort == "newest" else self.sort,
            "cursor": self.cursor or "",
            "w": self.workspace or "",
        }
        said = {name: word for name, word in words.items() if word}
        return f"/?{urlencode(said)}" if said else "/"

    @property
    def query(self) -> JobQuery:
        """What to ask the service."""
        statuses = (self.status,) if self.status else ()
        return JobQuery(statuses=statuses, q=self.q, sort=self.sort, limit=PAGE_SIZE, cursor=self.cursor)

    @property
    def at_start(self) -> bool:
        """Whether new jobs belong at the top of what is shown."""
        return self.cursor is None and self.sort == "newest"

    @property
    def narrowed(self) -> bool:
        """Whether some jobs may be left out."""
        return self.status is not None or bool(self.q)
