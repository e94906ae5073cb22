"""Files: uploads as the input of jobs, artifacts as their output."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from services.desk import Desk
from services.jobs import jobs
from services.models import Artifact
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
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


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
    responses={
        200: _BYTES | {"description": "The file."},
        206: _BYTES | {"description": "The part that `Range` asked for."},
        307: {"description": "The file is at this signed address."},
    },
)
async def get_artifact(desk: TheDesk, actor: Caller, job_id: JobId, name: str, request: Request) -> Response:
    """A file of the job's output."""
    artifact = await jobs.get_artifact(desk, actor, job_id, name)
    signed = await desk.storage.signed_url(artifact.storage_key, artifact.name, artifact.content_type)
    # A page may play only what comes from us: its policy knows no other origin.
    if signed is not None and request.method == "GET" and "stream" not in request.query_params:
        return RedirectResponse(signed, 307)
    headers = _headers(artifact)
    wanted = _wanted(request, artifact.size, headers["ETag"])
    if wanted is None:
        error = RangeNotSatisfiable(size=artifact.size)
        return problem(error, {"Content-Range": f"bytes */{artifact.size}"})
    headers["Content-Length"] = str(wanted.length)
    if wanted.is_part:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{artifact.size}"
    status = 206 if wanted.is_part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=artifact.content_type)
    chunks = await _open(desk, artifact, wanted)
    return StreamingResponse(chunks, status, headers, media_type=artifact.content_type)


@dataclass(frozen=True)
class _Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int
    is_part: bool

    @property
    def length(self) -> int:
        return self.end - self.start


def _headers(artifact: Artifact) -> dict[str, str]:
    tag = sha256(artifact.storage_key.encode()).hexdigest()[:32]
    return {
        "Content-Disposition": content_disposition(artifact.name),
        # What a job made is a stranger's: it must never run in our origin, also where a browser opens it.
        "Content-Security-Policy": "sandbox; default-src 'none'",
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


async def _open(desk: Desk, artifact: Artifact, wanted: _Span) -> AsyncIterator[bytes]:
    if wanted.is_part:
        return await desk.storage.stream(artifact.storage_key, wanted.start, wanted.end)
    return await desk.storage.stream(artifact.storage_key)
