"""The text of a Word file in its order, tables, text boxes, headers and footers included."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.kinds.resume.unreadable import Unreadable

_MAX_ENTRIES = 3_000
_MAX_PART = 24 * 2**20
_MAX_WHOLE = 120 * 2**20
MAX_CHARS = 100_000
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LARGE_HALF_POINTS = 30


def read_word(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What the file is, and its lines.

    Raises:
        Unreadable: it is no Word file, damaged, a bomb, or holds no text.
    """
    _require_harmless(path)
    import docx
    from lxml.etree import XMLSyntaxError

    try:
        document = docx.Document(str(path))
        lines = list(_document(document))
        headline = _headline(document)
    except (XMLSyntaxError, KeyError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise Unreadable("damaged") from error
    if not any(char.isalpha() for line in lines for char in line):
        raise Unreadable("scanned" if document.inline_shapes else "no_text")
    return {"format": "docx", "pages": None, "headline": headline}, _capped(lines)


def _require_harmless(path: Path) -> None:
    """Looks at the archive before anything unpacks it."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if "word/document.xml" not in archive.namelist():
                raise Unreadable("unknown_type")
            if any(part.flag_bits & 1 for part in parts):
                raise Unreadable("word_password")
            whole = sum(part.file_size for part in parts)
            xml = [part for part in parts if part.filename.endswith((".xml", ".rels"))]
            if len(parts) > _MAX_ENTRIES or whole > _MAX_WHOLE or any(p.file_size > _MAX_PART for p in xml):
                raise Unreadable("too_large", f"{len(parts)} parts, {whole // 2**20} MB")
            for part in xml:
                with archive.open(part) as file:
                    _require_no_entities(file.read(_MAX_PART))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise Unreadable("damaged") from error


def _require_no_entities(xml: bytes) -> None:
    # Also in UTF-16, where every second byte is a NUL.
    if b"<!DOCTYPE" in xml.replace(b"\0", b"")[:100_000].upper():
        raise Unreadable("entities")


def _document(document: Any) -> Iterator[str]:
    """Headers, the body, footers; each text of a header once, however many sections share it."""
    heads: dict[str, None] = {}
    feet: dict[str, None] = {}
    for section in document.sections:
        # Their elements, since their public parts omit tables.
        for part, texts in ((section.header, heads), (section.footer, feet)):
            texts.update(dict.fromkeys(_blocks(part._element)))
    yield from (text for text in heads if text)
    yield ""
    yield from _blocks(document.element.body)
    yield ""
    yield from (text for text in feet if text)


def _blocks(parent: Any) -> Iterator[str]:
    for child in parent:
        if child.tag == f"{_W}p":
            yield from _paragraph(child)
        elif child.tag == f"{_W}tbl":
            yield from _table(child)
        elif child.tag in {f"{_W}sdt", f"{_W}sdtContent"}:
            yield from _blocks(child)


def _paragraph(element: Any) -> Iterator[str]:
    text = "".join(_runs(element)).strip(" ")
    is_listed = element.find(f"{_W}pPr/{_W}numPr") is not None or _style(element).startswith("List")
    mark = "• " if is_listed and text else ""
    for line in text.split("\n"):
        yield mark + line
    for box in _boxes(element):
        yield ""
        yield from _blocks(box)
        yield ""


def _runs(element: Any) -> Iterator[str]:
    for node in element:
        match node.tag:
            case _ if node.tag in {f"{_W}txbxContent", f"{_W}pPr", f"{_W}del", _FALLBACK}:
                continue
            case _ if node.tag == f"{_W}t":
                yield node.text or ""
            case _ if node.tag == f"{_W}tab":
                yield "\t"
            case _ if node.tag in {f"{_W}br", f"{_W}cr"}:
                yield "\n"
            case _:
                yield from _runs(node)


def _boxes(element: Any) -> Iterator[Any]:
    """Text boxes; Word writes each twice, the second time for old programs."""
    for node in element:
        if node.tag == f"{_W}txbxContent":
            yield node
        elif node.tag != _FALLBACK:
            yield from _boxes(node)


def _table(table: Any) -> Iterator[str]:
    """A row of short cells is a line; cells with paragraphs of their own are read one after the other."""
    yield ""
    for row in table.iterfind(f"{_W}tr"):
        cells = [list(_blocks(cell)) for cell in row.iterfind(f"{_W}tc")]
        filled = [[line for line in cell if line.strip()] for cell in cells]
        if all(len(cell) <= 1 for cell in filled):
            yield "\t".join(cell[0] for cell in filled if cell)
        elif len(filled[0]) <= 1 and len(cells) == 2:
            # A margin with a heading or a date, and what belongs to it.
            yield "\t".join([*filled[0], *filled[1][:1]])
            yield from filled[1][1:]
            yield ""
        else:
            for cell in cells:
                yield from cell
                yield ""
    yield ""


def _style(element: Any) -> str:
    style = element.find(f"{_W}pPr/{_W}pStyle")
    return str(style.get(f"{_W}val", "")) if style is not None else ""


def _headline(document: Any) -> str:
    """The first text in the style of a title, or in letters that large."""
    for element in document.element.body.iter(f"{_W}p"):
        text = "".join(_runs(element)).strip()
        if not text:
            continue
        sizes = [int(size.get(f"{_W}val") or 0) for size in element.iter(f"{_W}sz")]
        if (
            _style(element).lower().startswith(("title", "titel", "titre"))
            or max(sizes, default=0) >= _LARGE_HALF_POINTS
        ):
            return text[:200]
    return ""


def _capped(lines: list[str]) -> list[str]:
    left = MAX_CHARS
    kept = []
    for line in lines:
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return kept
