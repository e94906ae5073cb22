"""What the model is made of: jobs, their runs, lines of the ledger, batches."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.vocabulary import BatchAction, Status, Trigger

COUNTED = (Trigger.MANUAL, Trigger.BATCH)


class Weather(StrEnum):
    """What something outside says when it is asked."""

    UP = "is there"
    AWAY = "does not answer"
    AGAINST = "is against it"


class When(StrEnum):
    """When a retry is to begin."""

    NOW = "now"
    LATER = "later"
    BACK = "when everything is back"


class Later(NamedTuple):
    """A retry that does not begin now."""

    waits_for: str | None = None


@dataclass
class Run:
    """An attempt."""

    trigger: Trigger
    status: Status = Status.QUEUED
    cost: int = 0
    void: bool = False
    began: bool = False
    kept: tuple[str, ...] = ()
    """Steps whose result it has, its own or an earlier run's."""
    batch: UUID | None = None
    interrupted: bool = False
    """Its worker was lost, or stopped."""
    prepared: bool = False
    """Something stands ready outside for it."""


@dataclass
class Work:
    """A job. `version` is as last seen in the database: the model only says when it must have grown."""

    kind: str
    owner: UUID
    line: UUID
    """What it shares with the records whose place it took, and with the one that takes its."""
    status: Status
    runs: dict[int, Run]
    """By number; the line's numbers go on from one record to the next."""
    attempt: int = 1
    version: int = 1
    retries: int = 0
    autos: int = 0
    worker: str | None = None
    output: int | None = None
    cancel_wish: bool = False
    paused: bool = False
    deleted: bool = False
    replaced_by: UUID | None = None
    waits_for: str | None = None
    due: bool = False
    """Its time has come, if it is scheduled."""
    lost: bool = False
    """Its lease has run out, if it runs."""
    left: bool = True
    """Whether there is anything for a retry to do, once it is completed."""

    @property
    def run(self) -> Run:
        return self.runs[self.attempt]

    @property
    def last_run(self) -> Run | None:
        """The latest that was not void."""
        return next((run for _, run in sorted(self.runs.items(), reverse=True) if not run.void), None)

    @property
    def rescues_in_a_row(self) -> int:
        triggers = [run.trigger for _, run in sorted(self.runs.items(), reverse=True)]
        return next((n for n, trigger in enumerate(triggers) if trigger is not Trigger.RESCUE), len(triggers))

    @property
    def is_retry(self) -> bool:
        """Whether what waits would be one."""
        return self.attempt > 1

    def add(self, run: Run) -> None:
        """The next attempt."""
        self.attempt += 1
        self.runs[self.attempt] = run


@dataclass
class Line:
    """A line of the ledger."""

    amount: int
    job: UUID | None = None
    attempt: int | None = None


@dataclass
class Walk:
    """A batch: which jobs it may still touch, and what it has done."""

    action: BatchAction
    ceiling: int
    canary: int = 0
    chunks: int = 0
    spent: int = 0
    stopped: bool = False
    done: Counter[UUID] = field(default_factory=Counter)
    eligible: dict[UUID, int] = field(default_factory=dict)
    """Jobs that matched when it began, each with its version."""
