"""Notifications by the browser itself: the switch that asks for them, and the voice that tells, out of sight.

The wish is this browser's own: a cookie, as the colour scheme is. Without its permission nothing is ever shown.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui.element import Element

_COOKIE = "mulligan_notices"


def are_wanted(cookies: Mapping[str, str]) -> bool:
    """Whether somebody switched them on in this browser."""
    return cookies.get(_COOKIE) == "on"


class NoticeSwitch(Element, component="notice_switch.js"):
    """A button that asks the browser for its permission, from a click, and says how it stands."""

    def __init__(self, on_wish: Callable[[bool], Any]) -> None:
        super().__init__()
        self.on("wished", lambda event: on_wish(bool(event.args)))


class BrowserVoice(Element, component="browser_voice.js"):
    """Tells, where the page is hidden and the browser lets it."""

    def tell(self, tag: str, title: str, body: str, path: str) -> None:
        """Plain text. A click comes back to this page and leads to `path`. Twice the same tag is shown once."""
        _ = self.run_method("tell", {"tag": tag, "title": title, "body": body, "path": path})
