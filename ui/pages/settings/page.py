"""`/settings` and `/settings/{section}`."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from ui.components.confirm_dialog import ConfirmDialog, Question
from ui.components.element import Tag
from ui.components.skeleton import Skeleton
from ui.pages.open_page import OpenPage
from ui.pages.plain import not_found
from ui.pages.route import page_at
from ui.pages.settings.section import SettingsSection, Work
from ui.pages.settings.sections import sections_of
from ui.visit import Visit, Web, enter

_EVERY_SECONDS = 10.0


def install(web: Web) -> None:
    """Adds the pages to this process."""

    @page_at("/settings", "Settings")
    async def settings_page(request: Request) -> Response | None:
        return await _open(web, request, None)

    @page_at("/settings/{section}", "Settings")
    async def section_page(request: Request, section: str) -> Response | None:
        return await _open(web, request, section)


async def _open(web: Web, request: Request, slug: str | None) -> Response | None:
    visit = await enter(web, request)
    section = next((one for one in sections_of(visit.actor) if slug in {None, one.slug}), None)
    if section is None:
        return not_found("There is no such page in the settings, or none for your role.")
    await SettingsPage(visit, section, request.query_params.get("cursor")).begin()
    return None


class SettingsPage(OpenPage):
    """One section, under the list of those that the person sees."""

    rereads_every = _EVERY_SECONDS  # most of what is set is told by no change of a job

    def __init__(self, visit: Visit, section: SettingsSection, cursor: str | None) -> None:
        super().__init__(visit, "Settings")
        self._section = section
        self.cursor = _key(cursor)
        """Where the shown part of a long list begins; None: at its start."""
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Settings")
                Tag("div", classes="grow")
                Tag("span", visit.actor.workspace_name, "muted only-small")
            with Tag("nav", classes="tabs set-tabs", aria_label="Settings"):
                for one in sections_of(visit.actor):
                    here = one.slug == section.slug
                    Tag(
                        "a", one.name, "tab current" if here else "tab", href=visit.link(f"/settings/{one.slug}"),
                        data_icon=one.icon, aria_current="page" if here else None,
                    )  # fmt: skip
            Tag("p", section.lead, "muted lead")
            with Tag("div", classes="settings"):
                self._view = section.build(self)
                self.skeleton = Skeleton((120,))
            self.confirm = ConfirmDialog()

    async def refresh(self) -> None:
        """Reads again; draws what has changed."""
        actor = await self.visit.renew()
        if not self._section.may(actor):
            words = "Your role does not show you this any more: somebody changed it."
            self._end("This is not yours to see any more", words, ("Go on", self.visit.link("/settings")))
        elif not self.ended:
            await self._view.refresh(actor)

    async def change(self, work: Work, done: str, trouble: str | None = None) -> bool:
        """Does what somebody asked for, says that it is done, and shows what there is then. True: it was done."""
        if not await self.do(work, trouble=trouble):
            return False
        self.frame.toasts.success(done)
        self.visit.web.live.shared.forget()
        await self.reread()
        return True

    def ask(self, question: Question, work: Work, done: str) -> None:
        """Asks first; `change` on yes."""

        async def then() -> None:
            await self.change(work, done)

        self.confirm.ask(question, then)

    def link(self, cursor: UUID | None = None) -> str:
        """The address of this section, or of the part of its list behind a key."""
        query = {"cursor": cursor.hex} if cursor else {}
        return self.visit.link(f"/settings/{self._section.slug}", **query)


def _key(text: str | None) -> UUID | None:
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        return None
