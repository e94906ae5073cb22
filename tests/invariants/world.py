"""The real side: a desk on a real database whose commands can be held up or killed between any two steps."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only

from services.database.database import Database
from services.errors import QueueUnavailable
from services.queue import DEFAULT_QUEUE, Doorbell

T = TypeVar("T")


class Crash(BaseException):
    """The process is killed here: nobody catches it."""


class Point(StrEnum):
    """Where a command can be held up or killed."""

    BEFORE = "before a transaction"
    CHANGE = "between what a transaction reads and what it changes"
    INSIDE = "before a statement of a transaction"
    AFTER = "after a commit"
    RING = "before ringing"
    RUNG = "after ringing"


class Ring(StrEnum):
    """What becomes of what a command rings."""

    KEPT = "kept"
    LOST = "lost"
    DOUBLED = "doubled"
    DELAYED = "delayed"
    REFUSED = "refused"
    REFUSED_BUT_KEPT = "refused, but arrived"


@dataclass(frozen=True)
class Fate:
    """What happens to a command when it comes to a point for the nth time. Without a point: nothing."""

    point: Point | None = None
    nth: int = 1
    crash: bool = True
    """Else it is held up there, until somebody lets it go on."""
    ring: Ring = Ring.KEPT

    def __str__(self) -> str:
        end = "killed" if self.crash else "held up"
        where = f", {end} {self.point} ({self.nth})" if self.point else ""
        return (f", ring {self.ring}" if self.ring is not Ring.KEPT else "") + where


class Deed(NamedTuple):
    """What the model expects of one transaction of a command."""

    against: Callable[[], set[str]]
    """Why it must be refused; empty: it must not be."""
    apply: Callable[[Any], None]
    """Does the same to the model, once it has committed."""


@dataclass
class Command:
    """Something that somebody does."""

    name: str
    fate: Fate
    deeds: list[Deed] | None
    """One for each transaction, in order; None: what it does is looked at afterwards."""
    against: set[str] = field(default_factory=set)
    """Why it must be refused before any transaction."""
    is_told: bool = True
    """Whoever does it gets to know that it was refused; else it is as if nothing had been asked."""
    task: asyncio.Task[Any] | None = None
    committed: int = 0
    inside: bool = False
    """In a transaction."""
    changing: bool = False
    """That has changed something, so that it holds locks."""
    overtaken: bool = False
    """It was held up in there, so that others may have been first."""
    crashed: bool = False
    """Its process is gone: nothing of it may happen any more, whatever stands in an `except` or a `finally`."""
    found: dict[str, Any] = field(default_factory=dict)
    """What was asked outside, and the answers."""
    _come_by: dict[Point, int] = field(default_factory=dict)
    _held: asyncio.Event = field(default_factory=asyncio.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _doomed: bool = False

    def comes_to(self, point: Point) -> bool:
        """Whether its fate waits here."""
        self._come_by[point] = self._come_by.get(point, 0) + 1
        return self.fate.point is point and self.fate.nth == self._come_by[point]

    async def pass_by(self, point: Point) -> None:
        if not self.comes_to(point):
            return
        if not self.fate.crash:
            self._held.set()
            await self._go.wait()
        if self.fate.crash or self._doomed:
            self.die()

    def die(self) -> NoReturn:
        """Killed."""
        self.crashed = True
        raise Crash

    def refused(self, error: Exception, deed: Deed | None) -> None:
        """A transaction was refused; the model must have said so."""
        expected = (deed.against() if deed else {code(error)}) | self.against
        if self.overtaken:
            expected |= {"conflict", "job_not_found", "insufficient_credits"}
        assert code(error) in expected, f"{self.name}: {error!r}, expected {expected or 'none'}"
        self.against = expected if self.is_told else set()

    async def advance(self) -> bool:
        """Lets it run. True: it is over; False: it is held up."""
        assert self.task
        held = asyncio.create_task(self._held.wait())
        await asyncio.wait({self.task, held}, return_when=asyncio.FIRST_COMPLETED)
        held.cancel()
        return self.task.done()

    async def go_on(self, *, crash: bool) -> bool:
        """As `advance`, for one that is held up."""
        self._doomed = crash
        self._held.clear()
        self._go.set()
        return await self.advance()

    def outcome(self) -> Any:
        """What it returned, or the refusal, or that it crashed. Checked against what the model expects."""
        assert self.task
        try:
            answer = self.task.result()
        except Crash as crash:
            return crash
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever was raised, the model must have said so
            answer = error
        if isinstance(answer, Exception):
            said = self.committed or isinstance(answer, QueueUnavailable) or code(answer) in self.against
            assert said, f"{self.name}: {answer!r}, expected {self.against or 'none'}"
            return answer
        assert not self.against, f"{self.name} was not refused, expected {self.against}"
        return answer


def code(error: Exception) -> str:
    """What a refusal is called."""
    return str(getattr(error, "code", type(error).__name__))


current: ContextVar[Command | None] = ContextVar("current", default=None)


class HeldUpDatabase(Database):
    """The database; commands can be held up at the edges of a transaction, and killed within."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._inside = False
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before_statement)

    async def transact(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        command = current.get()
        if command is None:
            return await super().transact(work)
        if command.crashed:
            raise Crash
        await command.pass_by(Point.BEFORE)
        deed = command.deeds.pop(0) if command.deeds else None
        command.inside, command.changing, command.overtaken = True, False, False
        try:
            answer = await super().transact(work)
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
            command.refused(error, deed)
            raise
        finally:
            command.inside = False
        expected = deed.against() if deed else set()
        if command.overtaken:  # it had looked before, so it counts as first
            expected -= {"retries_disabled"}
        assert not expected, f"{command.name} was not refused, expected {expected}"
        command.committed += 1
        command.against = set()  # of a try before this one
        if deed:
            deed.apply(answer)
        await command.pass_by(Point.AFTER)
        return answer

    def _before_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        command = current.get()
        if command is None or not command.inside:
            return
        if command.comes_to(Point.INSIDE) and command.fate.crash:
            command.die()
        if not command.changing and not _only_reads(statement):
            command.changing = True
            # SQLite lets nobody else write meanwhile, whatever the transaction has done so far.
            if command.fate.crash or not self.is_sqlite:
                command.overtaken = command.fate.point is Point.CHANGE
                await_only(command.pass_by(Point.CHANGE))


def _only_reads(statement: str) -> bool:
    return statement.lstrip().upper().startswith("SELECT") and "FOR UPDATE" not in statement


class Doorbells:
    """A `JobQueue` that keeps, loses, doubles, delays or refuses what is rung, as the command's fate says."""

    def __init__(self) -> None:
        self.waiting: list[Doorbell] = []
        self.delayed: list[Doorbell] = []

    async def kick(self, doorbells: Sequence[Doorbell]) -> None:
        command = current.get()
        ring = command.fate.ring if command else Ring.KEPT
        if command and command.crashed:
            raise Crash
        if command and doorbells:
            await command.pass_by(Point.RING)
        match ring:
            case Ring.KEPT | Ring.REFUSED_BUT_KEPT:
                self.waiting += doorbells
            case Ring.DOUBLED:
                self.waiting += [*doorbells, *doorbells]
            case Ring.DELAYED:
                self.delayed += doorbells
        if doorbells and ring in {Ring.REFUSED, Ring.REFUSED_BUT_KEPT}:
            raise QueueUnavailable
        if command and doorbells:
            await command.pass_by(Point.RUNG)

    async def depths(self) -> dict[str, int]:
        return {DEFAULT_QUEUE: len(self.waiting)}

    async def backlog(self) -> int:
        return len(self.waiting)


def begin(command: Command, work: Coroutine[Any, Any, Any]) -> None:
    """Gives the command its task; it runs when somebody lets it (`advance`)."""

    async def within() -> Any:
        current.set(command)
        return await work

    command.task = asyncio.create_task(within(), name=command.name)
