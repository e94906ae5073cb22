"""Degrees and schools."""

import re
from collections.abc import Sequence

from tasks.kinds.resume.dates import Period, find_period
from tasks.kinds.resume.entries import find_entries, is_bullet
from tasks.kinds.resume.profile import Education
from tasks.kinds.resume.words import folded

_DEGREE = re.compile(
    r"(?:\b(?:bachelor\w*|master\w*|magister|doctor\w*|doktor\w*|promotion|doctorat|doctorado|phd|ph\.d\.?|mba|"
    r"b\.?\s?sc\.?|m\.?\s?sc\.?|msci|b\.s\.|m\.s\.|b\.?\s?a\.|m\.?\s?a\.|b\.?\s?eng\.?|m\.?\s?eng\.?|ll\.?m\.?|ll\.?b\.?|ba|ma|bs|ms|beng|meng|"
    r"associate degree|diploma|degree|certificate|a-levels|gcses?|high school diploma|"
    r"diplom(?!es)\w*|staatsexamen|abitur|fachabitur|allgemeine hochschulreife|fachhochschulreife|mittlere reife|"
    r"ausbildung zu[mr]|berufsausbildung|meister|techniker|fachinformatiker\w*|mechatroniker\w*|"
    r"\w+kaufmann|\w+kauffrau|"
    r"licence|maitrise|diplome|bts|dut|but|baccalaureat|bac|deug|dess|dea|cap|bep|"
    r"licenciatura|licenciad\w|grado|master|bachillerato|ingenieria|ingenier[oa]|diplomatura|tecnico superior|"
    r"formacion profesional|fp)(?![\w])|\bdiplome d'ingenieur)"
)
_SCHOOL = re.compile(
    r"\b(?:universit\w*|universid\w*|hochschule|fachhochschule|fh|tu|eth|college|school|institut\w*|ecole|escuela|"
    r"facult\w*|academy|akademie|lycee|gymnasium|polytech\w*|politecnic\w*|iut|ies|instituto|colegio|berufsschule|"
    r"gesamtschule|realschule|conservatoire|insa|sorbonne|schule|berufskolleg|\w+gymnasium|\w+schule)\b"
)


def find_education(lines: Sequence[str]) -> list[Education]:
    """Degrees and schools in their order, with the years."""
    entries = find_entries(lines, singles=True)
    found = [_education(entry.parts, entry.period) for entry in entries]
    if not found:
        # Without years: a line with a degree or a school is an entry.
        heads = [line for line in lines if line.strip() and not is_bullet(line)]
        found = [_education(_pieces([line]), None) for line in heads if _is_about(line)]
    return [item for item in found if item.degree or item.institution]


def _is_about(line: str) -> bool:
    plain = folded(line)
    return bool(_DEGREE.search(plain) or _SCHOOL.search(plain))


def _education(parts: Sequence[str], period: Period | None) -> Education:
    pieces = _pieces(parts)
    degree = next((piece for piece in pieces if _DEGREE.search(folded(piece))), None)
    school = next((piece for piece in pieces if piece != degree and _SCHOOL.search(folded(piece))), None)
    if degree is None and school is None:
        # A section of its own and years are sign enough.
        degree, school = (*pieces[:2], None, None)[:2]
    rest = [piece for piece in pieces if piece not in (degree, school) and not find_period(piece)]
    if school is None and degree is not None and rest:
        school = rest[0]
    if degree is None and rest and school is not None:
        degree = rest[0]
    start = period.start.year if period and not period.single else None
    end = (period.end.year if period.end else None) if period else None
    return Education(degree=degree, institution=school, start=start, end=end)


def _pieces(parts: Sequence[str]) -> list[str]:
    """The parts; one that holds both degree and school is cut at the commas and colons between them."""
    pieces = []
    for part in parts:
        plain = folded(part)
        if _DEGREE.search(plain) and (_SCHOOL.search(plain) or len(parts) == 1):
            pieces += [piece.strip() for piece in re.split(r",\s|: |(?<=\w{4})\. ", part) if piece.strip()]
        else:
            pieces.append(part)
    return pieces
