"""The entries of a section with times: one for each line with a period, with what stands around it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.kinds.resume.dates import Period, find_period

_BULLET = re.compile(r"^\s*(?:[•●▪◦‣·*–—-]\s+|[\uf0b7\uf0a7]\s*)")
_LONGEST_HEAD = 110
_PARTS = re.compile(r"\t+|\s*[|•·]\s*|\s+[–—-]\s+|\s+@\s+")
# "Talleres Ribera S.L.", "Halcyon Inc."
_ABBREVIATION = re.compile(r"(?:\b[A-Z]\.|\b(?:Inc|Ltd|Co|Corp|Univ|Dept)\.)$")
_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")


@dataclass(frozen=True)
class Entry:
    """A period with the parts of its heading: title, organisation, place, in the order of the resume."""

    period: Period
    parts: tuple[str, ...]


def is_bullet(line: str) -> bool:
    """Whether a line is an item of a list."""
    return bool(_BULLET.match(line))


def find_entries(lines: Sequence[str], *, singles: bool = False) -> list[Entry]:
    """Entries in their order. With `singles`, a date alone begins one too, as the year of a degree does."""
    dated = [
        (index, period)
        for index, line in enumerate(lines)
        if not is_bullet(line) and (period := find_period(line)) and (singles or not period.single)
        and len(line) <= _LONGEST_HEAD + 40
    ]  # fmt: skip
    if not dated:
        return []
    above = _heads_above(lines, dated[0][0])
    stops = [index for index, _ in dated[1:]] + [len(lines)]
    entries = []
    for (index, period), stop in zip(dated, stops, strict=True):
        heads = _above(lines, index, above)
        own = _without(lines[index], period)
        heads += [own] if own else []
        below = _below(lines, index, stop - above if stop < len(lines) else stop)
        parts = _parts(heads)
        # "Engineer, ACME (2019)" is whole, although nothing but a comma says so.
        is_whole = own.count(", ") > 0 and not own.endswith(",")
        for line in below:
            if len(parts) >= 2 or is_whole:
                break
            parts += _parts([line])
        entries.append(Entry(period, tuple(parts)))
    return entries


def _heads_above(lines: Sequence[str], first: int) -> int:
    """How many lines of its heading stand above the first date: the others are written alike."""
    heads = [line for line in lines[:first] if line.strip()]
    above = 0
    while above < 2 and above < len(heads) and _is_head(heads[-1 - above]):
        above += 1
    return above


def _above(lines: Sequence[str], index: int, most: int) -> list[str]:
    found: list[str] = []
    at = index - 1
    while at >= 0 and len(found) < most:
        line = lines[at]
        if line.strip():
            if not _is_head(line) or find_period(line):
                break
            found.insert(0, line)
        elif found or index - at > 1:
            break
        at -= 1
    return found


def _below(lines: Sequence[str], index: int, stop: int) -> list[str]:
    found: list[str] = []
    for line in lines[index + 1 : max(stop, index + 1)]:
        if not line.strip():
            if found:
                break
            continue
        if not _is_head(line):
            break
        found.append(line)
        if len(found) == 2:
            break
    return found


def _is_head(line: str) -> bool:
    text = line.strip()
    ends_a_sentence = text.endswith((".", ";")) and not _ABBREVIATION.search(text)
    return bool(text) and not is_bullet(line) and len(text) <= _LONGEST_HEAD and not ends_a_sentence


def _without(line: str, period: Period) -> str:
    begin, end = period.at
    rest = _BRACKETS.sub("", f"{line[:begin]}\t{line[end:]}")
    return rest.strip(" \t,;:|–—-()[]•·/")


def _parts(heads: Sequence[str]) -> list[str]:
    return [part for head in heads for piece in _PARTS.split(head) if (part := piece.strip(" \t,;:|()[]"))]
