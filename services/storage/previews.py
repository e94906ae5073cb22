"""The beginning of a job's file as text, to be looked at without fetching the file."""

from contextlib import aclosing
from uuid import UUID

from services.desk import Desk
from services.jobs import jobs
from services.models import Artifact
from services.people.access import Actor

SHOWN_BYTES = 20_000
_TEXTS = {
    "application/json",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "application/x-subrip",
}


def is_text(artifact: Artifact) -> bool:
    """Whether a file can be shown as text. What calls itself text and is not, shows as signs without meaning."""
    kind = artifact.content_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS


async def text_preview(desk: Desk, actor: Actor, job_id: UUID, name: str) -> tuple[str, bool]:
    """The first 20 kB of a file, and whether that is all of it. Bytes that are no UTF-8 are shown as �.

    Raises:
        JobNotFound: there is no such job or file for the actor.
        ServiceUnavailable: storage does not answer, or has lost the file.
    """
    artifact = await jobs.get_artifact(desk, actor, job_id, name)
    whole = artifact.size <= SHOWN_BYTES
    if artifact.size == 0:
        return "", True
    stream = await desk.storage.stream(artifact.storage_key, 0, min(artifact.size, SHOWN_BYTES))
    async with aclosing(stream):
        read = b"".join([chunk async for chunk in stream])
    text = read.decode("utf-8", errors="replace").removeprefix("\ufeff")
    # A sign may be cut in two at the end of what was read.
    return (text, True) if whole else (text.rstrip("\ufffd"), False)
