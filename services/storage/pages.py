"""Pages of a job's PDF as pictures, to be looked at without fetching the file: of its output, or of its input.

A PDF is a stranger's: it is drawn by a process of its own (`draw_pages`) with limits on size, pages, time and memory.
What was drawn is kept in this process for a while, some megabytes of it; who may see it is asked each time.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from services import rate_limit
from services.desk import Desk
from services.errors import NotDrawable, NotFound
from services.jobs import jobs
from services.models import Artifact, Upload
from services.people.access import Actor
from services.storage.kept_pages import Drawn, Sheet

PDF = "application/pdf"
MOST_PAGES = 50
"""Of one file; the rest is for who downloads it."""
_LARGEST = 50 * 2**20
_AT_ONCE = 3
"""Pages that one process draws: it takes as long to begin as a page does."""
_SECONDS, _CPU_SECONDS = 20.0, 10
_MEMORY, _PICTURE_BYTES = 2**30, 10 * 2**20
_DRAWN, _DRAWN_SECONDS = 40, 60
"""So many processes a person may have begun in so many seconds. What is kept costs none."""
_AGAIN_SECONDS = 60.0
_ROOT = Path(__file__).parents[2]
_WORDS = {
    "no_pdf": "it is no PDF",
    "password": "it is protected by a password",
    "damaged": "it is damaged",
    "too_large": f"it is larger than {_LARGEST // 2**20} MB",
    "too_slow": "a page of it takes too long to draw",
    "crashed": "a page of it cannot be drawn",
}


@dataclass(frozen=True)
class _Paper:
    """A file that may be a PDF."""

    key: str
    name: str
    size: int


def is_pdf(file: Artifact | Upload) -> bool:
    """Whether a file calls itself a PDF. What is none is not drawn."""
    name = file.name if isinstance(file, Artifact) else file.filename
    return file.content_type.partition(";")[0].strip().lower() == PDF or name.lower().endswith(".pdf")


async def page(
    desk: Desk, actor: Actor, job_id: UUID, number: int, name: str | None = None
) -> tuple[int, Sheet]:
    """How many pages a file has, and one of them. Without a name it is the job's input.

    Raises:
        JobNotFound: there is no such job for the actor.
        NotFound: there is no such file, also in storage, or no such page, or it is beyond the first 50.
        NotDrawable: it is no PDF, is protected or damaged, or takes too much.
        RateLimited: the actor has had too many drawn.
        ServiceUnavailable: storage does not answer.
    """
    if not 1 <= number <= MOST_PAGES:
        raise NotFound(what="page")
    paper = await _paper(desk, actor, job_id, name)
    first = number - (number - 1) % _AT_ONCE
    drawn = desk.pages.get(paper.key, first) or await _draw(desk, actor, paper, first)
    if drawn.trouble:
        raise NotDrawable(name=paper.name, why=_WORDS[drawn.trouble])
    if number > drawn.pages:
        raise NotFound(what="page")
    return drawn.pages, drawn.sheets[number - first]


async def get_input(desk: Desk, actor: Actor, job_id: UUID) -> Upload:
    """The upload that a job works on. Raises JobNotFound, NotFound."""
    async with desk.db.read() as session:
        job = await jobs.find_job(session, actor, job_id)
        query = select(Upload).where(
            col(Upload.id) == job.upload_id, col(Upload.workspace_id) == actor.workspace_id
        )
        upload = (await session.scalars(query)).one_or_none()
    if upload is None:
        raise NotFound(what="input")
    return upload


async def _paper(desk: Desk, actor: Actor, job_id: UUID, name: str | None) -> _Paper:
    if name is not None:
        artifact = await jobs.get_artifact(desk, actor, job_id, name)
        return _Paper(artifact.storage_key, artifact.name, artifact.size)
    upload = await get_input(desk, actor, job_id)
    return _Paper(upload.storage_key, upload.filename, upload.size)


async def _draw(desk: Desk, actor: Actor, paper: _Paper, first: int) -> Drawn:
    if paper.size > _LARGEST:
        return Drawn(trouble="too_large")
    async with desk.pages.turn(actor.user_id):
        if found := desk.pages.get(paper.key, first):  # somebody else had it drawn meanwhile
            return found
        who = str(actor.user_id)
        await rate_limit.hit(desk.feed.redis, "pages", who, limit=_DRAWN, window=_DRAWN_SECONDS)
        with tempfile.TemporaryDirectory(prefix="mulligan-pages-") as folder:
            path = Path(folder) / "file.pdf"
            await desk.storage.get_to_file(paper.key, path)
            drawn = await _run(path, first)
    desk.pages.put(paper.key, first, drawn)
    return drawn


async def _run(path: Path, first: int) -> Drawn:
    """The process, from its start to its end: however this ends, it is gone then."""
    from services.process import Limits, run_process

    said: list[str] = []
    last = min(first + _AT_ONCE - 1, MOST_PAGES)
    # -P: the folder that it works in must not stand in for libraries.
    command: list[str | Path] = [
        sys.executable, "-P", "-m", "services.storage.draw_pages", path, str(first), str(last),
    ]  # fmt: skip
    limits = Limits(cpu_seconds=_CPU_SECONDS, memory_bytes=_MEMORY, file_bytes=_PICTURE_BYTES)
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        ended = await run_process(
            command, cwd=path.parent, on_line=said.append, timeout=_SECONDS, limits=limits,
            env={"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except TimeoutError:
        return _for_now("too_slow")
    if ended.code:
        return _for_now("too_slow" if ended.code == -signal.SIGXCPU else "crashed")
    return await asyncio.to_thread(_read, path.parent, first, said)


def _for_now(trouble: str) -> Drawn:
    """A busy machine may be to blame, so the file gets another chance, but not at every glance."""
    return Drawn(trouble=trouble, until=time.monotonic() + _AGAIN_SECONDS)


def _read(folder: Path, first: int, said: list[str]) -> Drawn:
    try:
        told: dict[str, Any] = json.loads(said[-1])
        if "error" in told:
            return Drawn(trouble=told["error"] if told["error"] in _WORDS else "crashed")
        sheets = tuple(
            Sheet((folder / f"{number}.webp").read_bytes(), int(width), int(height))
            for number, (width, height) in enumerate(told["sizes"], first)
        )
        return Drawn(int(told["pages"]), sheets)
    except (LookupError, ValueError, TypeError, OSError):
        return Drawn(trouble="crashed")
