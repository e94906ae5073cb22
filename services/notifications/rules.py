"""Which news an end of an attempt is, and who is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.models import Attempt, Job
from services.notifications.tables import Channel
from services.people.access import Actor
from services.policy import RetryPolicy
from services.vocabulary import UNSUCCESSFUL, NoticeEvent, Status, Trigger

BATCH_KINDS = "system.batch_"


@dataclass(frozen=True)
class News:
    """Something that happened, once. `events` are what it is, the most telling first; whoever chose one is told."""

    events: tuple[NoticeEvent, ...]
    workspace_id: UUID | None = None
    """None: it concerns every workspace."""
    owner_id: UUID | None = None
    kind: str = ""
    fingerprint: str | None = None
    job_id: UUID | None = None
    attempt: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def events_of(
    job: Job, ended: Attempt, asked: Trigger, policy: RetryPolicy | None
) -> tuple[NoticeEvent, ...]:
    """What the end of an attempt is to people. `asked` is why it ran at all, whatever was tried by itself since.

    Nothing where somebody cancelled it, and where a batch asked for it: that is told of as a whole.
    """
    if job.kind.startswith(BATCH_KINDS):
        return (NoticeEvent.BATCH_FINISHED,)
    if asked is Trigger.BATCH:
        return ()
    is_first = asked is Trigger.FIRST
    if ended.status is Status.COMPLETED:
        return (NoticeEvent.JOB_COMPLETED if is_first else NoticeEvent.RETRY_COMPLETED,)
    if ended.status not in UNSUCCESSFUL:
        return ()
    failed = NoticeEvent.JOB_FAILED if is_first else NoticeEvent.RETRY_FAILED
    return (NoticeEvent.RETRIES_USED_UP, failed) if policy and is_used_up(job, ended, policy) else (failed,)


def is_used_up(job: Job, ended: Attempt, policy: RetryPolicy) -> bool:
    """Whether this failure leaves no retry: of those that people ask for, or of those that come by themselves."""
    limit = policy.limit if job.max_retries is None else job.max_retries
    if policy.counts and limit is not None and job.retry_count >= limit > 0:
        return True
    auto = policy.auto
    return bool(auto.limit) and ended.failure_type in auto.on and job.auto_retry_count >= auto.limit


def chosen(channel: Channel, news: News, person: Actor | None) -> NoticeEvent | None:
    """As what a channel is told of the news; None: not at all. `person` is a personal channel's owner as of now."""
    if not channel.is_on or news.workspace_id not in {None, channel.workspace_id}:
        return None
    if not _is_of_its_kinds(channel, news.kind):
        return None
    if channel.owner_id is not None and not _may_see(channel, news, person):
        return None
    return next((event for event in news.events if event in channel.events), None)


def _is_of_its_kinds(channel: Channel, kind: str) -> bool:
    """Whether a job's kind is one of those that the channel is for. Workers and batches are of all kinds."""
    return not channel.kinds or kind in channel.kinds or not kind or kind.startswith(BATCH_KINDS)


def _may_see(channel: Channel, news: News, person: Actor | None) -> bool:
    """Whether a personal channel's owner is a member still, sees the job, and wants news of others' jobs."""
    if person is None:
        return False
    if news.owner_id is None or news.workspace_id is None:
        return True
    return person.sees(news.workspace_id, news.owner_id) and (
        not channel.only_own or news.owner_id == channel.owner_id
    )


def asked_for(attempts: Sequence[tuple[int, Trigger]], number: int) -> Trigger:
    """Why an attempt ran at all: automatic retries and rescues go on with what somebody asked for before."""
    by_itself = {Trigger.AUTO, Trigger.RESCUE}
    asked = [(n, trigger) for n, trigger in attempts if n <= number and trigger not in by_itself]
    return max(asked, default=(0, Trigger.FIRST))[1]
