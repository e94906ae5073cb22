"""What an endpoint answered, as `webhook.deliver` has noted it."""

import json
from http import HTTPStatus
from typing import Any

from services.vocabulary import Status
from ui.components import wording
from ui.components.element import Tag
from ui.theme import look_css

_MOST_INDENTED = 8
"""Times as long as it came."""


def draw_answer(result: dict[str, Any]) -> None:
    """Status, body, and on request the headers."""
    answer = result.get("response") or {}
    status = int(answer.get("status") or 0)
    Tag("h2", "Answer")
    with Tag("div", classes="answer-head"):
        went_well = 200 <= status < 300
        Tag("span", _named(status), f"badge {look_css(Status.COMPLETED if went_well else Status.FAILED)}")
        seconds = float(answer.get("seconds") or 0)
        took = wording.duration(seconds) if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        Tag("span", f"in {took}", "muted num")
        if answer.get("body_bytes"):
            more = "" if answer.get("body_complete") else "more than "
            Tag("span", f"{more}{wording.size(answer['body_bytes'])}", "muted num")
    if body := answer.get("body"):
        Tag("pre", _indented(body), "code", tabindex="0", aria_label="Body of the answer")
    else:
        Tag("p", "Without a body.", "muted")
    if headers := answer.get("headers"):
        with Tag("details", classes="trace"):
            Tag("summary", wording.plural(len(headers), "header"))
            lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
            Tag("pre", lines, "code", tabindex="0", aria_label="Headers of the answer")


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _indented(body: str) -> str:
    """JSON on many lines; anything else as it came, brackets that grow a page out of a kilobyte among it."""
    try:
        shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
    return shown if len(shown) <= _MOST_INDENTED * len(body) else body
