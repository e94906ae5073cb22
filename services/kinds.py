"""Kinds of jobs: what a kind is, how one is declared, and where they are found.

A kind of one's own is one Python file, named in `MULLIGAN_KINDS`; see `docs/features/kinds.md`.
"""

import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import to_jsonable_python

from services.errors import Invalid
from services.failures.failures import JobError
from services.policy import RetryPolicy
from services.queue import DEFAULT_QUEUE
from services.settings import Settings, SettingsError

__all__ = [
    "JobContext",
    "JobError",
    "JobKind",
    "KindRegistry",
    "RetryPolicy",
    "job_kind",
    "load_kinds",
    "registry",
]


class JobContext(Protocol):
    """What a kind's function has of the job it runs."""

    id: UUID
    attempt: int
    """1 for the first run. Effects outside should carry it, or `id`, so that a receiver can tell a repeat."""
    workspace_id: UUID
    title: str

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own; removed when it ends."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel. Coroutines are cancelled anyway; threads ask here."""

    @property
    def paused(self) -> bool:
        """Whether somebody asked the run to hold on. Of a kind that `can_pause`; threads ask here."""

    async def hold(self) -> None:
        """Waits while the job is paused. A kind that `can_pause` awaits this wherever it can hold on.

        The lease, the worker's place and what was done so far are kept; the time does not count. A run that is
        cancelled while it waits is cancelled here.
        """

    def progress(self, percent: float, step: str | None = None) -> Awaitable[None]:
        """Shows how far the job is: 0 to 100, and a word on what it does. Cheap; call it as often as you like.

        May be called from a thread. Need not be awaited.
        """

    def log(self, message: str) -> Awaitable[None]:
        """Adds a line to the job's own log. May be called from a thread. Need not be awaited."""

    async def step(self, name: str, fn: Callable[[], Any], *, keep: bool = True) -> Any:
        """Runs a step, plain function (in a thread) or coroutine function, and returns its result.

        With `keep`, the result is JSON and is checkpointed: a retry that starts later, or the rescue of an
        interrupted run, gets the kept result and does not run `fn` again.
        """

    async def input(self, upload_id: UUID | None = None) -> Path:
        """A local file with the job's input, or that upload's.

        Raises:
            JobError: the object is gone (permanent) or storage does not answer (environment).
        """

    async def save_artifact(self, name: str, source: Path | bytes, content_type: str | None = None) -> None:
        """Keeps a file as the job's output under a name. It shows once the attempt has completed."""


# It becomes a part of a key of Redis.
_ENGINE = re.compile(r"[a-z0-9._-]{1,50}")

Run = Callable[[JobContext, Any], Awaitable[dict[str, Any] | None]]
R = TypeVar("R", bound=Callable[..., Any])


@dataclass(frozen=True)
class JobKind:
    """A type of job: what it takes, what it does, and what a retry of it means."""

    name: str
    title: str
    args_model: type[BaseModel]
    run: Run
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    icon: str = "bolt"
    """A Material icon's name."""
    steps: tuple[str, ...] = ()
    """Names of its steps, in order, as `JobContext.step` gets them."""
    timeout: float = 3600
    """Seconds that a run may take."""
    per_worker: int | None = None
    """How many of them one worker process runs at a time; the others stay queued for whoever has room."""
    concurrency: int | None = None
    """How many of them run at a time over all workers. `MULLIGAN_CONCURRENCY` overrides it."""
    needs: tuple[str, ...] = ()
    """Engines that a worker must have, as `tasks/engines.py` names them; only such workers hear of its jobs."""
    can_pause: bool = False
    """Whether a run awaits `JobContext.hold()`, or looks at `paused`, wherever it can hold on."""
    upload_field: str | None = None
    """The argument that names the upload which is the job's input."""
    artifact_field: str | None = None
    """The argument that names a file of another job's output, as `JOB_ID/NAME`, which is the input instead."""
    address_field: str | None = None
    """The argument that takes the address which the job is about."""
    suits: Callable[[str], int] = lambda _address: 0
    """How well it suits an address that somebody has: 0 not at all, the most suggests it first."""
    keep_days: float | None = None
    """After how many days one with an input that is over is erased, with its files and that input. None: never."""
    configure: "Callable[[JobKind, Settings], JobKind]" = lambda kind, _settings: kind
    """Gives the kind as the settings want it."""
    title_from: Callable[[Any], str | None] = lambda _args: None
    """A title made from the arguments, where the submitter gives none."""

    @property
    def queue(self) -> str:
        """Where its doorbells ring: workers that have all it needs listen there."""
        return "+".join(sorted(set(self.needs))) or DEFAULT_QUEUE

    def parse_args(self, args: dict[str, Any]) -> BaseModel:
        """Arguments as the kind's model.

        Raises:
            Invalid: they do not fit; `errors` in the data lists where and why.
        """
        try:
            return self.args_model.model_validate(args)
        except ValidationError as error:
            errors = [
                {"loc": [*map(str, e["loc"])], "msg": e["msg"]} for e in error.errors(include_url=False)
            ]
            first = errors[0]
            where = ".".join(["args", *first["loc"]])
            raise Invalid(f"{where}: {first['msg']}", errors=errors) from None

    @staticmethod
    def dump_args(args: BaseModel) -> dict[str, Any]:
        """Arguments as JSON that `parse_args` takes again: those that were given, secrets included."""
        dumped: dict[str, Any] = to_jsonable_python(_revealed(args.model_dump(exclude_unset=True)))
        return dumped

    @staticmethod
    def dump_whole(args: BaseModel) -> dict[str, Any]:
        """As `dump_args`, with the defaults of those that were not given."""
        dumped: dict[str, Any] = to_jsonable_python(_revealed(args.model_dump()))
        return dumped


