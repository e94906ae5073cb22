"""Reads the text of a document and prints it, a JSON value a line. A program: a hostile file may crash its process.

    python -P -m tasks.kinds.resume.read FILE

First what the document is, then each of its lines of text; `{"error": …}` where it cannot be read.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tasks.kinds.resume.unreadable import Unreadable

# Where a file says what it is. A PDF may have rubbish before its header, a kilobyte by the book.
_HEAD = 1024
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE_LOOKED_AT = 4 * 2**20
_LONGEST_LINE = 4_000


def read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What the document is, and its lines; an empty one where a paragraph ends.

    Raises:
        Unreadable: it is none that we read, or it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if not head.strip(b"\0 \r\n\t"):
            raise Unreadable("empty")
        if b"%PDF-" in head:
            from tasks.kinds.resume.pdf import read_pdf

            return read_pdf(path)
        if head.startswith(_ZIP):
            from tasks.kinds.resume.word import read_word

            return read_word(path)
        if head.startswith(_OLE):
            # Word keeps what it encrypts in such a container as well.
            whole = head + file.read(_OLE_LOOKED_AT)
            raise Unreadable("word_password" if _ENCRYPTED in whole else "old_word")
    raise Unreadable("unknown_type")


def main() -> None:
    """Prints what `read` finds, or the code of what is wrong with the document."""
    try:
        about, lines = read(Path(sys.argv[1]))
    except Unreadable as error:
        _say({"error": error.code, "detail": error.detail})
        return
    except RecursionError:
        _say({"error": "damaged", "detail": "nested too deeply"})
        return
    _say(about)
    for line in lines:
        _say(line[:_LONGEST_LINE])


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
