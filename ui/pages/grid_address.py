"""What the address of the grid says: status, search, order, place. Reload and share give the same view."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlencode

from services.jobs.export import Format
from services.jobs.job_list import JobQuery
from services.jobs.views import COLUMNS, Display, Look
from services.vocabulary import ACTIVE, TERMINAL, UNSUCCESSFUL, Density, Status

PAGE_SIZE = 25
_HIDES = "no-"

Sort = Literal["newest", "oldest"]


class Span(StrEnum):
    """Several statuses seen as one."""

    ACTIVE = "active"
    HISTORY = "history"
    """What is over."""


_STATUSES = {Span.ACTIVE: ACTIVE, Span.HISTORY: TERMINAL}

Tab = Status | Span | None


@dataclass(frozen=True)
class GridAddress:
    """A view of the grid."""

    tab: Tab = None
    q: str = ""
    sort: Sort = "newest"
    cursor: str | None = None
    workspace: str | None = None
    show: str | None = None
    """Density and columns in words that the style sheet knows; None: as the browser has it."""

    @classmethod
    def of(cls, query: Mapping[str, str], workspace: str | None) -> "GridAddress":
        """What an address asks for; words that mean nothing are left out, as a hand-edited address deserves."""
        return cls(
            tab=_tab(query),
            q=query.get("q", "")[:500],
            sort="oldest" if query.get("sort") == "oldest" else "newest",
            cursor=query.get("cursor") or None,
            workspace=workspace,
            show=show_words(display) if (display := display_of(query.get("show", ""))) else None,
        )

    @classmethod
    def showing(cls, look: Look, workspace: str | None) -> "GridAddress":
        """A view: its statuses as a tab where there is one for them, else as words of the search."""
        q, statuses = look.q, look.statuses
        tab = next((tab for tab in (None, *Status, *Span) if set(statuses_of(tab)) == set(statuses)), None)
        if statuses and tab is None:
            q = f"status:{','.join(statuses)} {q}".strip()
        show = show_words(look.display) if look.display else None
        return cls(tab, q, "oldest" if look.sort == "oldest" else "newest", workspace=workspace, show=show)

    def change(self, **changes: Any) -> "GridAddress":
        """Another view; it starts at the first page, unless it names a cursor."""
        return replace(self, **{"cursor": None, **changes})

    @property
    def path(self) -> str:
        """The address."""
        words = {
            "status": str(self.tab) if isinstance(self.tab, Status) else "",
            "view": str(self.tab) if isinstance(self.tab, Span) else "",
            "q": self.q,
            "sort": "" if self.sort == "newest" else self.sort,
            "cursor": self.cursor or "",
            "show": self.show or "",
            "w": self.workspace or "",
        }
        said = {name: word for name, word in words.items() if word}
        return f"/?{urlencode(said)}" if said else "/"

    @property
    def query(self) -> JobQuery:
        """What to ask the service."""
        return JobQuery(
            statuses=statuses_of(self.tab), q=self.q, sort=self.sort, limit=PAGE_SIZE, cursor=self.cursor
        )

    def export(self, form: Format) -> str:
        """The address of all jobs of the view, as a file."""
        words = [("format", str(form)), *(("status", str(status)) for status in statuses_of(self.tab))]
        words += [
            (name, word) for name, word in (("q", self.q), ("sort", self.sort), ("w", self.workspace)) if word
        ]
        return f"/api/jobs/export?{urlencode(words)}"

    @property
    def failing(self) -> tuple[Status, ...]:
        """The unsuccessful statuses among those that the view shows."""
        shown = statuses_of(self.tab)
        return tuple(sorted(UNSUCCESSFUL.intersection(shown) if shown else UNSUCCESSFUL))

    @property
    def at_start(self) -> bool:
        """Whether new jobs belong at the top of what is shown."""
        return self.cursor is None and self.sort == "newest"

    @property
    def narrowed(self) -> bool:
        """Whether some jobs may be left out."""
        return self.tab is not None or bool(self.q)


def statuses_of(tab: Tab) -> tuple[Status, ...]:
    """The statuses that a tab shows; none named is all."""
    if tab is None:
        return ()
    return (tab,) if isinstance(tab, Status) else tuple(sorted(_STATUSES[tab]))


def show_words(display: Display) -> str:
    """How the grid is drawn, in words for the address and the style sheet: `compact.no-kind`."""
    hidden = [f"{_HIDES}{column}" for column in COLUMNS if column not in display.columns]
    return ".".join([str(display.density), *hidden])


def display_of(words: str) -> Display | None:
    """What such words mean; None where they mean nothing. The browser's own leave `comfortable` out."""
    said = set(words.replace(".", " ").split())
    if not said & {*Density, *(f"{_HIDES}{column}" for column in COLUMNS)}:
        return None
    density = Density.COMPACT if Density.COMPACT in said else Density.COMFORTABLE
    return Display(density, tuple(column for column in COLUMNS if f"{_HIDES}{column}" not in said))


def _tab(query: Mapping[str, str]) -> Tab:
    status, span = query.get("status"), query.get("view")
    if status in set(Status):
        return Status(status)
    return Span(span) if span in set(Span) else None
