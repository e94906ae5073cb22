"""The words of the trade, as enumerations, and the named sets of them. No string literal of these stands elsewhere."""

from enum import StrEnum


class Status(StrEnum):
    """Where a job stands. `docs/features/lifecycle.md` draws the transitions; `services/lifecycle.py` makes them."""

    SCHEDULED = "scheduled"
    """Waits for its time: a start in the future, or a backoff."""
    QUEUED = "queued"
    """Waits for a worker; a doorbell was or will be rung."""
    RUNNING = "running"
    """A worker holds its lease."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMEOUT})
"""Nothing happens to these by itself."""
WAITING = frozenset({Status.SCHEDULED, Status.QUEUED})
"""No worker has them yet."""
ACTIVE = frozenset({Status.SCHEDULED, Status.QUEUED, Status.RUNNING})
"""Can be cancelled, cannot be deleted."""
PAUSABLE = frozenset({Status.QUEUED, Status.RUNNING})
"""Can be told to hold on, where their kind can."""
UNSUCCESSFUL = frozenset({Status.FAILED, Status.TIMEOUT})
"""Ended without doing what was asked, and not because a person said so."""


class Trigger(StrEnum):
    """Why an attempt was made."""

    FIRST = "first"
    MANUAL = "manual"
    AUTO = "auto"
    BATCH = "batch"
    RESCUE = "rescue"


RETRIES = frozenset({Trigger.MANUAL, Trigger.AUTO, Trigger.BATCH})
"""Attempts that follow a failure on purpose; a rescue only goes on with what was interrupted."""


RETRIES_SWITCH = "retries"
"""The name of the switch that keeps retries from being accepted and from starting."""
STARTS_SWITCH = "starts"
"""The name of the one that keeps jobs from beginning."""


class RetryMode(StrEnum):
    """Whether a retry goes on with the same record or puts a new one in its place."""

    IN_PLACE = "in_place"
    REPLACE = "replace"


class Priority(StrEnum):
    """Which of the waiting jobs are answered first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class BatchAction(StrEnum):
    """What a batch does with each of its jobs."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"


class FailureType(StrEnum):
    """What sort of thing went wrong, which decides whether another try can help."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    ENVIRONMENT = "environment"
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class StepStatus(StrEnum):
    """Where a step of an attempt stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    KEPT = "kept"
    """Not run in this attempt: its result was kept from an earlier one."""
    FAILED = "failed"


class Role(StrEnum):
    """What a member of a workspace may do; the matrix is in `docs/features/people.md`."""

    ADMIN = "admin"
    OPERATOR = "operator"
    MEMBER = "member"
    VIEWER = "viewer"


class Density(StrEnum):
    """How much room a row of the grid takes."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"


class CreditReason(StrEnum):
    """Why the balance changed."""

    INITIAL = "initial"
    GRANT = "grant"
    CHARGE = "charge"
    REFUND = "refund"


class NoticeEvent(StrEnum):
    """What people can be told of. A job that a batch retried is told of by the batch alone."""

    JOB_COMPLETED = "job_completed"
    JOB_FAILED = "job_failed"
    """After the last of its automatic retries, where it has some."""
    RETRY_COMPLETED = "retry_completed"
    """A retry that somebody asked for."""
    RETRY_FAILED = "retry_failed"
    RETRIES_USED_UP = "retries_used_up"
    BATCH_FINISHED = "batch_finished"
    WORKER_LOST = "worker_lost"
