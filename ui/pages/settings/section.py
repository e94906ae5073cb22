"""What a section of `/settings` is, and what the page gives it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.people.access import Actor
from ui.components.element import Tag

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage


class SectionView(Protocol):
    """A section that is open. It has drawn its frame, without reading anything, when it was built."""

    async def refresh(self, actor: Actor) -> None:
        """Reads, then draws what has changed. Called at the start, every few seconds, and after each change.

        Raises:
            MulliganError: whatever the services say; the page turns it into words.
        """


@dataclass(frozen=True)
class SettingsSection:
    """A section: one entry of `SECTIONS`."""

    slug: str
    """The end of its address: `/settings/members`."""
    name: str
    icon: str
    lead: str
    """A sentence under its name."""
    may: Callable[[Actor], bool]
    """Who sees it. For everybody else it is neither listed nor there."""
    build: "Callable[[SettingsPage], SectionView]"
    """Draws it into the current slot, in the page's part for it."""


Work = Callable[[Actor], Awaitable[None]]


def card(title: str, lead: str | None = None) -> Tag:
    """A card with a heading, to be drawn in."""
    with Tag("section", classes="card", aria_label=title) as element:
        Tag("h2", title)
        if lead:
            Tag("p", lead, "muted set-lead")
    return element


def everybody(_: Actor) -> bool:
    """Whoever is a member."""
    return True
