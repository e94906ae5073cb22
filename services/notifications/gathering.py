"""From news to messages: each channel that wants it is told once, and no channel is flooded.

So many messages in a time go one by one; what is more, and what comes while a channel does not answer, is gathered in
one digest, sent when the time is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.models import Membership, User, Workspace
from services.notifications import news as taken
from services.notifications.rules import News, chosen
from services.notifications.tables import Channel, Message
from services.people.access import Actor
from services.settings import Rate
from services.vocabulary import NoticeEvent


async def gather(desk: Desk) -> bool:
    """Turns what has happened into messages. Whether there may be more of it."""

    async def work(session: AsyncSession) -> bool:
        found = await taken.take(session, desk.kinds)
        if found:
            await _post(session, found, desk.settings.pace_per_channel)
        return bool(found)

    async with desk.db.read() as session:
        if not await taken.are_there_any(session):
            return False
    return await desk.db.transact(work)


async def people_of(session: AsyncSession, channels: Sequence[Channel]) -> dict[UUID, Actor]:
    """The owners of personal channels in these workspaces, by channel, as who they are now."""
    is_member = sa.and_(
        col(Membership.user_id) == col(Channel.owner_id),
        col(Membership.workspace_id) == col(Channel.workspace_id),
    )
    query = (
        sa.select(col(Channel.id), User, Workspace, Membership)
        .join(Membership, is_member)
        .join(User, col(User.id) == col(Channel.owner_id))
        .join(Workspace, col(Workspace.id) == col(Channel.workspace_id))
        .where(col(Channel.id).in_([channel.id for channel in channels]))
    )
    return {row[0]: Actor.of(*row[1:]) for row in await session.execute(query)}


async def _post(session: AsyncSession, found: Sequence[News], pace: Rate) -> None:
    query = sa.select(Channel).where(col(Channel.is_on)).order_by(col(Channel.id))
    if all(news.workspace_id for news in found):
        query = query.where(col(Channel.workspace_id).in_({news.workspace_id for news in found}))
    channels = (await session.scalars(query.with_for_update())).all()
    people = await people_of(session, channels)
    at = (await session.scalars(sa.select(db_now()))).one()
    for channel in channels:
        told = [(news, chosen(channel, news, people.get(channel.id))) for news in found]
        await _tell(session, channel, [(news, event) for news, event in told if event], pace, at)


async def _tell(
    session: AsyncSession,
    channel: Channel,
    told: Sequence[tuple[News, NoticeEvent]],
    pace: Rate,
    at: datetime,
) -> None:
    span = timedelta(seconds=pace.seconds)
    rest: list[tuple[News, NoticeEvent]] = []
    for news, event in told:
        if not _has_room(channel, pace, at):
            rest.append((news, event))
            continue
        session.add(
            Message(
                channel_id=channel.id, event=event, job_id=news.job_id, attempt=news.attempt, facts=news.facts,
                due_at=at,
            )
        )  # fmt: skip
    if rest:
        digest = await _open_digest(session, channel)
        if digest is None:
            digest = Message(channel_id=channel.id, due_at=(channel.window_at or at) + span)
            session.add(digest)
        digest.facts = _counted(digest.facts, rest)


def _has_room(channel: Channel, pace: Rate, at: datetime) -> bool:
    """Whether one more message may go there by itself; counts it if so."""
    if channel.window_at is None or at >= channel.window_at + timedelta(seconds=pace.seconds):
        channel.window_at, channel.window_sent = at, 0
    if channel.failing_since is not None or channel.window_sent >= pace.limit:
        return False
    channel.window_sent += 1
    return True


async def _open_digest(session: AsyncSession, channel: Channel) -> Message | None:
    """The one that still gathers: nobody has tried to send it."""
    query = sa.select(Message).where(
        col(Message.channel_id) == channel.id, col(Message.event).is_(None), col(Message.tries) == 0
    )
    return (await session.scalars(query.limit(1))).one_or_none()


def _counted(facts: dict[str, Any], more: Sequence[tuple[News, NoticeEvent]]) -> dict[str, Any]:
    """The counts with some more in them. A new value, since the old one is compared with it."""
    counts = {event: dict(kinds) for event, kinds in facts.items()}
    for news, event in more:
        kinds = counts.setdefault(event.value, {})
        kinds[news.kind] = kinds.get(news.kind, 0) + 1
    return counts
