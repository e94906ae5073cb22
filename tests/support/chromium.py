"""How tests start Chromium."""

import os
import shutil
from typing import Any

# The first one has no window to draw: half the work for each page.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def launch_options() -> dict[str, Any]:
    """For `playwright.chromium.launch(**launch_options())`. Without a browser on the machine, Playwright's own is used.

    MULLIGAN_CHROMIUM names another one.
    """
    path = os.environ.get("MULLIGAN_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    return {
        "executable_path": path,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ],
    }
