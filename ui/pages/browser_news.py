"""An open page's part in telling its person by the browser: it hears the feed, and says which of their jobs ended."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from nicegui import background_tasks

from services.feed import Change
from services.notifications import browser
from ui.components.browser_notices import BrowserVoice

if TYPE_CHECKING:
    from ui.pages.open_page import OpenPage

logger = logging.getLogger(__name__)

_REMEMBERED = 500


class BrowserNews:
    """Listens from its making to `stop`."""

    def __init__(self, page: "OpenPage") -> None:
        self._page = page
        self._told: deque[tuple[UUID, int]] = deque(maxlen=_REMEMBERED)
        with page.frame.main:
            self._voice = BrowserVoice()
        self._unhear: Callable[[], None] | None = page.visit.web.live.hear(self._hear)

    def stop(self) -> None:
        """No more of it. Twice does no harm."""
        if self._unhear:
            self._unhear()
            self._unhear = None

    def _hear(self, changes: Mapping[UUID, Change]) -> None:
        page = self._page
        if page.ended or page.client.is_deleted:
            self.stop()
            return
        ids = frozenset(c.id for c in changes.values() if browser.may_be_news(page.actor, c))
        if ids:
            _ = background_tasks.create(self._tell(ids), name="browser news", context=page.frame.main)

    async def _tell(self, ids: frozenset[UUID]) -> None:
        page = self._page
        try:
            actor = await page.visit.renew()
            found = await browser.just_ended(page.visit.desk, actor, ids)
        except Exception:
            logger.info("the browser is not told", exc_info=True)
            return
        new = [one for one in found if (one.job_id, one.attempt) not in self._told]
        self._told.extend((one.job_id, one.attempt) for one in new)
        if len(new) > browser.MOST_ONE_BY_ONE:
            letter = browser.gathered(new)
            self._voice.tell(f"many-{new[0].job_id}", letter.title, letter.body, page.visit.link("/"))
            return
        for one in new:
            path = page.visit.link(f"/jobs/{one.job_id}")
            self._voice.tell(f"{one.job_id}-{one.attempt}", one.letter.title, one.letter.body, path)
