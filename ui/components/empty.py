"""What stands where nothing is: what that means, and what to do next."""

from ui.components.element import Tag


class Empty:
    """A quiet block with an icon, two lines, and a way on. Filled anew with `say`."""

    def __init__(self) -> None:
        with Tag("div", classes="empty hidden", data_icon="inbox") as self.element:
            self._title = Tag("h2")
            self._text = Tag("p")
            self._link = Tag("a", classes="btn")

    def say(self, title: str, text: str, *, icon: str = "inbox", link: tuple[str, str] | None = None) -> None:
        """Shows it. `link` is a word and an address."""
        self.element.put(data_icon=icon)
        self._title.say(title)
        self._text.say(text)
        self._link.dress("btn" if link else "hidden")
        if link:
            self._link.say(link[0])
            self._link.put(href=link[1])
        self.element.dress("empty")

    def hide(self) -> None:
        """Takes it out of sight."""
        self.element.dress("empty hidden")
