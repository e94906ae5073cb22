"""Settings: the switch for retries, as it stands on `/workers` too."""

from typing import TYPE_CHECKING

from services.operations import switches
from services.people.access import Actor
from ui.components.retry_switch import RetrySwitch
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage


class RetriesSection:
    """What is switched off, and the switch."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        with card(
            "Retries", "What waits for its time already waits until they are on again. Nothing is lost."
        ):
            self._switch = RetrySwitch(page.visit.desk.kinds, self._off, self._on)

    async def refresh(self, actor: Actor) -> None:
        """Reads what is off."""
        self._switch.show(await switches.list_switches(self._page.visit.desk, actor), may=actor.operates)

    async def _off(self, kind: str | None, reason: str) -> bool:
        async def work(actor: Actor) -> None:
            await switches.switch_off(self._page.visit.desk, actor, kind, reason)

        return await self._page.change(work, "Retries are off.", "Retries stay on.")

    async def _on(self, kind: str | None) -> None:
        async def work(actor: Actor) -> None:
            await switches.switch_on(self._page.visit.desk, actor, kind)

        await self._page.change(work, "Retries are on again.", "Retries stay off.")
