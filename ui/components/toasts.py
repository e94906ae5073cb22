"""Short messages in a corner, in live regions: a success goes after three seconds, an error stays until closed."""

import asyncio
import contextlib

from nicegui import background_tasks

from ui.components.element import Tag

_SUCCESS_SECONDS = 3
_SUMMARY_SECONDS = 10


class Toasts:
    """One a page."""

    def __init__(self) -> None:
        with Tag("div", classes="toasts") as self.element:
            self._good = Tag("div", role="status", aria_live="polite")
            self._bad = Tag("div", role="alert", aria_live="assertive")

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
