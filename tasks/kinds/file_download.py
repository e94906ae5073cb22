"""`file.download`: has aria2 fetch an address, a magnet link or a torrent. System D's policy: a retry replaces."""

import re
from contextlib import AsyncExitStack
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.checks.checking import Unlearned
from services.checks.remote_size import remote_size
from services.checks.space import free_disk_space, owner_quota, remote_size_limit
from services.checks.state import not_a_torrent, service_answers
from services.desk import Desk
from services.errors import ServiceUnavailable
from services.failures.failures import JobError
from services.guard.addresses import AddressRefused, parse_address
from services.kinds import job_kind
from services.models import Job
from services.policy import Preparing, RetryDialog, RetryPolicy, Undo
from services.settings import load_settings
from services.vocabulary import FailureType, RetryMode, Status
from tasks.context import RunContext
from tasks.kinds import suits
from tasks.kinds.aria2.place import (
    KIND,
    clear,
    clear_broken,
    files_in,
    folder_of,
    mark_whole,
    name_from,
    remove_leftovers,
    used_by_owner,
)
from tasks.kinds.aria2.rpc import Aria2, Aria2Error, gid_of
from tasks.kinds.aria2.source import MAGNET, Source

_MOST_FILES = 500
_LONGEST = 8192
_BTIH = re.compile(r"[?&]xt=urn:bt(?:ih:(?:[0-9a-fA-F]{40}|[A-Za-z2-7]{32})|mh:[0-9a-fA-F]{68})(?:&|$)")
_DIGESTS = {"md5": 32, "sha-1": 40, "sha-224": 56, "sha-256": 64, "sha-384": 96, "sha-512": 128}


