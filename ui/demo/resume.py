"""The resume of somebody who does not exist, as a PDF of two pages."""

from collections.abc import Iterable, Iterator
from pathlib import Path

_HEAD, _PART, _TEXT = 22, 14, 11
_LEFT, _RIGHT, _TOP = 64, 420, 780
_Line = tuple[int, str, str]
"""Its size, what stands at the left, and at the right."""

_FIRST: list[_Line] = [
    (_HEAD, "Ada Sample", ""),
    (_TEXT, "ada.sample@example.org | +44 20 7946 0018 | London, UK | github.com/ada-sample", ""),
    (_PART, "Experience", ""),
    (_TEXT, "Senior Data Engineer", "Apr 2021 - Present"),
    (_TEXT, "Example Analytics Ltd", ""),
    (_TEXT, "- Moved 300 nightly jobs to Airflow and Spark", ""),
    (_TEXT, "Data Engineer", "Jan 2018 - Mar 2021"),
    (_TEXT, "Sample Systems Inc", ""),
    (_TEXT, "- Built the event pipeline on Kafka", ""),
]
_SECOND: list[_Line] = [
    (_PART, "Education", ""),
    (_TEXT, "BSc Mathematics, University of Nowhere, 2014 - 2017", ""),
    (_PART, "Skills", ""),
    (_TEXT, "Python, SQL, Kafka, Airflow, Spark, Docker, Git", ""),
    (_PART, "Languages", ""),
    (_TEXT, "English (native), French (B1)", ""),
]


def write_resume(path: Path) -> None:
    """Writes it."""
    path.write_bytes(_pdf([_drawn(_FIRST), _drawn(_SECOND)]))


def _drawn(lines: Iterable[_Line]) -> bytes:
    return "\n".join(_lines(lines)).encode("ascii")


def _lines(lines: Iterable[_Line]) -> Iterator[str]:
    y = _TOP
    for size, left, right in lines:
        y -= size * 2 if size > _TEXT else 17
        font = "B" if size > _TEXT else "R"
        for x, words in ((_LEFT, left), (_RIGHT, right)):
            if words:
                said = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
                yield f"BT /{font} {size} Tf {x} {y} Td ({said}) Tj ET"


def _pdf(pages: list[bytes]) -> bytes:
    """By hand: nothing that Mulligan needs writes PDFs."""
    numbers = [5 + 2 * n for n in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for number, page in zip(numbers, pages, strict=True):
        fonts = "<< /Font << /R 3 0 R /B 4 0 R >> >>"
        box = "/MediaBox [0 0 595 842]"
        parts += [
            f"<< /Type /Page /Parent 2 0 R {box} /Resources {fonts} /Contents {number + 1} 0 R >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        ]
    written, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(parts) + 1
    xref = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return (
        written
        + xref
        + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    )
