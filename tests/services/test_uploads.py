"""Handing in files, on both databases and a real folder; and the check that asks whether they are still there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.checks import input_in_storage
from services.desk import Desk
from services.errors import Forbidden, InputMissing, Invalid, NotFound, ServiceUnavailable, TooLarge
from services.ids import new_id
from services.models import Job, Upload
from services.people.access import Actor
from services.sizes import human_size
from services.storage.filenames import content_disposition, safe_filename
from services.storage.uploads import get_upload, save_upload
from services.vocabulary import Role
from tests.support.desks import a_person, open_desk
from tests.support.waiting import eventually


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path, max_upload_bytes=1000) as desk:
        yield desk


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def stored(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]


async def rows(desk: Desk) -> int:
    async with desk.db.read() as session:
        return int((await session.execute(sa.select(sa.func.count()).select_from(Upload))).scalar_one())


class TestSaveUpload:
    async def test_keeps_the_bytes_and_says_what_they_are(self, desk: Desk) -> None:
        actor = await a_person(desk, Role.MEMBER)
        made = await save_upload(desk, actor, "talk.mov", "Video/QuickTime; codecs=x", pieces(b"ab", b"c"))

        upload = await get_upload(desk, actor, made.id)
        assert (upload.filename, upload.size, upload.content_type) == ("talk.mov", 3, "video/quicktime")
        assert (upload.workspace_id, upload.owner_id) == (actor.workspace_id, actor.user_id)
        assert b"".join([c async for c in await desk.storage.stream(upload.storage_key)]) == b"abc"
        assert "talk" not in upload.storage_key

    async def test_a_viewer_may_not(self, desk: Desk, tmp_path: Path) -> None:
        with pytest.raises(Forbidden):
            await save_upload(desk, await a_person(desk, Role.VIEWER), "a", None, pieces(b"x"))
        assert stored(tmp_path) == []

    async def test_nothing_is_not_a_file(self, desk: Desk, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="The file is empty"):
            await save_upload(desk, await a_person(desk), "a.mp4", "video/mp4", pieces())
        assert (stored(tmp_path), await rows(desk)) == ([], 0)

    async def test_too_much_leaves_nothing(self, desk: Desk, tmp_path: Path) -> None:
        with pytest.raises(TooLarge) as refusal:
            await save_upload(desk, await a_person(desk), "a.mp4", None, pieces(b"x" * 999, b"yy"))
        assert (refusal.value.code, refusal.value.status) == ("file_too_large", 403)
        assert (stored(tmp_path), await rows(desk)) == ([], 0)

    async def test_a_row_that_cannot_be_written_leaves_no_bytes(self, desk: Desk, tmp_path: Path) -> None:
        ghost = Actor(new_id(), "g@x", "ghost", new_id(), "gone", "Gone", Role.ADMIN)
        with pytest.raises(sa.exc.IntegrityError):
            await save_upload(desk, ghost, "a.mp4", None, pieces(b"x"))
        assert stored(tmp_path) == []

    async def test_a_sender_who_goes_away_leaves_nothing(self, desk: Desk, tmp_path: Path) -> None:
        actor = await a_person(desk)
        begun = asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            yield b"x"
            begun.set()
            await asyncio.Event().wait()

        saving = asyncio.ensure_future(save_upload(desk, actor, "a", None, hanging()))
        await asyncio.wait_for(begun.wait(), 5)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        await eventually(lambda: stored(tmp_path) == [])
        assert await rows(desk) == 0

    @pytest.mark.parametrize("odd", ["<script>", "text", "a/b\r\nX: y", "", None, "a/" + "b" * 500])
    async def test_a_type_that_is_none_is_bytes(self, desk: Desk, odd: str | None) -> None:
        upload = await save_upload(desk, await a_person(desk), "a", odd, pieces(b"x"))
        assert upload.content_type == "application/octet-stream"


class TestGetUpload:
    async def test_whose_it_is_decides_who_finds_it(self, desk: Desk) -> None:
        owner = await a_person(desk, Role.MEMBER, name="owner")
        other = await a_person(desk, Role.MEMBER, name="other")
        seers = [owner, *[await a_person(desk, role) for role in (Role.ADMIN, Role.OPERATOR, Role.VIEWER)]]
        stranger = await a_person(desk, Role.ADMIN, workspace="elsewhere")
        upload = await save_upload(desk, owner, "a", None, pieces(b"x"))

        for actor in seers:
            assert (await get_upload(desk, actor, upload.id)).id == upload.id
        for actor in (other, stranger):
            with pytest.raises(NotFound, match="no such upload"):
                await get_upload(desk, actor, upload.id)
        with pytest.raises(NotFound):
            await get_upload(desk, owner, new_id())


class TestInputInStorage:
    @pytest.fixture
    async def actor(self, desk: Desk) -> Actor:
        return await a_person(desk)

    def job(self, actor: Actor, **fields: Any) -> Job:
        return Job(workspace_id=actor.workspace_id, owner_id=actor.user_id, kind="k", title="t", **fields)

    async def test_is_there(self, desk: Desk, actor: Actor) -> None:
        upload = await save_upload(desk, actor, "keynote.mov", None, pieces(b"x" * 900))
        result = await input_in_storage(desk, self.job(actor, upload_id=upload.id), actor)
        assert result.passed
        assert result.message == "Input keynote.mov (900 B) is still in storage"
        assert result.facts == {"filename": "keynote.mov", "size": 900}

    async def test_is_gone(self, desk: Desk, actor: Actor) -> None:
        upload = await save_upload(desk, actor, "keynote.mov", None, pieces(b"x"))
        await desk.storage.delete([upload.storage_key])
        result = await input_in_storage(desk, self.job(actor, upload_id=upload.id), actor)
        assert (result.passed, result.blocking) == (False, True)
        assert isinstance(result.error, InputMissing)
        assert "keynote.mov is no longer in storage" in result.message

    async def test_never_was(self, desk: Desk, actor: Actor) -> None:
        for upload_id in (None, new_id()):
            result = await input_in_storage(desk, self.job(actor, upload_id=upload_id), actor)
            assert isinstance(result.error, InputMissing)

    async def test_of_another_workspace_is_none(self, desk: Desk, actor: Actor) -> None:
        theirs = await save_upload(desk, await a_person(desk, workspace="b"), "a", None, pieces(b"x"))
        result = await input_in_storage(desk, self.job(actor, upload_id=theirs.id), actor)
        assert isinstance(result.error, InputMissing)

    async def test_cannot_be_asked(self, desk: Desk, actor: Actor, tmp_path: Path) -> None:
        upload = await save_upload(desk, actor, "keynote.mov", None, pieces(b"x"))
        (tmp_path / "storage").rename(tmp_path / "elsewhere")
        result = await input_in_storage(desk, self.job(actor, upload_id=upload.id), actor)
        assert (result.passed, result.blocking) == (False, True)
        assert isinstance(result.error, ServiceUnavailable)
        assert "its folder is gone" in result.message


class TestSafeFilename:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("talk.mov", "talk.mov"),
            ("../../etc/passwd", "passwd"),
            (r"C:\Users\me\talk.mov", "talk.mov"),
            ("a\x00b\r\n\x1b.mp4", "a\N{REPLACEMENT CHARACTER}b.mp4"),
            ("evil\u202evom.exe", "evilvom.exe"),
            ("e\u0301.mp4", "é.mp4"),
            ("  spaced name .mp4 ", "spaced name .mp4"),
            ("\ud800.mp4", "?.mp4"),
            ("..", "file"),
            ("a/", "file"),
            ("", "file"),
        ],
    )
    def test_keeps_what_a_person_would_recognise(self, sent: str, kept: str) -> None:
        assert safe_filename(sent) == kept

    @pytest.mark.parametrize("sent", ["ü" * 300 + ".mp4", "a" * 300, "a." + "b" * 300])
    def test_is_at_most_255_bytes(self, sent: str) -> None:
        assert 250 < len(safe_filename(sent).encode()) <= 255

    def test_keeps_the_ending_of_a_long_name(self) -> None:
        assert safe_filename("ü" * 300 + ".mp4").endswith("ü.mp4")

    def test_a_header_of_it_cannot_be_broken_out_of(self) -> None:
        header = content_disposition('a"; filename="b\r\nSet-Cookie: x.mp4')
        assert header.isprintable()
        assert header.startswith('attachment; filename="a_; filename=_bSet-Cookie: x.mp4"; ')


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567_890, "1.2 GB"),
        (34_500_000, "34 MB"),
        (999_960, "1.0 MB"),
    ],
)
def test_human_size(size: int, words: str) -> None:
    assert human_size(size) == words
