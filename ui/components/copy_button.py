"""A button that puts words on the clipboard, and says that it did."""

import json
from typing import Any

from ui.components.element import Tag

_LONGEST = 100_000
"""Characters that a page holds only to be copied; what is longer has no button."""
_SAY = "(event) => mulliganCopy(event.currentTarget, event.currentTarget.dataset.copied)"


def copy_button(text: str, what: str, *, classes: str = "btn round small copy") -> None:
    """Copies `text`; `what` is what a screen reader says it is."""
    if len(text) > _LONGEST:
        return
    button = Tag(
        "button", classes=classes, type="button", data_icon="content_copy", data_copied=text,
        aria_label=f"Copy {what}", title=f"Copy {what}",
    )  # fmt: skip
    button.on("click", js_handler=_SAY)


def copy_json(value: Any, what: str) -> None:
    """Copies a value as JSON."""
    copy_button(json.dumps(value, indent=2, ensure_ascii=False), what)


def copies_block(block: Tag, *, style: str) -> None:
    """A button that copies what an element shows."""
    button = Tag("button", "Copy", "btn small", type="button", data_icon="content_copy", style=style)
    shown = f'document.getElementById("{block.html_id}").textContent'
    button.on("click", js_handler=f"(event) => mulliganCopy(event.currentTarget, {shown})")
