"""The choice of when something begins: now, or at a time of the browser's own clock and zone."""

from collections.abc import Callable
from datetime import UTC, datetime

from ui.components.element import Tag

# In the browser's zone, without one: what the field takes. Filled in with an hour from now.
_SOON = """(e) => {
  const later = e.target.value === "later";
  emit(later);
  if (later) setTimeout(() => {
    const field = document.getElementById("retry-at");
    if (!field || field.value) return;
    const local = (t) => new Date(t - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    field.min = local(Date.now());
    field.value = local(Math.ceil((Date.now() + 3600000) / 300000) * 300000);
    field.dispatchEvent(new Event("change"));
    field.focus();
  }, 60);
}"""
_CHARGED = "Charged now, given back if it is cancelled before it begins."
_CHOSEN = "(e) => emit(e.target.value ? new Date(e.target.value).toISOString() : null)"


class WhenField:
    """Draws itself in the current slot. `at` is when; None: now."""

    def __init__(self, on_change: Callable[[], None], *, is_charged: bool) -> None:
        """`is_charged`: whether what begins costs something, which is said then."""
        self.at: datetime | None = None
        self.is_complete = True
        """Whether a time is there, where one is wanted."""
        self._on_change = on_change
        with Tag("div", classes="from"):
            Tag("label", "Begin", for_="retry-when")
            with Tag("select", classes="pick", id="retry-when") as select:
                Tag("option", "Now", value="now", selected=True)
                Tag("option", "At a time\N{HORIZONTAL ELLIPSIS}", value="later")
            self._time = Tag(
                "input", classes="pick hidden", id="retry-at", type="datetime-local", aria_label="Begin at"
            )
        self._hint = Tag("p", _CHARGED, "hint hidden")
        self._is_charged = is_charged
        select.on("change", lambda e: self._choose(later=bool(e.args)), js_handler=_SOON)
        self._time.on("change", lambda e: self._take(e.args), js_handler=_CHOSEN)

    def _choose(self, *, later: bool) -> None:
        self._time.dress("pick" if later else "pick hidden")
        self._hint.dress("hint" if later and self._is_charged else "hint hidden")
        self.at = None
        self.is_complete = not later
        self._on_change()

    def _take(self, text: str | None) -> None:
        try:
            self.at = datetime.fromisoformat(text).astimezone(UTC) if text else None
        except (ValueError, OverflowError):  # a browser takes years of six digits
            self.at = None
        self.is_complete = self.at is not None
        self._on_change()
