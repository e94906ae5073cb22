"""What each action of a job is called, on every page: its words and its icon, by the name that `Actions` has for it."""

from ui.components.job_view import JobView

ACTIONS: dict[str, tuple[str, str]] = {
    "retry": ("Retry", "replay"),
    "edit": ("Edit and retry", "edit"),
    "start": ("Run now", "play_arrow"),
    "pause": ("Pause", "pause"),
    "resume": ("Resume", "play_arrow"),
    "cancel": ("Cancel", "block"),
    "copy": ("Run again as a copy", "library_add"),
    "dismiss": ("Dismiss the failure", "visibility_off"),
    "delete": ("Delete", "delete"),
}


def cancel_word(view: JobView) -> str:
    """A retry that waits is taken back; the job stays as it had ended."""
    return "Cancel retry" if view.will_retry else "Cancel"


def start_word(view: JobView) -> str:
    """What waits for something else than a time can only be tried."""
    return "Try now" if view.waits_for else "Run now"
