"""A row of the grid: fifteen lean elements, each set only where the new view differs from the one it shows."""

from collections.abc import Callable
from typing import Any, Literal

from ui.components.element import Lean, Tag
from ui.components.job_view import JobView
from ui.components.look import Look, look_of
from ui.components.moment import Moment, moment_look
from ui.components.row_look import RowLook, row_look

Action = Literal["retry", "cancel", "open"]
OnAction = Callable[[Action, "JobRow"], Any]

_NO_JOB = look_of("tr", None, "hidden", tabindex="-1")
_NO_BUTTON = look_of("button", None, "hidden", type="button")
# What is made when a row first needs it, in the order of `RowLook.sometimes`, and how it looks when it is not needed.
_SOMETIMES = {
    "due": moment_look(None),
    "retry": _NO_BUTTON,
    "cancel": _NO_BUTTON,
    "download": look_of("a", None, "hidden"),
}
_ABSENT = (None,) * len(_SOMETIMES)
_MORE = look_of(
    "button", None, "btn small more", type="button", data_icon="more_vert", aria_label="More", aria_haspopup="menu",
    title="More",
)  # fmt: skip


class JobRow:
    """Shows a `JobView`. A time and buttons are made when a row first needs them, and stay."""

    def __init__(self, view: JobView, on_action: OnAction, *, pickable: bool = False) -> None:
        self._on_action = on_action
        self.view: JobView | None = view
        self.selected = False
        self._gone = False
        self._box: Lean | None = None
        look = row_look(view)
        job, title, kind, note, badge, progress, retries, _ = look.always
        # The row hears nothing itself: the table hears its box, its Enter key and the button for more.
        with Lean(look.row) as self.element:
            with Lean(job) as job_cell:
                if pickable:
                    self._box = Lean(look.box)
                with Tag("div", classes="line"):
                    line = Lean(title), Lean(kind)
                note_line = Lean(note)
            with Tag("td", classes="status"):
                word = Lean(badge)
            self._progress = Lean(progress)
            count = Lean(retries)
            with Tag("td", classes="created"):
                created = Moment(view.created_at)
            with Tag("td", classes="actions") as self._actions:
                Lean(_MORE)
        self._always = (job_cell, *line, note_line, word, self._progress, count, created)
        self._sometimes: list[Lean | None] = [None] * len(_ABSENT)
        self._shown: tuple[Look | None, ...] = _ABSENT
        self._show_sometimes(look)

    def show(self, view: JobView) -> None:
        """Makes the row say this."""
        if view is self.view:
            return
        self.view = view
        look = row_look(view)
        self._dress(look)
        for part, wanted in zip(self._always, look.always, strict=True):
            if part.look is not wanted:
                part.wear(wanted)
        self._show_sometimes(look)

    @property
    def selectable(self) -> bool:
        """Whether the row has a box that may be ticked."""
        return self._box is not None and self.view is not None and self.view.selectable

    def select(self, *, on: bool) -> None:
        """Ticks the box, or not."""
        self._mark(selected=on and self.selectable, gone=self._gone)

    def fade(self, *, gone: bool) -> None:
        """The job is not there to be seen any more; or another has taken its place in the row."""
        self._mark(selected=self.selected, gone=gone)

    def hide(self) -> None:
        """Takes the row out of sight, for a page that has fewer jobs."""
        self.view, self.selected, self._gone = None, False, False
        self.element.wear(_NO_JOB)

    def focus(self) -> None:
        """Moves the keyboard's focus to the row."""
        _ = self.element.run_method("focus")

    def _mark(self, *, selected: bool, gone: bool) -> None:
        if (selected, gone) != (self.selected, self._gone) and self.view is not None:
            self.selected, self._gone = selected, gone
            self._dress(row_look(self.view))

    def _dress(self, look: RowLook) -> None:
        """What the page adds to a look: most rows are neither selected nor gone."""
        if self.selected or self._gone:
            words = ("picked" if self.selected else "", "gone" if self._gone else "")
            self.element.wear(look.row.dressed(" ".join(filter(None, words))))
        else:
            self.element.wear(look.row)
        if self._box:
            self._box.wear(look.box.having({"checked": True}) if self.selected else look.box)

    def _show_sometimes(self, look: RowLook) -> None:
        if look.sometimes == self._shown:
            return
        self._shown = look.sometimes
        for place, (name, absent) in enumerate(_SOMETIMES.items()):
            part, wanted = self._sometimes[place], look.sometimes[place]
            if part:
                part.wear(wanted or absent)
            elif wanted:
                self._sometimes[place] = self._make(name, wanted)

    def _make(self, name: str, look: Look) -> Lean:
        if name == "due":
            with self._progress:
                due = Moment(None)
            due.wear(look)
            return due
        with self._actions:
            button = Lean(look)
        button.move(
            target_index=len([part for part in self._sometimes[1:] if part])
        )  # before the button for more
        if name != "download":
            action: Action = "retry" if name == "retry" else "cancel"
            button.on("click", lambda: self._on_action(action, self), args=[])
        return button
