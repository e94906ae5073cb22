"""What can be done with a row of the grid: a menu, one a page, filled for the row that it is opened at."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypedDict
from uuid import UUID

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ui.components.action_words import ACTIONS, cancel_word, start_word
from ui.components.job_view import JobView

OnChoose = Callable[[UUID, str], Awaitable[None]]


class Item(TypedDict, total=False):
    """An entry: a link, words to be copied, or an action."""

    word: str
    icon: str
    css: str
    href: str
    download: bool
    copies: str
    """A path is copied as a whole address."""
    action: str


class RowMenu(Element, component="row_menu.js"):
    """Shows what it is told, beside the row's own button."""

    def __init__(self, on_choose: OnChoose) -> None:
        """`on_choose` is given the job and the name of the action, as `Actions` has it."""
        super().__init__()
        self.is_open = False
        self._on_choose = on_choose
        self.on("choose", self._chosen)
        self.on("turned", self._turned)

    def open(self, view: JobView, items: Sequence[Item]) -> None:
        """At the row of that job."""
        _ = self.run_method("show", str(view.id), f"What to do with {view.title}", list(items))

    async def _chosen(self, event: GenericEventArguments) -> None:
        job, action = event.args
        await self._on_choose(UUID(job), str(action))

    def _turned(self, event: GenericEventArguments) -> None:
        self.is_open = bool(event.args)


def items_of(view: JobView, link: Callable[[str], str]) -> list[Item]:
    """What may be done with a job, as its `actions` say."""
    page, can = link(f"/jobs/{view.id}"), view.actions
    words = {
        "retry": f"Retry{_ASKS}", "edit": f"{ACTIONS['edit'][0]}{_ASKS}", "start": start_word(view),
        "cancel": cancel_word(view), "dismiss": f"{ACTIONS['dismiss'][0]}{_ASKS}", "delete": f"Delete{_ASKS}",
    }  # fmt: skip

    def chosen(*names: str) -> list[Item]:
        return [_item(name, words) for name in names if getattr(can, name)]

    items: list[Item] = [{"word": "Open", "icon": "open_in_full", "href": page}]
    items += chosen("retry", "edit", "start", "pause", "resume", "cancel", "copy")
    if can.download:
        items.append(
            {"word": "Download", "icon": "download", "href": f"/jobs/{view.id}/download", "download": True}
        )
    items.append({"word": "Copy id", "icon": "tag", "copies": str(view.id)})
    items.append({"word": "Copy link", "icon": "link", "copies": page})
    return items + chosen("dismiss", "delete")


_ASKS = "\N{HORIZONTAL ELLIPSIS}"


def _item(name: str, words: dict[str, str]) -> Item:
    word, icon = ACTIONS[name]
    item: Item = {"word": words.get(name, word), "icon": icon, "action": name}
    return item | {"css": "bad"} if name == "delete" else item
