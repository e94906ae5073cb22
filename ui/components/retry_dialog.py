"""The confirmation of a retry: everything that it would do, before anybody does it. One a page, filled per job."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from nicegui import ui

from services.retry.retrying import RetryPlan, Wish
from ui.components import wording
from ui.components.element import Tag
from ui.components.plan_view import draw_plan
from ui.components.upload_field import UploadField
from ui.components.when_field import WhenField

Confirm = Callable[[RetryPlan, Wish], Awaitable[None]]
Replan = Callable[[UUID, Wish], Awaitable[RetryPlan | None]]
Edit = Callable[[UUID], Awaitable[None]]

_BEGINNING = "The beginning"
_LATER = "Schedule retry"


class RetryDialog:
    """Shows a `RetryPlan`. Enter confirms what is allowed, Esc closes, the focus goes in and comes back."""

    def __init__(self, on_confirm: Confirm, on_replan: Replan, on_edit: Edit, upload_url: str) -> None:
        self._on_confirm = on_confirm
        self._on_replan = on_replan
        self._on_edit = on_edit
        self._upload_url = upload_url
        self._plan: RetryPlan | None = None
        self._when: WhenField | None = None
        with ui.dialog().props("transition-duration=120 aria-labelledby=retry-title") as self._dialog:
            with Tag("div", classes="sheet") as self._sheet:
                with Tag("div", classes="sheet-head", data_icon="replay"), Tag("div"):
                    self._title = Tag("h2", "Retry this job?", id="retry-title")
                    self._sub = Tag("div", classes="sub")
                self._body = Tag("div", aria_live="polite")
                with Tag("div", classes="sheet-foot"):
                    self._edit = Tag("button", "Edit\N{HORIZONTAL ELLIPSIS}", "hidden", type="button")
                    Tag("div", classes="grow")
                    self._hint = Tag("kbd", "Enter", "hide-small", aria_hidden="true")
                    cancel = Tag("button", "Cancel", "btn plain", type="button", id="retry-cancel")
                    self._other = Tag("button", "", "hidden", type="button")
                    self._confirm_button = Tag(
                        "button",
                        "Retry job",
                        "btn retry",
                        type="button",
                        data_icon="replay",
                        id="retry-confirm",
                    )
            # Enter confirms wherever the focus is, but for what has an Enter of its own.
            self._sheet.on(
                "keydown.enter",
                self._confirm,
                js_handler="(e) => { if (!e.target.matches('button, select, input, a, summary')) emit(); }",
            )
        cancel.on("click", self.close, args=[])
        self._confirm_button.on("click", self._confirm, args=[])
        self._other.on("click", self._go_another_way, args=[])
        self._edit.on("click", self._go_edit, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is looking at a plan."""
        return bool(self._dialog.value)

    def wait(self, title: str, kind: str, job_id: UUID) -> None:
        """Opens at once with a skeleton, while the plan is made."""
        self._plan = self._when = None
        self._title.say("Retry this job?")
        self._sub.say(f"{title} · {kind} · {wording.short_id(job_id)}")
        self._sheet.dress("sheet")
        self._enable(allowed=False, word="Retry job", variant="warning")
        self._other.dress("hidden")
        self._edit.dress("hidden")
        self._body.clear()
        with self._body:
            Tag("p", "Looking at what a retry would do\N{HORIZONTAL ELLIPSIS}", "sr-only")
            for width in ("100%", "70%", "85%", "60%"):
                Tag("div", classes="skeleton-line", style=f"width:{width};margin-bottom:14px")
        self._dialog.value = True

    def show(self, plan: RetryPlan) -> None:
        """Fills in the plan, and opens."""
        self._plan, self._when = plan, None
        self._title.say(plan.dialog.title)
        self._sub.say(f"{plan.title} · {plan.kind} · {wording.short_id(plan.job_id)}")
        self._sheet.dress("sheet info" if plan.dialog.variant == "info" else "sheet")
        self._enable(allowed=plan.allowed, word=plan.dialog.confirm, variant=plan.dialog.variant)
        self._offer_another_way(plan)
        self._offer_edit(plan)
        self._body.clear()
        with self._body:
            draw_plan(plan)
            if plan.replaceable:
                self._draw_upload()
            self._draw_steps(plan)
            if plan.allowed:
                self._when = WhenField(self._on_when, is_charged=plan.cost > 0)
        self._dialog.value = True
        self._take_focus(allowed=plan.allowed)

    def close(self) -> None:
        """Closes, and gives the focus back."""
        self._plan = None
        self._dialog.value = False

    # --- what people do -----------------------------------------------------------------------------------------------

    async def _confirm(self) -> None:
        if self._when and not self._when.is_complete:
            return
        # Taken once: a second click, or Enter after a click, finds no plan.
        plan, self._plan = self._plan, None
        if plan is None or not plan.allowed:
            self._plan = plan
            return
        self._dialog.value = False
        await self._on_confirm(plan, replace(plan.wish, at=self._when.at if self._when else None))

    async def _go_another_way(self) -> None:
        """On purpose, against what a check says; or as soon as something is back."""
        plan, self._plan = self._plan, None
        if plan is None:
            return
        wish = replace(plan.wish, force=True) if plan.can_force else replace(plan.wish, when_available=True)
        self._other.put(disabled=True)
        another = await self._on_replan(plan.job_id, wish)
        self._other.put(disabled=None)
        if not self.is_open:
            return
        if another is None or not another.allowed:
            self.show(another or plan)
            return
        self._dialog.value = False
        await self._on_confirm(another, another.wish)

    async def _go_edit(self) -> None:
        """With other arguments: the form takes this dialog's place."""
        plan, self._plan = self._plan, None
        if plan is not None:
            self._dialog.value = False
            await self._on_edit(plan.job_id)

    async def _replan(self, plan: RetryPlan, wish: Wish) -> None:
        """Shows the plan of another wish; the one before, where that cannot be had."""
        self._confirm_button.put(disabled=True)
        another = await self._on_replan(plan.job_id, wish)
        if self.is_open:
            self.show(another or plan)

    async def _choose_step(self, step: str | None) -> None:
        if self._plan is not None:
            await self._replan(self._plan, replace(self._plan.wish, from_step=step))

    def _on_when(self) -> None:
        plan, when = self._plan, self._when
        if plan is None or when is None:
            return
        is_later = when.at is not None or not when.is_complete
        word = _LATER if is_later else plan.dialog.confirm
        self._enable(allowed=plan.allowed and when.is_complete, word=word, variant=plan.dialog.variant)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _enable(self, *, allowed: bool, word: str, variant: str) -> None:
        self._confirm_button.say(word)
        self._confirm_button.dress("btn info" if variant == "info" else "btn retry")
        self._confirm_button.put(disabled=None if allowed else True)
        self._hint.dress("hide-small" if allowed else "hidden")

    def _offer_another_way(self, plan: RetryPlan) -> None:
        self._other.say("Retry anyway" if plan.can_force else "Retry when it is back")
        self._other.dress("btn danger" if plan.can_force else "btn" if plan.can_wait else "hidden")

    def _offer_edit(self, plan: RetryPlan) -> None:
        """Once: the form starts from the job's own arguments, and would forget what was edited before."""
        is_ours = plan.kind.startswith("system.")
        offered = plan.allowed and plan.args and not plan.changes and not is_ours
        self._edit.dress("btn plain" if offered else "hidden")

    def _take_focus(self, *, allowed: bool) -> None:
        target = "retry-confirm" if allowed else "retry-cancel"
        # Not `ui.run_javascript`: what was pressed may have been drawn anew meanwhile, and its slot is no more.
        _ = self._dialog.client.run_javascript(
            f'requestAnimationFrame(() => document.getElementById("{target}")?.focus({{preventScroll: true}}))'
        )

    def _draw_upload(self) -> None:
        with Tag("div", classes="again"):
            Tag("h3", "Upload it again and retry")
            field = UploadField(self._upload_url, "retry-upload", lambda: self._take_upload(field))

    async def _take_upload(self, field: UploadField) -> None:
        plan = self._plan
        if plan is None or plan.replaceable is None or field.upload_id is None:
            return
        await self._replan(plan, replace(plan.wish, args=plan.args | {plan.replaceable: field.upload_id}))

    def _draw_steps(self, plan: RetryPlan) -> None:
        choices = [choice for choice in plan.steps[1:] if choice.available]
        if not choices or plan.changes:  # what earlier steps made belongs to the old arguments
            return
        with Tag("div", classes="from"):
            Tag("label", "Start from", for_="retry-from")
            with Tag("select", classes="pick", id="retry-from") as select:
                Tag("option", _BEGINNING, value="", selected=True if plan.from_step is None else None)
                for choice in choices:
                    chosen = True if choice.name == plan.from_step else None
                    Tag("option", choice.name.capitalize(), value=choice.name, selected=chosen)
        select.on(
            "change", lambda e: self._choose_step(e.args or None), js_handler="(e) => emit(e.target.value)"
        )
