"""What is selected in the grid, and what can be done with it: the bar above the table."""

from collections.abc import Awaitable, Callable

from services.vocabulary import BatchAction
from ui.components import wording
from ui.components.batch_words import WORDS
from ui.components.element import Tag


class BulkBar:
    """Shows how many jobs are selected. One a page."""

    def __init__(
        self,
        on_action: Callable[[BatchAction], Awaitable[None]],
        on_everything: Callable[[], None],
        on_clear: Callable[[], None],
    ) -> None:
        with Tag("div", classes="bulk hidden", role="toolbar", aria_label="Selected jobs") as self._element:
            self._count = Tag("span", classes="words", role="status")
            self._everything = Tag("button", classes="hidden", type="button")
            Tag("span", classes="grow")
            for action, words in WORDS.items():
                css = "btn small retry" if action is BatchAction.RETRY else "btn small"
                button = Tag(
                    "button", words.verb, css, type="button", data_icon=words.icon,
                    aria_label=f"{words.verb} selected jobs",
                )  # fmt: skip
                button.on("click", lambda action=action: on_action(action), args=[])
            clear = Tag(
                "button", classes="btn round", type="button", data_icon="close", aria_label="Clear selection"
            )
        self._everything.on("click", on_everything, args=[])
        clear.on("click", on_clear, args=[])

    def show(self, count: int, *, everything: bool, matching: int | None) -> None:
        """So many are selected; `matching` are offered besides, where all of them can be."""
        self._element.dress("bulk" if count else "bulk hidden")
        self._count.say(
            f"All {wording.number(count)} matching" if everything else f"{wording.number(count)} selected"
        )
        offered = matching is not None and not everything and matching > count
        self._everything.say(f"Select all {wording.number(matching or 0)} matching" if offered else "")
        self._everything.dress("link" if offered else "hidden")
