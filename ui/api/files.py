"""Files: uploads as the input of jobs, artifacts as their output."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from services.desk import Desk
from services.jobs import jobs
from services.storage import pages
from services.storage.filenames import content_disposition
from services.storage.uploads import save_upload
from ui.api.caller import Caller, JobId, TheDesk
from ui.api.multipart import file_part
from ui.api.problems import RangeNotSatisfiable, problem
from ui.api.schemas import UploadOut

router = APIRouter(prefix="/api", tags=["files"])

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        }
    },
}
_BYTES = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: _BYTES | {"description": "The file."},
    206: _BYTES | {"description": "The part that `Range` asked for."},
    307: {"description": "The file is at this signed address."},
}
# What a job made is a stranger's: it must never run in our origin, also where a browser opens it.
_SANDBOXED = {"Content-Security-Policy": "sandbox; default-src 'none'"}

T = TypeVar("T")


@router.post("/uploads", status_code=201, openapi_extra={"requestBody": _FORM})
async def upload(desk: TheDesk, actor: Caller, request: Request) -> UploadOut:
    """Takes a file in. Its `id` goes into the arguments of a job."""
    actor.require_change()
    part = await file_part(request)
    return UploadOut.model_validate(
        await save_upload(desk, actor, part.filename, part.content_type, part.chunks)
    )


@router.head("/jobs/{job_id}/artifacts/{name:path}", include_in_schema=False)
@router.get(
    "/jobs/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses=_FILE,
)
async def get_artifact(desk: TheDesk, actor: Caller, job_id: JobId, name: str, request: Request) -> Response:
    """A file of the job's output."""
    artifact = await jobs.get_artifact(desk, actor, job_id, name)
    file = _File(artifact.storage_key, artifact.name, artifact.size, artifact.content_type)
    return await _answer(desk, file, request)


@router.head("/jobs/{job_id}/input", include_in_schema=False)
@router.get("/jobs/{job_id}/input", response_class=Response, responses=_FILE)
async def get_input(desk: TheDesk, actor: Caller, job_id: JobId, request: Request) -> Response:
    """The file that the job works on, as it was handed in."""
    upload = await pages.get_input(desk, actor, job_id)
    file = _File(upload.storage_key, upload.filename, upload.size, upload.content_type)
    return await _answer(desk, file, request)


@router.get(
    "/jobs/{job_id}/pages/{number}",
    response_class=Response,
    responses={200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_page(
    desk: TheDesk,
    actor: Caller,
    job_id: JobId,
    number: Annotated[int, Path(description="1 is the first; at most 50.")],
    request: Request,
    file: Annotated[
        str | None, Query(description="A PDF of the job's output; none named: its input.")
    ] = None,
) -> Response:
    """A page of a PDF as a picture. `Mulligan-Pages` says how many there are."""
    count, sheet = await _unless_gone(request, pages.page(desk, actor, job_id, number, file))
    headers = _SANDBOXED | {
        "Content-Disposition": "inline",
        "ETag": f'"{sha256(sheet.picture).hexdigest()[:32]}"',
        # Kept by the browser, and shown only after asking again: a job may be deleted, a right be taken away.
        "Cache-Control": "private, no-cache",
        "Mulligan-Pages": str(count),
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(sheet.picture, headers=headers, media_type="image/webp")


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it ends with the connection of who asked."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.wait({working})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@dataclass(frozen=True)
class _File:
    """What is served."""

    storage_key: str
    name: str
    size: int
    content_type: str


async def _answer(desk: Desk, file: _File, request: Request) -> Response:
    """The file or a part of it, or where it is."""
    signed = await desk.storage.signed_url(file.storage_key, file.name, file.content_type)
    # A page may play only what comes from us: its policy knows no other origin.
    if signed is not None and request.method == "GET" and "stream" not in request.query_params:
        return RedirectResponse(signed, 307)
    headers = _headers(file)
    wanted = _wanted(request, file.size, headers["ETag"])
    if wanted is None:
        error = RangeNotSatisfiable(size=file.size)
        return problem(error, {"Content-Range": f"bytes */{file.size}"})
    headers["Content-Length"] = str(wanted.length)
    if wanted.is_part:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{file.size}"
    status = 206 if wanted.is_part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=file.content_type)
    chunks = await _open(desk, file, wanted)
    return StreamingResponse(chunks, status, headers, media_type=file.content_type)


@dataclass(frozen=True)
class _Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int
    is_part: bool

    @property
    def length(self) -> int:
        return self.end - self.start


def _headers(file: _File) -> dict[str, str]:
    tag = sha256(file.storage_key.encode()).hexdigest()[:32]
    return _SANDBOXED | {
        "Content-Disposition": content_disposition(file.name),
        "Accept-Ranges": "bytes",
        "ETag": f'"{tag}"',
    }


def _wanted(request: Request, size: int, tag: str) -> _Span | None:
    """What part of the file is asked for; None where there is no such part. Several ranges are answered with all."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    first, last = found.groups() if found else ("", "")
    # A download that goes on must go on in the same file.
    is_stale = request.headers.get("if-range", tag) != tag
    if not (first or last) or is_stale:
        return _Span(0, size, is_part=False)
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return _Span(0, size, is_part=False)  # no range at all, says RFC 9110
    return _Span(start, end, is_part=True) if start < end else None


async def _open(desk: Desk, file: _File, wanted: _Span) -> AsyncIterator[bytes]:
    if wanted.is_part:
        return await desk.storage.stream(file.storage_key, wanted.start, wanted.end)
    return await desk.storage.stream(file.storage_key)
