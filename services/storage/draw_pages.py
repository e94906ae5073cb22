"""Draws pages of a PDF as pictures. A program: a hostile file may crash its process.

    python -P -m services.storage.draw_pages FILE FIRST LAST

Pages FIRST to LAST, as far as there are, become `1.webp`, … in the folder that it works in. Its line says
`{"pages": 7, "sizes": [[1100, 1556], …]}`, or `{"error": code}`.
"""

import json
import sys
from pathlib import Path
from typing import Any

WIDTH = 1100
"""Pixels: a page in a card, on a screen of double density."""
_HEIGHT = 3000
_QUALITY = 82
# Where a file says what it is: a PDF may have rubbish before its header, a kilobyte by the book.
_HEAD = 1024


def draw(path: Path, first: int, last: int) -> dict[str, Any]:
    """What the line says."""
    import pypdfium2 as pdfium

    with path.open("rb") as file:
        if b"%PDF-" not in file.read(_HEAD):
            return {"error": "no_pdf"}
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        return {"error": "password" if "password" in str(error).lower() else "damaged"}
    document.init_forms()  # what somebody filled in is part of the page
    sizes = []
    for number in range(first, min(last, len(document)) + 1):
        try:
            sizes.append(_draw_page(document[number - 1], Path(f"{number}.webp")))
        except pdfium.PdfiumError:
            return {"error": "damaged"}
    return {"pages": len(document), "sizes": sizes}


def _draw_page(page: Any, path: Path) -> tuple[int, int]:
    width, height = page.get_size()
    scale = min(WIDTH / max(width, 1), _HEIGHT / max(height, 1))
    picture = page.render(scale=scale, rev_byteorder=True).to_pil().convert("RGB")
    picture.save(path, "WEBP", quality=_QUALITY, method=2)
    page.close()
    return picture.size  # type: ignore[no-any-return]


def main() -> None:
    """Draws what the command line names."""
    path, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sys.stdout.write(json.dumps(draw(path, first, last)) + "\n")


if __name__ == "__main__":
    main()
