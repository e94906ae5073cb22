"""How a preflight test is made: with a time limit of its own, and a word on what it means not to have found out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from services.desk import Desk
from services.errors import MulliganError, ServiceUnavailable
from services.models import Job
from services.people.access import Actor
from services.policy import Check, CheckResult
from services.settings import Settings

Unknown = Literal["warn", "block"]
"""What it means that something cannot be learned."""

Limit = int | None | Callable[[Settings], int | None]
"""A number, or which setting says it. None: no limit."""

Find = Callable[[Desk, Job], Awaitable[CheckResult]]


class Unlearned(Exception):
    """What a check wanted to know cannot be learned; the words say why."""


@dataclass(frozen=True)
class TimedCheck:
    """A `Check`. What it cannot learn, in time or at all, is a warning or a refusal, as its policy says."""

    code: str
    what: str
    """What it wants to know, as the beginning of a sentence: "The size of the remote file"."""
    find: Find
    seconds: float
    unknown: Unknown

    @property
    def __name__(self) -> str:
        """The name under which a kind shows its checks."""
        return self.code

    async def __call__(self, desk: Desk, job: Job, actor: Actor) -> CheckResult:  # noqa: ARG002 - the form of a check
        """The result; a refusal in the form of an error of ours is one."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self.find(desk, job)
        except TimeoutError:
            return self._not_learned(f"no answer within {self.seconds:g} s")
        except Unlearned as why:
            return self._not_learned(str(why))
        except ServiceUnavailable as error:
            return self._not_learned(error.message)

    def _not_learned(self, why: str) -> CheckResult:
        message = f"{self.what} cannot be learned: {why.rstrip('.')}."
        error = ServiceUnavailable(message)
        return CheckResult(
            self.code, passed=False, message=message, blocking=self.unknown == "block", error=error
        )


def timed(code: str, what: str, *, seconds: float, unknown: Unknown) -> Callable[[Find], Check]:
    """Makes a check of a function that finds out."""
    return lambda find: TimedCheck(code, what, find, seconds, unknown)


def found(code: str, error: MulliganError | None, message: str, **facts: object) -> CheckResult:
    """A result: refused with the error's own words, or passed with `message`."""
    return CheckResult(
        code, passed=error is None, message=error.message if error else message, facts=facts, error=error
    )


def limit_of(settings: Settings, limit: Limit) -> int | None:
    """The limit as it is set now."""
    return limit(settings) if callable(limit) else limit
