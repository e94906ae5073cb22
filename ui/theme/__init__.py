"""How Mulligan looks: the tokens of both schemes, one style sheet, a few lines of script that no element can carry."""

from hashlib import sha256
from html import escape
from pathlib import Path

from ui.theme.tokens import STATUS_LOOKS, StatusLook, token_css

__all__ = [
    "HEAD",
    "STATUS_LOOKS",
    "STYLESHEET",
    "STYLESHEET_URL",
    "StatusLook",
    "look_css",
]

_FOLDER = Path(__file__).parent

STYLESHEET = token_css() + (_FOLDER / "mulligan.css").read_text(encoding="utf-8")
STYLESHEET_URL = f"/assets/mulligan-{sha256(STYLESHEET.encode()).hexdigest()[:12]}.css"
"""Changes with its content, so that it can be cached for ever."""

_SCRIPT = "".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("head.js", "connection.js"))

HEAD = (
    f'<link rel="stylesheet" href="{escape(STYLESHEET_URL)}">'
    '<meta name="theme-color" content="#4f46e5">'
    f"<script>{_SCRIPT}</script>"
)
"""Stands in the head of every page: the scheme is known before the first paint."""


def look_css(status: str) -> str:
    """The class that carries a status's colours and icon."""
    return f"s-{status}"
