"""What a retry of a kind means, as data. `services/retry.py` carries it out, whatever the kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from services.errors import MulliganError
from services.vocabulary import UNSUCCESSFUL, Status

if TYPE_CHECKING:
    from services.access import Actor
    from services.desk import Desk
    from services.models import Job


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


Check = Callable[["Desk", "Job", "Actor"], Awaitable[CheckResult]]
"""One preflight test. May do I/O; is never run inside a transaction."""


@dataclass(frozen=True)
class RetryDialog:
    """How the confirmation speaks. `{cost}` is filled in, as "1 credit"."""

    title: str = "Retry this job?"
    text: str = "The job will be queued again and run from the beginning."
    confirm: str = "Retry job"
    variant: Literal["warning", "info"] = "warning"


@dataclass(frozen=True)
class RetryPolicy:
    """Which statuses may be retried, at what cost, how often, after which checks, and what is reset and kept."""

    statuses: frozenset[Status] = UNSUCCESSFUL
    cost: int = 0
    """Credits for a retry that a person asks for."""
    limit: int | None = None
    """How many counted retries; `Job.max_retries` overrides it. None: any number."""
    counts: bool = True
    """Whether a retry raises `retry_count`."""
    checks: tuple[Check, ...] = ()
    resets: tuple[str, ...] = ("Status", "Progress, error, finish time", "Output")
    keeps: tuple[str, ...] = ("Title, owner, created time",)
    dialog: RetryDialog = field(default_factory=RetryDialog)
    rescues: int = 0
    """How often in a row an attempt whose worker was lost is followed by another by itself. A worker that stops
    orderly always hands its jobs back, whatever this says."""
