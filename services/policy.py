"""What a retry of a kind means, as data. `services/retry/retrying.py` carries it out, whatever the kind."""

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from services.errors import MulliganError
from services.vocabulary import TERMINAL, UNSUCCESSFUL, FailureType, RetryMode, Status

if TYPE_CHECKING:
    from uuid import UUID

    from services.desk import Desk
    from services.models import Job
    from services.people.access import Actor


_LONGEST_ASKED = 3600.0
# A float has no room for more.
_MOST_DOUBLINGS = 1_000


@dataclass(frozen=True)
class CheckResult:
    """What one preflight check found, in a sentence that says the figures, also when it passed."""

    code: str
    passed: bool
    message: str
    blocking: bool = True
    """False: the retry may go on; the person is told."""
    facts: dict[str, Any] = field(default_factory=dict)
    error: MulliganError | None = None
    """What the caller of a refused retry gets."""
    forcible: bool = False
    """Whether a person may go on all the same."""


Check = Callable[["Desk", "Job", "Actor"], Awaitable[CheckResult]]
"""One preflight test. May do I/O; is never run inside a transaction."""


@dataclass(frozen=True)
class Preparing:
    """The attempt that a retry is about to make, for whoever prepares the outside for it."""

    job_id: "UUID"
    """The job that will run: a new one where the retry replaces."""
    attempt: int


Undo = Callable[[], Awaitable[None]]
"""Takes back what was prepared, within 10 s. Must not fail for what is already gone."""

Prepare = Callable[["Desk", "Job", Preparing], Awaitable[Undo]]
"""Readies the outside for a retry before its transaction. May do I/O, and raises a `MulliganError` where it cannot.

It has 10 s, and leaves nothing behind where it fails or is cancelled. A run must do without what was prepared, too: a
retry that begins later, an automatic one and a rescue prepare nothing, and what is outside may be lost meanwhile.
"""


def _always(_job: "Job") -> bool:
    return True


_KEPT = ("Title, owner, created time",)
_KEPT_BY_REPLACEMENT = ("Title, owner, place in the list",)


@dataclass(frozen=True)
class RetryDialog:
    """How the confirmation speaks. `{cost}` is filled in, as "1 credit"."""

    title: str = "Retry this job?"
    text: str = "The job will be queued again and run from the beginning."
    confirm: str = "Retry job"
    variant: Literal["warning", "info"] = "warning"
    started: str = "Job “{title}” queued for retry"
    """What is said when it was accepted. `{title}` is filled in."""


