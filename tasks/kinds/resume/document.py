"""The text of a resume, read in a process of its own with limits on time, memory and output."""

import asyncio
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.failures.failures import JobError
from services.process import Limits, run_process
from tasks.kinds.resume.unreadable import told

_ROOT = Path(__file__).parents[3]
_SECONDS = 60
_LIMITS = Limits(cpu_seconds=45, memory_bytes=2**30)
# The reader keeps to less; this holds where it does not.
_MOST_OUTPUT = 2_000_000
_MEMORY_SIGNS = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory")
_KILLED, _OUT_OF_CPU_TIME = -9, -24


@dataclass(frozen=True)
class Document:
    """What stands in a resume. An empty line ends a paragraph; tabs part the cells of a line."""

    format: str
    pages: int | None
    headline: str
    """The text in the largest letters, where there is any."""
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole of it."""
        return "\n".join(self.lines)

    def as_json(self) -> dict[str, Any]:
        """What a step keeps."""
        return {
            "format": self.format, "pages": self.pages, "headline": self.headline, "lines": list(self.lines),
        }  # fmt: skip

    @classmethod
    def of(cls, about: dict[str, Any], lines: Iterable[str]) -> "Document":
        """What a reader found, made tidy."""
        tidy = tuple(_without_gaps(map(_tidy, lines)))
        return cls(about["format"], about["pages"], _tidy(about["headline"]), tidy)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Document":
        """What a step kept."""
        return cls(value["format"], value["pages"], value["headline"], tuple(value["lines"]))


async def extract(path: Path, workdir: Path) -> Document:
    """Reads a PDF or Word file.

    Raises:
        JobError: it cannot be read (permanent), or nobody can read here (environment).
    """
    said: list[str] = []
    room = _MOST_OUTPUT

    def hear(line: str) -> None:
        nonlocal room
        room -= len(line)
        if room < 0:
            raise told("too_large", f"more than {_MOST_OUTPUT // 10**6} MB of text")
        said.append(line)

    # -P: the folder that it works in must not stand in for libraries.
    command: list[str | Path] = [sys.executable, "-P", "-m", "tasks.kinds.resume.read", path]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        ended = await run_process(
            command, cwd=workdir, on_line=hear, timeout=_SECONDS, limits=_LIMITS,
            env={"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
    except TimeoutError:
        raise told("too_slow", f"{_SECONDS} s") from None
    if ended.code:
        raise _crash(ended.code, ended.stderr)
    return await asyncio.to_thread(_document, said)


def _document(said: list[str]) -> Document:
    # A library may print something of its own: ours begins with an object and goes on with texts.
    values = [value for line in said if (value := _parsed(line)) is not None]
    about = next((value for value in values if isinstance(value, dict)), None)
    if about is None:
        raise told("crashed")
    if "error" in about:
        raise told(str(about["error"]), str(about.get("detail", "")))
    return Document.of(about, (value for value in values if isinstance(value, str)))


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _tidy(line: str) -> str:
    """Ligatures and wide spaces as plain ones, without what cannot be seen."""
    line = unicodedata.normalize("NFKC", line).replace("\u00ad", "")
    seen = "".join(c for c in line if c == "\t" or unicodedata.category(c)[0] != "C")
    return "\t".join(" ".join(cell.split()) for cell in seen.split("\t")).strip()


def _without_gaps(lines: Iterable[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        if line or before:
            yield line
        before = line


def _crash(code: int, words: str) -> JobError:
    if any(sign in words for sign in _MEMORY_SIGNS) or code == _KILLED:
        return told("too_hungry")
    if code == _OUT_OF_CPU_TIME:
        return told("too_slow", f"{_LIMITS.cpu_seconds} s of computing")
    if "ModuleNotFoundError" in words or "ImportError" in words:
        return JobError(
            "The worker cannot read documents: a library is missing",
            failure_type="environment",
            advice="Install Mulligan's requirements on the worker anew, then retry.",
        )
    return told("crashed")
