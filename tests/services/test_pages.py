"""Pages of PDFs as pictures: who sees them, what strangers' files may take, and what is kept of them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from services.desk import Desk
from services.errors import JobNotFound, NotDrawable, NotFound, RateLimited
from services.jobs import submission
from services.models import Job
from services.people.access import Actor
from services.storage import pages
from services.storage.kept_pages import Drawn, Kept, Sheet
from services.storage.uploads import save_upload
from services.vocabulary import Role
from tests.support import resumes
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.house import file_kind
from tests.support.waiting import eventually


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path, a_kind(), file_kind()) as desk:
        yield desk


async def handed_in(desk: Desk, actor: Actor, path: Path) -> Job:
    """A job that works on a file."""

    async def once() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    upload = await save_upload(desk, actor, path.name, "application/octet-stream", once())
    return await submission.submit(desk, actor, "test.file", {"upload_id": str(upload.id)})


def drawing() -> list[psutil.Process]:
    """The processes that draw for this one."""
    mine = psutil.Process().children(recursive=True)
    return [p for p in mine if p.is_running() and any("draw_pages" in word for word in _words(p))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class TestPage:
    async def test_is_a_picture_of_the_page_and_kept(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.long_pdf(tmp_path / "long.pdf", 5))
        count, first = await pages.page(desk, dana, job.id, 1)
        assert count == 5
        picture = tmp_path / "1.webp"
        picture.write_bytes(first.picture)
        with Image.open(picture) as image:
            assert (image.format, image.size) == ("WEBP", (first.width, first.height))
            assert len(set(image.convert("L").tobytes())) > 2, "something stands on it"
        assert first.width == 1100
        # Those that were drawn with it are there without the file; the next ones need it.
        upload = await pages.get_input(desk, dana, job.id)
        await desk.storage.delete([upload.storage_key])
        _, third = await pages.page(desk, dana, job.id, 3)
        assert third.picture != first.picture
        with pytest.raises(NotFound, match="no longer in storage"):
            await pages.page(desk, dana, job.id, 4)

    async def test_is_seen_by_who_sees_the_job(self, desk: Desk, tmp_path: Path) -> None:
        mem, other = await a_person(desk, Role.MEMBER), await a_person(desk, Role.MEMBER, name="other")
        vera, eve = await a_person(desk, Role.VIEWER), await a_person(desk, workspace="elsewhere")
        job = await handed_in(desk, mem, resumes.good_pdf(tmp_path / "a.pdf"))
        for actor in (mem, vera):
            assert (await pages.page(desk, actor, job.id, 1))[0] == 1
        for actor in (other, eve):  # also now that it is kept
            with pytest.raises(JobNotFound):
                await pages.page(desk, actor, job.id, 1)
            with pytest.raises(JobNotFound):
                await pages.get_input(desk, actor, job.id)

    async def test_that_is_not_there_is_not_found(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.long_pdf(tmp_path / "a.pdf", 52))
        for number in (-1, 0, 51, 10**9):
            with pytest.raises(NotFound):
                await pages.page(desk, dana, job.id, number)
        assert (await pages.page(desk, dana, job.id, 50))[0] == 52
        without = await submission.submit(desk, dana, "test.priced", {})
        with pytest.raises(NotFound, match="input"):
            await pages.page(desk, dana, without.id, 1)
        with pytest.raises(NotFound, match="file"):
            await pages.page(desk, dana, job.id, 1, "other.pdf")
        short = await handed_in(desk, dana, resumes.good_pdf(tmp_path / "b.pdf"))
        for number in (2, 7):
            with pytest.raises(NotFound):
                await pages.page(desk, dana, short.id, number)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestHostile:
    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (resumes.encrypted_pdf, "password"),
            (resumes.truncated, "damaged"),
            (resumes.bomb, "no PDF"),
            (lambda path: path.write_bytes(b"%PDF-1.7\n" + os.urandom(5000)) and path, "damaged"),
        ],
    )
    async def test_says_why_not(
        self, desk: Desk, tmp_path: Path, make: Callable[[Path], Path], words: str
    ) -> None:
        dana = await a_person(desk)
        job = await handed_in(desk, dana, make(tmp_path / "x.pdf"))
        with pytest.raises(NotDrawable, match=words):
            await pages.page(desk, dana, job.id, 1)

    @pytest.mark.parametrize("make", [resumes.huge_picture_pdf, resumes.hungry_pdf])
    async def test_what_unpacks_to_gigabytes_takes_no_more_than_it_may(
        self, desk: Desk, tmp_path: Path, make: Callable[[Path], Path]
    ) -> None:
        """PDFium may draw them all the same, or give up: this process lives, and nothing is left."""
        dana = await a_person(desk)
        job = await handed_in(desk, dana, make(tmp_path / "x.pdf"))
        with suppress(NotDrawable):
            assert (await pages.page(desk, dana, job.id, 1))[0] == 1
        assert drawing() == []

    async def test_too_large_is_not_even_fetched(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "_LARGEST", 100)
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.good_pdf(tmp_path / "a.pdf"))
        await desk.storage.delete([(await pages.get_input(desk, dana, job.id)).storage_key])
        with pytest.raises(NotDrawable, match="larger"):
            await pages.page(desk, dana, job.id, 1)

    async def test_takes_its_time_and_no_more(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "_SECONDS", 0.01)
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.good_pdf(tmp_path / "a.pdf"))
        with pytest.raises(NotDrawable, match="too long"):
            await pages.page(desk, dana, job.id, 1)
        monkeypatch.setattr(pages, "_SECONDS", 60)
        with pytest.raises(NotDrawable, match="too long"):  # not tried again and again
            await pages.page(desk, dana, job.id, 1)

    async def test_what_the_machine_was_too_busy_for_is_drawn_later(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "_SECONDS", 0.01)
        monkeypatch.setattr(pages, "_AGAIN_SECONDS", 0)
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.good_pdf(tmp_path / "a.pdf"))
        with pytest.raises(NotDrawable, match="too long"):
            await pages.page(desk, dana, job.id, 1)
        monkeypatch.setattr(pages, "_SECONDS", 60)
        assert (await pages.page(desk, dana, job.id, 1))[0] == 1

    async def test_drawing_ends_with_who_asked(self, desk: Desk, tmp_path: Path) -> None:
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.hungry_pdf(tmp_path / "a.pdf"))
        asking = asyncio.create_task(pages.page(desk, dana, job.id, 1))
        await eventually(drawing, 60)
        asking.cancel()
        await asyncio.wait({asking})
        assert drawing() == []

    async def test_a_person_has_only_so_many_drawn(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "_DRAWN", 1)
        dana = await a_person(desk)
        job = await handed_in(desk, dana, resumes.long_pdf(tmp_path / "a.pdf", 6))
        await asyncio.gather(*(pages.page(desk, dana, job.id, number) for number in (1, 2, 3, 1)))
        with pytest.raises(RateLimited):
            await pages.page(desk, dana, job.id, 4)


def test_what_was_asked_for_last_is_kept() -> None:
    kept = Kept()
    large = Drawn(1, (Sheet(bytes(6 * 2**20), 1, 1),))
    for key in ("a", "b"):
        kept.put(key, 1, large)
    assert kept.get("a", 1)
    kept.put("c", 1, large)
    assert [bool(kept.get(key, 1)) for key in "abc"] == [True, False, True]
    for _ in range(5):
        kept.put("c", 1, large)
    assert kept.get("a", 1), "the same again takes no more room"
