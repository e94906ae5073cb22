"""Lists of jobs, paged by key, and how many there are of each status."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import Invalid
from services.jobs import counts as job_counts
from services.jobs import search
from services.models import Job, JobCount, User
from services.models import is_now as _is
from services.people.access import Actor
from services.vocabulary import Status

_LIST_LIMIT = 200
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
        found: list[Job] = list(
            (await session.scalars(page_query(actor, query, position, ascending=ascending))).all()
        )
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


def page_query(actor: Actor, query: JobQuery, after: UUID | None, *, ascending: bool) -> sa.Select[Any]:
    """The jobs after a place in the order, one more than the page has.

    Each index of the grid ends in status and rank, so several statuses are several walks along an index, whose first
    rows are put together: no database merges them so by itself.
    """
    matching = _matching(actor, query)
    if after:
        matching.append(col(Job.rank) > after if ascending else col(Job.rank) < after)
    order = col(Job.rank).asc() if ascending else col(Job.rank).desc()
    # In the statement's text: PostgreSQL plans for a tenth of all rows where it does not know how many are wanted.
    most = sa.bindparam(None, query.limit + 1, type_=sa.Integer(), literal_execute=True)
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
    wanted = set(query.statuses or Status) & search.statuses_of(query.q)
    narrow = query.owner or query.kinds or not actor.sees_all_jobs
    if narrow or len(wanted) < len(Status) or not search.fields_of(query.q).isdisjoint({"owner", "kind"}):
        return sorted(wanted)
    return []


async def count_by_status(desk: Desk, actor: Actor, query: JobQuery) -> Counts:
    """How many jobs of each status match, whatever statuses the query names.

    Exact where only status, kind and owner are asked for. Else of each status at most `COUNTED` are counted.
    """
    if (kept := search.counted(query.q, actor)) is not None:
        which = [*job_counts.seen_by(actor), *kept, *_narrowing(JobCount, actor, query)]
        async with desk.db.read() as session:
            return Counts(await job_counts.by_status(session, which))
    matching = _matching(actor, query)
    looks = [
        sa.select(sa.func.count())
        .select_from(sa.select(col(Job.id)).where(*matching, _is(status)).limit(COUNTED + 1).subquery())
        .scalar_subquery()
        for status in Status
    ]
    async with desk.db.read() as session:
        found = dict(zip(Status, (await session.execute(sa.select(*looks))).one(), strict=True))
    return Counts(
        {status: min(count, COUNTED) for status, count in found.items()},
        frozenset(status for status, count in found.items() if count > COUNTED),
    )


def _matching(actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    """The conditions on `Job`, but for the statuses."""
    return [*actor.visible(), *search.conditions(query.q, actor), *_narrowing(Job, actor, query)]


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
