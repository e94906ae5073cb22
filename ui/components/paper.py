"""A PDF, page by page: the picture of one, and the way to the others."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ui.components.element import Tag


@dataclass(frozen=True)
class PageLook:
    """A page that can be shown."""

    pages: int
    """Of the file."""
    most: int
    """Of any file that are shown."""
    width: int
    height: int


Look = Callable[[int], Awaitable[PageLook | str]]
"""A page by its number; or, in words, why it cannot be shown."""


class Paper:
    """Shows nothing until `turn` is called."""

    def __init__(self, name: str, address: Callable[[int], str], look: Look) -> None:
        """`address` is where a page's picture is."""
        self._name, self._address, self._look = name, address, look
        self._number = 0
        self._busy = False
        with Tag("figure", classes="paper", aria_label=f"Pages of {name}"):
            self._trouble = Tag("p", "Drawing the first page\N{HORIZONTAL ELLIPSIS}", "muted", role="status")
            with Tag(
                "a", classes="hidden", target="_blank", rel="noopener", title="Open this page by itself"
            ) as self._sheet:
                self._picture = Tag("img")
            with Tag("figcaption", classes="hidden") as self._bar:
                self._back = self._button("Previous page", "chevron_left", -1)
                self._where = Tag("span", "", "num", role="status")
                self._on = self._button("Next page", "chevron_right", +1)

    async def turn(self, by: int = 1) -> None:
        """Shows another page: the first, to begin with."""
        if self._busy:
            return
        self._busy = True
        number = self._number + by
        try:
            found = await self._look(number)
        finally:
            self._busy = False
        if self._bar.is_deleted:
            return
        if isinstance(found, str):
            self._trouble.say(found)
            self._trouble.dress("alert")
            return
        self._number = number
        self._show(number, found)

    def _show(self, number: int, found: PageLook) -> None:
        shown = min(found.pages, found.most)
        self._trouble.dress("hidden")
        self._picture.put(
            src=self._address(number), alt=f"Page {number} of {self._name}", width=found.width, height=found.height
        )  # fmt: skip
        self._sheet.put(href=self._address(number))
        self._sheet.dress("sheet-of-paper")
        rest = f", the first {shown} are shown" if shown < found.pages else ""
        self._where.say(f"Page {number} of {found.pages}{rest}")
        for button, there in ((self._back, number > 1), (self._on, number < shown)):
            button.put(disabled=None if there else True)
            button.dress("btn round small" if shown > 1 else "hidden")
        self._bar.dress("pages-bar")

    def _button(self, words: str, icon: str, by: int) -> Tag:
        button = Tag("button", classes="hidden", type="button", data_icon=icon, aria_label=words, title=words)
        button.on("click", lambda: self.turn(by), args=[])
        return button
