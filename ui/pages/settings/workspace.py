"""Settings: the workspace's name, and how long jobs are kept. For admins."""

from typing import TYPE_CHECKING

from nicegui import ui

from services.jobs import retention
from services.models import Workspace
from services.people import workspaces
from services.people.access import Actor
from ui.components import wording
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.section import Section
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage


class WorkspaceSection:
    """Two cards."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._workspace: Workspace | None = None
        with card("Name"):
            with Tag("div", classes="switch-form set-name"):
                self._name = ui.input("Name of the workspace").props("outlined dense maxlength=100")
                save = Tag("button", "Save", "btn primary", type="button")
            self._address = Tag("p", "", "muted set-hint")
        lead = "Ended jobs can be removed after a while, with their files. Figures, the ledger and the audit log stay."
        with card("How long jobs are kept", lead):
            self._state = Section(classes="set-now")
            with Tag("div", classes="switch-form set-keep"):
                self._days = ui.input("Days after the end").props(
                    "outlined dense inputmode=numeric maxlength=4"
                )
                set_days = Tag("button", "Set", "btn", type="button")
                self._for_ever = Tag("button", "Keep for ever", "hidden", type="button")
            self._wrong = Tag("p", "", "hidden", role="alert")
        save.on("click", self._rename, args=[])
        self._name.on("keydown.enter", self._rename, args=[])
        set_days.on("click", self._ask_days, args=[])
        self._days.on("keydown.enter", self._ask_days, args=[])
        self._for_ever.on("click", self._keep, args=[])

    async def refresh(self, actor: Actor) -> None:
        """Reads the workspace; what somebody is typing stays."""
        workspace = await workspaces.get_workspace(self._page.visit.desk, actor)
        if self._workspace is None or self._workspace.name != workspace.name:
            self._name.set_value(workspace.name)
        self._workspace = workspace
        self._address.say(f"In addresses and in the shell it is {workspace.slug}, which stays.")
        days = workspace.retention_days
        self._state.show(days, lambda: _draw_state(days))
        self._for_ever.dress("btn" if days else "hidden")

    async def _rename(self) -> None:
        async def work(actor: Actor) -> None:
            await workspaces.rename(self._page.visit.desk, actor, self._name.value or "")

        await self._page.change(work, "The name is saved. Pages show it when they are loaded again.")

    async def _ask_days(self) -> None:
        text = str(self._days.value or "").strip()
        days = int(text) if text.isascii() and text.isdigit() else 0
        count: list[int] = []

        async def look(actor: Actor) -> None:
            count.append(await retention.would_go(self._page.visit.desk, actor, days))

        self._wrong.dress("hidden")
        if not days:
            self._wrong.say("Say how many days, as a whole number.")
            self._wrong.dress("alert set-wrong")
            return
        if not await self._page.do(look):
            return
        question = Question(
            f"Remove jobs {wording.plural(days, 'day')} after they have ended?",
            f"{_now_gone(count[0])} Every other follows when its time comes. Removed jobs do not come back.",
            "Remove old jobs",
            icon="auto_delete",
        )

        async def work(actor: Actor) -> None:
            await workspaces.keep_for(self._page.visit.desk, actor, days)
            self._days.set_value("")

        self._page.ask(question, work, f"Jobs are kept for {wording.plural(days, 'day')}.")

    async def _keep(self) -> None:
        async def work(actor: Actor) -> None:
            await workspaces.keep_for(self._page.visit.desk, actor, None)

        await self._page.change(work, "Jobs are kept for ever.")


def _draw_state(days: int | None) -> None:
    if days is None:
        Tag("p", "Jobs are kept for ever.", "set-state", data_icon="all_inclusive")
    else:
        words = f"Jobs are removed {wording.plural(days, 'day')} after they have ended."
        Tag("p", words, "set-state on", data_icon="auto_delete")


def _now_gone(count: int) -> str:
    if not count:
        return "No job is that old yet."
    if count > retention.COUNTED:
        return f"More than {wording.number(retention.COUNTED)} jobs are that old, and go now."
    words = wording.plural(count, "job")
    return f"{words} {'is' if count == 1 else 'are'} that old, and {'goes' if count == 1 else 'go'} now."
