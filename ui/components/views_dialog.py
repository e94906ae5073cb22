"""The dialog that names the present view of the grid, and keeps house among those that have names."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from nicegui import ui
from nicegui.events import GenericEventArguments

from ui.components.element import Tag


@dataclass(frozen=True)
class ViewLine:
    """A view that may be changed."""

    id: UUID
    name: str
    shared: bool
    own: bool


@dataclass(frozen=True)
class ViewWish:
    """What the present view is to be kept as."""

    name: str
    shared: bool
    display: bool
    """With its density and columns."""


class OnChange(Protocol):
    """A view is to have another name, or to be shared or not."""

    def __call__(
        self, view_id: UUID, *, name: str | None = None, shared: bool | None = None
    ) -> Awaitable[None]: ...


class ViewsDialog:
    """One a page. `on_save` gives what is wrong, or None."""

    def __init__(
        self,
        on_save: Callable[[ViewWish], Awaitable[str | None]],
        on_change: OnChange,
        on_remove: Callable[[UUID], Awaitable[None]],
        *,
        may_share: bool,
    ) -> None:
        self._on_save, self._on_change, self._on_remove = on_save, on_change, on_remove
        self._may_share = may_share
        self._share = False
        self._with_display = False
        with (
            ui.dialog().props("transition-duration=120 aria-labelledby=views-title") as self._dialog,
            Tag("div", classes="sheet info"),
        ):
            with Tag("div", classes="sheet-head", data_icon="bookmark"):
                Tag("h2", "Views", id="views-title")
            self._look = Tag("p", classes="say")
            self._name = ui.input("Name of this view").props("outlined dense autofocus maxlength=60")
            with Tag("label", classes="trial"):
                self._display_box = _box(self._set_display)
                self._display_words = Tag("span")
            if may_share:
                self._box = _checkbox("Share it with everybody in the workspace", self._set_share)
            self._wrong = Tag("p", "", "alert hidden", role="alert")
            self._list = Tag("ul", classes="view-lines", aria_label="Views that you may change")
            with Tag("div", classes="sheet-foot"):
                close = Tag("button", "Close", "btn plain", type="button")
                save = Tag("button", "Save view", "btn primary", type="button", data_icon="bookmark_add")
        close.on("click", self._dialog.close, args=[])
        save.on("click", self._save, args=[])
        self._name.on("keydown.enter", self._save, args=[])

    @property
    def is_open(self) -> bool:
        """Whether somebody is asked."""
        return bool(self._dialog.value)

    def open(self, look: str, lines: Sequence[ViewLine], *, display: str, keep_display: bool) -> None:
        """Asks how the present view is to be called; `look` says what it shows, `display` how, in words."""
        self._look.say(f"This view: {look}")
        self._name.value = ""
        self._share = False
        self._with_display = keep_display
        self._display_box.put(checked=True if keep_display else None)
        self._display_words.say(f"Keep its display: {display}")
        if self._may_share:
            self._box.put(checked=None)
        self._wrong.dress("alert hidden")
        self.show(lines)
        self._dialog.value = True

    def close(self) -> None:
        """Closes it."""
        self._dialog.value = False

    def show(self, lines: Sequence[ViewLine]) -> None:
        """The views that may be changed."""
        self._list.clear()
        with self._list:
            for line in lines:
                self._line(line)

    def _line(self, line: ViewLine) -> None:
        with Tag("li"):
            # Its default, not its value: that is set again whenever anything of the page changes, over what is typed.
            name = Tag(
                "input",
                classes="text",
                defaultValue=line.name,
                maxlength="60",
                aria_label=f"Name of {line.name}",
            )
            if self._may_share:
                _checkbox(
                    "shared",
                    lambda on: self._on_change(line.id, shared=on),
                    label=f"{line.name}: shared with the workspace",
                    checked=line.shared,
                )
            elif line.shared:
                Tag("span", "shared", "muted")
            remove = Tag(
                "button", classes="btn round", type="button", data_icon="delete", aria_label=f"Remove {line.name}",
                title="Remove",
            )  # fmt: skip
        name.on(
            "change",
            lambda e: self._on_change(line.id, name=str(e.args)),
            js_handler="(e) => emit(e.target.value)",
        )
        remove.on("click", lambda: self._on_remove(line.id), args=[])

    def _set_share(self, on: bool) -> None:  # noqa: FBT001 - what the box says
        self._share = on

    def _set_display(self, on: bool) -> None:  # noqa: FBT001 - what the box says
        self._with_display = on

    async def _save(self) -> None:
        wrong = await self._on_save(ViewWish(self._name.value or "", self._share, self._with_display))
        if wrong:
            self._wrong.say(wrong)
            self._wrong.dress("alert")


def _checkbox(
    words: str, on_change: Callable[[bool], object], *, label: str | None = None, checked: bool = False
) -> Tag:
    with Tag("label", classes="trial"):
        box = _box(on_change, label=label, checked=checked)
        Tag("span", words)
    return box


def _box(on_change: Callable[[bool], object], *, label: str | None = None, checked: bool = False) -> Tag:
    box = Tag("input", type="checkbox", checked=True if checked else None, aria_label=label)

    def changed(event: GenericEventArguments) -> object:
        box.put(checked=True if event.args else None)  # so that a later `put` makes a difference
        return on_change(bool(event.args))

    box.on("change", changed, js_handler="(e) => emit(e.target.checked)")
    return box
