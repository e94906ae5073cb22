"""From pieces of text on a page to lines as a person reads them: columns one after the other, tables row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# In heights of the text.
_SAME_LINE = 0.5
_PARAGRAPH = 1.75
_CELL = 1.2
# In points.
_GUTTER = 9.0
_STEP = 3.0

_FEWEST_ROWS = 5
_FEWEST_PIECES = 4
# A column whose lines stand beside lines of the other one is no column, but cells of a table, or dates at the margin.
_ALIGNED = 0.8
_NEAR = 1.3


@dataclass(frozen=True)
class Piece:
    """A run of text on one line; points, from the top left corner."""

    text: str
    left: float
    right: float
    y: float
    """Of its base line."""
    size: float


@dataclass
class _Row:
    pieces: list[Piece]

    @property
    def y(self) -> float:
        return self.pieces[0].y

    @property
    def size(self) -> float:
        return max(piece.size for piece in self.pieces)


def lines_of(pieces: Sequence[Piece]) -> list[str]:
    """The lines of a page in reading order; cells of a line are parted by tabs, paragraphs by an empty line."""
    return _read(_rows(pieces))


def _read(rows: list[_Row]) -> list[str]:
    split = _columns(rows)
    if split is None:
        return _lines(rows)
    first, last, x = split
    body = [piece for row in rows[first:last] for piece in row.pieces]
    left = [piece for piece in body if piece.right <= x]
    right = [piece for piece in body if piece.left >= x]
    return [
        *_lines(rows[:first]), "", *_read(_rows(left)), "", *_read(_rows(right)), "", *_read(rows[last:]),
    ]  # fmt: skip


def _rows(pieces: Sequence[Piece]) -> list[_Row]:
    rows: list[_Row] = []
    for piece in sorted(pieces, key=lambda p: (p.y, p.left)):
        if rows and abs(rows[-1].y - piece.y) < _SAME_LINE * min(rows[-1].size, piece.size):
            rows[-1].pieces.append(piece)
        else:
            rows.append(_Row([piece]))
    for row in rows:
        row.pieces.sort(key=lambda p: p.left)
    return rows


def _lines(rows: list[_Row]) -> list[str]:
    lines = []
    usual = _usual_leading(rows)
    above: _Row | None = None
    for row in rows:
        if above is not None and row.y - above.y > max(
            _PARAGRAPH * min(row.size, above.size), 1.3 * (usual or 0)
        ):
            lines.append("")
        lines.append(_joined(row.pieces))
        above = row
    return lines


def _usual_leading(rows: list[_Row]) -> float | None:
    gaps = sorted(below.y - above.y for above, below in pairwise(rows))
    return gaps[len(gaps) // 2] if len(gaps) > 3 else None


def _joined(pieces: list[Piece]) -> str:
    text = pieces[0].text
    for before, piece in pairwise(pieces):
        gap = piece.left - before.right
        text += ("\t" if gap > _CELL * piece.size else " " if gap > 0.1 * piece.size else "") + piece.text
    return text.strip()


def _columns(rows: list[_Row]) -> tuple[int, int, float] | None:
    """The rows from, up to, and the x at which they fall into two columns; None where they are one."""
    if len(rows) < _FEWEST_ROWS:
        return None
    pieces = [piece for row in rows for piece in row.pieces]
    left, right = min(p.left for p in pieces), max(p.right for p in pieces)
    best: tuple[int, int, float] | None = None
    x = left + 0.15 * (right - left)
    while x < left + 0.85 * (right - left):
        first, last = _longest_clear(rows, x)
        if (best is None or last - first > best[1] - best[0]) and _are_columns(rows[first:last], x):
            best = first, last, x
        x += _STEP
    return best


def _longest_clear(rows: list[_Row], x: float) -> tuple[int, int]:
    """The longest stretch of rows that nothing crosses at x, by a gutter's width."""
    best = begin = 0
    found = (0, 0)
    for index, row in enumerate(rows):
        crossed = any(p.left < x + _GUTTER / 2 and p.right > x - _GUTTER / 2 for p in row.pieces)
        if crossed:
            begin = index + 1
        elif index + 1 - begin > best:
            best = index + 1 - begin
            found = (begin, index + 1)
    return found


def _are_columns(rows: list[_Row], x: float) -> bool:
    """Whether the lines at both sides go their own ways. Cells, and dates at a margin, stand on the other's lines."""
    left = [p for row in rows for p in row.pieces if p.right <= x]
    right = [p for row in rows for p in row.pieces if p.left >= x]
    fewer, more = sorted((left, right), key=lambda side: len({p.y for p in side}))
    if len({p.y for p in fewer}) < _FEWEST_PIECES:
        return False
    distances = [min(abs(p.y - other.y) for other in more) / p.size for p in fewer]
    beside = sum(distance < _SAME_LINE / 2 for distance in distances)
    # What has nothing near it, a heading for instance, says neither.
    between = sum(_SAME_LINE / 2 <= distance < _NEAR for distance in distances)
    return between > 0 and beside / (beside + between) < _ALIGNED
