"""The tables of the roll-ups. What stands here outlives the jobs that it counts: deleting them changes no figure."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from services.database.database import UtcDateTime
from services.models import words
from services.vocabulary import Status


class Grain(StrEnum):
    """How long a span one row counts; it begins at a full hour or at midnight, UTC."""

    HOUR = "hour"
    """Kept for some days only: longer periods are told by days."""
    DAY = "day"


class Measure(StrEnum):
    """What of a run is timed."""

    WAITING = "waiting"
    """From queued to claimed by a worker."""
    RUNNING = "running"
    """From claimed to ended."""
    TO_RETRY = "to_retry"
    """From a failure to the start of the retry that a person or a batch asked for: until it was queued."""
    TO_AUTO_RETRY = "to_auto_retry"
    """The same of a retry that happened by itself."""


# Read by ranges of the whole key: SQLite then keeps the rows in its order.
_BY_KEY = {"sqlite_with_rowid": False}


class OutcomeRollup(SQLModel, table=True):
    """How many runs of a kind ended so within a span."""

    __tablename__ = "outcome_rollup"

    workspace_id: UUID = Field(primary_key=True)
    whose: UUID = Field(primary_key=True)
    """The workspace's own id: everybody's runs; else those of this owner's jobs, which is what a member sees."""
    grain: Grain = Field(sa_type=words(Grain), primary_key=True)
    start: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    kind: str = Field(max_length=100, primary_key=True)
    status: Status = Field(sa_type=words(Status), primary_key=True)
    is_retry: bool = Field(primary_key=True)
    runs: int = Field(sa_type=sa.BigInteger)
    credits: int = Field(sa_type=sa.BigInteger)

    __table_args__ = _BY_KEY


class DurationRollup(SQLModel, table=True):
    """How many runs of a kind took about so long: one bar of a histogram with a logarithmic scale."""

    __tablename__ = "duration_rollup"

    workspace_id: UUID = Field(primary_key=True)
    whose: UUID = Field(primary_key=True)
    grain: Grain = Field(sa_type=words(Grain), primary_key=True)
    start: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    kind: str = Field(max_length=100, primary_key=True)
    measure: Measure = Field(sa_type=words(Measure), primary_key=True)
    bucket: int = Field(primary_key=True)
    """As `services/insights/histogram.py` numbers them."""
    runs: int = Field(sa_type=sa.BigInteger)

    __table_args__ = _BY_KEY


class RecoveryRollup(SQLModel, table=True):
    """How many retries after a failure ended so: what the odds of the next one are computed from."""

    __tablename__ = "recovery_rollup"

    workspace_id: UUID = Field(primary_key=True)
    whose: UUID = Field(primary_key=True)
    grain: Grain = Field(sa_type=words(Grain), primary_key=True)
    start: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    kind: str = Field(max_length=100, primary_key=True)
    fingerprint: str = Field(max_length=32, primary_key=True)
    status: Status = Field(sa_type=words(Status), primary_key=True)
    runs: int = Field(sa_type=sa.BigInteger)

    __table_args__ = (
        sa.Index("ix_recovery_rollup_fingerprint", "workspace_id", "whose", "fingerprint", "grain"),
        _BY_KEY,
    )
