"""Objects in a folder and in S3, by the same tests; then what only one of them can do."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from services.errors import ServiceUnavailable, TooLarge
from services.settings import Settings, SettingsError, load_settings
from services.storage.presign import Credentials, presigned_get
from services.storage.storage import ObjectMissing, Storage, StorageFull, artifact_key, upload_key
from tests.support.disk import small_disk
from tests.support.ports import free_port
from tests.support.s3 import S3Server
from tests.support.waiting import eventually

MB = 2**20


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


class Place:
    """A storage, and a look at what really lies in it."""

    def __init__(self, settings: Settings, folder: Path | None, s3: S3Server | None, bucket: str) -> None:
        self.storage = Storage.from_settings(settings)
        self._folder, self._s3, self._bucket = folder, s3, bucket

    def everything(self) -> list[str]:
        """Every object, finished or not."""
        if self._s3:
            return [*self._s3.keys(self._bucket), *self._s3.unfinished(self._bucket)]
        assert self._folder is not None
        return [str(path) for path in self._folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        folder = tmp_path / "storage folder"
        return Place(in_folder(folder), folder, None, "")
    s3: S3Server = request.getfixturevalue("s3")
    bucket = s3.make_bucket()
    return Place(s3.settings(bucket), None, s3, bucket)


def in_folder(folder: Path) -> Settings:
    return load_settings(_env_file=None, storage_url=folder.as_uri())


async def pieces(size: int, of: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, size, of):
        yield bytes([start // of % 251]) * min(of, size - start)


async def content(storage: Storage, key: str, *span: int) -> bytes:
    return b"".join([chunk async for chunk in await storage.stream(key, *span)])


class TestPut:
    @pytest.mark.parametrize("size", [1, MB, 8 * MB, 8 * MB + 1, 27 * MB + 3])
    async def test_what_was_put_comes_back_whole(self, place: Place, size: int) -> None:
        key = upload_key(uuid4(), uuid4())

        assert await place.storage.put_stream(key, pieces(size)) == size

        expected = sha256(b"".join([piece async for piece in pieces(size)])).hexdigest()
        assert sha256(await content(place.storage, key)).hexdigest() == expected
        assert await place.storage.size(key) == size

    async def test_nothing_is_an_object_too(self, place: Place) -> None:
        assert await place.storage.put_stream("empty", pieces(0)) == 0
        assert await place.storage.size("empty") == 0
        assert await content(place.storage, "empty") == b""

    async def test_a_second_put_replaces_the_first(self, place: Place) -> None:
        await place.storage.put_stream("k", pieces(9 * MB))
        await place.storage.put_stream("k", pieces(5))
        assert await place.storage.size("k") == 5

    @pytest.mark.parametrize("limit", [MB, 20 * MB])
    async def test_more_than_the_limit_is_refused_and_leaves_nothing(self, place: Place, limit: int) -> None:
        with pytest.raises(TooLarge) as refusal:
            await place.storage.put_stream("k", pieces(limit + 1), limit=limit)
        assert refusal.value.data == {"limit": limit}
        assert place.everything() == []

    async def test_exactly_the_limit_is_taken(self, place: Place) -> None:
        assert await place.storage.put_stream("k", pieces(9 * MB), limit=9 * MB) == 9 * MB

    @pytest.mark.parametrize("after", [MB, 20 * MB])
    async def test_a_source_that_breaks_is_heard_and_leaves_nothing(self, place: Place, after: int) -> None:
        async def broken() -> AsyncIterator[bytes]:
            async for piece in pieces(after):
                yield piece
            raise OSError("the sender went away")

        with pytest.raises(OSError, match="the sender went away"):
            await place.storage.put_stream("k", broken())
        assert place.everything() == []

    async def test_a_cancelled_put_leaves_nothing(self, place: Place) -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for piece in pieces(30 * MB):
                yield piece
            begun.set()
            await asyncio.Event().wait()

        putting = asyncio.ensure_future(place.storage.put_stream("k", endless()))
        await asyncio.wait_for(begun.wait(), 20)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await eventually(lambda: place.everything() == [], expect="no object and no half of one")

    async def test_the_old_object_survives_a_put_that_fails(self, place: Place) -> None:
        await place.storage.put_stream("k", pieces(7))
        with pytest.raises(TooLarge):
            await place.storage.put_stream("k", pieces(20 * MB), limit=10 * MB)
        assert await place.storage.size("k") == 7

    async def test_a_file_goes_in_and_out(self, place: Place, tmp_path: Path) -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(os.urandom(9 * MB))
        assert await place.storage.put_file("f", source) == 9 * MB
        assert await place.storage.get_to_file("f", target) == 9 * MB
        assert target.read_bytes() == source.read_bytes()

    async def test_memory_stays_at_a_few_parts(self, tmp_path: Path) -> None:
        most = 0

        async def watched() -> AsyncIterator[bytes]:
            nonlocal most
            async for piece in pieces(400 * MB, of=4 * MB):
                most = max(most, resident())
                yield piece

        storage = Storage.from_settings(in_folder(tmp_path))
        before = resident()
        assert await storage.put_stream("large", watched()) == 400 * MB
        assert most - before < 150 * MB


def resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


class TestGet:
    async def test_a_range_is_cut_out(self, place: Place) -> None:
        await place.storage.put_stream("k", pieces(200, of=10))
        whole = await content(place.storage, "k")
        assert await content(place.storage, "k", 15, 35) == whole[15:35]
        assert await content(place.storage, "k", 190) == whole[190:]
        assert await content(place.storage, "k", 0, 1) == whole[:1]

    async def test_what_is_gone_is_said_before_the_first_byte(self, place: Place, tmp_path: Path) -> None:
        with pytest.raises(ObjectMissing) as gone:
            await place.storage.stream("nothing/here")
        assert (gone.value.status, gone.value.code) == (404, "not_found")
        with pytest.raises(ObjectMissing):
            await place.storage.get_to_file("nothing/here", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    async def test_size_and_existence(self, place: Place) -> None:
        assert await place.storage.size("k") is None
        assert not await place.storage.exists("k")
        await place.storage.put_stream("k", pieces(3))
        assert await place.storage.exists("k")


class TestDelete:
    async def test_deletes_what_is_there_and_forgives_what_is_not(self, place: Place) -> None:
        for key in ("a/1", "a/2", "b"):
            await place.storage.put_stream(key, pieces(3))
        await place.storage.delete(["a/1", "gone", "b"])
        assert [await place.storage.exists(key) for key in ("a/1", "a/2", "b")] == [False, True, False]
        await place.storage.delete([])


class TestKeys:
    @pytest.mark.parametrize(
        "key", ["../x", "/etc/passwd", "a/../../x", "a//b", "", "a/./b", "a b", "a\x00", "ä", "a/"]
    )
    async def test_a_key_that_could_lead_elsewhere_is_refused(self, place: Place, key: str) -> None:
        for call in (
            place.storage.put_stream(key, pieces(1)),
            place.storage.stream(key),
            place.storage.size(key),
            place.storage.delete([key]),
            place.storage.signed_url(key, "f", "text/plain"),
        ):
            with pytest.raises(ValueError, match="not a storage key"):
                await call

    def test_keys_are_made_of_ids(self) -> None:
        workspace, upload, job = uuid4(), uuid4(), uuid4()
        assert upload_key(workspace, upload) == f"uploads/{workspace}/{upload}"
        first, second = artifact_key(job, 2), artifact_key(job, 2)
        assert first.startswith(f"artifacts/{job}/2/")
        assert first != second


class TestCheck:
    async def test_a_storage_that_works_says_nothing(self, place: Place) -> None:
        await place.storage.check()

    async def test_a_folder_that_is_gone_is_not_a_missing_object(self, tmp_path: Path) -> None:
        storage = Storage.from_settings(in_folder(tmp_path / "s"))
        (tmp_path / "s").rmdir()
        with pytest.raises(ServiceUnavailable, match="its folder is gone"):
            await storage.size("k")

    async def test_a_bucket_that_is_gone_is_not_a_missing_object(self, s3: S3Server) -> None:
        storage = Storage.from_settings(s3.settings("no-such-bucket"))
        for call in (
            storage.check(),
            storage.size("k"),
            storage.stream("k"),
            storage.put_stream("k", pieces(1)),
            storage.put_stream("k", pieces(20 * MB)),
        ):
            with pytest.raises(ServiceUnavailable, match="no bucket of that name"):
                await call

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"storage_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
            ({"storage_access_key_id": "wrong"}, "InvalidAccessKeyId"),
        ],
    )
    async def test_wrong_credentials_are_named(self, s3: S3Server, wrong: dict[str, Any], code: str) -> None:
        storage = Storage.from_settings(s3.settings(s3.make_bucket(), **wrong))
        with pytest.raises(ServiceUnavailable, match=rf"refused the credentials \({code}\)") as refusal:
            await storage.check()
        assert refusal.value.data == {"service": "Storage"}
        for call in (
            storage.size("k"),
            storage.put_stream("k", pieces(1)),
            storage.put_stream("k", pieces(20 * MB)),
        ):
            with pytest.raises(ServiceUnavailable, match="refused the credentials"):
                await call

    async def test_a_server_that_is_down_is_said_soon(self, s3: S3Server) -> None:
        storage = Storage.from_settings(s3.settings("b", storage_endpoint=f"http://127.0.0.1:{free_port()}"))
        async with asyncio.timeout(15):
            with pytest.raises(ServiceUnavailable, match="connection refused"):
                await storage.check()
        async with asyncio.timeout(15):
            with pytest.raises(ServiceUnavailable, match="connection refused"):
                await storage.put_stream("k", pieces(30 * MB))

    async def test_a_server_that_says_nothing_is_not_waited_for(
        self, s3: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.storage.storage._QUICK_SECONDS", 0.3)
        monkeypatch.setattr("services.storage.storage._WRITE_SECONDS", 0.3)
        monkeypatch.setattr("services.storage.storing._ABORT_SECONDS", 0.1)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            storage = Storage.from_settings(s3.settings("b", storage_endpoint=url))
            for call in (storage.check(), storage.size("k"), storage.put_stream("k", pieces(90 * MB))):
                async with asyncio.timeout(10):
                    with pytest.raises(ServiceUnavailable, match="does not answer in time"):
                        await call


class TestFullDisk:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        with small_disk(tmp_path / "small", 12 * MB) as folder:
            yield folder

    @pytest.mark.parametrize("size", [5 * MB, 30 * MB])
    async def test_is_said_and_leaves_nothing(self, small: Path, size: int) -> None:
        storage = Storage.from_settings(in_folder(small))
        (small / "ballast").write_bytes(bytes(8 * MB))
        with pytest.raises(StorageFull, match="no space is left") as full:
            await storage.put_stream("k", pieces(size))
        assert (full.value.status, full.value.code) == (503, "service_unavailable")
        await eventually(lambda: [path.name for path in small.iterdir()] == ["ballast"])


class TestSignedAddress:
    async def test_a_folder_has_none(self, tmp_path: Path) -> None:
        assert await Storage.from_settings(in_folder(tmp_path)).signed_url("k", "a.mp4", "video/mp4") is None

    async def test_gives_the_file_under_its_name(self, s3: S3Server) -> None:
        storage = Storage.from_settings(s3.settings(s3.make_bucket()))
        await storage.put_stream("a/b", pieces(11))
        url = await storage.signed_url("a/b", 'Übung "1"; 50%.mp4', "video/mp4")
        assert url is not None
        with s3.unchecked():
            async with httpx.AsyncClient() as client:
                answer = await client.get(url)
                ranged = await client.get(url, headers={"Range": "bytes=2-4"})
        assert answer.content == b"\0" * 11
        assert answer.headers["content-type"].startswith("video/mp4")
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert "filename*=UTF-8''%C3%9Cbung%20%221%22%3B%2050%25.mp4" in answer.headers["content-disposition"]
        assert (ranged.status_code, len(ranged.content)) == (206, 3)

    async def test_is_what_the_makers_of_s3_would_have_signed(self, s3: S3Server) -> None:
        """botocore is the second opinion: the same address, the same moment, the same signature."""
        from botocore.auth import S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as BotoCredentials

        headers = {"content-disposition": "attachment; filename*=UTF-8''a%20b", "content-type": "video/mp4"}
        theirs = AWSRequest(
            "GET", f"{s3.url}/bucket/some/key", params={f"response-{k}": v for k, v in headers.items()}
        )
        S3SigV4QueryAuth(BotoCredentials("id", "secret", "token"), "s3", "eu-1", expires=600).add_auth(theirs)
        signed = parse_qs(urlsplit(theirs.prepare().url).query)
        at = datetime.strptime(signed["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

        ours = presigned_get(
            f"{s3.url}/bucket/some/key",
            "eu-1",
            Credentials("id", "secret", "token"),
            expires=600,
            response_headers=headers,
            at=at,
        )
        assert parse_qs(urlsplit(ours).query) == signed

    async def test_without_a_key_of_our_own_there_is_none(
        self, s3: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        settings = s3.settings("b", storage_access_key_id=None, storage_secret_access_key=None)
        assert await Storage.from_settings(settings).signed_url("k", "f", "text/plain") is None


class TestSettings:
    async def test_the_usual_variables_are_enough(
        self, s3: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_access_key)
        bucket = s3.make_bucket()
        storage = Storage.from_settings(load_settings(_env_file=None, storage_url=f"s3://{bucket}"))
        await storage.put_stream("k", pieces(3))
        assert s3.keys(bucket) == ["k"]
        url = await storage.signed_url("k", "f", "text/plain", timedelta(minutes=1))
        assert str(url).startswith(f"{s3.url}/{bucket}/k?")
        assert parse_qs(urlsplit(str(url)).query)["X-Amz-Expires"] == ["60"]

    async def test_objects_lie_under_the_prefix(self, s3: S3Server) -> None:
        bucket = s3.make_bucket()
        await Storage.from_settings(s3.settings(bucket)).put_stream("k", pieces(3))
        assert s3.keys(bucket) == ["some/where/k"]

    def test_what_cannot_be_is_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(
            SettingsError, match="MULLIGAN_STORAGE_URL: expected file:///folder or s3://bucket/prefix"
        ):
            load_settings(_env_file=None, storage_url="ftp://x")
        with pytest.raises(SettingsError, match="wants a bucket"):
            Storage.from_settings(load_settings(_env_file=None, storage_url="s3:///prefix"))
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(SettingsError, match="cannot use the folder"):
            Storage.from_settings(in_folder(tmp_path / "file" / "below"))
