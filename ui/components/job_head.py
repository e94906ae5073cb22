"""The top of a job's page: what it is, where it stands, and what can be done."""

from collections.abc import Awaitable, Callable

from services.jobs.jobs import Actions
from ui.components.action_words import ACTIONS, cancel_word, start_word
from ui.components.element import Tag
from ui.components.job_view import JobView
from ui.components.menu import Menu
from ui.components.row_look import CANCELLING, RETRYING, badge_of

OnAction = Callable[[str], Awaitable[None]]


class JobHead:
    """Shows a `JobView` in large."""

    def __init__(self, back: str, on_action: OnAction) -> None:
        self.view: JobView | None = None
        with Tag("div", classes="page-head job-head"):
            Tag("a", classes="back", href=back, aria_label="All jobs", data_icon="arrow_back")
            self._title = Tag("h1", classes="job-title")
            self._badge = Tag("span", role="status")
            Tag("div", classes="grow")
            self._more = More(on_action)
            self._delete = _button("Delete", "btn plain", "delete", on_action)
            self._cancel = _button("Cancel", "btn", "cancel", on_action)
            self._pause = _button("Pause", "btn", "pause", on_action)
            self._resume = _button("Resume", "btn", "resume", on_action)
            self._start = _button("Run now", "btn", "start", on_action)
            self._download = Tag("a", "Download", "hidden", role="button", data_icon="download")
            self._retry = _button("Retry", "btn retry", "retry", on_action)
        self._whole = Tag("div", classes="hidden")

    def show(self, view: JobView, *, deletable: bool) -> None:
        """Says this."""
        self.view = view
        label, css = badge_of(view)
        self._title.say(view.title)
        self._title.put(data_icon=view.icon)
        self._badge.say(label)
        self._badge.dress(css)
        self._badge.put(data_status=str(view.status))
        _set(self._delete, "Delete", "btn plain", shown=deletable, busy=None, icon=None)
        cancel = view.actions.cancel or view.cancelling
        _set(
            self._cancel,
            cancel_word(view),
            "btn",
            shown=cancel,
            busy=CANCELLING if view.cancelling else None,
            icon=None,
        )
        _set(self._pause, "Pause", "btn", shown=view.actions.pause, busy=None, icon="pause")
        _set(self._resume, "Resume", "btn", shown=view.actions.resume, busy=None, icon="play_arrow")
        _set(
            self._start,
            start_word(view),
            "btn",
            shown=view.actions.start,
            busy=None,
            icon="play_arrow",
        )
        retry = view.actions.retry or view.retrying
        _set(
            self._retry,
            "Retry",
            "btn retry",
            shown=retry,
            busy=RETRYING if view.retrying else None,
            icon="replay",
        )
        self._retry.put(title=view.retry_hint)
        self._more.show(view.actions)
        self._download.dress("btn download" if view.actions.download else "hidden")
        self._download.put(href=f"/jobs/{view.id}/download")
        self.progress(view)

    def progress(self, view: JobView) -> None:
        """Says how far it is."""
        self.view = view
        if view.percent is None:
            self._whole.dress("hidden")
            return
        self._whole.say(view.progress)
        self._whole.vary("--p", f"{view.percent:.1f}%")
        self._whole.dress("whole barred")


class More:
    """What is done now and then."""

    def __init__(self, on_action: OnAction) -> None:
        with Tag(
            "button",
            classes="hidden",
            type="button",
            data_icon="more_vert",
            aria_label="More",
            aria_haspopup="menu",
        ) as self._button:
            menu = Menu("More")
        with menu.body:
            self._edit = _item("edit", menu, on_action)
            self._copy = _item("copy", menu, on_action)
            self._dismiss = _item("dismiss", menu, on_action)

    def show(self, actions: Actions) -> None:
        """Offers what may be done."""
        self._edit.dress("item" if actions.edit else "hidden")
        self._copy.dress("item" if actions.copy else "hidden")
        self._dismiss.dress("item" if actions.dismiss else "hidden")
        some = actions.edit or actions.copy or actions.dismiss
        self._button.dress("btn round" if some else "hidden")


def _item(action: str, menu: Menu, on_action: OnAction) -> Tag:
    word, icon = ACTIONS[action]

    async def choose() -> None:
        menu.close()
        await on_action(action)

    item = Tag("button", word, "hidden", type="button", role="menuitem", data_icon=icon)
    item.on("click", choose, args=[])
    return item


def _button(word: str, classes: str, action: str, on_action: OnAction) -> Tag:
    button = Tag("button", word, f"{classes} hidden", type="button")
    button.on("click", lambda: on_action(action), args=[])
    return button


def _set(button: Tag, word: str, classes: str, *, shown: bool, busy: str | None, icon: str | None) -> None:
    button.say(busy or word)
    button.dress((f"{classes} busy" if busy else classes) if shown else "hidden")
    button.put(disabled=True if busy else None, data_icon=icon)
