"""The figures of a period as cards and tables. Each says what it counts, and leads to the jobs behind it."""

from collections.abc import Callable, Mapping, Sequence

from services.insights.figures import Figures, RetriedError, Spread
from services.insights.odds import Odds
from services.vocabulary import Status
from ui.components import wording
from ui.components.element import Tag

Find = Callable[[str], str]
"""The address of the jobs that a search of theirs finds, within the period."""

_HELPS = 0.5


class FigureCard:
    """One figure, what it counts, and a line more."""

    def __init__(self, name: str, counts: str) -> None:
        with Tag("a", classes="card figure") as self._element:
            Tag("span", name, "figure-name")
            self._value = Tag("strong", classes="figure-value num")
            self._more = Tag("span", classes="figure-more num")
            Tag("span", counts, "figure-counts muted")

    def show(self, value: str, more: str, href: str) -> None:
        """Sets what differs."""
        self._value.say(value)
        self._more.say(more)
        self._element.put(href=href)


class FigureCards:
    """The figures of everything that is shown."""

    def __init__(self, find: Find) -> None:
        self._find = find
        with Tag("div", classes="figures"):
            self._runs = FigureCard("Runs", "Every run that ended; a retried job had several.")
            self._completed = FigureCard("Completed", "Runs that did what was asked.")
            self._retries = FigureCard("Retries that worked", "Of those that ended; cancelled ones left out.")
            self._waiting = FigureCard("Waiting", "From queued to taken by a worker: half of the runs.")
            self._running = FigureCard("Running", "From taken to ended: half of the runs.")
            self._to_retry = FigureCard(
                "Failure to retry", "Until somebody had it queued again: half of them."
            )
            self._credits = FigureCard("Credits used", "What these runs cost; refunds are taken off.")

    def show(self, total: Figures, days: float) -> None:
        """The figures as they are now."""
        find, runs, done = self._find, total.runs, total.ended[Status.COMPLETED]
        a_day = round(runs / days)
        self._runs.show(wording.number(runs), f"{wording.number(a_day)} a day" if days > 1 else "", find(""))
        self._completed.show(
            percent(done, runs), f"{wording.number(done)} of {wording.number(runs)}", find("status:completed")
        )
        tried, worked = total.retries.tried, total.retries.succeeded
        self._retries.show(
            percent(worked, tried),
            f"{wording.number(worked)} of {wording.number(tried)}" if tried else "none ended",
            find("attempts:>1"),
        )
        self._waiting.show(*_halves(total.waiting), find(""))
        self._running.show(*_halves(total.running), find(""))
        by_itself = total.to_auto_retry.p50
        half, most = _halves(total.to_retry)
        more = [
            most if total.to_retry.runs else "",
            f"by itself: {took(by_itself)}" if by_itself is not None else "",
        ]
        self._to_retry.show(
            half, " · ".join(filter(None, more)) or "nothing was retried", find("attempts:>1")
        )
        self._credits.show(wording.number(total.credits), "", find("attempts:>1"))


def draw_kinds(kinds: Mapping[str, Figures], find: Find) -> None:
    """A row for each kind that ran."""
    names = (
        "Kind", "Runs", "Completed", "Failed", "Waiting 50 · 95 %", "Running 50 · 95 %", "Retries that worked",
        "Credits",
    )  # fmt: skip
    with Tag("table", classes="figures-table", aria_label="By kind"):
        with Tag("thead"), Tag("tr"):
            for name in names:
                Tag("th", name, scope="col")
        with Tag("tbody"):
            for kind, figures in kinds.items():
                _draw_kind(kind, figures, names, find)


def _draw_kind(kind: str, figures: Figures, names: Sequence[str], find: Find) -> None:
    done, unsuccessful = (
        figures.ended[Status.COMPLETED],
        figures.ended[Status.FAILED] + figures.ended[Status.TIMEOUT],
    )
    with Tag("tr"):
        with Tag("th", scope="row"):
            Tag("a", kind, "link mono", href=find(f"kind:{kind}"))
        Tag("td", wording.number(figures.runs), "num", data_name=names[1])
        Tag("td", percent(done, figures.runs), "num", data_name=names[2])
        with Tag("td", classes="num", data_name=names[3]):
            if unsuccessful:
                href = find(f"kind:{kind} status:failed,timeout")
                Tag("a", wording.number(unsuccessful), "link", href=href)
            else:
                Tag("span", "0")
        Tag("td", _both(figures.waiting), "num", data_name=names[4])
        Tag("td", _both(figures.running), "num", data_name=names[5])
        _draw_odds(figures.retries, names[6])
        Tag("td", wording.number(figures.credits), "num", data_name=names[7])


def draw_errors(errors: Sequence[RetriedError], find: Find) -> None:
    """A row for each failure that was retried."""
    names = ("Failure", "Kind", "Retries that worked")
    with Tag("table", classes="figures-table errors", aria_label="Retries by failure"):
        with Tag("thead"), Tag("tr"):
            for name in names:
                Tag("th", name, scope="col")
        with Tag("tbody"):
            for error in errors:
                with Tag("tr"):
                    with Tag("th", scope="row"):
                        said = error.message or f"Of deleted jobs ({error.fingerprint})"
                        Tag("a", said, "link mono", href=find(f"after:{error.fingerprint}"))
                    Tag("td", error.kind, "muted mono", data_name=names[1])
                    _draw_odds(error.retries, names[2])


def _draw_odds(odds: Odds, name: str) -> None:
    share = odds.succeeded / odds.tried if odds.tried else 0
    with Tag("td", classes="num", data_name=name):
        if odds.tried:
            words = f"{wording.number(odds.succeeded)} of {wording.number(odds.tried)}"
            bar = Tag("div", words, f"barred under {'good' if share >= _HELPS else 'bad'}")
            bar.vary("--p", f"{100 * share:.0f}%")
        else:
            Tag("span", "none", "muted")


def percent(part: int, whole: int) -> str:
    """`64 %`; an en dash where there is nothing to divide by. Never rounded to all or nothing."""
    if not whole:
        return "\N{EN DASH}"
    share = 100 * part / whole
    shown = round(share) if part in {0, whole} else min(max(round(share), 1), 99)
    return f"{shown} %"


def took(seconds: float | None) -> str:
    """A percentile as precise as it is known: `0.4 s`, `12 s`, `3 min`."""
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 60:
        return wording.duration(float(f"{seconds:.2g}"))
    unit = 10 if seconds < 600 else 60
    return wording.duration(round(seconds / unit) * unit)


def _halves(spread: Spread) -> tuple[str, str]:
    return took(spread.p50), f"95 % within {took(spread.p95)}" if spread.runs else "no run had a worker"


def _both(spread: Spread) -> str:
    return f"{took(spread.p50)} · {took(spread.p95)}" if spread.runs else "\N{EN DASH}"
