"""A view as a file: complete, in order, harmless in a spreadsheet, and only what one sees."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.desk import Desk
from services.errors import Invalid
from services.jobs import export as export_module
from services.jobs.export import Format, export
from services.jobs.job_list import JobQuery
from services.models import Job
from services.people.access import Actor
from services.vocabulary import TERMINAL, Role, Status
from tests.support.batches import ended_jobs
from tests.support.desks import a_person, open_desk


@pytest.fixture
async def desk(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    monkeypatch.setattr(export_module, "_TOGETHER", 3)
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


async def exported(
    desk: Desk, actor: Actor, form: Format = Format.JSON, **query: Any
) -> list[dict[str, Any]]:
    pieces = [piece async for piece in export(desk, actor, JobQuery(**query), form)]
    text = b"".join(pieces).decode()
    return json.loads(text) if form is Format.JSON else list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("count", [0, 2, 3, 7])
async def test_all_that_match_come_once_in_order(desk: Desk, count: int) -> None:
    dana = await a_person(desk)
    made = [str(job_id) for job_id in await ended_jobs(desk, dana, count)]
    for form in Format:
        rows = await exported(desk, dana, form)
        assert [row["id"] for row in rows] == list(reversed(made))
        assert [row["id"] for row in await exported(desk, dana, form, sort="oldest", limit=1)] == made
        assert {row["owner"] for row in rows} <= {dana.email}


async def test_a_view_is_what_is_exported_and_others_jobs_are_not(desk: Desk) -> None:
    dana, mem = await a_person(desk), await a_person(desk, Role.MEMBER, name="mem")
    await ended_jobs(desk, dana, 4)
    await ended_jobs(desk, dana, 4, status=Status.COMPLETED)
    await ended_jobs(desk, mem, 4, status=Status.CANCELLED)
    await ended_jobs(desk, await a_person(desk, workspace="elsewhere"), 4)
    assert len(await exported(desk, dana)) == len(await exported(desk, dana, statuses=tuple(TERMINAL))) == 12
    assert {row["status"] for row in await exported(desk, dana, q="status:failed,completed")} == {
        "failed",
        "completed",
    }
    assert [row["owner"] for row in await exported(desk, mem)] == [mem.email] * 4
    with pytest.raises(Invalid):
        export(desk, dana, JobQuery(q="status:nonsense"), Format.CSV)


async def test_a_cell_is_no_formula(desk: Desk) -> None:
    dana = await a_person(desk)
    await ended_jobs(desk, dana, 1)
    async with desk.db.write() as session:
        await session.execute(sa.update(Job).values(title='=HYPERLINK("http://x")', error='a "b",\nc'))
    (row,) = await exported(desk, dana, Format.CSV)
    assert (row["title"], row["error"]) == ('\'=HYPERLINK("http://x")', 'a "b",\nc')
    (row,) = await exported(desk, dana)
    assert row["title"] == '=HYPERLINK("http://x")'
