"""Results of Mulligan's own kinds as people read them. Those of other kinds are shown as a tree."""

from collections.abc import Callable
from typing import Any

from ui.components.answer import draw_answer
from ui.components.candidate import draw_candidate
from ui.components.media import draw_media

_VIEWS: dict[str, Callable[[dict[str, Any]], None]] = {
    "resume.analyse": draw_candidate,
    "video.download": draw_media,
    "video.metadata": draw_media,
    "webhook.deliver": draw_answer,
}


def result_view(kind: str, result: dict[str, Any]) -> Callable[[], None] | None:
    """What draws the result in the current slot; None where nothing knows how, or there is no result."""
    draw = _VIEWS.get(kind)
    return (lambda: draw(result)) if draw and result else None
