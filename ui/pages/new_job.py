"""`/new`: choose a kind, fill in what it takes, start."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services.errors import Invalid, MulliganError
from services.jobs import submission
from services.jobs.suggestions import suggest
from services.kinds import JobKind
from services.models import Job
from services.operations.waiting import would_wait
from services.people.access import Actor
from ui.components.args_form import ArgsForm, WrongInput, by_field
from ui.components.args_schema import ArgField, Shape, arg_fields, filled_in
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.pages.open_page import OpenPage
from ui.pages.route import page_at
from ui.visit import Visit, Web, enter

_HIDDEN_KINDS = "system."
_DEMO_KINDS = "demo."
_START = "Start job"
# On a phone the cards fill the screen: the form that one has chosen must not begin below it.
_IN_SIGHT = """const form = document.getElementById("kind-form");
if (form.getBoundingClientRect().top > innerHeight * 0.6) form.scrollIntoView({block: "start"});"""


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/new", "New job")
    async def new_job_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        asked = request.query_params
        await NewJobPage(visit, asked.get("kind"), asked.get("artifact")).begin()
        return None


class NewJobPage(OpenPage):
    """The kinds as cards, an address to find the right one by, and the form of the chosen one."""

    def __init__(self, visit: Visit, kind: str | None, artifact: str | None = None) -> None:
        super().__init__(visit, "Jobs")
        kinds = [k for k in visit.desk.kinds if not k.name.startswith(_HIDDEN_KINDS)]
        self._kinds = sorted(kinds, key=lambda k: k.name.startswith(_DEMO_KINDS))  # to play with: last
        self._cards: dict[str, Tag] = {}
        self._missing: dict[str, Tag] = {}
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
            self._draw_address()
            self._draw_cards()
            self._holder = Tag("div", id="kind-form")
            self._draw_started()
        first = next((k for k in self._kinds if k.name == kind), None)
        if first:
            self._choose(first)
        elif self._kinds:
            with self._holder:
                text = "Each kind says what it takes: a file, an address, or a few words."
                Empty().say("Choose what is to be done", text, icon="touch_app")

    async def refresh(self) -> None:
        """Says of each kind of which nothing would begin now, why: its jobs would wait."""
        if not self._missing:
            return
        waits = await would_wait(self.visit.desk, self.actor)
        for kind in self._kinds:
            why = waits.get(kind.name)
            self._missing[kind.name].say(f"{why}: a job would wait." if why else "")

    # --- parts --------------------------------------------------------------------------------------------------------

    def _draw_started(self) -> None:
        with Tag(
            "section", classes="card started hidden", aria_label="Started", id="started"
        ) as self._started:
            self._started_words = Tag("p", "", "strong", role="status", data_icon="check_circle")
            self._started_list = Tag("ul")

    def _draw_address(self) -> None:
        if not any(kind.address_field for kind in self._kinds):
            return
        with Tag("div", classes="field address"):
            found = ui.input("Paste an address to find the right kind (optional)")
            found.props(
                "outlined dense clearable autocomplete=off maxlength=10000 aria-describedby=address-words"
            )
            found.on_value_change(lambda e: self._suggest(str(e.value or "")))
            self._address_words = Tag("div", "", "hint", id="address-words", role="status")

    def _draw_cards(self) -> None:
        if not self._kinds:
            text = "Name a module with kinds in MULLIGAN_KINDS and start Mulligan again."
            Empty().say("No kinds of jobs", text, icon="extension")
            return
        with Tag("div", classes="kinds", role="group", aria_label="Kind"):
            for kind in self._kinds:
                with (
                    Tag(
                        "button", classes="kind-card", type="button", data_icon=kind.icon, aria_pressed="false",
                    ) as card,
                    Tag("span"),
                ):  # fmt: skip
                    Tag("strong", kind.title)
                    Tag("span", kind.name, "mono muted")
                    self._missing[kind.name] = Tag("span", "", "missing")
                card.on("click", lambda kind=kind: self._choose_card(kind), args=[])
                self._cards[kind.name] = card

    def _choose_card(self, kind: JobKind) -> None:
        self._choose(kind)
        _ = ui.run_javascript(_IN_SIGHT)

    def _suggest(self, address: str) -> None:
        found = suggest(self._kinds, address)
        for name, card in self._cards.items():
            card.dress("kind-card suits" if name in {kind.name for kind in found} else "kind-card")
        if not address.strip():
            self._address_words.say("")
        elif not found:
            self._address_words.say("No kind is made for this. Choose one below.")
        else:
            others = ", ".join(kind.title for kind in found[1:])
            self._address_words.say(f"{found[0].title}." + (f" Also possible: {others}." if others else ""))
            self._choose(found[0], address.strip())

    def _choose(self, kind: JobKind, address: str | None = None) -> None:
        if kind is self._chosen and address is None:
            return
        self._chosen = kind
        for name, card in self._cards.items():
            card.put(aria_pressed="true" if name == kind.name else "false")
        self._holder.clear()
        fields = self._fields(kind)
        if address and kind.address_field:
            fields = filled_in(fields, {kind.address_field: address})
        takes_files = any(field.shape is Shape.FILE and field.required for field in fields)
        with self._holder, Tag("section", classes="card", aria_label=kind.title):
            for artifact in self._given(kind).values():
                with Tag("p", classes="refused info", data_icon="link"):
                    Tag("span", f"Works on {artifact.partition('/')[2]}, which another job has made.")
            self._form = ArgsForm(fields, self.upload_url, several=takes_files, on_files=self._count_files)
            with Tag("div", classes="field"):
                self._title = ui.input("Title (optional)").props(
                    "outlined dense maxlength=300 autocomplete=off"
                )
                without = "the name of its file" if kind.upload_field else "one made from the above"
                Tag("div", f"What the job is called in the list. Empty: {without}.", "hint")
            self._problem = Tag("p", "", "alert hidden", role="alert")
            with Tag("div", classes="sheet-foot"):
                Tag("a", "Cancel", "btn plain", href=self.visit.link("/"))
                self._again = Tag(
                    "button", "Start, then another", "btn", type="button", data_icon="playlist_add"
                )
                self._start = Tag("button", _START, "btn primary", type="button", data_icon="play_arrow")
        self._files = 1
        self._start.on("click", lambda: self._submit(another=False), args=[])
        self._again.on("click", lambda: self._submit(another=True), args=[])

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

    def _count_files(self, files: int) -> None:
        self._files = max(files, 1)
        self._start.say(self._call)

    @property
    def _call(self) -> str:
        return _START if self._files == 1 else f"Start {self._files} jobs"

    # --- starting -----------------------------------------------------------------------------------------------------

    async def _submit(self, *, another: bool) -> None:
        form, kind = self._form, self._chosen
        if form is None or kind is None:
            return
        self._complain({})
        try:
            orders = form.orders()
        except WrongInput as error:
            self._complain(error.wrong)
            return
        self._wait(busy=True)
        if await self.do(lambda actor: self._carry_out(actor, kind, orders, another=another)):
            return
        self._wait(busy=False)

    async def _carry_out(
        self, actor: Actor, kind: JobKind, orders: Sequence[dict[str, Any]], *, another: bool
    ) -> None:
        jobs: list[Job] = []
        trouble: MulliganError | None = None
        for number, order in enumerate(orders, start=1):
            try:
                jobs.append(await self._start_one(actor, kind, order, number if len(orders) > 1 else None))
            except MulliganError as error:
                trouble = error
                break
        if jobs and not another and len(orders) == 1:
            ui.navigate.to(self.visit.link(f"/jobs/{jobs[0].id}"))
            return
        self._say_started(jobs)
        if self._form:
            self._form.forget(orders[: len(jobs)])
        self._wait(busy=False)
        if isinstance(trouble, Invalid):
            self._complain(by_field(trouble))
        elif trouble:
            self._complain({"": trouble.message})
            raise trouble

    async def _start_one(self, actor: Actor, kind: JobKind, order: dict[str, Any], number: int | None) -> Job:
        title = (self._title.value or "").strip() or None
        if title and number:
            title = f"{title} ({number})"
        return await submission.submit(
            self.visit.desk, actor, kind.name, order | self._given(kind), title=title
        )

    def _say_started(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        self._title.value = ""
        with self._started_list:
            for job in jobs:
                with Tag("li"):
                    Tag("a", job.title, "link", href=self.visit.link(f"/jobs/{job.id}"))
        count = len(self._started_list.default_slot.children)
        self._started_words.say("1 job is started." if count == 1 else f"{count} jobs are started.")
        self._started.dress("card started")
        _ = ui.run_javascript('document.getElementById("started").scrollIntoView({block: "nearest"})')

    def _complain(self, wrong: Mapping[str, str]) -> None:
        rest = self._form.complain(wrong) if self._form else None
        self._problem.say(rest or "")
        self._problem.dress("alert" if rest else "alert hidden")

    def _wait(self, *, busy: bool) -> None:
        self._start.say("Starting\N{HORIZONTAL ELLIPSIS}" if busy else self._call)
        self._start.dress("btn primary busy" if busy else "btn primary")
        for button in (self._start, self._again):
            button.put(disabled=True if busy else None)
