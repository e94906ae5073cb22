"""Channels, as people make, change, try and remove them: the workspace's by admins, one's own by everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, rate_limit
from services.database.storable import require_storable
from services.desk import Desk
from services.errors import Invalid, NotFound
from services.guard.addresses import AddressGuard
from services.notifications import courier
from services.notifications.courier import Answer
from services.notifications.letters import trial_letter
from services.notifications.sealing import seal, unseal
from services.notifications.tables import Channel, Message
from services.people.access import Actor
from services.vocabulary import NoticeEvent

MOST = 20
"""So many channels has a workspace, and each of its members."""
DEFAULT_EVENTS = (
    NoticeEvent.JOB_FAILED, NoticeEvent.RETRY_COMPLETED, NoticeEvent.RETRY_FAILED, NoticeEvent.RETRIES_USED_UP,
    NoticeEvent.BATCH_FINISHED,
)  # fmt: skip
_NAME_LIMIT = 100
_ADDRESS_LIMIT = 2_000
# Each is a process of its own, and may be a request to somebody's server.
_TRIALS, _TRIALS_SECONDS = 10, 60


@dataclass(frozen=True)
class Wanted:
    """What a channel shall be. None: as it is."""

    name: str | None = None
    address: str | None = None
    events: Sequence[NoticeEvent] | None = None
    kinds: Sequence[str] | None = None
    only_own: bool | None = None
    is_on: bool | None = None


async def list_channels(desk: Desk, actor: Actor) -> list[Channel]:
    """The actor's own, and for an admin the workspace's, in the order in which they were made."""
    async with desk.db.read() as session:
        query = sa.select(Channel).where(*_theirs(actor)).order_by(col(Channel.id))
        return list((await session.scalars(query)).all())


async def get_channel(desk: Desk, actor: Actor, channel_id: UUID) -> Channel:
    """Raises NotFound where it is not theirs."""
    async with desk.db.read() as session:
        return await _get(session, actor, channel_id)


async def make(desk: Desk, actor: Actor, wanted: Wanted, *, for_workspace: bool = False) -> Channel:
    """A new channel. Its address is read by Apprise, and where it leads is looked at, before anything is stored.

    Raises:
        Forbidden: the workspace's are made by admins.
        Invalid: something of it is wrong, or there are too many.
        RateLimited: too many tries.
    """
    if for_workspace:
        actor.require_admin()
    if wanted.address is None or wanted.name is None:
        raise Invalid("A channel needs a name and an address.")
    channel = Channel(
        workspace_id=actor.workspace_id, owner_id=None if for_workspace else actor.user_id, name="", sealed="",
        service="", events=[event.value for event in DEFAULT_EVENTS],
    )  # fmt: skip
    values = _values(desk, channel, wanted) | await _address(desk, actor, wanted.address)

    async def work(session: AsyncSession) -> Channel:
        await _require_room(session, channel)
        kept = channel.model_dump(include={"id", "workspace_id", "owner_id", "events"})
        added = Channel(**{**kept, **values})
        session.add(added)
        _record(session, actor, "channel.make", added)
        return added

    return await desk.db.transact(work)


async def change(desk: Desk, actor: Actor, channel_id: UUID, wanted: Wanted) -> Channel:
    """Changes it. With a new address, or switched off, what waits to be sent is dropped.

    Raises:
        NotFound, Invalid, RateLimited: as `get_channel` and `make`.
    """
    channel = await get_channel(desk, actor, channel_id)
    values = _values(desk, channel, wanted)
    if wanted.address is not None:
        values |= await _address(desk, actor, wanted.address)

    async def work(session: AsyncSession) -> Channel:
        found = await _get(session, actor, channel_id)
        for name, value in values.items():
            setattr(found, name, value)
        if wanted.address is not None or wanted.is_on is not None:
            found.misses, found.rests_until, found.failing_since, found.trouble = 0, None, None, None
        if wanted.address is not None:
            found.dropped = 0
        if wanted.address is not None or wanted.is_on is False:
            await session.execute(sa.delete(Message).where(col(Message.channel_id) == channel_id))
        _record(session, actor, "channel.change", found, changed=sorted(values.keys() - {"sealed"}))
        return found

    return await desk.db.transact(work)


async def remove(desk: Desk, actor: Actor, channel_id: UUID) -> None:
    """Removes it, with what waits to be sent. Raises NotFound."""

    async def work(session: AsyncSession) -> None:
        found = await _get(session, actor, channel_id)
        _record(session, actor, "channel.remove", found)
        await session.delete(found)

    await desk.db.transact(work)


async def try_out(desk: Desk, actor: Actor, channel_id: UUID) -> Answer:
    """Sends a test to it, now; what came back.

    Raises:
        NotFound: it is not theirs.
        Unsealable: its address was stored with another key.
        RateLimited: too many tries.
    """
    channel = await get_channel(desk, actor, channel_id)
    await _count(desk, actor)
    letter = trial_letter(channel.name, actor.workspace_name)
    answer = await courier.send(desk.settings, unseal(desk.settings, channel.sealed), letter)

    async def work(session: AsyncSession) -> None:
        found = await _get(session, actor, channel_id)
        _record(session, actor, "channel.test", found, ok=answer.ok)
        if answer.ok:  # what waits for it is tried at once
            found.misses, found.rests_until, found.failing_since, found.trouble = 0, None, None, None

    await desk.db.transact(work)
    return answer


# --- parts ------------------------------------------------------------------------------------------------------------


def _theirs(actor: Actor) -> tuple[sa.ColumnElement[bool], ...]:
    own = col(Channel.owner_id) == actor.user_id
    whose = sa.or_(own, col(Channel.owner_id).is_(None)) if actor.is_admin else own
    return col(Channel.workspace_id) == actor.workspace_id, whose


async def _get(session: AsyncSession, actor: Actor, channel_id: UUID) -> Channel:
    query = sa.select(Channel).where(col(Channel.id) == channel_id, *_theirs(actor))
    channel = (await session.scalars(query)).one_or_none()
    if channel is None:
        raise NotFound(what="channel")
    return channel


def _values(desk: Desk, channel: Channel, wanted: Wanted) -> dict[str, Any]:
    """What is to be set, found to make sense; all but the address."""
    values: dict[str, Any] = {}
    if wanted.name is not None:
        values["name"] = _name(wanted.name)
    if wanted.events is not None:
        if not wanted.events:
            raise Invalid("Choose at least one event. A channel that shall be silent can be switched off.")
        values["events"] = [event.value for event in NoticeEvent if event in wanted.events]
    if wanted.kinds is not None:
        if unknown := [kind for kind in wanted.kinds if desk.kinds.get(kind) is None]:
            raise Invalid(f"There is no kind {unknown[0]!r}.")
        values["kinds"] = sorted(set(wanted.kinds))
    if wanted.only_own is not None:
        if wanted.only_own and channel.owner_id is None:
            raise Invalid("A workspace's channel has no jobs of its own: it is told of everybody's.")
        values["only_own"] = wanted.only_own
    if wanted.is_on is not None:
        values["is_on"] = wanted.is_on
    return values


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        raise Invalid(f"A channel's name has between 1 and {_NAME_LIMIT} characters.")
    require_storable(name)
    return name


async def _address(desk: Desk, actor: Actor, address: str) -> dict[str, Any]:
    """The address as it is stored, and what may be shown of it.

    Where a service's own address is asked for, what Apprise makes of it may lead somewhere else than its name says;
    so each message is looked at again when it is sent, connection by connection.
    """
    address = address.strip()
    if not 0 < len(address) <= _ADDRESS_LIMIT or not address.isprintable() or " " in address:
        raise Invalid(f"An address has between 1 and {_ADDRESS_LIMIT} characters, and no space.")
    await _count(desk, actor)
    read = await courier.read_address(desk.settings, address)
    if not read.ok:
        raise Invalid(f"This address cannot be used: {read.said}.")
    if read.host:
        try:
            await AddressGuard.of(desk.settings).addresses(read.host.strip("[]"), 443)
        except OSError:
            raise Invalid(f"This address cannot be used: {read.host} cannot be found.") from None
    return {"sealed": seal(desk.settings, address), "service": read.service}


async def _count(desk: Desk, actor: Actor) -> None:
    who = f"{actor.user_id}"
    await rate_limit.hit(desk.feed.redis, "channel", who, limit=_TRIALS, window=_TRIALS_SECONDS)


async def _require_room(session: AsyncSession, channel: Channel) -> None:
    whose = col(Channel.owner_id) == channel.owner_id if channel.owner_id else col(Channel.owner_id).is_(None)
    query = sa.select(sa.func.count()).where(col(Channel.workspace_id) == channel.workspace_id, whose)
    if (await session.execute(query)).scalar_one() >= MOST:
        raise Invalid(f"There are {MOST} channels already. Remove one first.")


def _record(session: AsyncSession, actor: Actor, action: str, channel: Channel, **data: Any) -> None:
    whose = "own" if channel.owner_id else "workspace"
    audit.record(session, actor, action, channel=channel.name, service=channel.service, whose=whose, **data)
