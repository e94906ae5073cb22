"""Where people are told what happened: the workspace's channels, for admins, and one's own."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from services.errors import NotFound
from services.notifications import channels
from services.notifications.channels import Wanted
from services.notifications.tables import Channel
from services.vocabulary import NoticeEvent
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Flag, Order

router = APIRouter(prefix="/api/channels", tags=["channels"])

_Name = Annotated[str, Field(max_length=100)]
_Address = Annotated[
    str,
    Field(max_length=2_000, description="An Apprise URL. It is a secret: it is never told again.", examples=["ntfys://topic"]),
]  # fmt: skip
_Kinds = Annotated[list[str], Field(max_length=100, description="Only jobs of these; empty: of all.")]
_Events = Annotated[list[NoticeEvent], Field(max_length=20)]


class ChannelOut(BaseModel):
    """A channel."""

    id: UUID
    name: str
    service: str = Field(description="What may be shown of the address.")
    for_workspace: bool = Field(description="False: it is the caller's own.")
    events: list[NoticeEvent]
    kinds: list[str]
    only_own: bool = Field(description="Only news of the caller's own jobs.")
    on: bool
    sent_at: datetime | None = Field(description="When a message last got through.")
    failing_since: datetime | None
    trouble: str | None = Field(description="What came back last, where it failed.")
    dropped: int = Field(description="Messages that were given up.")
    created_at: datetime

    @classmethod
    def of(cls, channel: Channel) -> "ChannelOut":
        """The channel without its address."""
        fields = channel.model_dump(include=set(cls.model_fields))
        return cls(**fields, for_workspace=channel.owner_id is None, on=channel.is_on)


class ChannelList(BaseModel):
    """The caller's own, and for an admin the workspace's."""

    items: list[ChannelOut]


class NewChannel(Order):
    """A channel to be made."""

    name: _Name
    address: _Address
    for_workspace: Flag = Field(default=False, description="For admins: it is told of everybody's jobs.")
    events: _Events = Field(default=list(channels.DEFAULT_EVENTS))
    kinds: _Kinds = Field(default_factory=list)
    only_own: Flag = False
    on: Flag = True


class ChannelChange(Order):
    """What shall be another than it is."""

    name: _Name | None = None
    address: _Address | None = None
    events: _Events | None = None
    kinds: _Kinds | None = None
    only_own: Flag | None = None
    on: Flag | None = None


class TrialOut(BaseModel):
    """What came back."""

    ok: bool
    said: str = Field(description="Why it did not get through, without secrets.")


def _channel_id(channel_id: Annotated[str, Path(description="A channel's id.")]) -> UUID:
    try:
        return UUID(channel_id)
    except ValueError:
        raise NotFound(what="channel") from None


ChannelId = Annotated[UUID, Depends(_channel_id)]


@router.get("")
async def get_channels(desk: TheDesk, actor: Caller) -> ChannelList:
    """The caller's own channels, and for an admin the workspace's."""
    return ChannelList(items=[ChannelOut.of(one) for one in await channels.list_channels(desk, actor)])


@router.post("", status_code=201)
async def post_channel(desk: TheDesk, actor: Caller, order: NewChannel) -> ChannelOut:
    """Makes a channel. The address is read, and where it leads is looked at; nothing is sent."""
    wanted = _wanted(order)
    return ChannelOut.of(await channels.make(desk, actor, wanted, for_workspace=order.for_workspace))


@router.get("/{channel_id}")
async def get_channel(desk: TheDesk, actor: Caller, channel_id: ChannelId) -> ChannelOut:
    """A channel, and whether it works."""
    return ChannelOut.of(await channels.get_channel(desk, actor, channel_id))


@router.patch("/{channel_id}")
async def patch_channel(
    desk: TheDesk, actor: Caller, channel_id: ChannelId, order: ChannelChange
) -> ChannelOut:
    """Changes what is named. With a new address, or switched off, what waits to be sent is dropped."""
    return ChannelOut.of(await channels.change(desk, actor, channel_id, _wanted(order)))


@router.delete("/{channel_id}", status_code=204)
async def delete_channel(desk: TheDesk, actor: Caller, channel_id: ChannelId) -> None:
    """Removes it, with what waits to be sent."""
    await channels.remove(desk, actor, channel_id)


@router.post("/{channel_id}/test")
async def test_channel(desk: TheDesk, actor: Caller, channel_id: ChannelId) -> TrialOut:
    """Sends a test now, and says what came back. 200 also where it failed: the answer says so."""
    answer = await channels.try_out(desk, actor, channel_id)
    return TrialOut(ok=answer.ok, said=answer.said)


def _wanted(order: NewChannel | ChannelChange) -> Wanted:
    return Wanted(
        name=order.name, address=order.address, events=order.events, kinds=order.kinds, only_own=order.only_own,
        is_on=order.on,
    )  # fmt: skip
