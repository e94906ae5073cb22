"""Where a search begins: at the rarest of its terms, if an index finds what that one means.

The grid is read along its order, which is quick as long as what matches is not far apart. Rare words are, old mistakes,
jobs that were retried five times: for these an index is asked first, which gives the few jobs that can match.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.failures.tables import Dismissal
from services.ids import first_id_at
from services.jobs import search
from services.jobs.letters import holds
from services.jobs.terms import Term, read_terms
from services.models import Job
from services.people.access import Actor

FEW = 2_000
"""So many are looked at one by one as quickly as a page is read along the grid's order."""
_SHORTEST = 3
"""Letters of a word: the indexes know threes of letters."""

# What migration 0018 makes and triggers fill.
_TEXT = sa.table(
    "job_text", sa.column("id"), sa.column("job_id", sa.Uuid()), sa.column("workspace_id", sa.Uuid()),
    sa.column("title", sa.String()), sa.column("error", sa.String()),
)  # fmt: skip
_WORDS = sa.table("job_words", sa.column("rowid"))

Lead = sa.Select[Any]


async def rare(session: AsyncSession, actor: Actor, query_text: str) -> Lead | None:
    """What gives all jobs that may match, where they are few. None: read along the grid's order.

    Raises:
        Invalid: a mistake in the search.
    """
    for lead in leads(query_text, actor, is_sqlite=is_sqlite(session)):
        if await gives_at_most(session, lead, FEW):
            return lead
    return None


async def gives_at_most(session: AsyncSession, lead: Lead, most: int) -> bool:
    """Whether a lead gives no more jobs than that. Nobody counts on from there."""
    await prepare(session)
    found = lead.limit(literal(most + 1)).subquery()
    return (await session.scalars(sa.select(sa.func.count()).select_from(found))).one() <= most


async def prepare(session: AsyncSession) -> None:
    """Keeps PostgreSQL from taking a rare word for a common one, and reading everything."""
    if not is_sqlite(session):
        await session.execute(sa.text("SET LOCAL enable_seqscan = off"))


def among(lead: Lead) -> sa.ColumnElement[bool]:
    """The condition that a job is one of these. They are looked up first, each by its key: see `one_by_one`."""
    found = lead.cte("found").prefix_with("MATERIALIZED")
    return col(Job.id).in_(sa.select(found.c[0]))


def literal(number: int) -> sa.BindParameter[int]:
    """In the statement's text: PostgreSQL plans for a tenth of all rows where it does not know how many are wanted."""
    return sa.bindparam(None, number, type_=sa.Integer(), literal_execute=True)


def is_sqlite(session: AsyncSession) -> bool:
    """Which of the two indexes of words there is."""
    return session.get_bind().dialect.name == "sqlite"


def one_by_one(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """`Actor.visible`, said so that no index of the workspace serves it: these jobs are known by their ids."""
    of_workspace = sa.func.coalesce(col(Job.workspace_id), col(Job.workspace_id)) == actor.workspace_id
    own = [] if actor.sees_all_jobs else [col(Job.owner_id) == actor.user_id]
    return [of_workspace, *own, col(Job.deleted_at).is_(None)]


def leads(query_text: str, actor: Actor, *, is_sqlite: bool) -> Iterator[Lead]:
    """For each term that an index knows, the jobs that it may mean: those that tend to be few first."""
    terms = [term for term in read_terms(query_text) if not term.negated and term.value]
    yield from _of(_LEADS, terms, actor)
    words = [term for term in terms if term.field in _WORDS_OF and len(term.value) >= _SHORTEST]
    if words:
        lead = _by_words(words, actor, is_sqlite=is_sqlite)
        # A word that everybody used last year may be rare this week.
        made = [_made_since(term) for term in terms if term.field == "age"]
        yield lead.where(*(_TEXT.c.job_id >= since for since in made if since))
    yield from _of(_LATE_LEADS, terms, actor)


def _of(
    makers: Mapping[str, Callable[[Term, Actor], Lead | None]], terms: Sequence[Term], actor: Actor
) -> Iterator[Lead]:
    for field, make in makers.items():
        for term in terms:
            if term.field == field and (lead := make(term, actor)) is not None:
                yield lead


_WORDS_OF = {None: ("title", "error"), "title": ("title",), "error": ("error",)}


def _by_words(terms: Sequence[Term], actor: Actor, *, is_sqlite: bool) -> Lead:
    if is_sqlite:
        match = " AND ".join(f"{{{' '.join(_WORDS_OF[t.field])}}}: {_quoted(t.value)}" for t in terms)
        query = sa.select(_TEXT.c.job_id).join_from(_WORDS, _TEXT, _TEXT.c.id == _WORDS.c.rowid)
        # The latest first: where there are too many, these are the ones that count.
        return query.where(
            sa.literal_column("job_words").op("MATCH")(match), _TEXT.c.workspace_id == actor.workspace_id
        ).order_by(_WORDS.c.rowid.desc())
    hold = [sa.or_(*(holds(_TEXT.c[name], term.value) for name in _WORDS_OF[term.field])) for term in terms]
    return sa.select(_TEXT.c.job_id).where(_TEXT.c.workspace_id == actor.workspace_id, *hold)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _of_workspace(actor: Actor, *which: sa.ColumnElement[bool]) -> Lead:
    return sa.select(col(Job.id)).where(
        col(Job.workspace_id) == actor.workspace_id, col(Job.deleted_at).is_(None), *which
    )


def _same(term: Term, actor: Actor) -> Lead:
    return _of_workspace(actor, search.condition(term, actor))


def _by_id(term: Term, actor: Actor) -> Lead:
    return sa.select(col(Job.id)).where(search.condition(term, actor), *one_by_one(actor))


def _dismissed(term: Term, _: Actor) -> Lead | None:
    return sa.select(col(Dismissal.job_id)) if term.value.lower() == "yes" else None


def _more_than(smallest: int, column: str) -> Callable[[Term, Actor], Lead | None]:
    """An index has the jobs that have more than most have."""

    def lead(term: Term, actor: Actor) -> Lead | None:
        compare, number = search.number_of(term)
        if compare(smallest, number):
            return None
        return _of_workspace(
            actor, compare(getattr(Job, column), number), sa.literal_column(f"job.{column} > {smallest}")
        )

    return lead


def _ended(term: Term, actor: Actor) -> Lead:
    condition, _ = search.ended(term, col(Job.finished_at))
    return _of_workspace(actor, condition)


def _age(term: Term, actor: Actor) -> Lead | None:
    """Ids begin with the time when their jobs were made."""
    since = _made_since(term)
    return sa.select(col(Job.id)).where(col(Job.id) >= since, *one_by_one(actor)) if since else None


def _made_since(term: Term) -> UUID | None:
    """No id of a job that is young enough is less than this; None where the term is about old ones."""
    compare, moment = search.ago(term)
    return first_id_at(moment - search.CLOCKS) if compare in {operator.gt, operator.ge} else None


_LEADS: dict[str, Callable[[Term, Actor], Lead | None]] = {
    "id": _by_id, "dismissed": _dismissed, "fingerprint": _same, "after": search.retried_after,
    "batch": lambda term, _: search.retried_by(term),
    "attempts": _more_than(1, "attempt"), "retries": _more_than(0, "retry_count"),
}  # fmt: skip
_LATE_LEADS: dict[str, Callable[[Term, Actor], Lead | None]] = {"type": _same, "ended": _ended, "age": _age}
