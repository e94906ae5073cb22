"""The confirmation of a retry: everything that it would do, before anybody does it. One a page, filled per job."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from nicegui import ui

from services.policy import CheckResult
from services.retry import RetryPlan
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Moment

Confirm = Callable[[RetryPlan], Awaitable[None]]
Replan = Callable[[UUID, str | None], Awaitable[RetryPlan | None]]

_BEGINNING = "The beginning"


@dataclass(frozen=True)
class _Words:
    """The lines of a plan."""

    sub: str
    odds: str | None


class RetryDialog:
    """Shows a `RetryPlan`. Enter confirms what is allowed, Esc closes, the focus goes in and comes back."""

    def __init__(self, on_confirm: Confirm, on_from_step: Replan) -> None:
        self._on_confirm = on_confirm
        self._on_from_step = on_from_step
        self._plan: RetryPlan | None = None
        with ui.dialog().props("transition-duration=120 aria-labelledby=retry-title") as self._dialog:
            with Tag("div", classes="sheet") as self._sheet:
                with Tag("div", classes="sheet-head", data_icon="replay"), Tag("div"):
                    self._title = Tag("h2", "Retry this job?", id="retry-title")
                    self._sub = Tag("div", classes="sub")
                self._body = Tag("div", aria_live="polite")
                with Tag("div", classes="sheet-foot"):
                    self._hint = Tag("kbd", "Enter", "hide-small", aria_hidden="true")
                    cancel = Tag("button", "Cancel", "btn plain", type="button", id="retry-cancel")
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
                js_handler="(e) => { if (!e.target.matches('button, select, a, summary')) emit(); }",
            )
        cancel.on("click", self.close, args=[])
        self._confirm_button.on("click", self._confirm, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is looking at a plan."""
        return bool(self._dialog.value)

    def wait(self, title: str, kind: str, job_id: UUID) -> None:
        """Opens at once with a skeleton, while the plan is made."""
        self._plan = None
        self._title.say("Retry this job?")
        self._sub.say(f"{title} · {kind} · {wording.short_id(job_id)}")
        self._sheet.dress("sheet")
        self._enable(allowed=False, word="Retry job", variant="warning")
        self._body.clear()
        with self._body:
            Tag("p", "Looking at what a retry would do\N{HORIZONTAL ELLIPSIS}", "sr-only")
            for width in ("100%", "70%", "85%", "60%"):
                Tag("div", classes="skeleton-line", style=f"width:{width};margin-bottom:14px")
        self._dialog.value = True

    def show(self, plan: RetryPlan) -> None:
        """Fills in the plan, and opens."""
        self._plan = plan
        words = _words(plan)
        self._title.say(plan.dialog.title)
        self._sub.say(words.sub)
        self._sheet.dress("sheet info" if plan.dialog.variant == "info" else "sheet")
        self._enable(allowed=plan.allowed, word=plan.dialog.confirm, variant=plan.dialog.variant)
        self._body.clear()
        with self._body:
            if plan.error is not None:
                Tag("p", plan.error.message, "refused bad", role="alert")
            else:
                Tag("p", plan.dialog.text, "say")
            _previous(plan, words.odds)
            with Tag("div", classes="two"):
                _list("Will be reset", "resets", "replay", plan.resets)
                _list("Will be kept", "keeps", "lock", plan.keeps)
            _checks([check for check in plan.checks if check.passed or check.error is not plan.error])
            self._steps(plan)
        self._dialog.value = True
        self._take_focus(allowed=plan.allowed)

    def refuse(self, words: str) -> None:
        """Says why there is no plan."""
        self._plan = None
        self._enable(allowed=False, word="Retry job", variant="warning")
        self._body.clear()
        with self._body:
            Tag("p", words, "refused bad", role="alert")
        self._dialog.value = True

    def close(self) -> None:
        """Closes, and gives the focus back."""
        self._plan = None
        self._dialog.value = False

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _confirm(self) -> None:
        # Taken once: a second click, or Enter after a click, finds no plan.
        plan, self._plan = self._plan, None
        if plan is None or not plan.allowed:
            self._plan = plan
            return
        self._dialog.value = False
        await self._on_confirm(plan)

    async def _choose_step(self, step: str | None) -> None:
        if self._plan is None:
            return
        job_id = self._plan.job_id
        self._confirm_button.put(disabled=True)
        plan = await self._on_from_step(job_id, step)
        if plan is not None and self.is_open:
            self.show(plan)

    def _enable(self, *, allowed: bool, word: str, variant: str) -> None:
        self._confirm_button.say(word)
        self._confirm_button.dress("btn info" if variant == "info" else "btn retry")
        self._confirm_button.put(disabled=None if allowed else True)
        self._hint.dress("hide-small" if allowed else "hidden")

    def _take_focus(self, *, allowed: bool) -> None:
        target = "retry-confirm" if allowed else "retry-cancel"
        _ = ui.run_javascript(
            f'requestAnimationFrame(() => document.getElementById("{target}")?.focus({{preventScroll: true}}))'
        )

    def _steps(self, plan: RetryPlan) -> None:
        choices = [choice for choice in plan.steps[1:] if choice.available]
        if not choices:
            return
        with Tag("div", classes="from"):
            Tag("label", "Start from", for_="retry-from", style="margin:0")
            with Tag("select", classes="pick", id="retry-from") as select:
                Tag("option", _BEGINNING, value="", selected=True if plan.from_step is None else None)
                for choice in choices:
                    chosen = True if choice.name == plan.from_step else None
                    Tag("option", choice.name.capitalize(), value=choice.name, selected=chosen)
        select.on(
            "change", lambda e: self._choose_step(e.args or None), js_handler="(e) => emit(e.target.value)"
        )


def _words(plan: RetryPlan) -> _Words:
    odds = (
        f"Retries after this error: {plan.odds.succeeded} of {plan.odds.tried} succeeded."
        if plan.odds
        else None
    )
    return _Words(f"{plan.title} · {plan.kind} · {wording.short_id(plan.job_id)}", odds)


def _previous(plan: RetryPlan, odds: str | None) -> None:
    if not plan.previous_error and not plan.advice:
        return
    with Tag("div", classes="was"):
        with Tag("div", classes="first"):
            Tag("h3", "Previous error")
            with Tag("span", classes="muted"):
                Moment(plan.created_at, "datetime", "Created ")
                if plan.finished_at:
                    Moment(plan.finished_at, "ago", f" · {plan.status} ")
        Tag("div", plan.previous_error or "No message.", "err")
        if said := " ".join(filter(None, [odds, plan.advice])):
            Tag("div", said)


def _list(title: str, css: str, icon: str, lines: list[str]) -> None:
    with Tag("div", classes=f"box {css}"):
        Tag("h3", title, data_icon=icon)
        with Tag("ul"):
            for line in lines:
                Tag("li", line)


def _checks(checks: list[CheckResult]) -> None:
    with Tag("ul", classes="checks", aria_label="Checks"):
        for check in checks:
            css, icon, word = _check_look(check)
            with Tag("li", classes=css, data_icon=icon), Tag("span"):
                Tag("span", word, "sr-only")
                Tag("span", check.message)


def _check_look(check: CheckResult) -> tuple[str, str, str]:
    if check.passed:
        return "", "check_circle", "Passed: "
    return ("stop", "cancel", "Failed: ") if check.blocking else ("warn", "warning", "Warning: ")
