"""A kind of one's own: counts the words of an uploaded text.

Put this file where Python finds it, and name it for the web process and the worker alike:

    PYTHONPATH=. MULLIGAN_KINDS=word_count mulligan up
"""

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.checks import input_in_storage
from services.kinds import JobContext, JobError, RetryPolicy, job_kind


class WordCountArgs(BaseModel):
    """What the form asks for, and the API checks."""

    upload_id: UUID = Field(title="Text file")
    most: int = Field(default=10, ge=1, le=100, title="How many words to list")


@job_kind(
    "text.words",
    title="Count words",
    icon="notes",
    args=WordCountArgs,
    steps=("read", "count"),
    upload_field="upload_id",
    timeout=60,
    policy=RetryPolicy(limit=3, checks=(input_in_storage,)),
)
async def run(job: JobContext, args: WordCountArgs) -> dict[str, Any]:
    """Reads the upload, counts, and keeps the list as a file to download."""
    path = await job.input()

    # A step's result is kept: a retry that starts from "count" does not read again.
    text = await job.step("read", lambda: _read(path))
    job.progress(50, "Counting")
    job.log(f"{len(text)} characters")

    counts = await job.step("count", lambda: Counter(text.lower().split()).most_common(args.most))
    lines = "".join(f"{count}\t{word}\n" for word, count in counts)
    await job.save_artifact("words.tsv", lines.encode(), "text/tab-separated-values")
    return {"words": len(text.split()), "most_common": counts[0][0] if counts else None}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise JobError(
            "This is no text in UTF-8",
            failure_type="permanent",
            advice="Save it as UTF-8 and upload it again.",
        ) from error
