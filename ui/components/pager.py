"""The foot of a list that is paged by key: back to its start, and on."""

from collections.abc import Callable
from uuid import UUID

from ui.components.element import Tag


class Pager:
    """Two links, each shown where it leads somewhere. `link` gives the address of a part, or of the start."""

    def __init__(
        self, link: Callable[[UUID | None], str], *, start: str = "Newest", on: str = "Older"
    ) -> None:
        self._link = link
        with Tag("div", classes="hidden") as self._row:
            self._start = Tag("a", start, "hidden", href=link(None))
            Tag("div", classes="grow")
            self._on = Tag("a", on, "hidden")

    def show(self, cursor: UUID | None, following: UUID | None) -> None:
        """Where the shown part begins, and where the next one does."""
        self._row.dress("pager" if cursor or following else "hidden")
        self._start.dress("btn small" if cursor else "hidden")
        self._on.dress("btn small" if following else "hidden")
        if following:
            self._on.put(href=self._link(following))
