"""What opens below a button: a list of things to do."""

from nicegui import ui

from ui.components.element import Tag

_MOVE = """(e) => {
  const all = [...e.currentTarget.querySelectorAll('.item:not(.hidden)')];
  const now = all.indexOf(document.activeElement);
  const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[e.key];
  if (next === undefined) return;
  e.preventDefault();
  all.at(next % all.length)?.focus();
}"""
_ENTER = "() => document.querySelector('.q-menu .item:not(.hidden)')?.focus({ preventScroll: true })"


class Menu:
    """Opens at the button that it is made in. The focus goes to its first `item`; arrows move it, Esc takes it back."""

    def __init__(self, label: str, *, role: str = "menu", auto_close: bool = False) -> None:
        """`label` is for who does not see it. In a `menu` each item is a `menuitem`; else it is a `dialog`."""
        self._menu = ui.menu().props("anchor='bottom right' self='top right' transition-duration=100")
        self._menu.props["role"], self._menu.props["aria-label"] = role, label
        if auto_close:
            self._menu.props("auto-close")
        self._menu.on("show", js_handler=_ENTER)
        with self._menu:
            self.body = Tag("div", classes="menu", role="presentation")
        self.body.on("keydown", js_handler=_MOVE)

    def close(self) -> None:
        """Closes it."""
        self._menu.close()
