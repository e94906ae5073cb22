"""A row of the grid: fifteen lean elements, each set only where the new view differs from the one it shows."""

from collections.abc import Callable
from typing import Any, Literal

from ui.components.element import Tag
from ui.components.job_view import NOTHING, JobView
from ui.components.moment import Moment
from ui.theme import STATUS_LOOKS, look_css

Action = Literal["retry", "cancel", "open"]
OnAction = Callable[[Action, "JobRow"], Any]

RETRYING = "Retrying\N{HORIZONTAL ELLIPSIS}"
CANCELLING = "Cancelling\N{HORIZONTAL ELLIPSIS}"


def due_words(view: JobView) -> str:
    """What happens at the time that a scheduled job waits for."""
    return "retries " if view.will_retry else "starts "


def badge_of(view: JobView) -> tuple[str, str]:
    """The word of a status and its class; a paused job says so."""
    if view.paused:
        return "paused", "badge s-paused"
    return STATUS_LOOKS[view.status].label, f"badge {look_css(view.status)}"


class JobRow:
    """Shows a `JobView`. Buttons are made when a row first needs them, and stay."""

    def __init__(self, view: JobView, on_action: OnAction, *, pickable: bool = False) -> None:
        self._on_action = on_action
        self._box: Tag | None = None
        self.selected = False
        self._buttons: dict[str, Tag] = {}
        self.view: JobView | None = None
        with Tag("tr", tabindex="-1") as self.element:
            # On the row itself only: on a button within it, Enter is the button's.
            self.element.on("keydown.enter.self", lambda: self._on_action("open", self), args=[])
            with Tag("td", classes="job") as self._job:
                if pickable:  # heard by the table: no listener of its own
                    self._box = Tag("input", classes="pickbox", type="checkbox")
                with Tag("div", classes="line"):
                    self._title = Tag("a", classes="title")
                    self._kind = Tag("span", classes="kind")
                self._note = Tag("div", classes="note")
            with Tag("td", classes="status"):
                self._badge = Tag("span")
            self._progress = Tag("td", classes="progress")
            self._due: Moment | None = None
            self._retries = Tag("td", classes="retries")
            with Tag("td", classes="created"):
                self._created = Moment(view.created_at)
            with Tag("td", classes="actions") as self._actions:
                # Heard by the table: no listener of its own.
                Tag(
                    "button", classes="btn small more", type="button", data_icon="more_vert", aria_label="More",
                    aria_haspopup="menu", title="More",
                )  # fmt: skip
        self.show(view)

    def show(self, view: JobView) -> None:
        """Makes the row say this."""
        if view is self.view or view == self.view:
            return
        self.view = view
        label, css = badge_of(view)
        self.element.put(
            data_job_id=str(view.id),
            data_status=str(view.status),
            aria_label=f"{view.title}, {view.kind}, {label}",
        )
        self._job.put(data_icon=view.icon)
        if self._box:
            self._box.put(aria_label=f"Select {view.title}", disabled=None if self.selectable else True)
        self._title.say(view.title)
        self._title.put(href=f"/jobs/{view.id}", title=view.title)
        self._kind.say(view.kind)
        self._note.say(view.note)
        self._note.put(title=view.note or None)
        self._note.dress("note bad" if view.note_is_error else "note")
        self._badge.say(label)
        self._badge.dress(css)
        self._show_progress(view)
        self._retries.say(view.retries)
        self._created.point(view.created_at)
        self._show_buttons(view)

    @property
    def selectable(self) -> bool:
        """Whether the row has a box. Mulligan's own jobs are handled one at a time."""
        return self._box is not None and self.view is not None and not self.view.kind.startswith("system.")

    def select(self, *, on: bool) -> None:
        """Ticks the box, or not."""
        self.selected = on and self.selectable
        self.element.toggle("picked", on=self.selected)
        if self._box:
            self._box.put(checked=True if self.selected else None)

    def hide(self) -> None:
        """Takes the row out of sight, for a page that has fewer jobs."""
        self.view = None
        self.element.put(data_job_id=None, data_status=None)
        self.element.dress("hidden")

    def reveal(self, view: JobView) -> None:
        """Shows a view in a row that may have been out of sight."""
        self.element.dress("")
        self.show(view)

    def focus(self) -> None:
        """Moves the keyboard's focus to the row."""
        _ = self.element.run_method("focus")

    def _show_progress(self, view: JobView) -> None:
        self._progress.say("" if view.due_at else view.progress)
        if view.percent is None:
            self._progress.dress("progress none" if view.progress == NOTHING else "progress")
        else:
            self._progress.dress("progress barred")
        self._show_due(view)
        self._progress.vary("--p", None if view.percent is None else f"{view.percent:.1f}%")

    def _show_due(self, view: JobView) -> None:
        """When a waiting job starts; the element is made when a row first needs it."""
        if self._due is None:
            if view.due_at is None:
                return
            with self._progress:
                self._due = Moment(view.due_at)
        self._due.point(view.due_at, due_words(view) if view.due_at else "")

    def _show_buttons(self, view: JobView) -> None:
        retry = view.actions.retry or view.retrying
        self._button("retry", shown=retry, busy=RETRYING if view.retrying else None)
        if retry:
            self._buttons["retry"].put(title=view.retry_hint)
        cancel = view.actions.cancel or view.cancelling
        self._button("cancel", shown=cancel, busy=CANCELLING if view.cancelling else None)
        self._button("download", shown=view.actions.download, busy=None)
        if view.actions.download:
            self._buttons["download"].put(href=f"/jobs/{view.id}/download")

    def _button(self, name: str, *, shown: bool, busy: str | None) -> None:
        button = self._buttons.get(name)
        if button is None:
            if not shown:
                return
            button = self._make_button(name)
            button.move(target_index=len(self._buttons))  # what is there always stays the last
            self._buttons[name] = button
        if not shown:
            button.dress("hidden")
            return
        word, icon = _WORDS[name]
        button.say(busy or word)
        button.dress(f"btn small {name} busy" if busy else f"btn small {name}")
        button.put(disabled=True if busy else None, data_icon=icon)

    def _make_button(self, name: str) -> Tag:
        with self._actions:
            if name == "download":
                # A link that looks and speaks like a button: the browser downloads without asking the page.
                return Tag("a", role="button")
            action: Action = "retry" if name == "retry" else "cancel"
            button = Tag("button", type="button")
            button.on("click", lambda: self._on_action(action, self), args=[])
            return button


_WORDS: dict[str, tuple[str, str | None]] = {
    "retry": ("Retry", "replay"),
    "cancel": ("Cancel", None),
    "download": ("Download", "download"),
}
