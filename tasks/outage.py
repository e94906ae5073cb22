"""Telling once that a part is away, and once that it is back."""

import logging


class Outage:
    """Remembers whether a part is away, so that a loop which goes on trying does not fill the log."""

    def __init__(self, part: str, logger: logging.Logger) -> None:
        self._part = part
        self._logger = logger
        self._away = False

    def note(self, error: BaseException) -> None:
        """It failed; said the first time only."""
        if not self._away:
            self._away = True
            self._logger.warning("%s: %s (%s); going on trying", self._part, type(error).__name__, error)

    def over(self) -> None:
        """It worked; said if it had failed before."""
        if self._away:
            self._away = False
            self._logger.warning("%s: works again", self._part)
