"""How the audit log is read, when it is long."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services import audit
from services.audit import Narrowed
from services.desk import Desk
from services.ids import new_id
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_it_is_read_along_an_index_whatever_it_is_narrowed_to(desk: Desk) -> None:
    """On SQLite, which plans without knowing how long the log is; PostgreSQL knows."""
    dana = await a_person(desk)
    for narrowed, index in (
        (Narrowed(), "ix_audit_entry_workspace"),
        (Narrowed(actor=dana.email), "ix_audit_entry_actor"),
        (Narrowed(action="job.retry"), "ix_audit_entry_action"),
        (Narrowed(job_id=new_id()), "ix_audit_entry_job"),
        (Narrowed(dana.email, "job.retry", new_id()), "ix_audit_entry_job"),
    ):
        for cursor in (None, new_id()):
            query = audit.entries_query(dana, cursor, narrowed).limit(51)
            sql = query.compile(desk.db.engine.sync_engine, compile_kwargs={"literal_binds": True})
            async with desk.db.read() as session:
                steps = await session.execute(sa.text(f"EXPLAIN QUERY PLAN {sql}"))
                plan = "\n".join(str(step) for step in steps)
            assert index in plan
            assert "SCAN" not in plan
            assert "TEMP B-TREE" not in plan
