"""Lists of jobs, paged by key, and how many there are of each status."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.desk import Desk
from services.errors import Invalid
from services.jobs import counts as job_counts
from services.jobs import leads, search
from services.models import Job, JobCount, User
from services.models import is_now as _is
from services.people.access import Actor
from services.vocabulary import Status

_LIST_LIMIT = 200
_ORDERED = {"fingerprint", "type"}
"""Fields whose indexes have the grid's order themselves."""
COUNTED = 10_000
"""Of what a search finds, so many of each status are counted."""


@dataclass(frozen=True)
class JobQuery:
    """Which jobs, in which order, and which page of them."""

    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    q: str = ""
    """The search language of `services/jobs/search.py`."""
    owner: str | None = None
    """An email, or `me`."""
    sort: Literal["newest", "oldest"] = "newest"
    limit: int = 25
    cursor: str | None = None
    """As a page's `next_cursor` or `prev_cursor` gave it."""


@dataclass(frozen=True)
class Rows:
    """A page of jobs. A cursor is None where there is nothing in that direction."""

    items: list[Job]
    next_cursor: str | None
    prev_cursor: str | None


@dataclass(frozen=True)
class JobPage(Rows):
    """A page, and how many jobs there are on all of them."""

    total: int
    total_is_exact: bool
    """False: at least so many. Nobody counts on from there."""


@dataclass(frozen=True)
class Counts:
    """How many jobs of each status match."""

    by_status: dict[Status, int]
    more: frozenset[Status] = frozenset()
    """Statuses of which there are more than that."""

    def of(self, statuses: Collection[Status] = ()) -> tuple[int, bool]:
        """How many of these statuses, or of all; and whether that is exact."""
        wanted = statuses or tuple(Status)
        return sum(self.by_status[status] for status in set(wanted)), self.more.isdisjoint(wanted)


async def list_jobs(desk: Desk, actor: Actor, query: JobQuery) -> JobPage:
    """A page of the jobs that match, with their total. Raises Invalid as `read_page`."""
    rows, counts = await read_page(desk, actor, query), await count_by_status(desk, actor, query)
    total, exact = counts.of(query.statuses)
    return JobPage(rows.items, rows.next_cursor, rows.prev_cursor, total, exact)


async def read_page(desk: Desk, actor: Actor, query: JobQuery) -> Rows:
    """A page of the jobs that match, by key: the page after a million is as fast as the first.

    Raises:
        Invalid: the search, the cursor or the limit makes no sense.
    """
    if not 1 <= query.limit <= _LIST_LIMIT:
        raise Invalid(f"limit must be between 1 and {_LIST_LIMIT}.")
    backwards, position = _parse_cursor(query.cursor)
    ascending = (query.sort == "oldest") != backwards
    async with desk.db.read() as session:
        found = await _read(session, actor, query, position, ascending=ascending)
    more, items = len(found) > query.limit, found[: query.limit]
    if backwards:
        items.reverse()
    has_next = more if not backwards else position is not None
    has_prev = position is not None if not backwards else more
    return Rows(
        items,
        next_cursor=f"a{items[-1].rank.hex}" if items and has_next else None,
        prev_cursor=f"b{items[0].rank.hex}" if items and has_prev else None,
    )


async def _read(
    session: AsyncSession, actor: Actor, query: JobQuery, after: UUID | None, *, ascending: bool
) -> list[Job]:
    rare = await leads.rare(session, actor, query.q)
    page = page_query(actor, query, after, ascending=ascending, rare=rare)
    return list((await session.scalars(page)).all())


def page_query(
    actor: Actor, query: JobQuery, after: UUID | None, *, ascending: bool, rare: leads.Lead | None = None
) -> sa.Select[Any]:
    """The jobs after a place in the order, one more than the page has; those that `rare` gives, looked at one by one.

    Each index of the grid ends in status and rank, so several statuses are several walks along an index, whose first
    rows are put together: no database merges them so by itself.
    """
    matching = [] if after is None else [col(Job.rank) > after if ascending else col(Job.rank) < after]
    order = col(Job.rank).asc() if ascending else col(Job.rank).desc()
    most = leads.literal(query.limit + 1)
    if rare is not None:
        matching += _among(rare, actor, query)
        if query.statuses:
            matching.append(col(Job.status).in_(query.statuses))
        return sa.select(Job).where(*matching).order_by(order).limit(most)
    matching += _matching(actor, query)
    walks = _walks(actor, query)
    if len(walks) < 2:
        statuses = [col(Job.status).in_(query.statuses)] if query.statuses else []
        return sa.select(Job).where(*matching, *statuses).order_by(order).limit(most)
    parts = [
        # A subquery around each: SQLite takes no ORDER BY within a UNION.
        sa.select(sa.select(col(Job.id)).where(*matching, _is(status)).order_by(order).limit(most).subquery())
        for status in walks
    ]
    ids = sa.union_all(*parts).subquery()
    return sa.select(Job).where(col(Job.id).in_(sa.select(ids.c.id))).order_by(order).limit(most)