def _revealed(value: Any) -> Any:
    """A dumped model with its secrets as they are: in JSON mode Pydantic would store asterisks."""
    match value:
        case SecretStr() | SecretBytes():
            return value.get_secret_value()
        case dict():
            return {key: _revealed(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_revealed(item) for item in value]
        case _:
            return value


class KindRegistry:
    """The kinds that this process knows."""

    def __init__(self) -> None:
        self._kinds: dict[str, JobKind] = {}

    def add(self, kind: JobKind) -> None:
        """Makes a kind known.

        Raises:
            SettingsError: it cannot work: a name taken by other code, steps named twice, an impossible policy.
        """
        known = self._kinds.get(kind.name)
        if known and (known.run.__module__, known.run.__qualname__) != (
            kind.run.__module__,
            kind.run.__qualname__,
        ):
            raise SettingsError(
                f"kind {kind.name!r} is declared twice: {known.run.__module__}, {kind.run.__module__}"
            )
        if len(set(kind.steps)) != len(kind.steps):
            raise SettingsError(f"kind {kind.name!r} names a step twice: {', '.join(kind.steps)}")
        if kind.per_worker is not None and kind.per_worker < 1:
            raise SettingsError(f"kind {kind.name!r}: per_worker must be 1 or more")
        if kind.concurrency is not None and kind.concurrency < 1:
            raise SettingsError(f"kind {kind.name!r}: concurrency must be 1 or more")
        if wrong := [name for name in kind.needs if not _ENGINE.fullmatch(name)]:
            raise SettingsError(f"kind {kind.name!r} needs an engine with an odd name: {wrong[0]!r}")
        if problems := kind.policy.problems():
            raise SettingsError(f"kind {kind.name!r} has an impossible retry policy: {'; '.join(problems)}")
        self._kinds[kind.name] = kind

    def configured(self, settings: Settings) -> "KindRegistry":
        """The same kinds as the settings want them.

        Raises:
            SettingsError: one cannot work so.
        """
        kinds = KindRegistry()
        for kind in self:
            kinds.add(kind.configure(kind, settings))
        return kinds

    def get(self, name: str) -> JobKind | None:
        """The kind of that name, or None where this process does not know it."""
        return self._kinds.get(name)

    def queue_of(self, name: str) -> str:
        """The queue of a kind; of one that this process does not know, the default one."""
        kind = self._kinds.get(name)
        return kind.queue if kind else DEFAULT_QUEUE

    @property
    def queues(self) -> frozenset[str]:
        """The queues of all kinds."""
        return frozenset({DEFAULT_QUEUE, *(kind.queue for kind in self._kinds.values())})

    def __getitem__(self, name: str) -> JobKind:
        """Raises Invalid where there is none."""
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise Invalid(f"There is no kind {name!r}. Known kinds: {known}.")
        return kind

    def __iter__(self) -> Iterator[JobKind]:
        return iter(sorted(self._kinds.values(), key=lambda kind: kind.name))


registry = KindRegistry()
"""Where `job_kind` puts kinds when their module is imported."""


def job_kind(name: str, *, title: str, args: type[BaseModel], **options: Any) -> Callable[[R], R]:
    """Declares an `async def run(job, args)` as a kind. `options` are the further fields of `JobKind`."""

    def declare(run: R) -> R:
        if not inspect.iscoroutinefunction(run):
            raise SettingsError(f"kind {name!r}: {run.__qualname__} must be an `async def`")
        registry.add(JobKind(name=name, title=title, args_model=args, run=run, **options))
        return run

    return declare


def load_kinds(modules: Sequence[str]) -> KindRegistry:
    """Imports modules that declare kinds.

    Raises:
        SettingsError: one cannot be imported, or declares what cannot work.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except SettingsError:
            raise
        except Exception as error:
            raise SettingsError(
                f"MULLIGAN_KINDS: cannot import {module!r}: {type(error).__name__}: {error}"
            ) from error
    return registry
