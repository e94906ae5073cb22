"""The tables of notifications: channels, news that nobody has looked at yet, and messages to be sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from services.database.database import UtcDateTime
from services.ids import new_id
from services.models import Json, now, words
from services.vocabulary import NoticeEvent


class Channel(SQLModel, table=True):
    """Where to tell somebody what happened: an address of Apprise's, and which news go there."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    workspace_id: UUID = Field(foreign_key="workspace.id", index=True)
    owner_id: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="CASCADE", index=True)
    """Whose own it is; None: the workspace's."""
    name: str = Field(max_length=100)
    sealed: str
    """The address, encrypted (`services/notifications/sealing.py`): it is a secret."""
    service: str = Field(max_length=200)
    """What may be shown of it: the service's name and, where it is a host of one's own, that."""
    events: list[str] = Field(default_factory=list, sa_type=Json)
    kinds: list[str] = Field(default_factory=list, sa_type=Json)
    """Only news of jobs of these kinds; empty: of all."""
    only_own: bool = False
    """Only news of its owner's own jobs."""
    is_on: bool = True
    window_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when the messages are counted that go there one by one, and how many there were."""
    window_sent: int = 0
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By the database's clock: until then `lease_by` is sending, and nobody else."""
    lease_by: UUID | None = None
    rests_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """It does not answer: not tried again before that."""
    misses: int = 0
    """Failed tries in a row."""
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    trouble: str | None = None
    """What came back last, where it failed."""
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dropped: int = 0
    """Messages that were given up."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Notice(SQLModel, table=True):
    """News that nobody has looked at yet: an attempt ended. Written in the transaction that ended it."""

    job_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    workspace_id: UUID


class Message(SQLModel, table=True):
    """Something to be sent to a channel. Gone once it is sent, or given up."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    channel_id: UUID = Field(foreign_key="channel.id", ondelete="CASCADE")
    event: NoticeEvent | None = Field(default=None, sa_type=words(NoticeEvent))
    """None: a digest."""
    job_id: UUID | None = None
    attempt: int | None = None
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    """Of a digest: event → kind → how many. Of a lost worker: what is known of it."""
    tries: int = 0
    """A digest that was tried gathers no more."""
    due_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index("ix_message_channel", "channel_id", "id"),
        sa.Index("ix_message_due", "due_at"),
    )
