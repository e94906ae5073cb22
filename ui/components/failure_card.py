"""A group of failures: what went wrong, whether it is going on, and how often another chance has helped."""

import re
from collections.abc import Awaitable, Callable
from itertools import pairwise

from services.failures.groups import FailureGroup
from services.failures.tables import FailureMark
from services.vocabulary import FailureType
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Moment
from ui.components.plan_view import draw_note
from ui.components.section import Section

_HELPS = 0.5
# What differs between the jobs of a group stands as <n>, <url> and so on in its message.
_VARIABLE = re.compile(r"<(?:n|id|url|path|text)>")
_ADVICE = {
    FailureType.TRANSIENT: "It comes and goes: a retry may well work.",
    FailureType.PERMANENT: "It comes back as long as the input is the same.",
    FailureType.ENVIRONMENT: "Something is missing on the worker: fix that first.",
    FailureType.TIMEOUT: "It took too long: try when the workers are less busy, or with a smaller input.",
    FailureType.WORKER_LOST: "The worker was killed while it ran: look at its log and its memory.",
}


def said_by(group: FailureGroup) -> str:
    """What the group's jobs have in common to say, with a sign where they differ."""
    return _VARIABLE.sub("\N{HORIZONTAL ELLIPSIS}", group.message) or "No message"


def draw_previous(group: FailureGroup) -> None:
    """What is known of the mistake, for whoever is about to retry all of them."""
    tried, recovered = group.odds.tried, group.odds.succeeded
    with Tag("div", classes="was"):
        Tag("h3", "Previous error")
        Tag("div", said_by(group), "err")
        if tried:
            numbers = f"{wording.number(recovered)} of {wording.number(tried)}"
            Tag("p", f"Retries after this error: {numbers} succeeded.")
        if advice := _advice(group):
            Tag("p", advice)
        if group.mark and group.mark.note:
            draw_note(group.mark)


def _advice(group: FailureGroup) -> str:
    return group.advice or _ADVICE.get(group.type, "")


class FailureCard:
    """One group. `show` sets what differs."""

    def __init__(
        self,
        group: FailureGroup,
        jobs: str,
        on_retry: Callable[[], Awaitable[None]] | None,
        on_mark: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """`jobs` is the address of the group's jobs; without `on_retry` or `on_mark` there is no button for it."""
        with Tag("li", classes="card failure", data_fingerprint=group.fingerprint) as self.element:
            with Tag("div", classes="what"):
                with Tag("h2"):
                    Tag("span", said_by(group), "mono")
                    Tag("span", group.kind, "kind mono")
                with Tag("p"):
                    Tag("span", group.type.replace("_", " "), "pill type")
                    Tag("span", _advice(group))
                self._note = Section(classes="group-note")
                with Tag("div", classes="group-more"):
                    self._now = Tag("span", classes="hidden")
                    self._muted = Tag("span", classes="hidden")
                    if on_mark:
                        mark = Tag("button", "Note, mute\N{HORIZONTAL ELLIPSIS}", "link", type="button")
                        mark.on("click", on_mark, args=[])
            self._trend = Tag("div", classes="trend", role="img")
            with Tag("div", classes="many"):
                self._jobs = Tag("a", classes="link", href=jobs)
                self._last = Moment(group.last_seen, "ago", "last ")
                self._first = Moment(group.first_seen, "ago", "first ")
            with Tag("div", classes="odds"):
                self._bar = Tag("div", classes="barred", aria_hidden="true")
                self._odds = Tag("span")
            self._retry = Tag("button", "", "hidden", type="button", data_icon="replay")
            if on_retry:
                self._retry.on("click", on_retry, args=[])
        self._may_retry = on_retry is not None
        self.show(group)

    def show(self, group: FailureGroup) -> None:
        """The group as it is now."""
        self.group = group
        self._jobs.say(wording.plural(group.jobs, "job") if group.jobs else "none left")
        self._first.point(group.first_seen)
        self._show_now(group)
        self._show_mark(group)
        self._last.point(group.last_seen)
        self._retry.say(f"Retry {wording.number(group.jobs)}…")
        self._retry.dress("btn retry" if self._may_retry and group.jobs else "hidden")
        self.element.toggle("gone", on=group.jobs == 0 and not group.now.under_way)
        day = sum(group.trend)
        self._trend.put(
            aria_label=f"{wording.number(day)} in the last 24 hours, {wording.number(group.trend[-1])} in the last one",
            title=f"Last 24 hours: {wording.number(day)}",
        )
        self._trend.vary("--bars", bars(group.trend))
        tried, recovered = group.odds.tried, group.odds.succeeded
        share = recovered / tried if tried else 0
        self._bar.dress("barred good" if share >= _HELPS else "barred bad")
        self._bar.vary("--p", f"{100 * share:.0f}%")
        self._odds.say(
            f"{wording.number(recovered)} of {wording.number(tried)} retries recovered"
            if tried
            else "Not retried yet"
        )

    def _show_now(self, group: FailureGroup) -> None:
        said = []
        if group.now.under_way:
            said.append(f"{wording.number(group.now.under_way)} being retried now")
        if group.now.recovered:
            said.append(f"{wording.number(group.now.recovered)} recovered lately")
        self._now.say(" · ".join(said))
        self._now.dress("group-now" if said else "hidden")
        self._now.put(data_icon="autorenew" if group.now.under_way else "check_circle")

    def _show_mark(self, group: FailureGroup) -> None:
        mark = group.mark
        if mark and mark.note:
            self._note.show((mark.note, mark.note_by, mark.note_at), lambda: draw_note(mark))
        else:
            self._note.show(None, lambda: None, visible=False)
        self._muted.say(_muted_words(mark) if mark and group.muted else "")
        self._muted.dress("group-muted" if group.muted else "hidden")
        self._muted.put(data_icon="notifications_off")


def _muted_words(mark: FailureMark) -> str:
    until = "until it is unmuted"
    if mark.muted_above is not None:
        until = f"until it has more than {wording.number(mark.muted_above)} jobs"
    elif mark.muted_until is not None:
        until = f"until {mark.muted_until:%Y-%m-%d %H:%M} UTC"
    return f"Muted by {mark.muted_by} {until}"


def bars(values: tuple[int, ...]) -> str:
    """The bars as the outline of one element, in CSS: an element a bar would be 24 times as dear."""
    highest = max(values, default=0) or 1
    edges = [100 * n / len(values) for n in range(len(values) + 1)]
    points = ["0% 100%"]
    for value, (left, right) in zip(values, pairwise(edges), strict=True):
        top = 100 - max(100 * value / highest, 8) if value else 97
        end = right - (right - left) * 0.3
        points += [
            f"{left:.1f}% 100%",
            f"{left:.1f}% {top:.0f}%",
            f"{end:.1f}% {top:.0f}%",
            f"{end:.1f}% 100%",
        ]
    return f"polygon({', '.join([*points, '100% 100%'])})"
