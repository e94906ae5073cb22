"""A desk on real parts, and people at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from services.database.database import Database
from services.desk import Desk
from services.feed import Feed, connect
from services.kinds import JobContext, JobKind, KindRegistry
from services.models import Membership, User, Workspace
from services.people.access import Actor
from services.policy import Check, CheckResult, RetryPolicy
from services.settings import Settings
from services.storage.storage import Storage
from services.vocabulary import CreditReason, Role
from tasks.queue import TaskiqQueue


class NoArgs(BaseModel):
    """Arguments of the kinds made for tests."""

    n: int = Field(default=0, ge=0)


async def _nothing(job: JobContext, args: Any) -> None:
    """Does nothing: these jobs are claimed and ended by the tests."""


def a_kind(name: str = "test.priced", **options: Any) -> JobKind:
    """A kind with the policy of system B, unless told otherwise."""
    options.setdefault("policy", RetryPolicy(cost=1))
    return JobKind(name=name, title=name, run=_nothing, **{"args_model": NoArgs, **options})


def a_check(code: str, *, passed: bool, blocking: bool = True) -> Check:
    """A check with a fixed answer."""

    async def check(desk: Desk, job: Any, actor: Actor) -> CheckResult:
        return CheckResult(code, passed=passed, message=f"{code}: {passed}", blocking=blocking)

    return check


@asynccontextmanager
async def open_desk(
    database_url: str, redis_url: str, folder: Path, *kinds: JobKind, **more: Any
) -> AsyncIterator[Desk]:
    """A desk as a web process has one; retries may be asked for as often as a test likes, unless told otherwise."""
    more = {"retries_per_person": "", "retries_per_job": ""} | more
    settings = Settings(
        data_dir=folder,
        database_url=database_url,
        redis_url=redis_url,
        _env_file=None,
        **more,
    )
    registry = KindRegistry()
    for kind in kinds or (a_kind(),):
        registry.add(kind)
    db = Database(database_url)
    redis = connect(redis_url)
    queue = TaskiqQueue.connect(settings, registry)
    try:
        yield Desk(settings, db, queue, Feed(redis), Storage.from_settings(settings), registry)
    finally:  # else the next test is blamed for what a failed one has left open
        await queue.close()
        await redis.aclose()
        await db.close()


async def a_person(
    desk: Desk,
    role: Role = Role.ADMIN,
    *,
    workspace: str = "default",
    name: str | None = None,
    credits: int = 0,
) -> Actor:
    """A member of a workspace, which is made with `credits` where it is new."""
    import sqlalchemy as sa
    from sqlmodel import col

    from services import credits as ledger

    name = name or f"{role}-{workspace}"
    async with desk.db.write() as session:
        query = sa.select(Workspace).where(col(Workspace.slug) == workspace)
        home = (await session.scalars(query)).one_or_none()
        if home is None:
            home = Workspace(slug=workspace, name=workspace)
            session.add(home)
            await session.flush()
            if credits:
                await ledger.post(session, home.id, credits, CreditReason.INITIAL)
        user = User(email=f"{name}@example.org", name=name)
        session.add(user)
        await session.flush()
        session.add(Membership(user_id=user.id, workspace_id=home.id, role=role))
        return Actor(user.id, user.email, user.name, home.id, home.slug, home.name, role)
