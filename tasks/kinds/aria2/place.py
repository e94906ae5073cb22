"""Where a download lies while it is on its way: a folder of its own, shared by all attempts and all its records."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.errors import ServiceUnavailable
from services.models import Artifact, Job
from services.settings import Settings
from services.storage.filenames import safe_filename
from services.vocabulary import ACTIVE, UNSUCCESSFUL
from tasks.kinds.aria2.rpc import Aria2, Aria2Error

KIND = "file.download"
# aria2 puts ".aria2" behind it, and a file system takes 255 bytes.
_MOST_NAME_BYTES = 200
_NOTES = ".aria2"
_WHOLE = ".whole"


class Found(NamedTuple):
    """A file that was fetched: where it lies, and its path within the download."""

    path: Path
    name: str


def folder_of(settings: Settings, line: UUID) -> Path:
    """The folder of a job and of the records whose place it took: a partial file is found again there."""
    return settings.downloads / line.hex


def name_from(url: str) -> str:
    """The file's name, as the address says it. Never a path: aria2 would write wherever it leads."""
    last = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    name = safe_filename(last, "download")
    while len(name.encode()) > _MOST_NAME_BYTES:
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem[:-1]}.{suffix}" if dot and len(suffix) < 20 and len(stem) > 1 else name[:-1]
    return name


def files_in(folder: Path) -> list[Found]:
    """What was fetched, without aria2's own notes. A link that a torrent brought is no file."""
    return [
        Found(path, str(path.relative_to(folder)))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.suffix != _NOTES and path != folder / _WHOLE
    ]


def mark_whole(folder: Path) -> None:
    """Notes that what lies there is complete: aria2 removes its own notes then."""
    with suppress(OSError):  # of a full disk: it is fetched again where storing it fails, too
        (folder / _WHOLE).touch()


async def clear_broken(folder: Path) -> None:
    """Removes what nobody can go on with: aria2's notes on it are empty, as a full disk leaves them, or missing.

    With empty ones it gives up at once. With none it takes a file that was fetched from several ends, and has holes,
    for the beginning of it.
    """
    notes = [path for path in folder.glob(f"*{_NOTES}") if path.is_file()]
    usable = notes and all(path.stat().st_size for path in notes)
    if not usable and not (folder / _WHOLE).exists():
        await clear(folder)


async def clear(folder: Path) -> None:
    """Removes the folder with everything in it."""
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def used_by_owner(session: AsyncSession, job: Job) -> int:
    """What the stored downloads of the job's owner take, this one's aside."""
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(col(Artifact.size)), 0))
        .join(Job, col(Job.id) == col(Artifact.job_id))
        .where(
            col(Job.workspace_id) == job.workspace_id,
            col(Job.owner_id) == job.owner_id,
            col(Job.kind) == KIND,
            col(Job.rank) != job.rank,
            col(Job.deleted_at).is_(None),
            col(Artifact.attempt) == col(Job.output_attempt),
        )
    )
    return int((await session.scalars(query)).one())


async def remove_leftovers(desk: Desk) -> int:
    """Removes folders of downloads that nobody will go on with: deleted, cancelled, completed. How many.

    Their entries at aria2, prepared for a retry that came to nothing, go as well.
    """
    folders = await asyncio.to_thread(_folders, desk.settings.downloads)
    if not folders:
        return 0
    query = sa.select(col(Job.rank)).where(
        col(Job.rank).in_(folders), col(Job.deleted_at).is_(None), col(Job.status).in_(ACTIVE | UNSUCCESSFUL)
    )
    async with desk.db.read() as session:
        wanted = set((await session.scalars(query)).all())
    left = [folder for line, folder in folders.items() if line not in wanted]
    for folder in left:
        await clear(folder)
    await _forget_entries({str(folder) for folder in left}, desk.settings)
    return len(left)


async def _forget_entries(folders: set[str], settings: Settings) -> None:
    try:
        async with Aria2(settings) as aria2:
            for entry in await aria2.call("tellWaiting", 0, 1_000, ["gid", "dir"]):
                if entry["dir"] in folders:
                    await aria2.forget(entry["gid"])
    except (ServiceUnavailable, Aria2Error):
        return


def _folders(downloads: Path) -> dict[UUID, Path]:
    found = {}
    for folder in downloads.iterdir() if downloads.is_dir() else ():
        try:
            found[UUID(hex=folder.name)] = folder
        except ValueError:
            continue
    return dict(list(found.items())[:500])
