"""What a kind's function has of its job: the real `JobContext`. What it says is gathered here, sent by `reporter`."""

import asyncio
import math
import mimetypes
from collections import deque
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from services.desk import Desk
from services.errors import ServiceUnavailable
from services.failures.failures import JobError, clean
from services.ids import new_id
from services.kinds import JobKind
from services.lifecycle import Claimed, Progress
from services.models import Artifact, LogLine, now
from services.redaction import secret_values
from services.scrubbing import scrub
from services.storage.artifact_input import artifact_for
from services.storage.filenames import safe_filename
from services.storage.object_store import ObjectMissing, StorageFull
from services.storage.storage import artifact_key
from services.storage.uploads import stored_input
from services.vocabulary import FailureType
from tasks.output import keep_artifact
from tasks.steps import Steps
from tasks.workdir import Workdir

_LINE_LIMIT = 2_000
_MOST_LINES = 5_000
_STORAGE_ADVICE = "Check the address, credentials and network of this worker's storage, then retry."


class _Said:
    """An answer that may be awaited and need not be: what was said is noted already."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_SAID = _Said()


class RunContext:
    """The `JobContext` of one run. Reads and writes nothing until it is asked to."""

    def __init__(self, claimed: Claimed, kind: JobKind | None, worker: str, desk: Desk, work: Path) -> None:
        self.id = claimed.change.id
        self.attempt = claimed.attempt
        self.workspace_id = claimed.change.workspace_id
        self.title = claimed.title
        self.desk = desk
        """For Mulligan's own kinds, which work on jobs."""
        self.worker = worker
        self.has_output = False
        self.so_far: dict[str, Any] | None = None
        """The result of a run that ends early."""
        self.lines: deque[LogLine] = deque()
        self._kind = kind
        self._args = claimed.args
        self._upload_id = claimed.upload_id
        self._db = desk.db
        self._storage = desk.storage
        self._workdir = Workdir(work, self.id, self.attempt)
        self._steps = Steps(desk.db, self.id, self.attempt, kind.steps if kind else (), worker)
        self._inputs: dict[str, Path] = {}
        self._stopping = False
        self._goes_on = asyncio.Event()
        if not claimed.is_paused:
            self._goes_on.set()
        self._progress = Progress(self.id, self.attempt, 0, None)
        self._published = self._stored = self._progress
        self._line_count = 0

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Values of the job's arguments that no text of it may show."""
        return secret_values(self._kind, self._args)

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own, made when it is first asked for."""
        return self._workdir.path

    @property
    def cancelled(self) -> bool:
        """Whether the run is to stop: cancelled, out of time, or its worker going away."""
        return self._stopping

    def stop(self) -> None:
        """Lets threads of the run know."""
        self._stopping = True

    @property
    def paused(self) -> bool:
        """Whether somebody asked the run to hold on."""
        return not self._goes_on.is_set()

    async def hold(self) -> None:
        """Returns at once, or when a paused run may go on. A run that is stopped meanwhile is cancelled here."""
        await self._goes_on.wait()

    def pause(self) -> None:
        """Lets the run know."""
        self._goes_on.clear()

    def resume(self) -> None:
        """Lets the run know."""
        self._goes_on.set()

    async def close(self) -> None:
        """Removes the folder."""
        await self._workdir.remove()

    # --- telling ----------------------------------------------------------------------------------------------------

    def progress(self, percent: float, step: str | None = None) -> _Said:
        """Notes how far the job is. A percentage that makes no sense is taken for the last one."""
        percent = self._progress.percent if math.isnan(percent) else min(max(float(percent), 0.0), 100.0)
        name = clean(scrub(step, self.secrets))[:200] if step is not None else self._progress.step
        # One assignment, so that a thread's progress is never half seen.
        self._progress = Progress(self.id, self.attempt, round(percent, 2), name)
        return _SAID

    def log(self, message: str) -> _Said:
        """Notes a line; the first five thousand of an attempt are kept."""
        self._line_count += 1
        if self._line_count <= _MOST_LINES:
            self._note(clean(scrub(str(message), self.secrets))[:_LINE_LIMIT])
        elif self._line_count == _MOST_LINES + 1:
            self._note(f"More than {_MOST_LINES} lines: the rest is not kept.")
        return _SAID

    def _note(self, message: str) -> None:
        self.lines.append(
            LogLine(id=new_id(), job_id=self.id, attempt=self.attempt, at=now(), message=message)
        )

    def unpublished(self) -> Progress | None:
        """Progress that the feed has not been told of. Taken by asking."""
        current = self._progress
        if current == self._published:
            return None
        self._published = current
        return current

    def unstored(self) -> tuple[Progress | None, list[LogLine]]:
        """Progress and lines that the database does not have. Taken by asking."""
        current, lines = self._progress, []
        while self.lines:
            lines.append(self.lines.popleft())
        moved = None if current == self._stored else current
        self._stored = current
        return moved, lines

    def tell_again(self, moved: Progress) -> None:
        """Lets the feed be told once more of what is stored now, unless there is newer to tell.

        Who began to look in between read what was stored before, and might hear of nothing else for long.
        """
        if moved == self._progress:
            self._published = Progress(self.id, self.attempt, -1, None)

    def put_back(self, lines: list[LogLine]) -> None:
        """What could not be stored; also the progress is said again."""
        self.lines.extendleft(reversed(lines))
        self._stored = Progress(self.id, self.attempt, -1, None)

    # --- doing ------------------------------------------------------------------------------------------------------

    async def step(self, name: str, fn: Callable[[], Any], *, keep: bool = True) -> Any:
        """Runs a step, or takes its kept result.

        Raises:
            ValueError: the run had a step of this name already.
            TypeError: the result is to be kept and is not JSON.
        """
        await self.progress(self._progress.percent, name)
        return await self._steps.run(name, fn, keep=keep)

    async def input(self, upload_id: UUID | None = None) -> Path:
        """A local copy of the job's upload, of that one, or of the file of another job's output that is its input.

        Raises:
            JobError: it is gone (permanent), or storage does not answer (environment).
        """
        name, key = await self._find_input(upload_id or self._upload_id)
        if key not in self._inputs:
            suffix = PurePosixPath(safe_filename(name)).suffix
            path = self.workdir / f"input-{len(self._inputs)}{suffix if suffix[1:].isalnum() else ''}"
            try:
                await self._storage.get_to_file(key, path)
            except ObjectMissing as error:
                raise self._gone(name) from error
            except ServiceUnavailable as error:
                raise JobError(
                    error.message, failure_type=FailureType.ENVIRONMENT, advice=_STORAGE_ADVICE
                ) from error
            self._inputs[key] = path
        return self._inputs[key]

    async def _find_input(self, upload_id: UUID | None) -> tuple[str, str]:
        """Name and storage key."""
        if upload_id is not None:
            upload = await stored_input(self.desk, self.workspace_id, upload_id)
            if upload is None:
                raise self._gone("of the job")
            return upload.filename, upload.storage_key
        if self._kind is None or not self._args.get(self._kind.artifact_field or ""):
            raise JobError("The job has no input file", failure_type=FailureType.PERMANENT)
        artifact = await artifact_for(self.desk, self.workspace_id, self._kind, self._args)
        if artifact is None:
            raise self._gone("of the job")
        return artifact.name, artifact.storage_key

    @staticmethod
    def _gone(name: str) -> JobError:
        return JobError(
            f"The input {name} is no longer in storage",
            failure_type=FailureType.PERMANENT,
            advice="Upload it again and retry with the new file.",
        )

    async def save_artifact(self, name: str, source: Path | bytes, content_type: str | None = None) -> None:
        """Keeps a file under a name; the same name again replaces it.

        Raises:
            JobError: storage does not take it (environment).
        """
        name = safe_filename(name)
        key = artifact_key(self.id, self.attempt)
        try:
            if isinstance(source, bytes):
                size = await self._storage.put_stream(key, _once(source))
            else:
                size = await self._storage.put_file(key, source)
        except StorageFull as error:
            raise JobError(error.message, failure_type=FailureType.ENVIRONMENT) from error
        except ServiceUnavailable as error:
            raise JobError(
                error.message, failure_type=FailureType.ENVIRONMENT, advice=_STORAGE_ADVICE
            ) from error
        guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        artifact = Artifact(
            job_id=self.id, attempt=self.attempt, name=name, size=size, content_type=guessed, storage_key=key
        )
        if not await keep_artifact(self._db, self._storage, artifact, self.worker):
            self.stop()
            raise asyncio.CancelledError("the attempt is no longer this worker's")
        self.has_output = True


async def _once(content: bytes) -> Any:
    yield content
