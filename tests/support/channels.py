"""Channels to an endpoint on loopback, and what came there."""

import json
from typing import Any

from services.desk import Desk
from services.notifications.sealing import seal
from services.notifications.tables import Channel
from services.people.access import Actor
from services.vocabulary import NoticeEvent
from tests.support.endpoints import Endpoint

TOKEN = "tok3n-of-the-hook"
EVERYTHING = tuple(NoticeEvent)


def address_of(endpoint: Endpoint, **parameters: str) -> str:
    """The endpoint as Apprise's address, with a secret in it."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{endpoint.url.replace('http', 'json')}/hook/{TOKEN}" + (f"?{query}" if query else "")


def messages_of(endpoint: Endpoint) -> list[dict[str, Any]]:
    """What the endpoint was told."""
    return [json.loads(call.body) for call in endpoint.calls]


def titles_of(endpoint: Endpoint) -> list[str]:
    """The titles of it, in the order in which they came."""
    return [message["title"] for message in messages_of(endpoint)]


async def a_channel(
    desk: Desk, actor: Actor, address: str = "json://hooks.example.org", *, own: bool = False, **more: Any
) -> Channel:
    """One that hears of everything, unless told otherwise; made without asking Apprise, which takes its time."""
    wanted = {"events": [event.value for event in EVERYTHING], "name": "ops", "service": "JSON"} | more
    channel = Channel(
        workspace_id=actor.workspace_id, owner_id=actor.user_id if own else None,
        sealed=seal(desk.settings, address), **wanted,
    )  # fmt: skip
    async with desk.db.write() as session:
        session.add(channel)
    return channel


async def reread(desk: Desk, channel: Channel) -> Channel:
    """The channel as it is now."""
    async with desk.db.read() as session:
        return await session.get_one(Channel, channel.id)
