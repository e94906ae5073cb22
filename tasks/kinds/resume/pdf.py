"""The text of a PDF with its place on the page, by pdfium; pypdf has the second word."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.kinds.resume.layout import Piece, lines_of
from tasks.kinds.resume.unreadable import Unreadable

MAX_PAGES = 50
MAX_CHARS = 100_000
# Fewer letters than this on all pages together are a stamp on a picture, not a resume.
_FEWEST_LETTERS = 20
_SPACE_GAP, _PIECE_GAP = 0.15, 1.0


def read_pdf(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What the PDF is, and its lines.

    Raises:
        Unreadable: it is protected, damaged, too long, or holds no text.
    """
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("password") from error
        return _second_opinion(path)
    try:
        pages = len(document)
        if pages > MAX_PAGES:
            raise Unreadable("too_many_pages", f"{pages} pages; at most {MAX_PAGES} are read")
        lines, largest, pictures = _pages(document)
    finally:
        document.close()
    if sum(char.isalpha() for line in lines for char in line) < _FEWEST_LETTERS:
        raise Unreadable("scanned" if pictures else "no_text")
    return {"format": "pdf", "pages": pages, "headline": largest}, lines


def _pages(document: Any) -> tuple[list[str], str, bool]:
    lines: list[str] = []
    largest = ""
    pictures = False
    left = MAX_CHARS
    for number, page in enumerate(document):
        pieces = list(_pieces(page, left))
        left -= sum(len(piece.text) for piece in pieces)
        if number == 0 and pieces:
            largest = _headline(pieces)
        pictures = pictures or (not pieces and _has_picture(page))
        lines += [*lines_of(pieces), ""]
        page.close()
        if left <= 0:
            break
    return lines, largest, pictures


def _headline(pieces: list[Piece]) -> str:
    """The text in the largest letters: most often the name."""
    size = max(piece.size for piece in pieces)
    usual = sorted(piece.size for piece in pieces)[len(pieces) // 2]
    if size < 1.15 * usual:
        return ""
    return " ".join(piece.text for piece in pieces if piece.size > size - 0.5)[:200]


def _has_picture(page: Any) -> bool:
    from pypdfium2 import raw

    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _pieces(page: Any, most: int) -> Iterator[Piece]:
    """Runs of text: letters that follow each other on a line without a gap."""
    height = page.get_height()
    text = page.get_textpage()
    run: list[str] = []
    left = right = y = size = 0.0
    for index in range(min(text.count_chars(), most)):
        letter = _letter(text, index, height)
        if letter is None:
            continue
        if letter.text.isspace():
            if run:
                run.append(" ")
            continue
        gap, em = letter.left - right, letter.size
        if run and (abs(letter.y - y) > 0.4 * em or gap > _PIECE_GAP * em or gap < -2 * em):
            yield from _piece(run, left, right, y, size)
            run = []
        if not run:
            left, y, size = letter.left, letter.y, em
        elif gap > _SPACE_GAP * em and run[-1] != " ":
            run.append(" ")
        run.append(letter.text)
        right, size = letter.right, max(size, em)
    yield from _piece(run, left, right, y, size)
    text.close()


def _letter(text: Any, index: int, height: float) -> Piece | None:
    """A letter as a piece. The loose box holds the room that its font gives it, so that gaps are gaps."""
    from pypdfium2 import raw

    if raw.FPDFText_IsGenerated(text, index) == 1:
        return None
    box, x, y = raw.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    if not raw.FPDFText_GetLooseCharBox(text, index, box):
        return None
    raw.FPDFText_GetCharOrigin(text, index, x, y)
    # Of the box, since a font's size says nothing where the page is scaled.
    size = max(abs(float(box.top) - float(box.bottom)) / 1.15, 1.0)
    code = raw.FPDFText_GetUnicode(text, index)
    return Piece(chr(code or 32), float(box.left), float(box.right), height - y.value, size)


def _piece(run: list[str], left: float, right: float, y: float, size: float) -> Iterator[Piece]:
    words = " ".join("".join(run).split())
    if words:
        yield Piece(words, left, right, y, size)


def _second_opinion(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What pypdf makes of a PDF that pdfium does not open.

    Raises:
        Unreadable: it does not either.
    """
    import logging

    import pypdf
    from pypdf.errors import FileNotDecryptedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted:
            raise Unreadable("password")
        if len(reader.pages) > MAX_PAGES:
            raise Unreadable("too_many_pages", f"{len(reader.pages)} pages; at most {MAX_PAGES} are read")
        lines = "\n".join(page.extract_text() for page in reader.pages)[:MAX_CHARS].splitlines()
        pages = len(reader.pages)
    except FileNotDecryptedError as error:
        raise Unreadable("password") from error
    except (PyPdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
        raise Unreadable("damaged") from error
    if sum(char.isalpha() for line in lines for char in line) < _FEWEST_LETTERS:
        raise Unreadable("damaged")
    return {"format": "pdf", "pages": pages, "headline": ""}, lines
