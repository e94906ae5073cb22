"""The periods that figures are told for, and the spans that their charts are made of. All of it in UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.insights.runs import start_of
from services.insights.tables import Grain


class Period(StrEnum):
    """How far back, the current hour or day included."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


@dataclass(frozen=True, slots=True)
class Spans:
    """A period as of some moment: so many spans of the same length, the last of which goes on."""

    grain: Grain
    length: timedelta
    starts: list[datetime]

    @property
    def since(self) -> datetime:
        """When the period begins."""
        return self.starts[0]

    @property
    def until(self) -> datetime:
        """When the last span will be over."""
        return self.starts[-1] + self.length

    def of(self, moment: datetime) -> datetime:
        """The start of the span that a moment falls into."""
        return self.starts[(moment - self.since) // self.length]


_SHAPES = {
    Period.DAY: (Grain.HOUR, timedelta(hours=1), 24),
    Period.WEEK: (Grain.HOUR, timedelta(hours=6), 28),
    Period.MONTH: (Grain.DAY, timedelta(days=1), 30),
    Period.QUARTER: (Grain.DAY, timedelta(days=1), 90),
}


def spans_of(period: Period, at: datetime) -> Spans:
    """The spans of the period that ends at a moment."""
    grain, length, count = _SHAPES[period]
    midnight = start_of(at, Grain.DAY)
    current = midnight + (at - midnight) // length * length
    return Spans(grain, length, [current - length * n for n in reversed(range(count))])
