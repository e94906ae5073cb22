"""The search language, on real rows of both databases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col

from services.desk import Desk
from services.errors import Invalid
from services.ids import new_id
from services.jobs.search import conditions
from services.jobs.terms import in_words, mended
from services.models import Job, now
from services.people.access import Actor
from services.vocabulary import FailureType, Role, Status
from tests.support.desks import a_person, open_desk
from tests.support.history import id_at

ACTOR = Actor(new_id(), "dana@example.org", "Dana", new_id(), "default", "Default", Role.ADMIN)


@dataclass
class Shelf:
    """Some jobs, found by their titles."""

    desk: Desk
    dana: Actor

    async def find(self, query: str) -> list[str]:
        statement = sa.select(col(Job.title)).where(*conditions(query, self.dana)).order_by(col(Job.title))
        async with self.desk.db.read() as session:
            return [title.partition(" ")[0] for title in (await session.scalars(statement)).all()]


def made(**ago: float) -> dict[str, Any]:
    """When, and the key that says so."""
    at = now() - timedelta(**ago)
    job_id = id_at(at)
    return {"id": job_id, "rank": job_id, "created_at": at}


@pytest.fixture
async def shelf(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        dana = await a_person(desk, name="dana")
        tom = await a_person(desk, Role.MEMBER, name="tom_x")
        common: dict[str, Any] = {"workspace_id": dana.workspace_id, "kind": "video.process"}
        async with desk.db.write() as session:
            session.add_all([
                Job(title="A interview.mp4", owner_id=dana.user_id, status=Status.FAILED, attempt=3, retry_count=2,
                    error="FFmpeg not found in PATH", failure_type=FailureType.ENVIRONMENT, fingerprint="aa11",
                    worker="render-1", **made(hours=2), **common),
                Job(title='B 100% of_it "quoted"', owner_id=tom.user_id, status=Status.QUEUED,
                    **made(days=3), **common),
                Job(title="C https://example.org/x", owner_id=tom.user_id, status=Status.TIMEOUT,
                    error="Timed out: ffmpeg", failure_type=FailureType.TIMEOUT, attempt=2,
                    **made(seconds=5), **(common | {"kind": "video_download"})),
            ])  # fmt: skip
        yield Shelf(desk, dana)


FOUND = {
    "": "ABC",
    "   ": "ABC",
    "status:failed": "A",
    "STATUS:Failed": "A",
    "status:failed,timeout": "AC",
    "-status:failed": "BC",
    "kind:video.process": "AB",
    "kind:video.*": "AB",
    "kind:video_*": "C",
    "kind:video.process,video_download": "ABC",
    "kind:VIDEO": "",
    "error:ffmpeg": "AC",
    'error:"not found"': "A",
    "-error:ffmpeg": "B",
    "FFMPEG": "AC",
    '"not found"': "A",
    "not found": "A",
    "-ffmpeg": "B",
    "100%": "B",
    "%": "B",
    "_": "B",
    r'"\"quoted\""': "B",
    "https://example.org": "C",
    "title:interview": "A",
    "type:environment": "A",
    "-type:environment": "BC",
    "fingerprint:AA11": "A",
    "worker:render": "A",
    "owner:me": "A",
    "-owner:me": "BC",
    "owner:tom_x": "BC",
    "owner:TOM_X@example.org": "BC",
    "owner:nobody": "",
    "age:<1h": "C",
    "age:>1h": "AB",
    "age:<1d": "AC",
    "age:>=2d": "B",
    "age:<1w": "ABC",
    "attempts:>1": "AC",
    "attempts:1": "B",
    "attempts:=3": "A",
    "attempts:<=2": "BC",
    "retries:>0": "A",
    "status:timeout kind:video_download ffmpeg": "C",
    "status:failed kind:video_download": "",
    "-": "",
}


async def test_what_is_found(shelf: Shelf) -> None:
    found = {query: "".join(await shelf.find(query)) for query in FOUND}
    assert found == FOUND


async def test_an_id_is_found_by_its_beginning(shelf: Shelf) -> None:
    async with shelf.desk.db.read() as session:
        job = (await session.scalars(sa.select(Job).where(col(Job.title).startswith("B")))).one()
    text = str(job.id)
    for part in (text, text.upper(), job.id.hex, text[:-1], f"{text[:35]}…"):
        assert "B" in await shelf.find(f"id:{part}")
    assert await shelf.find(f"id:{text}") == ["B"]
    assert await shelf.find("id:ffff") == []


@pytest.mark.parametrize(
    ("query", "position", "words", "suggestion"),
    [
        ("status:faild", 0, "There is no status “faild”", "status:failed"),
        ("-status:queued,faild", 0, "There is no status", "-status:queued,failed"),
        ("ffmpeg  status:", 8, "Write a value after status:", "status:failed"),
        ("status:failed,", 0, "Between two commas", "status:failed"),
        ("type:transcient", 0, "There is no type", "type:transient"),
        ("sttus:failed", 0, "There is no field sttus", "status:failed"),
        ("colour:red", 0, "put them in quotes", None),
        ('a error:"no end', 2, "no end", 'error:"no end"'),
        ('""', 0, "nothing between", None),
        ("attempts:many", 0, "takes a number", "attempts:>1"),
        ("attempts:>1d", 0, "takes a number", "attempts:>1"),
        ("attempts:>99999999", 0, "takes a number", "attempts:>1"),
        ("age:1d", 0, "younger", "age:<1d"),
        ("age:=1d", 0, "younger", "age:<1d"),
        ("age:<7", 0, "a time", "age:<7d"),
        ("age:soon", 0, "a time", "age:<1d"),
        ("age:<999999999w", 0, "a hundred years", None),
        ("id:xyz", 0, "a job's id", None),
        ("x" * 501, 500, "at most 500", None),
        ("a " * 21, 40, "at most 20", None),
        ("a\x00b", 0, "can be read", None),
        ("a\ud800b", 0, "can be read", None),
    ],
)
def test_a_mistake_says_where_what_and_what_was_meant(
    query: str, position: int, words: str, suggestion: str | None
) -> None:
    with pytest.raises(Invalid) as mistake:
        conditions(query, ACTOR)
    assert mistake.value.data["position"] == position
    assert words in mistake.value.message
    assert mistake.value.data.get("suggestion") == suggestion


@given(st.text(st.characters(), max_size=80) | st.text('ab:"\\-<>1dstatuge*,% ', max_size=40))
def test_any_text_is_a_search_or_a_mistake_that_is_told(text: str) -> None:
    try:
        found = conditions(text, ACTOR)
        position = 0
    except Invalid as mistake:
        found, position = [], mistake.data["position"]
    else:
        assert bool(found) == bool(text.strip())
    assert 0 <= position <= len(text)


@pytest.mark.parametrize(
    "typo", ["status:faild", "sttus:failed", "age:1d", "attempts:x", "-status:faild,queued"]
)
def test_what_is_suggested_works(typo: str) -> None:
    with pytest.raises(Invalid) as mistake:
        conditions(typo, ACTOR)
    assert conditions(mistake.value.data["suggestion"], ACTOR)
    long = f"a {typo} b"
    with pytest.raises(Invalid) as mistake:
        conditions(long, ACTOR)
    assert conditions(mended(long, mistake.value) or "", ACTOR)


def test_a_search_in_words() -> None:
    said = in_words('status:failed,timeout kind:video.* "out of memory" -owner:me')
    assert said == "status failed or timeout, kind video.*, “out of memory”, not owner me"
