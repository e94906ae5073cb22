"""A view of the grid as a file, as long as it may be: read by key, a thousand jobs at a time, never whole in memory."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.jobs import leads
from services.jobs.job_list import JobQuery, page_query
from services.jobs.spreadsheet import as_text
from services.models import Job, User
from services.people.access import Actor

_TOGETHER = 1_000
_OWNER = "owner"
_FIELDS = (
    "id", "title", "kind", "status", "progress", "step", "error", "failure_type", "advice", "fingerprint", "attempt",
    "retry_count", "auto_retry_count", "worker", "created_at", "updated_at", "started_at", "finished_at",
)  # fmt: skip


class Format(StrEnum):
    """What the file is written in."""

    CSV = "csv"
    JSON = "json"

    @property
    def content_type(self) -> str:
        """Of the file."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/json"


def export(desk: Desk, actor: Actor, query: JobQuery, form: Format) -> AsyncIterator[bytes]:
    """All jobs that match, in the query's order, whatever its limit and cursor. What is made meanwhile is left out.

    Raises:
        Invalid: the search makes no sense. At once, before anything is read.
    """
    query = replace(query, limit=_TOGETHER - 1, cursor=None)
    ascending = query.sort == "oldest"
    page_query(actor, query, None, ascending=ascending)  # a mistake is told now
    write = _csv if form is Format.CSV else _json

    async def rows() -> AsyncIterator[Sequence[dict[str, Any]]]:
        after, emails = None, dict[UUID, str]()
        async with desk.db.read() as session:
            rare = await leads.rare(session, actor, query.q)
        while True:
            page = page_query(actor, query, after, ascending=ascending, rare=rare)
            columns = page.with_only_columns(*(getattr(Job, name) for name in (*_FIELDS, "rank", "owner_id")))
            async with desk.db.read() as session:
                found = (await session.execute(columns)).all()
                new = {row.owner_id for row in found} - emails.keys()
                people = sa.select(col(User.id), col(User.email)).where(col(User.id).in_(new))
                emails |= {row.id: row.email for row in (await session.execute(people) if new else ())}
            yield [
                {name: _plain(getattr(row, name)) for name in _FIELDS} | {_OWNER: emails[row.owner_id]}
                for row in found
            ]
            if len(found) < _TOGETHER:
                return
            after = found[-1].rank

    return write(rows())


async def _csv(pages: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[bytes]:
    yield _lines([(*_FIELDS, _OWNER)])
    async for rows in pages:
        yield _lines(
            [as_text(cell) if isinstance(cell, str) else cell for cell in row.values()] for row in rows
        )


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


async def _json(pages: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[bytes]:
    """An array, one job a line."""
    between = "[\n"
    async for rows in pages:
        if rows:
            yield (between + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)).encode()
            between = ",\n"
    yield b"\n]\n" if between != "[\n" else b"[]\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
