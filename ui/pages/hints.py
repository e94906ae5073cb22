"""Hints on a page: at most one at a time, each until its person has said "Got it"."""

import logging

from services.people import hints
from services.people.access import Actor
from services.people.hints import Hint
from ui.components.element import Tag
from ui.components.hint_line import HintLine
from ui.pages.open_page import OpenPage

logger = logging.getLogger(__name__)

_WORDS = {
    Hint.WELCOME: "Jobs appear here as they are made, and change by themselves.",
    Hint.FAILURE: (
        "Retry first says what it would reset, keep and cost, and how often it has helped. "
        "Nothing happens before you confirm."
    ),
    Hint.SELECTION: (
        "Shift and a click select a range; with all rows of a page, everything that matches can be taken along. "
        "Each action is previewed first."
    ),
    Hint.GROUPS: (
        "Jobs that failed for one reason stand together. A retry of a group is previewed, and can try a few first; "
        "a note tells others, and a known one can be muted."
    ),
}


_KEYS = {Hint.WELCOME: "Press ? for the keys of each page."}


class Hints:
    """What is left to be told on this page. After one, no other comes until the page is opened again."""

    def __init__(self, page: OpenPage) -> None:
        self._page = page
        self._pending: frozenset[Hint] = frozenset()

    async def read(self) -> None:
        """Which there are. Never raises: a page works without."""
        try:
            found = await hints.pending(self._page.visit.desk, self._page.actor)
        except Exception:
            logger.exception("the hints could not be read")
        else:
            self._pending = frozenset(found)

    def offer(self, hint: Hint, place: Tag) -> None:
        """Shows it there, if its time has come."""
        if hint not in self._pending or self._page.ended or place.is_deleted:
            return
        self._pending = frozenset()

        async def dismiss() -> None:
            line.remove()

            async def work(actor: Actor) -> None:
                await hints.dismiss(self._page.visit.desk, actor, hint)

            await self._page.do(work)

        with place:
            line = HintLine(_WORDS[hint], dismiss, keys=_KEYS.get(hint, ""))