def _walks(actor: Actor, query: JobQuery) -> list[Status]:
    """The statuses to look for one by one; none where one look at the order of all does."""
    fields = search.fields_of(query.q)
    if not fields.isdisjoint(_ORDERED):
        return []
    wanted = set(query.statuses or Status) & search.statuses_of(query.q)
    narrow = query.owner or query.kinds or not actor.sees_all_jobs
    if narrow or len(wanted) < len(Status) or not fields.isdisjoint({"owner", "kind"}):
        return sorted(wanted)
    return []


async def count_by_status(desk: Desk, actor: Actor, query: JobQuery) -> Counts:
    """How many jobs of each status match, whatever statuses the query names.

    Exact where only status, kind and owner are asked for, or where no more than `COUNTED` jobs can match. Else at
    least so many as were found among the `COUNTED` that an index gives, or the latest of each status.
    """
    if (kept := search.counted(query.q, actor)) is not None:
        which = [*job_counts.seen_by(actor), *kept, *_narrowing(JobCount, actor, query)]
        async with desk.db.read() as session:
            return Counts(await job_counts.by_status(session, which))
    async with desk.db.read() as session:
        found = None
        for lead in leads.leads(query.q, actor, is_sqlite=desk.db.is_sqlite):
            counts, are_all = await _count(session, actor, query, lead)
            if are_all:
                return Counts(counts)
            found = found or counts
        if found is None:
            return await _count_latest(session, actor, query, COUNTED)
        latest = await _count_latest(session, actor, query, min(leads.FEW, COUNTED))
    at_least = {
        status: max(found[status], latest.by_status[status])
        if status in latest.more
        else latest.by_status[status]
        for status in Status
    }
    return Counts(at_least, latest.more)


async def _count(
    session: AsyncSession, actor: Actor, query: JobQuery, lead: leads.Lead
) -> tuple[dict[Status, int], bool]:
    """How many match of the jobs that a lead gives, and whether these are all that can; of more, some are counted."""
    await leads.prepare(session)
    these = lead.limit(leads.literal(COUNTED + 1)).cte().prefix_with("MATERIALIZED")
    which = [col(Job.id).in_(sa.select(these.c[0])), *leads.one_by_one(actor), *_conditions(actor, query)]
    counts = sa.select(col(Job.status), sa.func.count().label("jobs")).where(*which).group_by(col(Job.status))
    given = sa.select(sa.null(), sa.func.count()).select_from(these)
    rows: Any = (await session.execute(sa.union_all(counts, given))).all()
    found = {row[0]: row[1] for row in rows}
    return {status: found.get(status, 0) for status in Status}, found[None] <= COUNTED


def _among(lead: leads.Lead, actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    return [leads.among(lead), *leads.one_by_one(actor), *_conditions(actor, query)]


async def _count_latest(session: AsyncSession, actor: Actor, query: JobQuery, most: int) -> Counts:
    """How many match among the latest so many jobs of each status."""
    wanted = sorted(search.statuses_of(query.q))
    conditions = search.conditions(query.q, actor)
    looks: list[Any] = []
    for status in wanted:
        these = [*actor.visible(), *_narrowing(Job, actor, query), _is(status)]
        latest = sa.select(col(Job.rank)).where(*these).order_by(col(Job.rank).desc())
        older = latest.offset(leads.literal(most)).limit(leads.literal(1)).scalar_subquery()
        among_them = col(Job.rank) > sa.func.coalesce(older, sa.literal(UUID(int=0), sa.Uuid()))
        matching = sa.select(sa.func.count()).where(*these, *conditions, among_them)
        looks += [matching.scalar_subquery(), older.is_not(None)]
    row = (await session.execute(sa.select(*looks))).one() if looks else ()
    found = dict(zip(wanted, zip(row[::2], row[1::2], strict=True), strict=True))
    return Counts(
        {status: found.get(status, (0, False))[0] for status in Status},
        frozenset(status for status, (_, more) in found.items() if more),
    )


def _matching(actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    """The conditions on `Job`, but for the statuses."""
    return [*actor.visible(), *_conditions(actor, query)]


def _conditions(actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    return [*search.conditions(query.q, actor), *_narrowing(Job, actor, query)]


def _narrowing(
    table: type[Job] | type[JobCount], actor: Actor, query: JobQuery
) -> list[sa.ColumnElement[bool]]:
    narrowing: list[sa.ColumnElement[bool]] = []
    if query.kinds:
        narrowing.append(col(table.kind).in_(query.kinds))
    if query.owner == "me":
        narrowing.append(col(table.owner_id) == actor.user_id)
    elif query.owner:
        owner = sa.select(col(User.id)).where(col(User.email) == query.owner.lower()).scalar_subquery()
        narrowing.append(col(table.owner_id) == owner)
    return narrowing


def _parse_cursor(cursor: str | None) -> tuple[bool, UUID | None]:
    if not cursor:
        return False, None
    try:
        if cursor[0] not in "ab":
            raise ValueError(cursor)
        return cursor[0] == "b", UUID(hex=cursor[1:])
    except ValueError:
        raise Invalid("That cursor is not one of ours. Start again from the first page.") from None
