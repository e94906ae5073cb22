"""What a plan says, drawn: the error before, what changes, what is reset and kept, what the checks found."""

import json
from typing import Any

from services.failures.tables import FailureMark
from services.policy import CheckResult
from services.retry.retrying import RetryPlan
from ui.components.element import Tag
from ui.components.moment import Moment

NOTHING_THERE = "nothing"


def draw_plan(plan: RetryPlan) -> None:
    """Everything but the choices."""
    if plan.error is not None:
        Tag("p", plan.error.message, "refused bad", role="alert")
    else:
        Tag("p", plan.dialog.text, "say")
    _draw_previous(plan)
    if plan.changes:
        with Tag("div", classes="box changes", style="margin-bottom:12px"):
            Tag("h3", "Will be changed", data_icon="edit")
            draw_changes(plan.changes)
    with Tag("div", classes="two"):
        _draw_list("Will be reset", "resets", "replay", plan.resets)
        _draw_list("Will be kept", "keeps", "lock", plan.keeps)
    _draw_checks([check for check in plan.checks if check.passed or check.error is not plan.error])


def draw_changes(changes: list[dict[str, Any]]) -> None:
    """Arguments that were edited: each with what it was and what it is."""
    with Tag("dl", classes="diff"):
        for change in changes:
            Tag("dt", str(change["path"]))
            with Tag("dd"):
                Tag("span", "was ", "sr-only")
                Tag("del", _in_words(change["before"]))
                Tag("span", " \N{RIGHTWARDS ARROW} ", aria_hidden="true")
                Tag("span", ", is ", "sr-only")
                Tag("ins", _in_words(change["after"]))


def _in_words(value: Any) -> str:
    match value:
        case None | "":
            return NOTHING_THERE
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _draw_previous(plan: RetryPlan) -> None:
    if not plan.previous_error and not plan.advice and not plan.note:
        return
    odds = (
        f"Retries after this error: {plan.odds.succeeded} of {plan.odds.tried} succeeded."
        if plan.odds
        else None
    )
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
        if plan.note:
            draw_note(plan.note)


def draw_note(mark: FailureMark) -> None:
    """What somebody wrote on a failure, who, and when."""
    with Tag("div", classes="note-line", data_icon="sticky_note_2"), Tag("div"):
        Tag("span", mark.note, "note-text")
        with Tag("span", classes="muted"):
            Tag("span", f" \N{EM DASH} {mark.note_by}, ")
            Moment(mark.note_at, "ago")


def _draw_list(title: str, css: str, icon: str, lines: list[str]) -> None:
    with Tag("div", classes=f"box {css}"):
        Tag("h3", title, data_icon=icon)
        with Tag("ul"):
            for line in lines:
                Tag("li", line)


def _draw_checks(checks: list[CheckResult]) -> None:
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
