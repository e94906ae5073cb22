"""A secret that is shown once: to be copied now, since it is kept as a hash only."""

from ui.components.element import Tag


class ShownOnce:
    """Hidden until there is something to show, and gone again when the person says so."""

    def __init__(self, name: str) -> None:
        """`name` is what it is, for a screen reader: `Invitation link`."""
        self._name = name
        self._holder = Tag("div", classes="hidden", role="status")

    def show(self, words: str, secret: str) -> None:
        """Shows it, in the place of what was shown before."""
        self._holder.clear()
        with self._holder:
            Tag("p", words)
            with Tag("div", classes="once-row"):
                block = Tag(
                    "code",
                    secret,
                    "once mono",
                    tabindex="0",
                    role="textbox",
                    aria_readonly="true",
                    aria_label=self._name,
                )
                copy = Tag("button", "Copy", "btn primary", type="button", data_icon="content_copy")
                done = Tag("button", "Done", "btn", type="button", title="Take it out of sight")
        copied = (
            f'(e) => mulliganCopy(e.currentTarget, document.getElementById("{block.html_id}").textContent)'
        )
        copy.on("click", js_handler=copied)
        done.on("click", self.hide, args=[])
        self._holder.dress("once-box")

    def hide(self) -> None:
        """Takes it out of sight, and out of the page."""
        self._holder.dress("hidden")
        self._holder.clear()
