"""How a job looks in its row, part by part: made once, however many pages show it."""

from functools import lru_cache
from typing import NamedTuple

from ui.components.job_view import NOTHING, JobView
from ui.components.look import Look, look_of
from ui.components.moment import moment_look
from ui.theme import STATUS_LOOKS, look_css

RETRYING = "Retrying\N{HORIZONTAL ELLIPSIS}"
CANCELLING = "Cancelling\N{HORIZONTAL ELLIPSIS}"
_KEPT = 2_000


class RowLook(NamedTuple):
    """The look of each part of a row."""

    row: Look
    box: Look
    """As it is while the row is not selected."""
    always: tuple[Look, ...]
    """Job, title, kind, note, badge, progress, retries, created."""
    sometimes: tuple[Look | None, ...]
    """Due, retry, cancel, download. None: there is no need of it, and none is made for it."""


@lru_cache(_KEPT)
def row_look(view: JobView) -> RowLook:
    """How a view looks."""
    label, css = badge_of(view)
    box = look_of(
        "input", None, "pickbox", type="checkbox", aria_label=f"Select {view.title}",
        disabled=None if view.selectable else True,
    )  # fmt: skip
    return RowLook(
        row=look_of(
            "tr", tabindex="-1", data_job_id=str(view.id), data_status=str(view.status),
            aria_label=f"{view.title}, {view.kind}, {label}",
        ),
        box=box,
        always=(
            look_of("td", None, "job", data_icon=view.icon),
            look_of("a", view.title, "title", href=f"/jobs/{view.id}", title=view.title),
            look_of("span", view.kind, "kind"),
            look_of("div", view.note, "note bad" if view.note_is_error else "note", title=view.note or None),
            look_of("span", label, css),
            _progress(view),
            look_of("td", view.retries, "retries"),
            moment_look(view.created_at),
        ),
        sometimes=(
            moment_look(view.due_at, prefix=due_words(view)) if view.due_at else None,
            _retry(view),
            _cancel(view),
            _download(view),
        ),
    )  # fmt: skip


def due_words(view: JobView) -> str:
    """What happens at the time that a scheduled job waits for."""
    return "retries " if view.will_retry else "starts "


def badge_of(view: JobView) -> tuple[str, str]:
    """The word of a status and its class; a paused job says so."""
    if view.paused:
        return "paused", "badge s-paused"
    return STATUS_LOOKS[view.status].label, f"badge {look_css(view.status)}"


def _progress(view: JobView) -> Look:
    words = "" if view.due_at else view.progress
    if view.percent is not None:
        return look_of("td", words, "progress barred").varied("--p", f"{view.percent:.1f}%")
    return look_of("td", words, "progress none" if view.progress == NOTHING else "progress")


def _retry(view: JobView) -> Look | None:
    if not (view.actions.retry or view.retrying):
        return None
    return _button("Retry", "retry", "replay", RETRYING if view.retrying else None, title=view.retry_hint)


def _cancel(view: JobView) -> Look | None:
    if not (view.actions.cancel or view.cancelling):
        return None
    return _button("Cancel", "cancel", None, CANCELLING if view.cancelling else None)


def _button(word: str, css: str, icon: str | None, busy: str | None, title: str | None = None) -> Look:
    classes = f"btn small {css} busy" if busy else f"btn small {css}"
    return look_of(
        "button",
        busy or word,
        classes,
        type="button",
        data_icon=icon,
        disabled=True if busy else None,
        title=title,
    )


def _download(view: JobView) -> Look | None:
    if not view.actions.download:
        return None
    # A link that looks and speaks like a button: the browser downloads without asking the page.
    return look_of(
        "a", "Download", "btn small download", role="button", data_icon="download",
        href=f"/jobs/{view.id}/download",
    )  # fmt: skip
