"""What an operator looks at: workers, queues, stuck jobs, and what is switched off."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol
from uuid import UUID

from services.models import Switch, Worker
from services.operations.queues import Queue
from services.operations.stuck import Stuck
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Moment

Do = Callable[[UUID], Coroutine[Any, Any, None]]


class Turn(Protocol):
    """A kind, or every one, is to be paused or resumed."""

    def __call__(self, kind: str | None, *, pause: bool) -> Coroutine[Any, Any, None]: ...


def draw_workers(workers: Sequence[Worker], running: Callable[[str], str]) -> None:
    """The workers that are online, and what each has; `running` leads to the jobs that one has now."""
    with _table("Workers online", ("Host", "Running", "Listens to", "Has", "Last heard")):
        for worker in workers:
            with Tag("tr"):
                with Tag("td", classes="who"):
                    Tag("div", worker.host)
                    Tag("div", f"{worker.name} · version {worker.version}", "muted mono")
                with Tag("td", classes="num"):
                    words = wording.plural(worker.running, "job")
                    Tag("a", words, "link", href=running(worker.name)) if worker.running else Tag(
                        "span", words
                    )
                Tag("td", ", ".join(worker.queues) or "default", "mono")
                with Tag("td"):
                    for name, version in sorted(worker.engines.items()):
                        words = f"{name} {version}" if version else f"no {name}"
                        Tag("div", words, "" if version else "muted")
                with Tag("td", classes="when"):
                    Moment(worker.seen_at, "ago")


def draw_queues(queues: Sequence[Queue], paused: Sequence[Switch], turn: Turn | None) -> None:
    """What waits in each, and who listens; kinds are paused and resumed there. Without `turn`, for who only looks."""
    by_kind = {one.kind: one for one in paused}
    with _table("Queues", ("Queue", "Waiting", "Oldest", "Workers", "Kinds")):
        for queue in queues:
            with Tag("tr"):
                Tag("td", queue.name, "who mono")
                Tag("td", f"{wording.number(queue.waiting)} waiting", "num")
                with Tag("td", classes="when"):
                    if queue.oldest:
                        Moment(queue.oldest, "ago")
                with Tag("td"):
                    if queue.workers:
                        Tag("span", wording.plural(queue.workers, "worker"), "num")
                    else:
                        Tag("span", "nobody listens", "lack", data_icon="warning_amber")
                with Tag("td"):
                    for kind in queue.kinds:
                        _kind_line(kind, by_kind.get(kind), turn)
                    for slots in queue.slots:
                        words = f"{slots.kind}: {slots.running} of {slots.limit} slots taken"
                        Tag("div", words, "num")


def _kind_line(kind: str, paused: Switch | None, turn: Turn | None) -> None:
    with Tag("div", classes="kind-line"):
        Tag("span", kind, "muted mono")
        if paused:
            Tag("span", _pause_words(paused), "paused", data_icon="pause_circle")
        if turn:
            _turn_button(kind, turn, paused=paused is not None)


def draw_all_paused(paused: Switch, turn: Turn | None) -> None:
    """Every kind is paused: who said so, and the way back."""
    with Tag("div", classes="notice-line", role="status", data_icon="pause_circle"):
        Tag(
            "span",
            f"Every kind is {_pause_words(paused)}. What runs goes on; what waits begins when they are resumed.",
        )
        Tag("span", classes="grow")
        if turn:
            _turn_button("", turn, paused=True)


def _pause_words(paused: Switch) -> str:
    return f"paused by {paused.by}" + (f": {paused.reason}" if paused.reason else "")


def _turn_button(kind: str, turn: Turn, *, paused: bool) -> None:
    word = "Resume" if paused else "Pause"
    button = Tag(
        "button", word, "btn small", type="button", data_icon="play_arrow" if paused else "pause",
        aria_label=f"{word} {kind or 'every kind'}",
    )  # fmt: skip
    button.on("click", lambda: turn(kind or None, pause=not paused), args=[])


def draw_stuck(found: Sequence[Stuck], link: Callable[[str], str], ring: Do | None, fail: Do | None) -> None:
    """Jobs that stay queued, with what can be done; without `ring` and `fail`, for who only looks."""
    with _table("Stuck jobs", ("Job", "Queued", "Why", "Kind", "Actions")):
        for one in found:
            with Tag("tr", data_job_id=str(one.job.id)):
                with Tag("td", classes="who"):
                    Tag("a", one.job.title, "link", href=link(f"/jobs/{one.job.id}"))
                with Tag("td", classes="when"):
                    Moment(one.job.queued_at, "ago")
                Tag("td", one.waiting.message)
                Tag("td", one.job.kind, "muted mono")
                with Tag("td", classes="deeds"):
                    if ring and fail:
                        _button("Ring again", "btn small", "notifications_active", ring, one.job.id)
                        _button("Fail", "btn small danger", None, fail, one.job.id)


def draw_switches(
    off: Sequence[Switch], switch_on: Callable[[str], Coroutine[Any, Any, None]] | None
) -> None:
    """What is switched off, why, and by whom."""
    with Tag("ul", classes="switches"):
        for switch in off:
            with Tag("li", data_icon="block"):
                with Tag("div"):
                    what = f"Retries of {switch.kind} are off" if switch.kind else "All retries are off"
                    Tag("strong", what)
                    Tag("div", switch.reason or "No reason was given.", "reason")
                    with Tag("div", classes="muted"):
                        Tag("span", f"by {switch.by} · ")
                        Moment(switch.at, "ago")
                if switch_on:
                    button = Tag("button", "Switch on", "btn small", type="button")
                    button.on("click", lambda kind=switch.kind: switch_on(kind), args=[])


def _table(label: str, names: Sequence[str]) -> Tag:
    """A table's head; the answer is its body, to be drawn in."""
    with Tag("table", classes="log-table ops", aria_label=label):
        with Tag("thead"), Tag("tr"):
            for name in names:
                Tag("th", name, scope="col")
        return Tag("tbody")


def _button(word: str, classes: str, icon: str | None, do: Do, job_id: UUID) -> None:
    button = Tag("button", word, classes, type="button", data_icon=icon)
    button.on("click", lambda: do(job_id), args=[])
