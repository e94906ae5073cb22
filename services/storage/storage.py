"""Where the bytes lie: uploads and artifacts, in a local folder or in S3, through the same code.

Keys are made of ids alone (`upload_key`, `artifact_key`): nothing that a person typed is ever part of one.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import obstore
from obstore.store import LocalStore, S3Store

from services.errors import ServiceUnavailable
from services.ids import new_id
from services.settings import Settings
from services.storage import object_store
from services.storage.filenames import content_disposition
from services.storage.object_store import ObjectMissing, StorageFull, telling
from services.storage.presign import presigned_get
from services.storage.storing import store_multipart, up_to

__all__ = ["ObjectMissing", "Storage", "StorageFull", "artifact_key", "upload_key"]

_QUICK_SECONDS = 10.0
_READ_SECONDS = 60.0
_WRITE_SECONDS = 180.0
# S3 takes 10,000 parts: enough for 80 GB.
_PART = 8 * 2**20
_DELETE_BATCH = 1000
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def upload_key(workspace_id: UUID, upload_id: UUID) -> str:
    """Where an upload's bytes lie."""
    return f"uploads/{workspace_id}/{upload_id}"


def artifact_key(job_id: UUID, attempt: int) -> str:
    """A new place for a file that an attempt makes."""
    return f"artifacts/{job_id}/{attempt}/{new_id()}"


class Storage:
    """Objects by key. Every method raises `ServiceUnavailable`, with the cause in words, where the store fails."""

    def __init__(
        self,
        store: LocalStore | S3Store,
        *,
        folder: Path | None = None,
        bucket: object_store.Bucket | None = None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._bucket = bucket

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The storage of `MULLIGAN_STORAGE_URL`. Nothing is asked of a bucket yet; a folder is made where it is new.

        Raises:
            SettingsError: the address cannot be used.
        """
        if settings.effective_storage_url.startswith("s3://"):
            bucket = object_store.bucket_from(settings)
            return cls(object_store.s3_store(bucket), bucket=bucket)
        folder = object_store.local_folder(settings)
        return cls(object_store.local_store(folder), folder=folder)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Writes what `chunks` yields and returns its size in bytes. The object appears whole or not at all.

        Memory stays at a few parts of 8 MiB, however large the object. `chunks` is read in the caller's own task.

        Raises:
            TooLarge: more than `limit` bytes came.
            StorageFull: no space is left.
            Exception: whatever `chunks` raises.
        """
        _require_key(key)
        async with aclosing(up_to(chunks, limit, _PART)) as parts:
            first = await anext(parts, b"")
            second = await anext(parts, None)
            if second is None:
                async with telling(key, _WRITE_SECONDS, writing=True):
                    await obstore.put_async(self._store, key, first)
                return len(first)
            return await store_multipart(self._store, key, [first, second], parts, _PART, _WRITE_SECONDS)

    async def put_file(self, key: str, path: Path) -> int:
        """Writes a local file and returns its size in bytes."""
        return await self.put_stream(key, _read(path))

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Opens an object and returns its bytes from `start` up to, not including, `end`, in chunks of about 1 MiB.

        `0 <= start < end` must hold, and `start` lie in the object (ask `size` first). An empty object has no ranges:
        leave both out.

        Raises:
            ObjectMissing: there is none, before anything was yielded.
        """
        _require_key(key)
        options: Any = None
        if end is not None:
            options = {"range": (start, end)}
        elif start:
            options = {"range": {"offset": start}}
        try:
            async with telling(key, _QUICK_SECONDS):
                result = await obstore.get_async(self._store, key, options=options)
        except ObjectMissing:
            await self.check()
            raise
        return self._chunks(key, result.stream(min_chunk_size=2**20))

    async def _chunks(self, key: str, stream: Any) -> AsyncGenerator[bytes]:
        while True:
            async with telling(key, _READ_SECONDS):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def get_to_file(self, key: str, path: Path) -> int:
        """Copies an object into a local file and returns its size in bytes.

        Raises:
            ObjectMissing: there is none.
            OSError: the local disk is full (errno 28), or the file cannot be written. Nothing of it is left.
        """
        size = 0
        try:
            async with aclosing(await self.stream(key)) as chunks:
                with path.open("wb") as file:
                    async for chunk in chunks:
                        size += await asyncio.to_thread(file.write, chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return size

    async def size(self, key: str) -> int | None:
        """How many bytes an object has; None where there is none."""
        _require_key(key)
        try:
            async with telling(key, _QUICK_SECONDS):
                return int((await obstore.head_async(self._store, key))["size"])
        except ObjectMissing:
            # A bucket or folder that is gone answers as an object does that is gone, and must not be taken for it.
            await self.check()
            return None

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return await self.size(key) is not None

    async def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; those that are gone already are fine."""
        names = [_require_key(key) for key in keys]
        if self._bucket is None:
            for name in names:
                with suppress(ObjectMissing):
                    async with telling(name, _QUICK_SECONDS):
                        await obstore.delete_async(self._store, name)
            return
        for i in range(0, len(names), _DELETE_BATCH):
            async with telling(f"{len(names)} objects", _QUICK_SECONDS * 3, writing=True):
                await obstore.delete_async(self._store, names[i : i + _DELETE_BATCH])

    async def signed_url(
        self, key: str, filename: str, content_type: str, expires: timedelta = timedelta(minutes=10)
    ) -> str | None:
        """An address from which a browser saves the object under that name, for a while.

        None where there is no such thing: in a local folder, and where the credentials are an instance's role.
        Serve the bytes yourself then.
        """
        _require_key(key)
        bucket = self._bucket
        if bucket is None or bucket.credentials is None:
            return None
        headers = {"content-disposition": content_disposition(filename), "content-type": content_type}
        return presigned_get(
            bucket.url(key),
            bucket.region,
            bucket.credentials,
            expires=int(expires.total_seconds()),
            response_headers=headers,
            at=datetime.now(UTC),
        )

    async def check(self) -> None:
        """Whether storage can be used: the folder is there, the bucket answers.

        Raises:
            ServiceUnavailable: it cannot; the message says why.
        """
        if self._folder is not None:
            if not await asyncio.to_thread(self._folder.is_dir):
                raise ServiceUnavailable("Storage does not answer: its folder is gone.", service="Storage")
            return
        async with telling("the bucket", _QUICK_SECONDS, writing=True):
            await obstore.list_with_delimiter_async(self._store, "check")


def _require_key(key: str) -> str:
    if not _KEY.fullmatch(key) or len(key) > 500:
        raise ValueError(f"not a storage key: {key!r}")
    return key


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _PART):
            yield chunk
