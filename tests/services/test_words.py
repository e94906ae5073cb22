"""Searches that begin at an index find what reading everything finds, whatever has changed the jobs."""

import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import migrate
from services.database.database import Database
from services.desk import Desk
from services.failures.words import failed_so
from services.jobs import job_list, leads
from services.jobs.job_list import JobQuery
from services.jobs.letters import LAST_FOLDED, cases_of
from services.models import Job, now
from services.people.access import Actor
from services.vocabulary import Role, Status
from tests.benchmarks.past import people_of, remember
from tests.support.desks import a_person, open_desk
from tests.support.plans import plan_of
from tests.support.postgres import PostgresServer

SYLLABLES = (
    "clip",
    "ÖLFILM",
    "ölfilm",
    "Straße",
    'a "b"',
    "100%",
    "x*y?[z]",
    "interview",
    "ffmpeg",
    "Ёлка",
    "o_m",
)
FEW = 3


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, redis_url, tmp_path) as desk:
        yield desk


def words(dice: random.Random) -> str:
    return " ".join(dice.choices(SYLLABLES, k=dice.randint(1, 3)))


def a_job(owner: Actor, dice: random.Random) -> Job:
    status = dice.choice(list(Status))
    return Job(
        workspace_id=owner.workspace_id, owner_id=owner.user_id, kind="test.priced", title=words(dice), status=status,
        error=words(dice) if status is Status.FAILED else None, attempt=dice.randint(1, 4),
    )  # fmt: skip


async def anything(session: AsyncSession, dice: random.Random) -> None:
    ids = list((await session.scalars(sa.select(col(Job.id)).order_by(col(Job.id)))).all())
    change = sa.update(Job).where(col(Job.id).in_(dice.sample(ids, dice.randint(1, 10))))
    match dice.randrange(5):
        case 0:
            change = change.values(title=words(dice))
        case 1:
            change = change.values(error=dice.choice([words(dice), None]), status=Status.FAILED)
        case 2:
            change = change.values(deleted_at=now(), title="", error=None)
        case 3:
            change = change.values(deleted_at=None, title=words(dice))
        case _:
            change = change.values(status=Status.RUNNING, progress=1)
    await session.execute(change, execution_options={"synchronize_session": False})


