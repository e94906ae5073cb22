"""What somebody wishes of a retry beyond that it be made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.errors import Invalid
from services.models import now

_FURTHEST = timedelta(days=366)


@dataclass(frozen=True)
class Wish:
    """How a job is to be retried. By default as it is, at once."""

    from_step: str | None = None
    """Start here, with the kept results of the steps before."""
    args: dict[str, Any] | None = None
    """All arguments, instead of the job's own. What is shown hidden and comes back so keeps its value."""
    at: datetime | None = None
    """Begin then; what is past is now."""
    when_available: bool = False
    """If something that it needs does not answer, begin as soon as it does."""
    force: bool = False
    """Go on although the same has never helped. Overrides nothing else."""

    def starts_at(self) -> datetime | None:
        """When it begins, where that is later than now.

        Raises:
            Invalid: a time without a zone, or more than a year ahead.
        """
        if self.at is None:
            return None
        if self.at.tzinfo is None:
            raise Invalid("at needs a time zone, for example 2026-11-22T14:05:00Z.")
        if self.at > now() + _FURTHEST:
            raise Invalid("at is more than a year ahead.")
        return self.at if self.at > now() else None
