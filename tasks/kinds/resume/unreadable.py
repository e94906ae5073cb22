"""Why a document cannot be read: codes in the child process, words in the worker."""

from services.failures.failures import JobError
from services.vocabulary import FailureType

_AGAIN = "Upload it again as a new job."

# Code → message and advice. `{detail}` is what the reader found.
_WORDS = {
    "empty": ("The file is empty", f"Save the document anew and look at its size. {_AGAIN}"),
    "password": (
        "The PDF is protected by a password",
        "Save a copy without the password (print it to PDF, for example) and upload that as a new job.",
    ),
    "word_password": (
        "The Word file is protected by a password",
        "Save a copy without the password and upload that as a new job.",
    ),
    "scanned": (
        "No text could be found; it looks scanned",
        "Run it through text recognition (OCR) first, or ask for the original document, and upload that as a new job.",
    ),
    "no_text": ("No text could be found in the document", f"Check that it is the right file. {_AGAIN}"),
    "damaged": (
        "The document is damaged or incomplete",
        f"Check that it opens on your computer. {_AGAIN}",
    ),
    "too_many_pages": (
        "The document has {detail}",
        "Upload the resume alone as a new job, without its enclosures.",
    ),
    "too_large": (
        "The document unpacks to far more than a resume holds ({detail})",
        "Save it anew as a PDF and upload that as a new job.",
    ),
    "entities": (
        "The Word file declares XML entities, which no word processor writes",
        "Open it, save it anew, and upload that as a new job.",
    ),
    "old_word": (
        "This is a file of an old Word (.doc)",
        "Save it as .docx or PDF and upload that as a new job.",
    ),
    "unknown_type": (
        "This is neither a PDF nor a Word file (.docx)",
        "Save the resume as PDF or .docx and upload that as a new job.",
    ),
    "too_slow": (
        "The document could not be read within {detail}",
        "Save it anew as a simpler PDF and upload that as a new job.",
    ),
    "too_hungry": (
        "Reading the document took more memory than it may",
        "Save it anew as a simpler PDF, without large pictures, and upload that as a new job.",
    ),
    "crashed": (
        "The reader crashed on this document, or took more memory than it may",
        f"It is damaged or far too large. Check that it opens on your computer. {_AGAIN}",
    ),
}


class Unreadable(Exception):
    """The document cannot be read; `code` says why."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def told(code: str, detail: str = "") -> JobError:
    """The error of a job for a code. Another try with the same document will not help."""
    message, advice = _WORDS.get(code, _WORDS["damaged"])
    return JobError(message.format(detail=detail), failure_type=FailureType.PERMANENT, advice=advice)
