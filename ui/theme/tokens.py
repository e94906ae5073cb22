"""Every colour of Mulligan, for both schemes, and how each status looks. Nothing else in `ui/` names a colour.

Text colours have a contrast of at least 4.5:1 on the surfaces that they stand on; the browser tests measure it.
"""

from dataclasses import dataclass

from services.vocabulary import Status

LIGHT = {
    "bg": "#f8fafc",
    "surface": "#ffffff",
    "sunken": "#f1f5f9",
    "hover": "#f8fafc",
    "line": "#e2e8f0",
    "line-strong": "#a3b0c2",
    "text": "#0f172a",
    "muted": "#56637a",
    "accent": "#4f46e5",
    "accent-strong": "#4338ca",
    "accent-soft": "#eef2ff",
    "on-accent": "#ffffff",
    "retry": "#cc480a",
    "retry-strong": "#9a3412",
    "retry-soft": "#fff7ed",
    "on-retry": "#ffffff",
    "retry-text": "#cc480a",
    "danger": "#c81e1e",
    "on-danger": "#ffffff",
    "avatar": "#4338ca",
    "running-soft": "#dbeafe",
    "error": "#c81e1e",
    "error-soft": "#fef2f2",
    "error-line": "#fecaca",
    "success": "#15803d",
    "success-soft": "#dcfce7",
    "success-text": "#14532d",
    "warning": "#b45309",
    "warning-soft": "#fffbeb",
    "bar": "#4f8fd8",
    "track": "#e2e5ea",
    "shadow": "0 1px 2px rgb(15 23 42 / 6%)",
    "shadow-high": "0 20px 48px rgb(15 23 42 / 22%)",
    "scrim": "rgb(15 23 42 / 42%)",
    "paper": "#ffffff",
    "ink": "#000000",
}

DARK = {
    "bg": "#0a1020",
    "surface": "#111827",
    "sunken": "#1b2537",
    "hover": "#151e30",
    "line": "#222d40",
    "line-strong": "#56647c",
    "text": "#eef2f8",
    "muted": "#9aa8bd",
    "accent": "#9aa3fb",
    "accent-strong": "#b4bbfd",
    "accent-soft": "#221f52",
    "on-accent": "#14123a",
    "retry": "#cc480a",
    "retry-strong": "#d9530f",
    "retry-soft": "#341a0c",
    "on-retry": "#ffffff",
    "retry-text": "#fb8a4c",
    "danger": "#b91c1c",
    "on-danger": "#ffffff",
    "avatar": "#4338ca",
    "running-soft": "#17294f",
    "error": "#f87171",
    "error-soft": "#2a1318",
    "error-line": "#5b1f26",
    "success": "#4ade80",
    "success-soft": "#0c2f1c",
    "success-text": "#a7f3c4",
    "warning": "#fbbf24",
    "warning-soft": "#2c210b",
    "bar": "#5b9ce6",
    "track": "#394559",
    "shadow": "0 1px 2px rgb(0 0 0 / 40%)",
    "shadow-high": "0 20px 48px rgb(0 0 0 / 60%)",
    "scrim": "rgb(2 6 16 / 66%)",
    "paper": "#ffffff",
    "ink": "#000000",
}


@dataclass(frozen=True, slots=True)
class StatusLook:
    """How a status is shown: never by colour alone."""

    icon: str
    """A Material icon; empty for a spinner."""
    label: str
    light: tuple[str, str]
    """Background and text."""
    dark: tuple[str, str]


STATUS_LOOKS: dict[Status, StatusLook] = {
    Status.RUNNING: StatusLook("", "running", ("#dbeafe", "#1d4ed8"), ("#17294f", "#a9c8fb")),
    Status.QUEUED: StatusLook("schedule", "queued", ("#eef2f6", "#475569"), ("#222d40", "#c3cddb")),
    Status.SCHEDULED: StatusLook("update", "scheduled", ("#f3e8ff", "#7521c2"), ("#331650", "#ddbcfd")),
    Status.FAILED: StatusLook("error", "failed", ("#fee2e2", "#b91c1c"), ("#471419", "#fdb4b4")),
    Status.TIMEOUT: StatusLook("timer_off", "timeout", ("#ffedd5", "#9a3412"), ("#43200d", "#fdc28c")),
    Status.CANCELLED: StatusLook("block", "cancelled", ("#fdf3c4", "#7c4a0a"), ("#3a2c08", "#f5d77a")),
    Status.COMPLETED: StatusLook("check_circle", "completed", ("#dcfce7", "#166534"), ("#0c2f1c", "#93efb5")),
}
"""In the order of the tabs above the grid."""


def token_css() -> str:
    """The tokens and the statuses as custom properties of CSS."""
    light = _block(":root", {**LIGHT, "scheme": "light"})
    dark = _block(":root.dark", {**DARK, "scheme": "dark"})
    statuses = "\n".join(_status_css(status, look) for status, look in STATUS_LOOKS.items())
    return f"{light}\n{dark}\n{statuses}\n"


def _block(selector: str, values: dict[str, str]) -> str:
    lines = "".join(f"--{name}:{value};" for name, value in values.items())
    return f"{selector}{{{lines}}}"


def _status_css(status: Status, look: StatusLook) -> str:
    light = f".s-{status}{{--s-bg:{look.light[0]};--s-fg:{look.light[1]};--s-icon:'{look.icon}'}}"
    return f"{light}.dark .s-{status}{{--s-bg:{look.dark[0]};--s-fg:{look.dark[1]}}}"