async def found(desk: Desk, actor: Actor, q: str, few: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Titles and counts, where so many are few."""
    monkeypatch.setattr(leads, "FEW", few)
    monkeypatch.setattr(job_list, "COUNTED", max(few, FEW))
    page = await job_list.list_jobs(desk, actor, JobQuery(q=q, limit=200))
    return [job.id for job in page.items], page.total, page.total_is_exact


async def test_an_index_knows_what_is_there_whatever_has_changed_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana, other = await a_person(desk), await a_person(desk, workspace="other")
    mem = await a_person(desk, Role.MEMBER, name="mem")
    dice = random.Random(5)
    async with desk.db.write() as session:
        session.add_all([a_job(dice.choice([dana, mem, other]), dice) for _ in range(60)])
    for _ in range(6):
        async with desk.db.write() as session:
            for _ in range(4):
                await anything(session, dice)
            if dice.random() < 0.3:
                await session.rollback()
        for actor in (dana, mem):
            for word in dice.sample((*SYLLABLES, "film", "INTERVIEW", "straSSe", "ёЛКА", "zzz"), 6):
                quoted = word.replace('"', r"\"")
                for q in (
                    f'"{quoted}"',
                    f'title:"{quoted}"',
                    f'error:"{quoted}" attempts:>1',
                    f'clip -"{quoted}"',
                ):
                    by_index = await found(desk, actor, q, 1000, monkeypatch)
                    walked = await found(desk, actor, q, 0, monkeypatch)
                    assert by_index[0] == walked[0], q
                    assert by_index[1:] == (len(by_index[0]), True), q
                    assert walked[1] <= by_index[1], q
                    assert walked[1] == by_index[1] or not walked[2], q


async def test_letters_are_found_whatever_their_case(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    dana = await a_person(desk)
    titles = ["Die Ölfilme", "ÖLFILM", "Ёлка и ёж", "ΑΘΗΝΑ", "olfilm"]
    async with desk.db.write() as session:
        session.add_all(
            [Job(workspace_id=dana.workspace_id, owner_id=dana.user_id, kind="a", title=t) for t in titles]
        )
    for few in (1000, 0):
        for q, many in {
            "ölfilm": 2,
            "ÖLF": 2,
            "Öl": 2,
            "öL": 2,
            "ёЖ": 1,
            "ЁЛКА": 1,
            "αθηνα": 1,
            "ö": 2,
            "Olf": 1,
        }.items():
            assert len((await found(desk, dana, q, few, monkeypatch))[0]) == many, (q, few)


def test_the_index_of_sqlite_knows_every_letter_that_we_fold() -> None:
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE words USING fts5(word, content='', tokenize='trigram')")
    folded = [chr(code) for code in range(128, LAST_FOLDED + 1) if len(cases_of(chr(code))) > 1]
    assert len(folded) > 350
    for letter in folded:
        for other in cases_of(letter):
            index.execute("INSERT INTO words (rowid, word) VALUES (?, ?)", (ord(other), f"{other}--{other}"))
            hit = index.execute(
                "SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?", (f'"{letter}--"', ord(other))
            )
            assert hit.fetchone(), (letter, other)


INDEXES = {
    "needle": ("job_words VIRTUAL TABLE INDEX", "ix_job_text_words"),
    "title:needle": ("job_words VIRTUAL TABLE INDEX", "ix_job_text_words"),
    'error:"out of memory" Ölfilm': ("job_words VIRTUAL TABLE INDEX", "ix_job_text_words"),
    "fingerprint:ab12": ("ix_job_grid_fingerprint", "ix_job_grid_fingerprint"),
    "type:transient,timeout": ("ix_job_grid_type", "ix_job_grid_type"),
    "ended:<1h": ("ix_job_ended", "ix_job_ended"),
    "ended:2026-11-22": ("ix_job_ended", "ix_job_ended"),
    "attempts:>2": ("ix_job_attempts", "ix_job_attempts"),
    "retries:>0": ("ix_job_retries", "ix_job_retries"),
    "batch:0198": ("ix_attempt_batch", "ix_attempt_batch"),
    "after:ab12": ("ix_attempt_odds", "ix_attempt_odds"),
    "age:<1h": ("sqlite_autoindex_job_1", "pk_job"),
    "id:0198": ("sqlite_autoindex_job_1", "pk_job"),
}


async def test_a_search_begins_at_its_index(desk: Desk) -> None:
    people = await people_of(desk)
    await remember(desk, people, 3_000)
    for q, indexes in INDEXES.items():
        first = next(leads.leads(q, people.dana, is_sqlite=desk.db.is_sqlite))
        few = job_list.page_query(people.dana, JobQuery(q=q), None, ascending=False, rare=first)
        for query in (first.limit(leads.literal(leads.FEW)), few):
            plan = await plan_of(desk, query)
            assert indexes[not desk.db.is_sqlite] in plan, plan
        # Jobs are looked up by their keys, or by the very index; never all of a workspace.
        assert "Seq Scan" not in plan, plan
        assert "job_grid " not in plan, plan
        assert "sqlite_autoindex_job_1 (id=?)" in plan or not desk.db.is_sqlite, plan


@pytest.mark.parametrize("q", ["-needle", "worker:render", "attempts:<3", "dismissed:no", "in", "age:>1d"])
async def test_what_no_index_knows_is_read_in_the_order_of_the_grid(desk: Desk, q: str) -> None:
    dana = await a_person(desk)
    assert not list(leads.leads(q, dana, is_sqlite=desk.db.is_sqlite))
    plan = await plan_of(desk, job_list.page_query(dana, JobQuery(q=q), None, ascending=False))
    assert "ix_job_grid" in plan, plan


async def test_the_words_of_a_failure_are_found_where_they_still_are(desk: Desk) -> None:
    plan = await plan_of(desk, failed_so(await a_person(desk), "test.priced", "ab12"))
    assert "ix_attempt_words" in plan, plan
    assert "ix_job" not in plan, plan


async def test_a_migration_may_take_as_long_as_it_takes(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.sql(f"ALTER DATABASE {name} SET statement_timeout = '1s'")
    defaults = Database.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "statement_seconds", 1.0)
    apply = migrate._apply

    def slowly(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT pg_sleep(1.5)"))
        apply(connection)

    monkeypatch.setattr(migrate, "_apply", slowly)
    await migrate.upgrade(postgres_url)
    database = Database(postgres_url)
    assert await migrate.is_current(database)
    await database.close()


async def test_words_are_found_where_the_extension_may_not_be_made(
    postgres: PostgresServer,
    postgres_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.sql("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    postgres.sql("GRANT ALL ON SCHEMA public TO guest", name)
    url = postgres_url.replace("postgres@", "guest@")
    await migrate.upgrade(url)
    assert postgres.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'", name) == "0"
    async with open_desk(url, redis_url, tmp_path) as desk:
        dana = await a_person(desk)
        async with desk.db.write() as session:
            session.add(
                Job(workspace_id=dana.workspace_id, owner_id=dana.user_id, kind="a", title="A needle")
            )
        for few in (1000, 0):
            assert len((await found(desk, dana, "NEEDLE", few, monkeypatch))[0]) == 1
