"""A job's context on a folder and a real storage, for tests of a kind without the runner."""

import inspect
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from uuid import UUID

from services.failures.failures import JobError
from services.ids import new_id
from services.storage.storage import ObjectMissing, Storage
from services.vocabulary import FailureType


class _Said:
    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


class Run:
    """Keeps what a kind says and makes. `kept` are the results of steps that an earlier attempt left."""

    def __init__(
        self, storage: Storage, workdir: Path, title: str, kept: dict[str, Any] | None = None
    ) -> None:
        self.id = new_id()
        self.attempt = 1
        self.workspace_id = new_id()
        self.title = title
        self.workdir = workdir
        self.cancelled = False
        self.paused = False
        self.told: list[tuple[float, str | None]] = []
        self.lines: list[str] = []
        self.steps: list[str] = []
        self.kept = kept or {}
        self.artifacts: dict[str, tuple[str, str | None]] = {}
        self._storage = storage

    def progress(self, percent: float, step: str | None = None) -> _Said:
        self.told.append((percent, step))
        return _Said()

    def log(self, message: str) -> _Said:
        self.lines.append(message)
        return _Said()

    async def hold(self) -> None:
        """Nobody pauses these runs."""

    async def step(self, name: str, fn: Callable[[], Any], *, keep: bool = True) -> Any:
        self.steps.append(name)
        if keep and name in self.kept:
            return self.kept[name]
        result = fn()
        if inspect.isawaitable(result):
            result = await result
        if keep:
            self.kept[name] = result
        return result

    async def input(self, upload_id: UUID | None = None) -> Path:
        path = self.workdir / "input"
        try:
            await self._storage.get_to_file(f"uploads/{upload_id}", path)
        except ObjectMissing as error:
            raise JobError(error.message, failure_type=FailureType.PERMANENT) from error
        return path

    async def save_artifact(self, name: str, source: Path | bytes, content_type: str | None = None) -> None:
        assert isinstance(source, Path)
        key = f"artifacts/{new_id()}"
        await self._storage.put_file(key, source)
        self.artifacts[name] = (key, content_type)

    async def saved(self, name: str, path: Path) -> Path:
        """An artifact as a local file."""
        await self._storage.get_to_file(self.artifacts[name][0], path)
        return path

    def words(self) -> list[str]:
        """The steps that were told, each once, in order."""
        return list(dict.fromkeys(step for _, step in self.told if step))


async def upload(storage: Storage, path: Path) -> UUID:
    """Puts a file where `Run.input` finds it."""
    upload_id = new_id()
    await storage.put_file(f"uploads/{upload_id}", path)
    return upload_id
