"""How runs ended over a period: a bar for each span, stacked by outcome, with a table for who cannot see it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from services.insights.figures import Bar
from services.vocabulary import Status
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Mode, Moment
from ui.components.section import Section

OUTCOMES = (Status.COMPLETED, Status.FAILED, Status.TIMEOUT, Status.CANCELLED)
"""From the ground up."""

Link = Callable[[datetime], str]
"""The address of the jobs that ended in the span that begins then."""


class InsightChart:
    """The bars are links, one lean element each. `show` sets what differs."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._bars: Sequence[Bar] = []
        self._columns: list[Tag] = []
        self._mode: Mode = "hour"
        with Tag("div", classes="chart-head"):
            Tag("h2", "What runs came to")
            Tag("div", classes="grow")
            self._readout = Tag("span", classes="chart-readout muted num")
            with self._readout:
                self._when = Moment(None, "hour")
                self._what = Tag("span")
            self._as_table = Tag(
                "button", "Table", "btn small", type="button", data_icon="table_rows", aria_expanded="false"
            )
        with Tag("div", classes="chart"):
            self._most = Tag("span", classes="chart-most muted num")
            # The table says the same to who cannot see this; a stop of the Tab key for each bar would help nobody.
            self._plot = Tag("div", classes="chart-plot", aria_hidden="true")
        with Tag("div", classes="chart-axis muted num", aria_hidden="true"):
            self._marks = [Moment(None, "hour") for _ in range(3)]
        self._table = Section(classes="chart-table")
        self._open = False
        self._as_table.on("click", self._toggle, args=[])

    def show(self, bars: Sequence[Bar], *, by_day: bool) -> None:
        """The bars as they are now."""
        self._bars = bars
        mode: Mode = "day" if by_day else "hour"
        if len(self._columns) != len(bars) or mode != self._mode:
            self._mode = mode
            self._build(len(bars))
        most = max((_total(bar.ended) for bar in bars), default=0)
        self._most.say(f"{wording.number(most)} at most" if most else "")
        for column, bar in zip(self._columns, bars, strict=True):
            column.put(href=self._link(bar.start))
            for name, value in _shape(bar.ended, most).items():
                column.vary(name, value)
        for mark, bar in zip(self._marks, (bars[0], bars[len(bars) // 2], bars[-1]), strict=True):
            mark.set_mode(mode)
            mark.point(bar.start)
        self._show_table()

    def _build(self, count: int) -> None:
        self._plot.clear()
        with self._plot:
            self._columns = [Tag("a", classes="column", tabindex="-1") for _ in range(count)]
        for number, column in enumerate(self._columns):
            column.on("mouseenter", lambda n=number: self._read_out(n), args=[])
        self._when.set_mode(self._mode)
        self._say(None)

    def _read_out(self, number: int) -> None:
        if number < len(self._bars):
            self._say(self._bars[number])

    def _say(self, bar: Bar | None) -> None:
        self._when.point(bar.start if bar else None)
        self._what.say(f" · {in_words(bar.ended)}" if bar else "")

    def _toggle(self) -> None:
        self._open = not self._open
        self._as_table.put(aria_expanded="true" if self._open else "false")
        self._show_table()

    def _show_table(self) -> None:
        key = tuple((bar.start, *bar.ended.values()) for bar in self._bars) if self._open else ()
        self._table.show(key, self._draw_table, visible=self._open)

    def _draw_table(self) -> None:
        with Tag("table", classes="figures-table", aria_label="What runs came to"):
            with Tag("thead"), Tag("tr"):
                for name in ("From", *(outcome.capitalize() for outcome in OUTCOMES)):
                    Tag("th", name, scope="col")
            with Tag("tbody"):
                for bar in reversed(self._bars):
                    with Tag("tr"):
                        with Tag("th", scope="row"), Tag("a", classes="link", href=self._link(bar.start)):
                            Moment(bar.start, self._mode)
                        for outcome in OUTCOMES:
                            Tag("td", wording.number(bar.ended[outcome]), "num")


def in_words(ended: Mapping[Status, int]) -> str:
    """`34 completed, 2 failed`."""
    said = [f"{wording.number(ended[outcome])} {outcome}" for outcome in OUTCOMES if ended[outcome]]
    return ", ".join(said) or "nothing ended"


def _total(ended: Mapping[Status, int]) -> int:
    return sum(ended.values())


def _shape(ended: Mapping[Status, int], most: int) -> dict[str, str]:
    """The height of a bar, and up to where each outcome reaches within it, as custom properties of CSS."""
    total = _total(ended)
    # What is there can be seen, however small.
    height = max(100 * total / most, 2) if total else 0
    edges = [
        100 * edge / total if total else 0 for edge in accumulate(ended[outcome] for outcome in OUTCOMES)
    ]
    names = ("--done", "--failed", "--late")
    return {"--h": f"{height:.1f}%"} | {
        name: f"{edge:.1f}%" for name, edge in zip(names, edges, strict=False)
    }
