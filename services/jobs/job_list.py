"""Lists of jobs, paged by key, and how many there are of each status."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.errors import Invalid
from services.jobs.search import conditions
from services.models import Job, User
from services.people.access import Actor
from services.vocabulary import Status

_LIST_LIMIT = 200


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
class JobPage:
    """A page of jobs. A cursor is None where there is nothing in that direction."""

    items: list[Job]
    next_cursor: str | None
    prev_cursor: str | None
    total: int


async def list_jobs(desk: Desk, actor: Actor, query: JobQuery) -> JobPage:
    """A page of the jobs that match, by key: the page after a million is as fast as the first.

    Raises:
        Invalid: the search, the cursor or the limit makes no sense.
    """
    if not 1 <= query.limit <= _LIST_LIMIT:
        raise Invalid(f"limit must be between 1 and {_LIST_LIMIT}.")
    matching = _matching(actor, query)
    backwards, position = _parse_cursor(query.cursor)
    ascending = (query.sort == "oldest") != backwards
    page = sa.select(Job).where(*matching)
    if position:
        page = page.where(col(Job.rank) > position if ascending else col(Job.rank) < position)
    page = page.order_by(col(Job.rank).asc() if ascending else col(Job.rank).desc()).limit(query.limit + 1)
    async with desk.db.read() as session:
        found = list((await session.scalars(page)).all())
        total = (await session.scalars(sa.select(sa.func.count()).select_from(Job).where(*matching))).one()
    more, items = len(found) > query.limit, found[: query.limit]
    if backwards:
        items.reverse()
    has_next = more if not backwards else position is not None
    has_prev = position is not None if not backwards else more
    return JobPage(
        items,
        next_cursor=f"a{items[-1].rank.hex}" if items and has_next else None,
        prev_cursor=f"b{items[0].rank.hex}" if items and has_prev else None,
        total=total,
    )


async def count_by_status(desk: Desk, actor: Actor, query: JobQuery) -> dict[Status, int]:
    """How many jobs of each status match, whatever statuses the query names."""
    matching = _matching(actor, JobQuery(kinds=query.kinds, q=query.q, owner=query.owner))
    count = sa.select(col(Job.status), sa.func.count()).where(*matching).group_by(col(Job.status))
    async with desk.db.read() as session:
        found = {row[0]: row[1] for row in await session.execute(count)}
    return {status: found.get(status, 0) for status in Status}


def _matching(actor: Actor, query: JobQuery) -> list[sa.ColumnElement[bool]]:
    matching = [*actor.visible(), *conditions(query.q, actor)]
    if query.statuses:
        matching.append(col(Job.status).in_(query.statuses))
    if query.kinds:
        matching.append(col(Job.kind).in_(query.kinds))
    if query.owner == "me":
        matching.append(col(Job.owner_id) == actor.user_id)
    elif query.owner:
        owner = sa.select(col(User.id)).where(col(User.email) == query.owner.lower()).scalar_subquery()
        matching.append(col(Job.owner_id) == owner)
    return matching


def _parse_cursor(cursor: str | None) -> tuple[bool, UUID | None]:
    if not cursor:
        return False, None
    try:
        if cursor[0] not in "ab":
            raise ValueError(cursor)
        return cursor[0] == "b", UUID(hex=cursor[1:])
    except ValueError:
        raise Invalid("That cursor is not one of ours. Start again from the first page.") from None
