"""One desk for all examples of a run: opened once, emptied before each."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from services.batch.actions import ACTIONS
from services.desk import Desk
from services.kinds import load_kinds
from services.models import (
    Attempt,
    AuditEntry,
    Batch,
    BatchSkip,
    CreditEntry,
    Job,
    Step,
    Switch,
    Workspace,
)
from services.people.access import Actor
from services.policy import AutoRetry, Backoff, Price, RetryPolicy
from services.vocabulary import CreditReason, RetryMode, Role, Status
from tasks.housekeeping import Housekeeping
from tasks.looking import Looking
from tasks.reporter import Announcer
from tasks.room import Room
from tests.invariants.outside import Outside
from tests.invariants.world import Doorbells, HeldUpDatabase
from tests.support.desks import a_kind, a_person, open_desk

BATCHES = {action: rules.kind for action, rules in ACTIONS.items()}
STEPS = ("fetch", "build")
BALANCE = 12
_FAILED = frozenset({Status.FAILED, Status.TIMEOUT})


OUTSIDE_OF_IT = Outside()


class _NotYet(Backoff):
    """An automatic retry begins when the example says that its time has come, never by itself."""

    def seconds(self, retry: int) -> float:
        return 86_400


POLICIES = {
    "test.priced": RetryPolicy(cost=1),
    "test.limited": RetryPolicy(cost=2, limit=2, statuses=_FAILED | {Status.CANCELLED}),
    "test.again": RetryPolicy(counts=False, statuses=_FAILED | {Status.CANCELLED, Status.COMPLETED}),
    "test.auto": RetryPolicy(
        cost=Price(3, free=1, percent=50), auto=AutoRetry(2, backoff=_NotYet()), rescues=1
    ),
    "test.slotted": RetryPolicy(statuses=_FAILED | {Status.CANCELLED}, rescues=1),
    "test.asking": RetryPolicy(
        cost=1, checks=(OUTSIDE_OF_IT.check("storage"), OUTSIDE_OF_IT.check("engine"))
    ),
    "test.replaced": RetryPolicy(
        mode=RetryMode.REPLACE,
        cost=2,
        limit=4,
        prepare=OUTSIDE_OF_IT.prepare,
        auto=AutoRetry(1, backoff=_NotYet()),
    ),
    "test.prepared": RetryPolicy(
        cost=1, prepare=OUTSIDE_OF_IT.prepare, statuses=_FAILED | {Status.COMPLETED}
    ),
    **{kind: load_kinds(["tasks.kinds.batch"])[kind].policy for kind in BATCHES.values()},
}
KINDS = tuple(name for name in POLICIES if name not in BATCHES.values())
CHECKED = {"test.asking": ("storage", "engine")}
LIMITS = {"test.slotted": 1}
PAUSABLE_KINDS = {"test.again", "test.auto", "test.replaced", *BATCHES.values()}


@dataclass
class House:
    """A desk, the people at it, and the loop that everything runs on."""

    database_url: str
    redis_url: str
    folder: Path
    steps: int = 0
    """Taken in all examples."""
    bells: Doorbells = field(default_factory=Doorbells)
    people: dict[str, Actor] = field(default_factory=dict)
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __enter__(self) -> Self:
        self.run(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._stack.aclose())
        self.runner.close()

    def run(self, work: Any) -> Any:
        """Runs a coroutine on the one loop."""
        return self.runner.run(work)

    async def _open(self) -> None:
        kinds = [
            a_kind(
                name,
                policy=policy,
                steps=STEPS,
                concurrency=LIMITS.get(name),
                can_pause=name in PAUSABLE_KINDS,
            )
            for name, policy in POLICIES.items()
        ]
        desk = await self._stack.enter_async_context(
            open_desk(self.database_url, self.redis_url, self.folder, *kinds)
        )
        self.db = HeldUpDatabase(self.database_url)
        self._stack.push_async_callback(self.db.close)
        self.desk: Desk = replace(desk, db=self.db, queue=self.bells)
        for name, role in {
            "owner": Role.MEMBER, "stranger": Role.MEMBER, "operator": Role.OPERATOR,
            "second operator": Role.OPERATOR, "admin": Role.ADMIN, "viewer": Role.VIEWER,
        }.items():  # fmt: skip
            self.people[name] = await a_person(self.desk, role, name=name.replace(" ", "-"))
        self.announcer = Announcer(self.desk.feed)
        self.housekeeping = Housekeeping(self.desk, self.announcer)
        self.looking = Looking(self.desk, self.announcer)
        self.room = Room(self.desk)

    async def empty(self) -> None:
        """No job, no bell, and the credits of the beginning."""
        self.bells.waiting.clear()
        self.bells.delayed.clear()
        OUTSIDE_OF_IT.forget()
        async with self.db.write() as session:
            for table in (BatchSkip, Batch, Step, Attempt, CreditEntry, AuditEntry, Job, Switch):
                await session.execute(sa.delete(table))
            await session.execute(sa.update(Workspace).values(balance=BALANCE))
            session.add(
                CreditEntry(
                    workspace_id=self.people["admin"].workspace_id, amount=BALANCE, balance_after=BALANCE,
                    reason=CreditReason.INITIAL,
                )
            )  # fmt: skip
