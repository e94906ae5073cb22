"""Files that people hand in: the input of jobs."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.errors import Invalid, MulliganError, NotFound
from services.ids import new_id
from services.kinds import JobKind
from services.models import Attempt, Job, Upload
from services.people.access import Actor
from services.storage.filenames import safe_filename
from services.storage.storage import upload_key
from services.vocabulary import WAITING

logger = logging.getLogger(__name__)

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PRUNED_AT_ONCE = 50
_PRUNED_BATCHES = 10
_UNKNOWN_TYPE = "application/octet-stream"


async def save_upload(
    desk: Desk, actor: Actor, filename: str, content_type: str | None, chunks: AsyncIterator[bytes]
) -> Upload:
    """Stores what `chunks` yields, never whole in memory, under the base name of `filename`.

    The row is written after the bytes stand, so that an upload that can be seen can be read.

    Raises:
        Forbidden: the actor is a viewer.
        TooLarge: more came than `Settings.max_upload_bytes`.
        Invalid: nothing came.
        ServiceUnavailable: storage does not answer or is full.
    """
    actor.require_change()
    upload_id = new_id()
    key = upload_key(actor.workspace_id, upload_id)
    size = await desk.storage.put_stream(key, chunks, limit=desk.settings.max_upload_bytes)
    upload = Upload(
        id=upload_id,
        workspace_id=actor.workspace_id,
        owner_id=actor.user_id,
        filename=safe_filename(filename),
        size=size,
        content_type=_media_type(content_type),
        storage_key=key,
    )
    try:
        if size == 0:
            raise Invalid("The file is empty.")
        await _insert(desk, upload)
    except BaseException:
        await _remove(desk, key)
        raise
    return upload


async def get_upload(desk: Desk, actor: Actor, upload_id: UUID) -> Upload:
    """An upload of the actor's workspace; a member's are their own.

    Raises:
        NotFound: there is none, or none that the actor may see.
    """
    async with desk.db.read() as session:
        return await _find_upload(session, actor, upload_id)


async def input_of(
    session: AsyncSession, actor: Actor, kind: JobKind, args: BaseModel, *, kept: UUID | None = None
) -> Upload | None:
    """The upload that the arguments of a job name; None where they name none.

    Args:
        kept: an upload that the job has already, whoever handed it in.

    Raises:
        NotFound: there is none, or none that the actor may see.
    """
    if kind.upload_field is None or (named := getattr(args, kind.upload_field, None)) is None:
        return None
    try:
        upload_id = UUID(str(named))  # a kind's model may call it a string
    except ValueError:
        raise NotFound(what="upload") from None
    if upload_id == kept and (upload := await session.get(Upload, upload_id)):
        return upload
    return await _find_upload(session, actor, upload_id)


async def stored_input(desk: Desk, workspace_id: UUID, upload_id: UUID | None) -> Upload | None:
    """The upload of a job of that workspace, for who acts in the job's name; None where there is none any more."""
    if upload_id is None:
        return None
    async with desk.db.read() as session:
        upload = await session.get(Upload, upload_id)
    return upload if upload and upload.workspace_id == workspace_id else None


async def _find_upload(session: AsyncSession, actor: Actor, upload_id: UUID) -> Upload:
    query = sa.select(Upload).where(
        col(Upload.id) == upload_id, col(Upload.workspace_id) == actor.workspace_id
    )
    if not actor.sees_all_jobs:
        query = query.where(col(Upload.owner_id) == actor.user_id)
    upload = (await session.scalars(query)).one_or_none()
    if upload is None:
        raise NotFound(what="upload")
    return upload


async def prune_uploads(desk: Desk) -> int:
    """Removes uploads older than `Settings.upload_days` that no job refers to: objects, then rows. How many.

    Some at a time, so that no transaction is long. Many workers may do it at once.

    Raises:
        ServiceUnavailable: storage does not answer; what is left is found again.
    """
    pruned = 0
    for _ in range(_PRUNED_BATCHES):
        async with desk.db.read() as session:
            query = _unused(desk).order_by(col(Upload.id)).limit(_PRUNED_AT_ONCE)
            found = (await session.scalars(query)).all()
        if not found:
            break
        await _remove_all(desk, found)
        pruned += len(found)
    return pruned


async def remove_unused(desk: Desk, ids: Collection[UUID]) -> None:
    """Removes those of the uploads that no job refers to, however young they are.

    Raises:
        ServiceUnavailable: storage does not answer; `prune_uploads` finds them when they are old.
    """
    if not ids:
        return
    query = sa.select(Upload).where(col(Upload.id).in_(ids), sa.not_(_in_use()))
    async with desk.db.read() as session:
        found = (await session.scalars(query)).all()
    await _remove_all(desk, found)


async def _remove_all(desk: Desk, found: Sequence[Upload]) -> None:
    await desk.storage.delete([upload.storage_key for upload in found])

    async def work(session: AsyncSession) -> None:
        # Asked again: a job that came in between keeps its row, and says that its input is gone.
        unused = col(Upload.id).in_([upload.id for upload in found]), sa.not_(_in_use())
        await session.execute(
            sa.delete(Upload).where(*unused), execution_options={"synchronize_session": False}
        )

    await desk.db.transact(work)


def _unused(desk: Desk) -> "sa.Select[Upload]":
    too_old = col(Upload.created_at) < db_now(-desk.settings.upload_days * 86_400)
    return sa.select(Upload).where(too_old, sa.not_(_in_use()))


def _in_use() -> sa.ColumnElement[bool]:
    # A deleted job names no upload any more. A retry with another file that waits can be taken back to this one.
    of_a_job = sa.exists().where(col(Job.upload_id) == col(Upload.id))
    before_a_retry = sa.exists().where(
        col(Attempt.upload_before) == col(Upload.id), col(Attempt.status).in_(WAITING)
    )
    return of_a_job | before_a_retry


async def _insert(desk: Desk, upload: Upload) -> None:
    values = upload.model_dump()

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.insert(Upload).values(**values))

    await desk.db.transact(work)


async def _remove(desk: Desk, key: str) -> None:
    # Shielded: the usual reason to be here is that the sender went away, which cancels this very task.
    removing = asyncio.ensure_future(desk.storage.delete([key]))
    removing.add_done_callback(_note_leftover)
    with suppress(MulliganError):
        await asyncio.shield(removing)


def _note_leftover(removing: "asyncio.Future[None]") -> None:
    if not removing.cancelled() and (error := removing.exception()):
        logger.warning("an upload that failed is still in storage: %s", error)


def _media_type(text: str | None) -> str:
    essence = (text or "").partition(";")[0].strip().lower()
    return essence if _MEDIA_TYPE.fullmatch(essence) else _UNKNOWN_TYPE
