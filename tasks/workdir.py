"""The folders that attempts work in: `<data>/work/<job>-<attempt>`."""

import asyncio
import logging
import shutil
import time
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.database.database import Database
from services.models import Job
from services.vocabulary import Status

logger = logging.getLogger(__name__)

# Younger folders are left alone: their claim may not be visible to us yet.
_SPARED_SECONDS = 60.0


class Workdir:
    """A folder that is made when it is first asked for: most small jobs need none."""

    def __init__(self, work: Path, job_id: UUID, attempt: int) -> None:
        self._path = work / f"{job_id.hex}-{attempt}"
        self._made = False

    @property
    def path(self) -> Path:
        """The folder; it is there and was empty at first."""
        if not self._made:
            self._path.mkdir(parents=True, exist_ok=True)
            self._made = True
        return self._path

    async def remove(self) -> None:
        """Removes it with everything in it."""
        if self._made:
            await asyncio.to_thread(shutil.rmtree, self._path, ignore_errors=True)


async def remove_leftovers(db: Database, work: Path) -> int:
    """Removes folders of attempts that do not run any more: those of workers that were killed. Returns how many."""
    old = await asyncio.to_thread(_old_folders, work)
    if not old:
        return 0
    async with db.read() as session:
        query = sa.select(col(Job.id), col(Job.attempt)).where(col(Job.status) == Status.RUNNING)
        query = query.where(col(Job.id).in_([job_id for job_id, _ in old]))
        running = {(row[0], row[1]) for row in await session.execute(query)}
    left = [folder for key, folder in old.items() if key not in running]
    for folder in left:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return len(left)


def _old_folders(work: Path) -> dict[tuple[UUID, int], Path]:
    found = {}
    for folder in work.iterdir() if work.is_dir() else ():
        job_id, _, attempt = folder.name.partition("-")
        try:
            key = (UUID(hex=job_id), int(attempt))
            age = time.time() - folder.stat().st_mtime
        except (ValueError, OSError):
            continue
        if age > _SPARED_SECONDS:
            found[key] = folder
    return dict(list(found.items())[:500])
