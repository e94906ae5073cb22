"""Channels as their owners see them: where they lead, what goes there, whether it arrives, and what can be done."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.notifications.tables import Channel
from services.vocabulary import NoticeEvent
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Moment

EVENTS: dict[NoticeEvent, str] = {
    NoticeEvent.JOB_COMPLETED: "Job completed",
    NoticeEvent.JOB_FAILED: "Job failed",
    NoticeEvent.RETRY_COMPLETED: "Retry completed",
    NoticeEvent.RETRY_FAILED: "Retry failed",
    NoticeEvent.RETRIES_USED_UP: "Retries used up",
    NoticeEvent.BATCH_FINISHED: "Batch finished",
    NoticeEvent.WORKER_LOST: "Worker lost",
}

Do = Callable[[Channel], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Deeds:
    """What the buttons of a row do."""

    test: Do
    edit: Do
    turn: Do
    remove: Do


def key_of(channels: Sequence[Channel]) -> tuple[object, ...]:
    """What a list shows, to be compared."""
    return tuple(repr(channel.model_dump(exclude=_UNSEEN)) for channel in channels)


_UNSEEN = {"sealed", "window_at", "window_sent", "lease_until", "lease_by", "rests_until", "misses"}


def draw_channels(channels: Sequence[Channel], deeds: Deeds, label: str, testing: Collection[UUID]) -> None:
    """A list item each; those in `testing` are being tried."""
    with Tag("ul", classes="channels", aria_label=label):
        for channel in channels:
            with Tag(
                "li", classes="channel" if channel.is_on else "channel off", data_channel_id=str(channel.id)
            ):
                with Tag("div", classes="channel-text"):
                    with Tag("div", classes="channel-head"):
                        Tag("strong", channel.name)
                        Tag("span", channel.service, "muted")
                    Tag("div", _what(channel), "muted")
                    _state(channel)
                with Tag("div", classes="channel-deeds"):
                    if channel.id in testing:
                        words = "Sending\N{HORIZONTAL ELLIPSIS}"
                        Tag("button", words, "btn small", type="button", data_icon="send", disabled=True)
                    else:
                        _button(channel, "Send a test", "send", deeds.test)
                    _button(channel, "Edit", "edit", deeds.edit)
                    if channel.is_on:
                        _button(channel, "Switch off", "notifications_off", deeds.turn)
                    else:
                        _button(channel, "Switch on", "notifications_active", deeds.turn)
                    _button(channel, "Remove", "delete", deeds.remove)


def _what(channel: Channel) -> str:
    """`Job failed, Worker lost · only video.process · only your own jobs`."""
    said = [", ".join(EVENTS[event] for event in NoticeEvent if event in channel.events)]
    if channel.kinds:
        said.append(f"only {', '.join(channel.kinds)}")
    if channel.only_own:
        said.append("only your own jobs")
    return " · ".join(said)


def _state(channel: Channel) -> None:
    """Whether it works, with an icon and in words."""
    if not channel.is_on:
        Tag("div", "Off: nothing is sent.", "channel-state muted", data_icon="notifications_off")
    elif channel.failing_since:
        with Tag("div", classes="channel-state bad", data_icon="error_outline"), Tag("div"):
            with Tag("span"):
                Moment(channel.failing_since, "datetime", prefix="Failing since ")
            Tag("div", channel.trouble or "It does not answer", "said")
    elif channel.sent_at:
        with Tag("div", classes="channel-state good", data_icon="check_circle"), Tag("span"):
            Moment(channel.sent_at, "ago", prefix="Last sent ")
    else:
        Tag("div", "Nothing was sent yet.", "channel-state muted", data_icon="schedule")
    if channel.dropped:
        words = wording.plural(channel.dropped, "message")
        Tag(
            "div",
            f"{words} given up: nobody answered for hours.",
            "channel-state muted",
            data_icon="unsubscribe",
        )


def _button(channel: Channel, words: str, icon: str, do: Do) -> None:
    button = Tag(
        "button", words, "btn small", type="button", data_icon=icon, aria_label=f"{words}: {channel.name}"
    )
    button.on("click", lambda: do(channel), args=[])