@dataclass(frozen=True)
class Price:
    """A cost that depends on how many counted retries the job has had."""

    credits: int
    free: int = 0
    """So many retries cost nothing."""
    percent: int = 100
    """Of `credits`, rounded up to whole ones: 50 for half price."""

    def of(self, retries_used: int) -> int:
        """What the next retry costs, in credits."""
        return 0 if retries_used < self.free else math.ceil(self.credits * self.percent / 100)


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter: any time up to `base · 2ⁿ⁻¹`, at most `cap` seconds.

    Full jitter spreads a thundering herd best (Brooker, “Exponential Backoff And Jitter”, AWS Architecture Blog, 2015).
    """

    base: float = 10
    cap: float = 600

    def seconds(self, retry: int) -> float:
        """How long to wait before the automatic retry of that number, from 1."""
        grown = self.base * 2.0 ** min(retry - 1, _MOST_DOUBLINGS)
        return random.uniform(0, min(self.cap, grown))  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True)
class AutoRetry:
    """Retries that happen by themselves: free, and counted apart from those that people ask for."""

    limit: int = 0
    on: frozenset[FailureType] = frozenset({FailureType.TRANSIENT, FailureType.WORKER_LOST})
    """Failures that another try can mend without anybody doing anything."""
    backoff: Backoff = field(default_factory=Backoff)

    def wait(self, failure_type: FailureType, used: int, asked: float | None = None) -> float | None:
        """Seconds until the next automatic retry after a failure. None: there is none.

        `asked` is what the other side asked for (Retry-After): the wait is not shorter, up to an hour.
        """
        if used >= self.limit or failure_type not in self.on:
            return None
        return max(self.backoff.seconds(used + 1), min(asked or 0, _LONGEST_ASKED))


@dataclass(frozen=True)
class RetryPolicy:
    """Which statuses may be retried, at what cost, how often, after which checks, and what is reset and kept."""

    statuses: frozenset[Status] = UNSUCCESSFUL
    is_left: Callable[["Job"], bool] = _always
    """Whether there is anything for a retry of this very job to do, whatever its status."""
    mode: RetryMode = RetryMode.IN_PLACE
    cost: int | Price = 0
    """Credits for a retry that a person asks for. Automatic ones are free."""
    limit: int | None = None
    """How many counted retries; `Job.max_retries` overrides it. None: any number."""
    counts: bool = True
    """Whether a retry raises `retry_count`."""
    checks: tuple[Check, ...] = ()
    prepare: Prepare | None = None
    """Runs after the checks, before the transaction; its undo where the transaction or the ringing fails."""
    hopeless_after: int | None = None
    """A failure after which so many retries were tried and none recovered is not retried again, unless forced."""
    resets: tuple[str, ...] = ("Status", "Progress, error, finish time", "Output")
    keeps: tuple[str, ...] = _KEPT
    dialog: RetryDialog = field(default_factory=RetryDialog)
    auto: AutoRetry = field(default_factory=AutoRetry)
    rescues: int = 0
    """How often in a row an attempt whose worker was lost is followed by another by itself. A worker that stops
    orderly always hands its jobs back, whatever this says."""

    def __post_init__(self) -> None:
        """A record that takes another's place has a created time of its own."""
        if self.mode is RetryMode.REPLACE and self.keeps is _KEPT:
            object.__setattr__(self, "keeps", _KEPT_BY_REPLACEMENT)

    def allows(self, job: "Job") -> bool:
        """Whether the job is in a status in which a retry of it makes sense."""
        return job.status in self.statuses and self.is_left(job)

    @property
    def looks_at_each(self) -> bool:
        """Whether the status alone does not say that a retry of a job makes sense."""
        return self.is_left is not _always

    def cost_after(self, retries_used: int) -> int:
        """What the next retry costs, in credits."""
        return self.cost.of(retries_used) if isinstance(self.cost, Price) else self.cost

    def problems(self) -> list[str]:
        """Why it cannot work, in words; empty where it can."""
        price = self.cost if isinstance(self.cost, Price) else Price(self.cost)
        found = {
            f"statuses may only be ones that a job ends with, not {_listed(self.statuses - TERMINAL)}": bool(
                self.statuses - TERMINAL
            ),
            "a cost cannot be negative": price.credits < 0 or price.percent < 0 or price.free < 0,
            "a limit cannot be negative": (self.limit or 0) < 0 or self.auto.limit < 0 or self.rescues < 0,
            "a free retry makes no sense where retries do not count": price.free > 0 and not self.counts,
            "hopeless_after must be 1 or more": self.hopeless_after is not None and self.hopeless_after < 1,
            "a limit makes no sense where retries do not count": self.limit is not None and not self.counts,
            "a backoff needs 0 < base <= cap": not 0 < self.auto.backoff.base <= self.auto.backoff.cap,
            "what a person cancelled is not retried by itself": FailureType.CANCELLED in self.auto.on,
            "the dialog's text may only fill in {cost}": not _fills(self.dialog.text, cost="1 credit"),
            "what the dialog says at the start may only fill in {title}": not _fills(
                self.dialog.started, title="a job"
            ),
        }
        return [problem for problem, present in found.items() if present]


def _listed(statuses: frozenset[Status]) -> str:
    return ", ".join(sorted(statuses))


def _fills(text: str, **words: str) -> bool:
    try:
        text.format(**words)
    except (KeyError, IndexError, ValueError):
        return False
    return True
