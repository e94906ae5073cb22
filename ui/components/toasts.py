"""Short messages in a corner, in live regions: a success goes after three seconds, an error stays until closed."""

import asyncio
import contextlib

from nicegui import background_tasks

from ui.components.element import Tag

_SUCCESS_SECONDS = 3
_SUMMARY_SECONDS = 10
_OFFLINE = "What stands here may be old, and nothing can be done now. This page goes on by itself."
_RESTARTED = "What you have typed is still here. Copy what you need, then load the page anew."


class Toasts:
    """One a page."""

    def __init__(self) -> None:
        with Tag("div", classes="toasts") as self.element:
            self._good = Tag("div", role="status", aria_live="polite")
            self._bad = Tag("div", role="alert", aria_live="assertive")
            with Tag("div", role="status", aria_live="polite"):
                # What the browser says by itself while no server can: connection.js and the style sheet show it.
                with (
                    Tag("div", classes="toast sign when-off", data_icon="cloud_off"),
                    Tag("div", classes="words"),
                ):
                    Tag("div", "Mulligan does not answer")
                    Tag("div", _OFFLINE, "why")
                with Tag("div", classes="toast sign when-gone", data_icon="restart_alt"):
                    with Tag("div", classes="words"):
                        Tag("div", "Mulligan was restarted")
                        Tag("div", _RESTARTED, "why")
                    load = Tag("button", "Reload", "btn small", type="button")
                    load.on("click", js_handler="() => location.reload()")
                self._stale = Tag("div", classes="toast sign hidden", data_icon="sync_problem")
                with self._stale, Tag("div", classes="words"):
                    Tag("div", "Not up to date")
                    self._stale_why = Tag("div", "", "why")

    def success(self, words: str) -> None:
        """Says that something worked, for three seconds."""
        toast = self._show(self._good, "toast", "check_circle", words, None)
        _ = background_tasks.create(_fade(toast), name="toast")

    def summary(self, words: str, details: str, why: str | None = None) -> None:
        """Says what came of something long, with the way to its details; for ten seconds."""
        toast = self._show(self._good, "toast", "task_alt", words, why, details)
        _ = background_tasks.create(_fade(toast, _SUMMARY_SECONDS), name="toast")

    def error(self, words: str, why: str | None = None) -> None:
        """Says what went wrong, until closed."""
        self._show(self._bad, "toast bad", "error", words, why)

    def stale(self, why: str | None) -> None:
        """Says, until told otherwise (None), that what stands on the page may be old, and why."""
        self._stale.dress("toast sign on" if why else "toast sign hidden")
        if why:
            self._stale_why.say(why)

    def _show(
        self, region: Tag, classes: str, icon: str, words: str, why: str | None, details: str | None = None
    ) -> Tag:
        with region, Tag("div", classes=classes, data_icon=icon) as toast:
            with Tag("div", classes="words"):
                Tag("div", words)
                if why:
                    Tag("div", why, "why")
                if details:
                    Tag("a", "Details", "link", href=details)
            close = Tag(
                "button", classes="btn round", type="button", aria_label="Close message", data_icon="close"
            )
        close.on("click", toast.delete, args=[])
        return toast


async def _fade(toast: Tag, seconds: float = _SUCCESS_SECONDS) -> None:
    await asyncio.sleep(seconds)
    if not toast.is_deleted:
        with contextlib.suppress(ValueError, RuntimeError):
            toast.delete()
