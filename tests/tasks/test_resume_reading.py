"""Reading documents, good and hostile, in the process that is made for it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from services.failures.failures import JobError
from services.process import Limits
from services.vocabulary import FailureType
from tasks.kinds.resume import document
from tasks.kinds.resume.document import extract
from tests.support import resumes
from tests.support.waiting import eventually


class TestGood:
    async def test_a_pdf_whatever_it_is_called(self, tmp_path: Path) -> None:
        path = resumes.good_pdf(tmp_path / "resume.docx")
        found = await extract(path, tmp_path)
        assert (found.format, found.pages) == ("pdf", 1)
        assert found.headline == found.lines[0] == "Amelia Thornquist"
        assert "SKILLS" in found.lines
        assert document.Document.from_json(found.as_json()) == found

    async def test_a_pdf_that_only_may_not_be_printed(self, tmp_path: Path) -> None:
        found = await extract(resumes.encrypted_pdf(tmp_path / "a.pdf", password=""), tmp_path)
        assert found.lines[0] == "Amelia Thornquist"

    async def test_a_word_file_with_all_that_is_not_in_its_paragraphs(self, tmp_path: Path) -> None:
        paper = next(p for p in resumes.make_all(tmp_path) if p.layout == "word-table")
        found = await extract(paper.path, tmp_path)
        assert found.format == "docx"
        post = paper.person.posts[0]
        assert any(line.endswith(f"\t{post.title}") for line in found.lines)

    async def test_a_huge_picture_costs_nothing(self, tmp_path: Path) -> None:
        found = await extract(resumes.huge_picture_pdf(tmp_path / "a.pdf"), tmp_path)
        assert found.headline == "Amelia Thornquist"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (resumes.encrypted_pdf, "The PDF is protected by a password"),
        (resumes.encrypted_word, "The Word file is protected by a password"),
        (resumes.scanned_pdf, "No text could be found; it looks scanned"),
        (resumes.blank_pdf, "No text could be found in the document"),
        (resumes.empty_word, "No text could be found in the document"),
        (resumes.long_pdf, "The document has 51 pages; at most 50 are read"),
        (resumes.truncated, "The document is damaged or incomplete"),
        (resumes.damaged_word, "The document is damaged or incomplete"),
        (resumes.bomb, "The document unpacks to far more than a resume holds"),
        (resumes.lying_bomb, "The document is damaged or incomplete"),
        (resumes.entities, "The Word file declares XML entities"),
        (resumes.spreadsheet, "This is neither a PDF nor a Word file (.docx)"),
        (resumes.old_word, "This is a file of an old Word (.doc)"),
        (lambda path: path.write_bytes(b"\0" * 50) and path, "The file is empty"),
        (lambda path: path.write_bytes(b"GIF89a....") and path, "This is neither a PDF nor a Word file (.docx)"),
        (lambda path: path.write_bytes(b"%PDF-1.7\n" + b"(" * 3_000_000) and path, "damaged or incomplete"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_told_with_advice(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(JobError) as failure:
        await extract(make(tmp_path / "input.bin"), tmp_path)
    assert words in failure.value.message
    assert failure.value.failure_type is FailureType.PERMANENT
    assert "new job" in str(failure.value.advice)
    assert str(tmp_path) not in failure.value.message


async def test_no_file_of_the_worker_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the key of the house")
    with pytest.raises(JobError, match="XML entities"):
        await extract(resumes.outside_entity(tmp_path / "a.docx", secret), tmp_path)


class TestLimits:
    async def test_of_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(document, "_SECONDS", 0.01)
        with pytest.raises(JobError, match=r"could not be read within 0\.01 s"):
            await extract(resumes.good_pdf(tmp_path / "a.pdf"), tmp_path)

    async def test_of_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(document, "_LIMITS", Limits(cpu_seconds=45, memory_bytes=160 * 2**20))
        with pytest.raises(JobError, match="more memory than it may"):
            await extract(resumes.hungry_pdf(tmp_path / "a.pdf"), tmp_path)

    async def test_of_output(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(document, "_MOST_OUTPUT", 100)
        with pytest.raises(JobError, match="unpacks to far more"):
            await extract(resumes.good_pdf(tmp_path / "a.pdf"), tmp_path)


async def test_a_cancelled_job_leaves_no_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "never-ends"
    os.mkfifo(pipe)  # the reader waits for somebody to write
    reading = asyncio.ensure_future(extract(pipe, tmp_path))

    def reader() -> psutil.Process | None:
        children = psutil.Process().children(recursive=True)
        return next((c for c in children if "tasks.kinds.resume.read" in c.cmdline()), None)

    process = await eventually(reader, 20, expect="a reader at work")
    assert process
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not process.is_running()
