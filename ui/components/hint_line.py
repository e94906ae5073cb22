"""A hint for who is new: one calm line in the page's flow, which goes at a press and does not come back."""

from collections.abc import Awaitable, Callable

from ui.components.element import Tag


class HintLine:
    """Stands where it is made."""

    def __init__(self, words: str, on_dismiss: Callable[[], Awaitable[None]], *, keys: str = "") -> None:
        """`keys` is for who has a keyboard: a narrow screen does not show it."""
        with Tag(
            "div", classes="hint", role="note", aria_label="Hint", data_icon="lightbulb"
        ) as self._element:
            with Tag("span"):
                Tag("span", words)
                if keys:
                    Tag("span", f" {keys}", "hide-small")
            button = Tag("button", "Got it", "btn small", type="button")
        # The button goes with the hint: the keyboard goes on with what the hint was about.
        button.on(
            "click",
            on_dismiss,
            args=[],
            js_handler="() => { document.getElementById('main').focus({preventScroll: true}); emit(); }",
        )

    def remove(self) -> None:
        """Takes it away."""
        if not self._element.is_deleted:
            self._element.delete()
