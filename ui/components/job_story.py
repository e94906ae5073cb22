"""What a job has been through: its steps, its attempts, and the line of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.models import Attempt, Step
from services.vocabulary import TERMINAL, Status, StepStatus, Trigger
from ui.components import wording
from ui.components.copy_button import copies_block
from ui.components.element import Tag
from ui.components.moment import Moment
from ui.components.plan_view import draw_changes
from ui.theme import STATUS_LOOKS, look_css

_TRIGGERS = {
    Trigger.FIRST: "First run",
    Trigger.MANUAL: "Manual retry",
    Trigger.AUTO: "Automatic retry",
    Trigger.BATCH: "Batch retry",
    Trigger.RESCUE: "Rescue",
}
_RETRIED = {
    Trigger.MANUAL: "Retried",
    Trigger.AUTO: "Retried by itself",
    Trigger.BATCH: "Retried in a batch",
    Trigger.RESCUE: "Taken up again",
}


@dataclass(frozen=True)
class StepView:
    """A step, as a tile shows it."""

    number: int
    name: str
    css: str
    icon: str
    words: str


def step_views(names: Sequence[str], steps: Sequence[Step], status: Status) -> list[StepView]:
    """The steps that a kind declares, with what became of each in the latest run."""
    known = {step.name: step for step in steps}
    ordered = [*names, *(step.name for step in steps if step.name not in names)]
    return [_step_view(number, name, known.get(name), status) for number, name in enumerate(ordered, 1)]


def _step_view(number: int, name: str, step: Step | None, status: Status) -> StepView:
    title = name.replace("_", " ").capitalize()
    if step is None:
        over = "not needed" if status is Status.COMPLETED else "not reached"
        words = over if status in TERMINAL else "waiting"
        return StepView(number, title, "", "schedule", words)
    took = wording.span(step.started_at, step.finished_at)
    kept = " · checkpoint kept" if step.result is not None else ""
    match step.status:
        case StepStatus.COMPLETED:
            return StepView(number, title, "done", "check_circle", f"{took or 'done'}{kept}")
        case StepStatus.KEPT:
            return StepView(number, title, "kept", "lock", "kept from an earlier attempt")
        case StepStatus.FAILED if status is Status.CANCELLED:
            return StepView(number, title, "", "block", f"cancelled after {took}" if took else "cancelled")
        case StepStatus.FAILED:
            return StepView(number, title, "bad", "error", f"failed after {took}" if took else "failed")
        case StepStatus.RUNNING if status is Status.RUNNING:
            return StepView(number, title, "now", "", "running")
        case _:
            return StepView(number, title, "", "block", "interrupted")


def draw_steps(views: Sequence[StepView]) -> None:
    """The tiles, in order."""
    with Tag("ol", classes="steps", style="list-style:none;padding:0;margin:0"):
        for view in views:
            with Tag("li", classes=f"step {view.css}"):
                Tag("h3", f"{view.number} · {view.name}", data_icon=view.icon)
                Tag("p", view.words)


def draw_attempts(attempts: Sequence[Attempt]) -> None:
    """The runs, newest first, each with what went wrong."""
    for attempt in attempts:
        with Tag("article", classes="attempt", aria_label=f"Attempt {attempt.number}"):
            _attempt_head(attempt)
            if attempt.changes:
                draw_changes(attempt.changes)
            if attempt.error:
                Tag("div", attempt.error, "muted" if attempt.status is Status.CANCELLED else "err")
            if attempt.advice and attempt.error:
                Tag("div", attempt.advice, "muted")
            if attempt.traceback:
                _traceback(attempt.traceback)


def _attempt_head(attempt: Attempt) -> None:
    look = STATUS_LOOKS[attempt.status]
    by = f" by {attempt.requested_by}" if attempt.requested_by else ""
    cost = f" · {wording.plural(attempt.cost, 'credit')}" if attempt.cost and not attempt.void else ""
    from_step = f" from {attempt.from_step}" if attempt.from_step else ""
    with Tag("div", classes="head"):
        Tag("strong", f"#{attempt.number}")
        Tag("span", look.label, f"badge {look_css(attempt.status)}")
        Tag("span", f"{_TRIGGERS[attempt.trigger]}{by}{from_step}{cost}")
        if attempt.void:
            is_taken_back = attempt.status is Status.CANCELLED
            Tag("span", "taken back, not charged" if is_taken_back else "not queued, not charged", "muted")
        with Tag("span", classes="when"):
            Moment(attempt.finished_at or attempt.started_at or attempt.queued_at, "ago")
            took = wording.span(attempt.started_at, attempt.finished_at)
            rest = [f"ran {took}" if took else "", attempt.worker or ""]
            Tag("span", "".join(f" · {word}" for word in rest if word))


def _traceback(text: str) -> None:
    with Tag("details", classes="trace"):
        Tag("summary", "Traceback")
        with Tag("div", style="position:relative"):
            block = Tag("pre", text, "code", tabindex="0", aria_label="Traceback")
            copies_block(block, style="position:absolute;right:8px;top:14px;background:var(--surface)")


@dataclass(frozen=True)
class Event:
    """A point on the line of time."""

    at: datetime
    words: str
    css: str = ""


def timeline(created_at: datetime, owner: str, attempts: Sequence[Attempt]) -> list[Event]:
    """What happened, oldest first."""
    # What a record took the place of is older than the record.
    began = min([created_at, *(attempt.queued_at for attempt in attempts if attempt.number == 1)])
    events = [Event(began, f"Created by {owner}")]
    for attempt in sorted(attempts, key=lambda a: a.number):
        if attempt.trigger is not Trigger.FIRST:
            by = f" by {attempt.requested_by}" if attempt.requested_by else ""
            cost = f" · {wording.plural(attempt.cost, 'credit')}" if attempt.cost and not attempt.void else ""
            waits = attempt.status is Status.SCHEDULED
            word = "Retry scheduled" if waits else _RETRIED[attempt.trigger]
            events.append(Event(attempt.queued_at, f"{word}{by}{cost}", "again"))
        if attempt.started_at:
            on = f" on {attempt.worker}" if attempt.worker else ""
            events.append(Event(attempt.started_at, f"Attempt {attempt.number} started{on}"))
        if attempt.finished_at and attempt.status in TERMINAL:
            events.append(_ending(attempt.finished_at, attempt))
    return events


def _ending(at: datetime, attempt: Attempt) -> Event:
    if attempt.void and attempt.status is Status.CANCELLED:  # the job itself is as it had ended
        return Event(at, "Retry taken back")
    css = "good" if attempt.status is Status.COMPLETED else "bad" if attempt.error else ""
    word = "Timed out" if attempt.status is Status.TIMEOUT else attempt.status.capitalize()
    first_line = (attempt.error or "").split("\n", 1)[0]
    return Event(at, f"{word} · {first_line[:160]}" if first_line else word, css)


def draw_timeline(events: Sequence[Event]) -> None:
    """The points, oldest at the top."""
    with Tag("ol", classes="timeline", style="list-style:none;padding:0;margin:0"):
        for event in events:
            with Tag("li", classes=event.css):
                Moment(event.at, "time")
                Tag("div", event.words)
