"""The download archive: what a workspace has downloaded once is not downloaded again, while its files are there.

An entry holds the files of one download. A later job that wants the same gets them as its own artifacts, by reference:
no byte is copied. The objects are the archive's as long as the entry is there; it goes when its job is deleted and no
other job shows its files. See docs/features/video-downloads.md.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import lifecycle
from services.desk import Desk
from services.ids import new_id
from services.lifecycle import Claim
from services.models import ArchiveEntry, ArchiveFile, Artifact, Job

_PURGED_AT_ONCE = 100


def key(*parts: str) -> str:
    """What an entry is found by."""
    return sha256("\n".join(parts).encode()).hexdigest()


async def take(
    desk: Desk, workspace_id: UUID, claim: Claim, worker: str, wanted: str
) -> dict[str, Any] | None:
    """Makes an entry's files the artifacts of this attempt, and gives its result. None: there is no such entry.

    Raises:
        ServiceUnavailable: storage cannot say whether the files are there.
    """
    async with desk.db.read() as session:
        entry = (await session.scalars(_wanted(workspace_id, wanted))).first()
        files = await _files(session, entry.id) if entry else []
    if entry is None:
        return None
    for file in files:
        if not await desk.storage.exists(file.storage_key):
            await desk.db.transact(lambda session: session.execute(_gone([entry.id])))
            return None

    async def work(session: AsyncSession) -> bool:
        if not await lifecycle.is_held(session, claim, worker):
            return False
        # Its row is locked by this: whoever would purge it waits, and finds that it belongs to a job again.
        taken = sa.update(ArchiveEntry).where(
            col(ArchiveEntry.id) == entry.id, col(ArchiveEntry.gone).is_(False)
        )
        if not (
            await session.execute(taken.values(job_id=claim.job_id).returning(col(ArchiveEntry.id)))
        ).all():
            return False
        session.add_all(
            Artifact(
                job_id=claim.job_id, attempt=claim.attempt, name=file.name, size=file.size,
                content_type=file.content_type, storage_key=file.storage_key,
            )
            for file in files
        )  # fmt: skip
        return True

    return dict(entry.result) if await desk.db.transact(work) else None


async def keep(desk: Desk, claim: Claim, worker: str, names: tuple[str, str], result: dict[str, Any]) -> None:
    """Puts the artifacts of this attempt into the archive, under its source and its address.

    Where another job was first with the same, its entry stays, and these files are this job's alone.
    """

    async def work(session: AsyncSession) -> None:
        if not await lifecycle.is_held(session, claim, worker):
            return
        job = await session.get_one(Job, claim.job_id)
        of_attempt = col(Artifact.job_id) == claim.job_id, col(Artifact.attempt) == claim.attempt
        artifacts = (await session.scalars(sa.select(Artifact).where(*of_attempt))).all()
        entry = ArchiveEntry(
            id=new_id(),
            workspace_id=job.workspace_id,
            source=names[0],
            address=names[1],
            job_id=job.id,
            result=result,
        )
        session.add(entry)
        await session.flush()
        session.add_all(
            ArchiveFile(
                entry_id=entry.id, name=artifact.name, size=artifact.size,
                content_type=artifact.content_type, storage_key=artifact.storage_key,
            )
            for artifact in artifacts
        )  # fmt: skip

    try:
        await desk.db.transact(work)
    except IntegrityError:
        return


async def kept_keys(session: AsyncSession, keys: Collection[str]) -> set[str]:
    """Those of the objects that the archive holds: they outlive the artifacts that show them."""
    query = sa.select(col(ArchiveFile.storage_key)).where(col(ArchiveFile.storage_key).in_(keys))
    return set((await session.scalars(query)).all())


async def purge(desk: Desk) -> int:
    """Removes entries that belong to no job any more, and those whose files are lost. How many.

    Raises:
        ServiceUnavailable: storage does not answer; what is left is found again.
    """
    async with desk.db.read() as session:
        stale = list(
            (
                await session.scalars(sa.select(col(ArchiveEntry.id)).where(_stale()).limit(_PURGED_AT_ONCE))
            ).all()
        )
    if not stale:
        return 0

    async def mark(session: AsyncSession) -> list[str]:
        # Asked again: a job may have taken one meanwhile.
        gone = list((await session.scalars(_gone(stale, _stale()))).all())
        query = sa.select(col(ArchiveFile.storage_key)).where(col(ArchiveFile.entry_id).in_(gone))
        stale[:] = gone
        shown = sa.exists().where(col(Artifact.storage_key) == col(ArchiveFile.storage_key))
        return list((await session.scalars(query.where(sa.not_(shown)))).all())

    keys = await desk.db.transact(mark)
    await desk.storage.delete(keys)

    async def remove(session: AsyncSession) -> None:
        await session.execute(sa.delete(ArchiveFile).where(col(ArchiveFile.entry_id).in_(stale)))
        await session.execute(sa.delete(ArchiveEntry).where(col(ArchiveEntry.id).in_(stale)))

    await desk.db.transact(remove)
    return len(stale)


def _wanted(workspace_id: UUID, wanted: str) -> sa.Select[ArchiveEntry]:
    known = (col(ArchiveEntry.source) == wanted) | (col(ArchiveEntry.address) == wanted)
    return (
        sa.select(ArchiveEntry)
        .where(col(ArchiveEntry.workspace_id) == workspace_id, known, col(ArchiveEntry.gone).is_(False))
        .order_by(col(ArchiveEntry.id).desc())
        .limit(1)
    )


async def _files(session: AsyncSession, entry_id: UUID) -> list[ArchiveFile]:
    query = (
        sa.select(ArchiveFile).where(col(ArchiveFile.entry_id) == entry_id).order_by(col(ArchiveFile.name))
    )
    return list((await session.scalars(query)).all())


def _gone(ids: Collection[UUID], *more: sa.ColumnElement[bool]) -> sa.Executable:
    change = sa.update(ArchiveEntry).where(col(ArchiveEntry.id).in_(ids), *more)
    return change.values(gone=True).returning(col(ArchiveEntry.id))


def _stale() -> sa.ColumnElement[bool]:
    """Nobody finds it any more, or its job is deleted and no job shows its files."""
    there = sa.exists().where(col(Job.id) == col(ArchiveEntry.job_id), col(Job.deleted_at).is_(None))
    shown = sa.exists().where(
        col(ArchiveFile.entry_id) == col(ArchiveEntry.id),
        col(Artifact.storage_key) == col(ArchiveFile.storage_key),
    )
    return col(ArchiveEntry.gone).is_(True) | sa.not_(there | shown)
