"""`/new`: choose a kind, fill in what it takes, start."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services.errors import Invalid, MulliganError, NotFound
from services.jobs import submission
from services.kinds import JobKind
from services.people.access import Actor
from ui.components.args_form import ArgsForm, WrongInput, by_field
from ui.components.args_schema import ArgField, arg_fields
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.pages.not_found import not_found
from ui.pages.open_page import BUILD_SECONDS, OpenPage
from ui.visit import Unauthenticated, Visit, Web, enter, to_sign_in

_HIDDEN_KINDS = "system."
_DEMO_KINDS = "demo."


def install(web: Web) -> None:
    """Adds the page to this process."""

    @ui.page("/new", title="New job · Mulligan", response_timeout=BUILD_SECONDS)
    async def new_job_page(request: Request) -> Response | None:
        try:
            visit = await enter(web, request)
        except Unauthenticated:
            return to_sign_in(request)
        except NotFound:
            return not_found("There is no such workspace here.")
        asked = request.query_params
        page = NewJobPage(visit, asked.get("kind"), asked.get("artifact"))
        page.open()
        await page.show_figures()
        return None


class NewJobPage(OpenPage):
    """The kinds as cards, and the form of the chosen one."""

    def __init__(self, visit: Visit, kind: str | None, artifact: str | None = None) -> None:
        super().__init__(visit, "Jobs")
        kinds = [k for k in visit.desk.kinds if not k.name.startswith(_HIDDEN_KINDS)]
        self._kinds = sorted(kinds, key=lambda k: k.name.startswith(_DEMO_KINDS))  # to play with: last
        self._cards: dict[str, Tag] = {}
        self._artifact = artifact
        """A file of another job's output, for the kind that the page was asked for."""
        self._asked_for = kind
        self._form: ArgsForm | None = None
        self._chosen: JobKind | None = None
        with self.frame.main, Tag("div", classes="narrow"):
            with Tag("div", classes="page-head"):
                Tag("a", classes="back", href=visit.link("/"), aria_label="All jobs", data_icon="arrow_back")
                Tag("h1", "New job")
            if not visit.actor.may_change:
                text = "Ask an admin of this workspace for another role."
                Empty().say("Viewers only look", text, icon="visibility", link=("All jobs", visit.link("/")))
                return
            self._draw_cards()
            self._holder = Tag("div")
        first = next((k for k in self._kinds if k.name == kind), self._kinds[0] if self._kinds else None)
        if first:
            self._choose(first)

    def _draw_cards(self) -> None:
        if not self._kinds:
            text = "Name a module with kinds in MULLIGAN_KINDS and start Mulligan again."
            Empty().say("No kinds of jobs", text, icon="extension")
            return
        with Tag("div", classes="kinds", role="group", aria_label="Kind"):
            for kind in self._kinds:
                with (
                    Tag(
                        "button",
                        classes="kind-card",
                        type="button",
                        data_icon=kind.icon,
                        aria_pressed="false",
                    ) as card,
                    Tag("span"),
                ):
                    Tag("strong", kind.title)
                    Tag("span", kind.name, "mono muted")
                card.on("click", lambda kind=kind: self._choose(kind), args=[])
                self._cards[kind.name] = card

    def _choose(self, kind: JobKind) -> None:
        if kind is self._chosen:
            return
        self._chosen = kind
        for name, card in self._cards.items():
            card.put(aria_pressed="true" if name == kind.name else "false")
        self._holder.clear()
        with self._holder, Tag("section", classes="card", aria_label=kind.title):
            for artifact in self._given(kind).values():
                with Tag("p", classes="refused info", data_icon="link"):
                    Tag("span", f"Works on {artifact.partition('/')[2]}, which another job has made.")
            self._form = ArgsForm(self._fields(kind), self.upload_url)
            with Tag("div", classes="field"):
                self._title = ui.input("Title (optional)").props(
                    "outlined dense maxlength=300 autocomplete=off"
                )
                without = "the name of its file" if kind.upload_field else "one made from the above"
                Tag("div", f"What the job is called in the list. Empty: {without}.", "hint")
            self._problem = Tag("p", "", "alert hidden", role="alert")
            with Tag("div", classes="sheet-foot"):
                Tag("a", "Cancel", "btn plain", href=self.visit.link("/"))
                self._start = Tag("button", "Start job", "btn primary", type="button", data_icon="play_arrow")
        self._start.on("click", self._submit, args=[])

    async def _submit(self) -> None:
        form, kind = self._form, self._chosen
        if form is None or kind is None:
            return
        self._complain({})
        try:
            values = form.values()
        except WrongInput as error:
            self._complain(error.wrong)
            return
        self._wait(busy=True)
        if not await self.do(lambda actor: self._carry_out(actor, kind, values)):
            self._wait(busy=False)

    async def _carry_out(self, actor: Actor, kind: JobKind, values: dict[str, Any]) -> None:
        values |= self._given(kind)
        try:
            job = await submission.submit(
                self.visit.desk, actor, kind.name, values, title=self._title.value or None
            )
        except Invalid as error:
            self._complain(by_field(error))
            self._wait(busy=False)
            return
        except MulliganError as error:
            self._complain({"": error.message})
            raise
        ui.navigate.to(self.visit.link(f"/jobs/{job.id}"))

    def _given(self, kind: JobKind) -> dict[str, str]:
        """The argument with the file that the page was asked to work on, where the kind is the one asked for."""
        if self._artifact is None or kind.name != self._asked_for or kind.artifact_field is None:
            return {}
        return {kind.artifact_field: self._artifact}

    def _fields(self, kind: JobKind) -> list[ArgField]:
        """What is asked: for a kind that takes an upload or a file of another job, one of them is given, not both."""
        fields = arg_fields(kind.args_model.model_json_schema(), kind.upload_field)
        if kind.artifact_field is None:
            return fields
        given = {kind.artifact_field, *([kind.upload_field] if self._given(kind) else [])}
        asked = [field for field in fields if field.name not in given]
        return [replace(f, required=True) if f.name == kind.upload_field else f for f in asked]

    def _complain(self, wrong: Mapping[str, str]) -> None:
        rest = self._form.complain(wrong) if self._form else None
        self._problem.say(rest or "")
        self._problem.dress("alert" if rest else "alert hidden")

    def _wait(self, *, busy: bool) -> None:
        self._start.say("Starting\N{HORIZONTAL ELLIPSIS}" if busy else "Start job")
        self._start.dress("btn primary busy" if busy else "btn primary")
        self._start.put(disabled=True if busy else None)
