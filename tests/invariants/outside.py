"""What is outside of Mulligan: services that kinds ask before a retry, and a place where retries are prepared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from services.desk import Desk
from services.errors import InputMissing, MulliganError, ServiceUnavailable
from services.models import Job
from services.people.access import Actor
from services.policy import Check, CheckResult, Preparing, Undo
from tests.invariants.books import OUTSIDE
from tests.invariants.parts import Weather
from tests.invariants.world import Command, current


@dataclass
class Outside:
    """Its weather changes when the example says so. What is prepared stands until it is taken back."""

    weather: dict[str, Weather] = field(default_factory=lambda: {OUTSIDE: Weather.UP})
    standing: dict[tuple[UUID, int], Command | None] = field(default_factory=dict)
    """By whom."""
    made: Callable[[], set[tuple[UUID, int]]] = set
    """The attempts that came to be, as the model says."""
    contested: set[tuple[UUID, int]] = field(default_factory=set)
    """Prepared by several, for a retry in place: what one of them takes back the others had, too."""
    given_up: set[tuple[UUID, int]] = field(default_factory=set)
    """What one of several has taken back before any attempt was made of it."""

    def forget(self) -> None:
        """As it was in the beginning."""
        self.clear_up()
        for what in (self.standing, self.contested, self.given_up):
            what.clear()

    def clear_up(self) -> None:
        """Everything answers again."""
        for name in self.weather:
            self.weather[name] = Weather.UP

    def check(self, name: str) -> Check:
        """A check of a kind, whose code is the name."""
        self.weather[name] = Weather.UP

        async def ask(_desk: Desk, _job: Job, _actor: Actor) -> CheckResult:
            found = self.weather[name]
            if command := current.get():
                command.found[name] = found
            error: MulliganError | None = None
            if found is Weather.AWAY:
                error = ServiceUnavailable(service=name)
            elif found is Weather.AGAINST:
                error = InputMissing(name=name)
            return CheckResult(name, passed=error is None, message=f"{name} {found}", error=error)

        return ask

    async def prepare(self, _desk: Desk, _job: Job, coming: Preparing) -> Undo:
        """A policy's `prepare`. A process that was killed takes nothing back."""
        if self.weather[OUTSIDE] is not Weather.UP:
            raise ServiceUnavailable(service=OUTSIDE)
        key, command = (coming.job_id, coming.attempt), current.get()
        if key in self.standing:
            self.contested.add(key)
        self.standing[key] = command

        async def undo() -> None:
            if command is not None and command.crashed:
                return
            self.standing.pop(key, None)
            if key in self.contested and key not in self.made():
                self.given_up.add(key)

        return undo

    def left_over(self) -> set[tuple[UUID, int]]:
        """What stands there of commands that have ended. Nobody takes back what one had that was killed."""
        return {
            key
            for key, by in self.standing.items()
            if by is None or (by.task is not None and by.task.done() and not by.crashed)
        }
