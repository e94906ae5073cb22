"""The confirmation of a batch: how many jobs, how many not and why, at which cost. One a page, filled per batch."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from services.batch.batch import BatchPreview, Trial
from services.vocabulary import BatchAction
from ui.components import wording
from ui.components.batch_words import WORDS, reasons
from ui.components.element import Tag

_CANARY = 5
_CANARY_FROM = 20
"""Fewer jobs than this are a trial by themselves."""
_COSTLY = 50
"""From so many credits on, the count must be typed."""
_MANY_DELETED = 100


@dataclass(frozen=True)
class BatchWish:
    """What somebody is asked about."""

    action: BatchAction
    what: str
    """The selection, in words."""
    preview: BatchPreview
    about: Callable[[], None] | None = None
    """Draws what there is to know of these jobs, where they have something in common."""

    @property
    def needs_count(self) -> bool:
        """Whether Enter alone must not do it: it costs much, or takes much away."""
        deletes = self.action is BatchAction.DELETE and self.preview.allowed >= _MANY_DELETED
        return self.preview.cost >= _COSTLY or deletes


class BatchDialog:
    """Shows a preview. Enter confirms what is cheap, Esc closes; a costly batch asks for its count."""

    def __init__(self, on_confirm: Callable[[Trial], Awaitable[None]]) -> None:
        self._on_confirm = on_confirm
        self._wish: BatchWish | None = None
        self._trial = False
        self._typed = ""
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=batch-title") as self._dialog,
            Tag("div", classes="sheet") as self._sheet,
        ):
            with Tag("div", classes="sheet-head", data_icon="replay") as self._head, Tag("div"):
                self._title = Tag("h2", id="batch-title")
                self._sub = Tag("div", classes="sub")
            self._body = Tag("div")
            with Tag("div", classes="sheet-foot"):
                cancel = Tag("button", "Cancel", "btn plain", type="button")
                self._yes = Tag("button", "", "btn", type="button", id="batch-confirm")
        self._sheet.on(
            "keydown.enter",
            self._confirm,
            js_handler="(e) => { if (!e.target.matches('button, select, a, summary')) emit(); }",
        )
        cancel.on("click", self.close, args=[])
        self._yes.on("click", self._confirm, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is being asked."""
        return bool(self._dialog.value)

    def close(self) -> None:
        """Asks no more."""
        self._wish = None
        self._dialog.value = False

    def show(self, wish: BatchWish) -> None:
        """Fills in what it would do, and opens."""
        self._wish, self._trial, self._typed = wish, False, ""
        words, seen = WORDS[wish.action], wish.preview
        self._head.put(data_icon=words.icon)
        self._sheet.dress("sheet" if wish.action is BatchAction.RETRY else "sheet danger")
        self._title.say(f"{words.verb} {wording.plural(seen.allowed, 'job')}?")
        self._sub.say(wish.what)
        self._body.clear()
        with self._body:
            self._draw(wish)
        self._yes.say(f"{words.verb} {wording.plural(seen.allowed, 'job')}")
        self._yes.put(data_icon=words.icon)
        self._yes.dress(words.button)
        self._enable()
        self._dialog.value = True
        target = "batch-count" if wish.needs_count else "batch-confirm"
        _ = ui.run_javascript(
            f'requestAnimationFrame(() => document.getElementById("{target}")?.focus({{preventScroll: true}}))'
        )

    def _draw(self, wish: BatchWish) -> None:
        words, seen = WORDS[wish.action], wish.preview
        if wish.about:
            wish.about()
        if not seen.allowed:
            Tag("p", f"None of these jobs can be {words.done}.", "refused", role="alert")
        with Tag("dl", classes="facts sums"):
            _fact("Selected", wording.plural(seen.matched, "job"))
            _fact(f"Will be {words.done}", wording.plural(seen.allowed, "job"))
            if wish.action is BatchAction.RETRY:
                _fact("Cost", wording.plural(seen.cost, "credit"))
                _fact("Balance after", wording.plural(seen.balance_after, "credit"))
        if seen.skipped:
            with Tag("div", classes="box left-alone"):
                Tag("h3", "Left alone", data_icon="do_not_disturb_on")
                with Tag("ul"):
                    for line in reasons(seen.skipped):
                        Tag("li", line)
        if seen.unchecked:
            Tag("p", f"{wording.plural(seen.unchecked, 'job')} will be checked on the way.", "hint muted")
        if wish.action is BatchAction.RETRY and seen.allowed >= _CANARY_FROM:
            self._draw_canary()
        if wish.needs_count and seen.allowed:
            self._draw_count(seen.allowed)

    def _draw_canary(self) -> None:
        with Tag("label", classes="choice trial"):
            box = Tag("input", type="checkbox")
            with Tag("span"):
                Tag("span", f"Try {_CANARY} first")
                Tag(
                    "small",
                    "The rest follows only if at least one of them recovers; it stops when half fail.",
                )
        box.on("change", self._set_trial, js_handler="(e) => emit(e.target.checked)")

    def _set_trial(self, event: object) -> None:
        self._trial = bool(getattr(event, "args", False))

    def _draw_count(self, count: int) -> None:
        Tag("label", f"Type {count} to confirm", for_="batch-count")
        field = Tag("input", classes="text", id="batch-count", inputmode="numeric", autocomplete="off")
        field.on("input", self._set_typed, js_handler="(e) => emit(e.target.value)")

    def _set_typed(self, event: object) -> None:
        self._typed = str(getattr(event, "args", ""))
        self._enable()

    def _may(self) -> bool:
        wish = self._wish
        if wish is None or not wish.preview.allowed:
            return False
        typed = "".join(c for c in self._typed if c.isdigit())
        return not wish.needs_count or typed == str(wish.preview.allowed)

    def _enable(self) -> None:
        self._yes.put(disabled=None if self._may() else True)

    async def _confirm(self) -> None:
        if not self._may():
            return
        trial = Trial(_CANARY, 0.5) if self._trial else Trial()
        self.close()
        await self._on_confirm(trial)


def _fact(name: str, value: str) -> None:
    Tag("dt", name)
    Tag("dd", value)
