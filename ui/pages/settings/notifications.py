"""Settings: where people are told what happened: the workspace's channels, one's own, and this browser."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from services.errors import MulliganError
from services.notifications import channels
from services.notifications.channels import Wanted
from services.notifications.courier import Answer
from services.notifications.tables import Channel
from services.people.access import Actor
from ui.components.browser_notices import NoticeSwitch
from ui.components.channel_dialog import ChannelDialog
from ui.components.channel_list import Deeds, draw_channels, key_of
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.section import Section
from ui.pages.settings.section import Work, card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage

_SHARED_LEAD = "Told of everybody's jobs in this workspace."
_OWN_LEAD = "Told of the jobs that you may see, or of your own alone. Nobody else sees these channels."


class _Channels:
    """A list of channels, and the way to one more."""

    def __init__(self, label: str, empty: str, add: Callable[[], None]) -> None:
        self._label = label
        self._empty = Tag("p", empty, "muted hidden")
        self._list = Section(classes="channels-holder")
        button = Tag("button", "Add a channel", "btn", type="button", data_icon="add")
        button.put(aria_label=f"Add a channel: {label.lower()}")
        button.on("click", add, args=[])

    def show(self, found: Sequence[Channel], deeds: Deeds, testing: frozenset[UUID]) -> None:
        """These, where they differ from what stands there; those in `testing` are being tried."""
        self._empty.dress("hidden" if found else "muted")
        key = (key_of(found), testing)
        self._list.show(key, lambda: draw_channels(found, deeds, self._label, testing), visible=bool(found))


class NotificationsSection:
    """Three cards; the first is for admins."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._testing: set[UUID] = set()
        self._deeds = Deeds(self._test, self._edit, self._turn, self._ask_remove)
        self._shared_card = card("The workspace's channels", _SHARED_LEAD)
        with self._shared_card:
            self._shared = _Channels(
                "The workspace's channels", "There is none yet.", lambda: self._add(own=False)
            )
        with card("Your channels", _OWN_LEAD):
            self._own = _Channels("Your channels", "You have none yet.", lambda: self._add(own=True))
        with card("This browser", "For your own jobs, without an address of any service."):
            NoticeSwitch(lambda on: page.tell_browser(on=on))
        kinds = [kind.name for kind in page.visit.desk.kinds if not kind.name.startswith("system.")]
        self._dialog = ChannelDialog(kinds)

    async def refresh(self, actor: Actor) -> None:
        """Reads the channels."""
        found = await channels.list_channels(self._page.visit.desk, actor)
        self._shared_card.dress("card" if actor.is_admin else "hidden")
        testing = frozenset(self._testing)
        for view, is_own in ((self._shared, False), (self._own, True)):
            view.show([one for one in found if (one.owner_id is not None) is is_own], self._deeds, testing)

    def _add(self, *, own: bool) -> None:
        async def save(wanted: Wanted) -> str | None:
            async def work(actor: Actor) -> None:
                await channels.make(self._page.visit.desk, actor, wanted, for_workspace=not own)

            return await self._saved(work, "The channel was added. Send a test to see whether it arrives.")

        self._dialog.ask(None, save, own=own)

    async def _edit(self, channel: Channel) -> None:
        async def save(wanted: Wanted) -> str | None:
            async def work(actor: Actor) -> None:
                await channels.change(self._page.visit.desk, actor, channel.id, wanted)

            return await self._saved(work, "The channel was changed.")

        self._dialog.ask(channel, save, own=channel.owner_id is not None)

    async def _turn(self, channel: Channel) -> None:
        async def work(actor: Actor) -> None:
            await channels.change(self._page.visit.desk, actor, channel.id, Wanted(is_on=not channel.is_on))

        said = "off: what waited to be sent is dropped" if channel.is_on else "on"
        await self._page.change(work, f"{channel.name} is {said}.")

    async def _test(self, channel: Channel) -> None:
        answers: list[Answer] = []

        async def work(actor: Actor) -> None:
            answers.append(await channels.try_out(self._page.visit.desk, actor, channel.id))

        if channel.id in self._testing:
            return
        self._testing.add(channel.id)
        self._page.frame.announce(f"Sending a test to {channel.name}")
        await self._page.refresh()
        try:
            if not await self._page.do(work, trouble="No test was sent."):
                return
        finally:
            self._testing.discard(channel.id)
            await self._page.refresh()
        if answers[0].ok:
            self._page.frame.toasts.success(f"{channel.name} has taken the test.")
        else:
            self._page.frame.toasts.error(f"The test did not get through to {channel.name}.", answers[0].said)

    async def _ask_remove(self, channel: Channel) -> None:
        text = (
            "What waits to be sent there is dropped. Its address has to be written out again for a new one."
        )
        self._page.confirm.ask(
            Question(f"Remove {channel.name}?", text, "Remove", icon="delete"), lambda: self._remove(channel)
        )

    async def _remove(self, channel: Channel) -> None:
        async def work(actor: Actor) -> None:
            await channels.remove(self._page.visit.desk, actor, channel.id)

        await self._page.change(work, f"{channel.name} was removed.")

    async def _saved(self, work: Work, done: str) -> str | None:
        """What is wrong stands in the dialog, beside what has to be mended."""
        wrong: list[str] = []

        async def told(actor: Actor) -> None:
            try:
                await work(actor)
            except MulliganError as error:
                wrong.append(error.message)

        if not await self._page.do(told):
            return "It was not saved."
        if wrong:
            return wrong[0]
        self._page.frame.toasts.success(done)
        await self._page.refresh()
        return None
