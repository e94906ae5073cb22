"""Times as resumes write them, in English, German, French and Spanish: "03/2019 bis heute", "depuis mars 2020"."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from tasks.kinds.resume.words import folded

_MONTHS = (
    "january januar janner janvier enero jan janv ene",
    "february februar fevrier febrero feb fevr fev",
    "march marz mars marzo mar mrz maerz",
    "april avril abril apr avr abr",
    "may mai mayo",
    "june juni juin junio jun",
    "july juli juillet julio jul juil",
    "august aout agosto aug ago",
    "september septembre septiembre sept sep set",
    "october oktober octobre octubre oct okt",
    "november novembre noviembre nov",
    "december dezember decembre diciembre dec dez dic",
)
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_NAMES = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_PRESENT = (
    r"present|current|currently|now|today|ongoing|to date|date|heute|aktuell|jetzt|laufend|dato|"
    r"aujourd['’ ]?hui|ce jour|actuel|actuelle|actuellement|maintenant|en cours|"
    r"actualidad|la actualidad|presente|el presente|actual|actualmente|hoy|la fecha"
)
_YEAR = r"(?:19[5-9]\d|20[0-4]\d)"
_POINT = (
    rf"(?:(?P<d{{n}}>\d{{{{1,2}}}})[./](?P<dm{{n}}>\d{{{{1,2}}}})[./](?P<dy{{n}}>{_YEAR})"
    rf"|(?P<m{{n}}>0?[1-9]|1[0-2])\s?[./-]\s?(?P<my{{n}}>{_YEAR})"
    rf"|(?P<iy{{n}}>{_YEAR})[-/.](?P<im{{n}}>0[1-9]|1[0-2])(?!\d)"
    rf"|(?P<sm{{n}}>0[1-9]|1[0-2])/(?P<sy{{n}}>\d\d)(?![\d/])"
    rf"|(?P<name{{n}}>{_NAMES})\b\.?,?\s?(?:de\s|del\s)?['’]?(?P<ny{{n}}>{_YEAR})"
    rf"|(?P<y{{n}}>{_YEAR}))"
)
_TO = (
    r"\s*(?:-|–|—|−|\bto\b|\buntil\b|\btill\b|\bbis\b|\ba\b|\bau\b|\bal\b|\bhasta\b|\bjusqu['’]?(?:a|en)?\b)"
    r"\s*(?:zum\s|la\s|el\s|le\s|en\s)?"
)
_SINCE = r"\b(?:since|seit|ab|depuis|desde|from)\s+(?:le\s|el\s|dem\s)?"
_FROM = r"(?:\b(?:from|von|vom|de|du|desde|entre)\s+)?"
_RANGE = re.compile(
    rf"(?<![\w/.]){_FROM}{_POINT.format(n=1)}{_TO}(?:(?P<now>(?:{_PRESENT})\b)|{_POINT.format(n=2)}|(?P<short>\d\d)(?!\d))"
    rf"(?![\d/])"
)
_SHARED_YEAR = re.compile(
    rf"(?<![\w/.]){_FROM}(?P<name1>{_NAMES})\b\.?{_TO}(?P<name2>{_NAMES})\b\.?\s?(?:de\s|del\s)?(?P<year>{_YEAR})"
)
_OPEN = re.compile(rf"(?:{_SINCE}{_POINT.format(n=1)}|(?<![\w/.]){_POINT.format(n=2)}{_TO}$)(?![\d/])")
_SINGLE = re.compile(rf"(?<![\w/.]){_POINT.format(n=1)}(?![\d/])")

_MID_YEAR = 7


@dataclass(frozen=True, order=True)
class Point:
    """A year, and a month where one is written."""

    year: int
    month: int | None = None

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}" if self.month else str(self.year)


@dataclass(frozen=True)
class Period:
    """From a point to a point; `end` None: it goes on. `at` is where it stands in the line."""

    start: Point
    end: Point | None
    at: tuple[int, int]
    single: bool = False
    """One date alone."""

    def bounds(self, today: date) -> tuple[int, int]:
        """First and last month, counted from the year 0. A year alone begins and ends in its middle."""
        first = self.start.year * 12 + (self.start.month or _MID_YEAR) - 1
        if self.end is None:
            last = today.year * 12 + today.month - 1
        else:
            last = self.end.year * 12 + (self.end.month or _MID_YEAR - 1) - 1
        if self.end and self.end.year == self.start.year and not (self.end.month and self.start.month):
            last = first + 5
        return first, max(first, last)

    def months(self, today: date) -> int:
        """How long, in months; the first and the last count."""
        first, last = self.bounds(today)
        return last - first + 1


def find_period(line: str) -> Period | None:
    """The first period in a line, or the first date alone."""
    # The same length, so that places are the line's: a letter that folds to two is left alone.
    text = "".join(f if len(f := folded(char)) == 1 else (" " if char.isspace() else char) for char in line)
    for pattern, make in ((_RANGE, _range), (_SHARED_YEAR, _shared), (_OPEN, _open), (_SINGLE, _single)):
        for match in pattern.finditer(text):
            period = make(match)
            if period is not None:
                return period
    return None


def whole_months(periods: Iterable[Period], today: date) -> int:
    """All periods together in months; where they overlap, once."""
    total, covered = 0, -1
    for first, last in sorted(period.bounds(today) for period in periods):
        begin = max(first, covered + 1)
        total += max(0, last - begin + 1)
        covered = max(covered, last)
    return total


def _point(match: "re.Match[str]", n: int) -> Point | None:
    part = match.groupdict()
    for year, month in ((f"dy{n}", f"dm{n}"), (f"my{n}", f"m{n}"), (f"iy{n}", f"im{n}")):
        if part.get(year):
            number = int(part[month])
            return Point(int(part[year]), number) if 1 <= number <= 12 else None
    if short := part.get(f"sy{n}"):
        return Point(_century(int(short)), int(part[f"sm{n}"]))
    if name := part.get(f"name{n}"):
        return Point(int(part[f"ny{n}"]), _MONTH_OF[name])
    alone = part.get(f"y{n}")
    return Point(int(alone)) if alone else None


def _century(short: int) -> int:
    return 2000 + short if short < 50 else 1900 + short


def _range(match: "re.Match[str]") -> Period | None:
    start = _point(match, 1)
    if start is None:
        return None
    if match["now"]:
        return Period(start, None, match.span())
    end = Point(start.year // 100 * 100 + int(match["short"])) if match["short"] else _point(match, 2)
    if end is None or (end.year, end.month or 12) < (start.year, start.month or 1):
        return None
    return Period(start, end, match.span())


def _shared(match: "re.Match[str]") -> Period | None:
    year = int(match["year"])
    start, end = Point(year, _MONTH_OF[match["name1"]]), Point(year, _MONTH_OF[match["name2"]])
    return Period(start, end, match.span()) if start <= end else None


def _open(match: "re.Match[str]") -> Period | None:
    start = _point(match, 1) or _point(match, 2)
    return Period(start, None, match.span()) if start else None


def _single(match: "re.Match[str]") -> Period | None:
    point = _point(match, 1)
    return Period(point, point, match.span(), single=True) if point else None


def years_in(line: str) -> Iterator[int]:
    """Every year that stands in a line."""
    for match in re.finditer(rf"(?<!\d){_YEAR}(?!\d)", line):
        yield int(match[0])