class FileDownloadArgs(BaseModel):
    """What to fetch: one of an address and a torrent file."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        default=None, title="Address", description="http://, https:// or a magnet link",
        json_schema_extra={"in_front": True},
    )  # fmt: skip
    upload_id: UUID | None = Field(
        default=None,
        title="Torrent file",
        description="Instead of an address",
        json_schema_extra={"in_front": True},
    )
    checksum: str | None = Field(
        default=None, title="Checksum", description="sha-256=…, which the file must have in the end"
    )

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str | None) -> str | None:
        if url is None or not (url := url.strip()):
            return None
        if not url.lower().startswith("magnet:"):
            try:
                return parse_address(url).url
            except AddressRefused as error:
                raise ValueError(error.message) from None
        if len(url) > _LONGEST or not url.startswith(MAGNET) or not _BTIH.search(url):
            raise ValueError("a magnet link names its torrent, as magnet:?xt=urn:btih:…")
        return url

    @field_validator("checksum")
    @classmethod
    def _known(cls, checksum: str | None) -> str | None:
        if checksum is None or not (text := checksum.strip().lower().replace(":", "=", 1)):
            return None
        name, _, digest = text.partition("=")
        name = re.sub(r"^sha(?=\d)", "sha-", name)
        if len(digest) != _DIGESTS.get(name) or not re.fullmatch("[0-9a-f]+", digest):
            raise ValueError(f"a checksum is {', '.join(_DIGESTS)}, then = and its hex digits")
        return f"{name}={digest}"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.upload_id is None):
            raise ValueError("give either an address or a torrent file")
        return self


def _title(args: FileDownloadArgs) -> str | None:
    if args.url is None:
        return None  # the torrent file's name
    if args.url.startswith(MAGNET):
        named = re.search(r"[?&]dn=([^&]+)", args.url)
        return name_from("http://x/" + named[1].replace("+", " ")) if named else "Magnet link"
    return name_from(args.url)


# --- before a retry ---------------------------------------------------------------------------------------------------


async def _size_of(desk: Desk, job: Job) -> int:
    url = job.args.get("url")
    if not url or url.startswith(MAGNET):
        raise Unlearned("that of a torrent is known once it runs")
    return await remote_size(desk.settings, url)


async def _probe(desk: Desk) -> str:
    async with Aria2(desk.settings) as aria2:
        return await aria2.version()


async def prepare(desk: Desk, job: Job, coming: Preparing) -> Undo:
    """Adds the new download, paused, once the old one's entry is gone: so aria2 takes it before anything is changed.

    Raises:
        ServiceUnavailable: aria2 does not answer, or does not take it.
    """
    args = FileDownloadArgs.model_validate(job.args)
    gid, folder = gid_of(coming.job_id, coming.attempt), folder_of(desk.settings, job.rank)

    async def undo() -> None:
        async with Aria2(desk.settings) as aria2:
            await aria2.forget(gid)

    try:
        async with Aria2(desk.settings) as aria2:
            await aria2.forget(gid_of(job.id, job.attempt))
            try:
                # Without its trackers: who runs it adds what asks them anew.
                source = Source(args.url, checksum=args.checksum)
                await source.add(aria2, gid, folder, pause="true")
            except BaseException:
                await aria2.forget(gid)
                raise
    except (Aria2Error, ServiceUnavailable) as error:
        raise ServiceUnavailable(f"Failed to create aria2 task: {error.message}") from error
    return undo


_POLICY = RetryPolicy(
    statuses=frozenset({Status.FAILED, Status.TIMEOUT}),
    mode=RetryMode.REPLACE,
    checks=(
        not_a_torrent(lambda job: job.upload_id is not None),
        free_disk_space(
            lambda settings: settings.downloads, floor=lambda settings: settings.download_free_bytes
        ),
        remote_size_limit(_size_of, lambda settings: settings.max_download_bytes),
        owner_quota(_size_of, used_by_owner, lambda settings: settings.download_quota_bytes or None),
        service_answers("aria2", _probe),
    ),
    prepare=prepare,
    resets=("A new record takes this one's place", "Status, progress, error"),
    keeps=("Address, title, owner, place in the list", "Files on disk: a partial file is resumed"),
    dialog=RetryDialog(
        title="Download again?",
        text="A new download takes this one's place and goes on with what is on the disk.",
    ),
    rescues=3,
)


# --- the run ----------------------------------------------------------------------------------------------------------


@job_kind(
    KIND,
    title="Download a file",
    args=FileDownloadArgs,
    icon="download",
    steps=("download", "store"),
    timeout=24 * 3600,
    per_worker=16,
    needs=("aria2",),
    can_pause=True,
    policy=_POLICY,
    upload_field="upload_id",
    address_field="url",
    suits=suits.file,
    title_from=_title,
)
async def download_file(job: RunContext, args: FileDownloadArgs) -> dict[str, Any]:
    """Has aria2 fetch it, then keeps what came. The result names the files.

    Raises:
        JobError: see docs/features/file-downloads.md for what can go wrong.
    """
    record = await _record(job)
    folder = folder_of(job.desk.settings, record.rank)
    await clear_broken(folder)
    folder.mkdir(parents=True, exist_ok=True)
    resumed = sum(found.path.stat().st_size for found in files_in(folder))
    try:
        await job.step("download", lambda: _fetch(job, args, record), keep=False)
        mark_whole(folder)
        files = await job.step("store", lambda: _store(job, record), keep=False)
    except BaseException:
        if (await _record(job)).cancel_requested_at is not None:
            await clear(folder)  # nobody can go on with it
        raise
    await clear(folder)
    return {"files": files, "size": sum(file["size"] for file in files), "resumed": resumed > 0}


async def engines() -> dict[str, str | None]:
    """What a worker needs for this kind, with the version that it has."""
    try:
        async with Aria2(load_settings()) as aria2:
            return {"aria2": await aria2.version()}
    except (ServiceUnavailable, Aria2Error):
        return {"aria2": None}


async def tidy(desk: Desk) -> None:
    """Removes what downloads left that nobody will go on with."""
    await remove_leftovers(desk)


async def _fetch(job: RunContext, args: FileDownloadArgs, record: Job) -> None:
    from tasks.kinds.aria2.guarding import guarded, require_no_dht
    from tasks.kinds.aria2.transfer import Limits, Transfer

    settings = job.desk.settings
    async with job.desk.db.read() as session:
        used = await used_by_owner(session, record)
    quota = settings.download_quota_bytes
    limits = Limits(
        size=settings.max_download_bytes,
        left_of_quota=max(quota - used, 0) if quota else None,
        floor=settings.download_free_bytes,
    )
    source = await _source_with_trackers(job, args)
    async with AsyncExitStack() as stack:
        proxy = None
        if not settings.allow_private_urls:
            source, proxy = await stack.enter_async_context(guarded(settings, source))
        try:
            aria2 = await stack.enter_async_context(Aria2(settings))
            if source.relayed:
                await require_no_dht(aria2)
        except ServiceUnavailable as error:
            raise JobError(error.message, failure_type=FailureType.ENVIRONMENT) from error
        folder = folder_of(settings, record.rank)
        await Transfer(job, aria2, source, folder, limits, proxy).fetch()


async def _source_with_trackers(job: RunContext, args: FileDownloadArgs) -> Source:
    from tasks.kinds.aria2 import trackers
    from tasks.kinds.aria2.failures import from_code

    torrent = (await job.input(args.upload_id)).read_bytes() if args.upload_id else None
    try:
        named = trackers.of_torrent(torrent) if torrent is not None else trackers.of_magnet(args.url or "")
    except trackers.NotATorrent:
        raise from_code(25, "") from None
    return Source(args.url, torrent, args.checksum, named)


async def _store(job: RunContext, record: Job) -> list[dict[str, Any]]:
    """Keeps what lies in the folder as the job's files."""
    folder = folder_of(job.desk.settings, record.rank)
    files = files_in(folder)
    if not files:
        raise JobError(
            "aria2 says that it is done, but nothing lies in the download folder",
            failure_type=FailureType.ENVIRONMENT,
            advice="MULLIGAN_DOWNLOAD_FOLDER must be one that aria2 and the workers see under the same path.",
        )
    if len(files) > _MOST_FILES:
        raise JobError(f"The torrent holds {len(files)} files; at most {_MOST_FILES} are kept",
                       failure_type=FailureType.PERMANENT)  # fmt: skip
    kept = []
    for number, found in enumerate(files):
        await job.progress(95 + 5 * number / len(files), f"Storing {found.path.name}")
        # A name is no path: folders of a torrent become a part of it.
        name = " - ".join(found.name.split("/"))
        size = found.path.stat().st_size
        await job.save_artifact(name, found.path)
        kept.append({"name": name, "size": size})
    return kept


async def _record(job: RunContext) -> Job:
    async with job.desk.db.read() as session:
        return await session.get_one(Job, job.id)
