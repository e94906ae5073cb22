"""Streaming a large object into a store so that, whatever happens, it is stored whole or not at all."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeAlias

import obstore
from obstore.store import LocalStore, S3Store

from services.errors import TooLarge
from services.storage.object_store import telling

# Parts that are on their way at the same time: memory is this many, and two that wait.
_CONCURRENT = 3
_ABORT_SECONDS = 10.0


class _AbortedError(Exception):
    """Tells the store that no more comes and that what came is not wanted."""


_Pieces: TypeAlias = "asyncio.Queue[bytes | _AbortedError | None]"
_Upload: TypeAlias = "asyncio.Future[obstore.PutResult]"


async def up_to(chunks: AsyncIterator[bytes], limit: int | None, part: int) -> AsyncGenerator[bytes]:
    """The same bytes in larger pieces, each but the last at least `part` long.

    Raises:
        TooLarge: more than `limit` came.
    """
    size = 0
    gathered = bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise TooLarge(limit=limit)
        gathered += chunk
        if len(gathered) >= part:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def store_multipart(
    store: LocalStore | S3Store,
    key: str,
    head: Sequence[bytes],
    tail: AsyncIterator[bytes],
    part: int,
    stall_seconds: float,
) -> int:
    """Writes `head`, then `tail`, as one object; returns its size in bytes.

    Cancelling obstore's own future would leave the parts that were sent in the bucket, hidden and paid for. So the
    source is read here, and the store is fed through a queue by which it can also be told to take everything back.

    Raises:
        ServiceUnavailable: the store failed, or took nothing for `stall_seconds`.
        Exception: whatever the source raises, as it is.
    """
    queue: _Pieces = asyncio.Queue(maxsize=1)
    upload = asyncio.ensure_future(
        obstore.put_async(store, key, _taken_from(queue), chunk_size=part, max_concurrency=_CONCURRENT)
    )
    size = 0
    try:
        async for piece in _chained(head, tail):
            size += len(piece)
            async with telling(key, None, writing=True):
                await _hand_over(queue, piece, upload, stall_seconds)
        async with telling(key, None, writing=True):
            await _hand_over(queue, None, upload, stall_seconds)
        async with telling(key, stall_seconds, writing=True):
            await asyncio.shield(upload)
    except BaseException:
        await _abort(queue, upload)
        raise
    return size


async def _chained(head: Sequence[bytes], tail: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in head:
        yield piece
    async for piece in tail:
        yield piece


async def _taken_from(queue: _Pieces) -> AsyncIterator[bytes]:
    while (piece := await queue.get()) is not None:
        if isinstance(piece, _AbortedError):
            raise piece
        yield piece


async def _hand_over(
    queue: _Pieces,
    piece: bytes | None,
    upload: _Upload,
    seconds: float,
) -> None:
    handing = asyncio.ensure_future(queue.put(piece))
    either: set[asyncio.Future[Any]] = {handing, upload}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if upload.done():
            upload.result()
        if not handing.done():
            raise TimeoutError
    finally:
        handing.cancel()


async def _abort(queue: _Pieces, upload: _Upload) -> None:
    if not upload.done():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(_AbortedError())
        await asyncio.wait({upload}, timeout=_ABORT_SECONDS)
    if not upload.done():
        upload.cancel()
    elif not upload.cancelled():
        upload.exception()
