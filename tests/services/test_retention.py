"""Jobs that are kept for a time only."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from services import lifecycle
from services.desk import Desk
from services.errors import Forbidden, Invalid
from services.ids import new_id
from services.jobs import retention, submission
from services.lifecycle import Claim, Outcome
from services.models import Attempt, AuditEntry, CreditEntry, Job, now
from services.people import workspaces
from services.people.access import Actor
from services.vocabulary import Role, Status
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def ada(desk: Desk) -> Actor:
    return await a_person(desk, name="ada", credits=10)


async def a_job(desk: Desk, actor: Actor, *, ended: float | None, made: float = 100) -> UUID:
    """A job that was made, and that ended, so many days ago."""
    job = await submission.submit(desk, actor, "test.priced", {})
    rank = UUID(
        int=int((now() - timedelta(days=made)).timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1
    )
    values = {"rank": rank, "created_at": now() - timedelta(days=made)}
    async with desk.db.write() as session:
        if ended is not None:
            assert await lifecycle.claim(session, [Claim(job.id, 1)], "w1", 60)
            assert await lifecycle.finish(session, [Outcome(job.id, 1, Status.COMPLETED)], "w1")
            values["finished_at"] = now() - timedelta(days=ended)
        await session.execute(sa.update(Job).where(col(Job.id) == job.id).values(**values))
    return job.id


async def left(desk: Desk) -> set[UUID]:
    async with desk.db.read() as session:
        return set((await session.scalars(sa.select(col(Job.id)).where(col(Job.deleted_at).is_(None)))).all())


async def test_what_ended_long_ago_goes_and_nothing_else(desk: Desk, ada: Actor) -> None:
    eve = await a_person(desk, workspace="elsewhere", name="eve")
    old, older = [await a_job(desk, ada, ended=days) for days in (31, 60)]
    kept = {
        await a_job(desk, ada, ended=29),
        await a_job(desk, ada, ended=None),
        await a_job(desk, eve, ended=60),
    }
    assert await retention.delete_expired(desk) == 0, "off until somebody wants it"
    assert await retention.would_go(desk, ada, 30) == 2
    await workspaces.keep_for(desk, ada, 30)
    assert await retention.delete_expired(desk) == 2
    assert await left(desk) == kept
    assert await retention.delete_expired(desk) == 0
    assert await retention.would_go(desk, ada, 30) == 0
    async with desk.db.read() as session:
        attempts = (
            await session.scalars(sa.select(Attempt).where(col(Attempt.job_id).in_([old, older])))
        ).all()
        ledger = (await session.scalars(sa.select(sa.func.count()).select_from(CreditEntry))).one()
        told = (
            await session.scalars(sa.select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(2))
        ).all()
    assert {attempt.status for attempt in attempts} == {Status.COMPLETED}
    assert ledger == 1
    assert [(entry.actor, entry.action, entry.data) for entry in told] == [
        ("Mulligan", "retention.delete", {"jobs": 2, "days": 30}),
        (ada.email, "workspace.retention", {"days": 30, "before": None}),
    ]


async def test_many_go_in_small_parts(desk: Desk, ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    for _ in range(5):
        await a_job(desk, ada, ended=31)
    await workspaces.keep_for(desk, ada, 30)
    assert [await retention.delete_expired(desk) for _ in range(4)] == [2, 2, 1, 0]


async def test_only_admins_say_how_long_and_only_what_makes_sense(desk: Desk, ada: Actor) -> None:
    olaf = await a_person(desk, Role.OPERATOR, name="olaf")
    with pytest.raises(Forbidden):
        await workspaces.keep_for(desk, olaf, 30)
    with pytest.raises(Forbidden):
        await retention.would_go(desk, olaf, 30)
    for days in (0, -1, 3651):
        with pytest.raises(Invalid):
            await workspaces.keep_for(desk, ada, days)
    assert (await workspaces.keep_for(desk, ada, None)).retention_days is None


async def test_an_index_serves_it(desk: Desk, ada: Actor) -> None:
    """Whatever stands in a workspace: what is too old lies at one end of the index."""
    query = retention._too_old(sa.select(col(Job.id)), ada.workspace_id, 30)
    query = query.order_by(col(Job.finished_at)).limit(50)
    async with desk.db.read() as session:
        dialect = session.get_bind().dialect
        text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        if dialect.name == "postgresql":
            await session.execute(sa.text("SET LOCAL enable_seqscan = off"))
            await session.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN QUERY PLAN " if dialect.name == "sqlite" else "EXPLAIN "
        plan = " ".join(str(row) for row in await session.execute(sa.text(explain + text)))
    assert "ix_job_ended" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
