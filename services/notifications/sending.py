"""Sending what is due: one message of a channel at a time, by one worker.

At least once: who dies between sending a message and noting it has sent it, and the next one sends it again. That takes
a worker that is killed within a blink: the note follows the receiver's answer at once.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import db_now
from services.database.patience import with_patience
from services.desk import Desk
from services.errors import MulliganError
from services.ids import new_id
from services.models import Workspace
from services.notifications import courier
from services.notifications.courier import Answer, Letter
from services.notifications.gathering import people_of
from services.notifications.letters import letter_of
from services.notifications.sealing import unseal
from services.notifications.tables import Channel, Message

logger = logging.getLogger(__name__)

MOST_TRIES = 12
_FIRST_REST_SECONDS = 10.0
_LONGEST_REST_SECONDS = 3600.0
# Twice as long so often is beyond the longest anyway; two to the power of all misses is soon no number of seconds.
_MOST_DOUBLINGS = 10
_LEASE_MARGIN_SECONDS = 15.0
_TROUBLE_LIMIT = 500


@dataclass(frozen=True)
class Taken:
    """A message that this worker alone may send, until its lease ends. `letter` is None where it is pointless now."""

    lease: UUID
    channel_id: UUID
    sealed: str
    message_id: UUID
    tries: int
    letter: Letter | None


async def is_something_due(desk: Desk) -> bool:
    """A look that costs next to nothing: whether `send_next` would find something."""
    async with desk.db.read() as session:
        some = sa.exists().select_from(Channel).where(*_is_free())
        return bool((await session.execute(sa.select(some))).scalar())


async def send_next(desk: Desk) -> bool:
    """Sends one message, if one is due that nobody else sends. Whether there was one."""
    taken = await desk.db.transact(lambda session: _take(desk, session))
    if taken is None:
        return False
    answer = await _carry(desk, taken, taken.letter) if taken.letter else None
    # For as long as it takes: what is not noted would be sent again.
    await with_patience(lambda: desk.db.transact(lambda session: _note(session, taken, answer)))
    if answer is None or answer.ok:
        logger.info("channel %s: message %s sent", taken.channel_id, taken.message_id)
    else:
        logger.warning(
            "channel %s: message %s not sent, try %d: %s",
            taken.channel_id, taken.message_id, taken.tries, answer.said,
        )  # fmt: skip
    return True


async def _carry(desk: Desk, taken: Taken, letter: Letter) -> Answer:
    try:
        address = unseal(desk.settings, taken.sealed)
    except MulliganError as error:
        return Answer(ok=False, said=error.message)
    return await courier.send(desk.settings, address, letter)


async def _take(desk: Desk, session: AsyncSession) -> Taken | None:
    query = (
        sa.select(Channel)
        .where(*_is_free())
        .order_by(col(Channel.sent_at).is_not(None), col(Channel.sent_at))
    )
    channel = (await session.scalars(query.limit(1).with_for_update(skip_locked=True))).one_or_none()
    if channel is None:
        return None
    at = (await session.scalars(sa.select(db_now()))).one()
    seconds = courier.longest(desk.settings) + _LEASE_MARGIN_SECONDS
    channel.lease_by, channel.lease_until = new_id(), at + timedelta(seconds=seconds)
    oldest = sa.select(Message).where(col(Message.channel_id) == channel.id, col(Message.due_at) <= at)
    message = (await session.scalars(oldest.order_by(col(Message.id)).limit(1))).one()
    message.tries += 1
    if message.event is None and message.tries == 1:
        # A digest is a message as the others are: what follows it is counted from here.
        channel.window_at, channel.window_sent = at, 1
    letter = await _letter(desk, session, channel, message)
    return Taken(channel.lease_by, channel.id, channel.sealed, message.id, message.tries, letter)


def _is_free() -> tuple[sa.ColumnElement[bool], ...]:
    """Channels with something to be sent now, to which nobody sends, and which do not rest."""
    return (
        col(Channel.is_on).is_(True),
        sa.or_(col(Channel.lease_until).is_(None), col(Channel.lease_until) <= db_now()),
        sa.or_(col(Channel.rests_until).is_(None), col(Channel.rests_until) <= db_now()),
        sa.exists().where(col(Message.channel_id) == col(Channel.id), col(Message.due_at) <= db_now()),
    )


async def _letter(desk: Desk, session: AsyncSession, channel: Channel, message: Message) -> Letter | None:
    if channel.owner_id is not None and not await people_of(session, [channel]):
        return None  # no member any more
    workspace = await session.get_one(Workspace, channel.workspace_id)
    return await letter_of(session, desk.settings, message, workspace)


async def _note(session: AsyncSession, taken: Taken, answer: Answer | None) -> None:
    """Writes down what came of it, if the channel is still this worker's. None: there was nothing to say."""
    held = col(Channel.id) == taken.channel_id, col(Channel.lease_by) == taken.lease
    channel = (await session.scalars(sa.select(Channel).where(*held).with_for_update())).one_or_none()
    if channel is None:
        return
    channel.lease_until = channel.lease_by = None
    is_over = answer is None or answer.ok
    if answer is not None:
        at = (await session.scalars(sa.select(db_now()))).one()
        (_worked if answer.ok else _failed)(channel, answer, at)
    if not is_over and taken.tries >= MOST_TRIES:
        channel.dropped += 1
        is_over = True
    if is_over:
        await session.execute(sa.delete(Message).where(col(Message.id) == taken.message_id))


def _worked(channel: Channel, _answer: Answer, at: datetime) -> None:
    channel.misses, channel.rests_until, channel.failing_since, channel.trouble = 0, None, None, None
    channel.sent_at = at


def _failed(channel: Channel, answer: Answer, at: datetime) -> None:
    """It rests, twice as long after each miss; what comes meanwhile is gathered."""
    rest = min(_FIRST_REST_SECONDS * 2 ** min(channel.misses, _MOST_DOUBLINGS), _LONGEST_REST_SECONDS)
    channel.rests_until = at + timedelta(seconds=rest)
    channel.misses += 1
    channel.failing_since = channel.failing_since or at
    channel.trouble = answer.said[:_TROUBLE_LIMIT]
