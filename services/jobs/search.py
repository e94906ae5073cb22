"""The search language: `status:failed kind:video.* error:"out of memory" owner:me age:<1d attempts:>1 id:0198…`.

Terms are joined by *and*; `-` before one excludes it; a comma lists alternatives of a status, kind or type. What is no
`field:value` is searched for in title and error. `docs/features/search.md` tells the people who use it.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.failures.tables import is_dismissed
from services.ids import first_id_at
from services.insights.tables import Grain, OutcomeRollup
from services.jobs.letters import holds
from services.jobs.terms import Term, read_terms
from services.models import Attempt, Job, JobCount, User, now
from services.people.access import Actor
from services.vocabulary import FailureType, Status

CLOCKS = timedelta(hours=1)
"""So far apart may be the clocks of the database, which says when a job ended, and of who made its id."""
_LARGEST_NUMBER = 1_000_000
_OLDEST = 100 * 365 * 24 * 3600

_COMPARISON = re.compile(r"(?P<sign><=|>=|<|>|=)?(?P<number>\d{1,9})(?P<unit>[smhdw])?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}(:\d{2}){0,2})?(Z|[+-]\d{2}:\d{2})?$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip


def conditions(query_text: str, actor: Actor, at: datetime | None = None) -> list[sa.ColumnElement[bool]]:
    """The search as conditions on `Job`, all of which hold. No words, no conditions. Ages are counted back from `at`.

    Raises:
        Invalid: a mistake; its data say where (`position`, `length`), what (`explanation`) and, where one can be
            guessed, what was meant (`suggestion`).
    """
    return [condition(replace(term, at=at), actor) for term in read_terms(query_text)]


def counted(query_text: str, actor: Actor) -> list[sa.ColumnElement[bool]] | None:
    """The search as conditions on `JobCount`; None where it asks for more than the kept counters know.

    Raises:
        Invalid: as `conditions`.
    """
    terms = read_terms(query_text)
    if any(term.field not in _COUNTED for term in terms):
        return None
    return [condition(replace(term, table=JobCount), actor) for term in terms]


def fields_of(query_text: str) -> set[str]:
    """The fields that a search names. Raises Invalid for what cannot be taken apart."""
    return {term.field for term in read_terms(query_text) if term.field}


def statuses_of(query_text: str) -> set[Status]:
    """The statuses that a search leaves. Raises Invalid for what cannot be taken apart."""
    left = set(Status)
    for term in read_terms(query_text):
        if term.field == "status":
            named = {status for status in Status if status in term.value.lower().split(",")}
            left = left - named if term.negated else left & named
    return left


def condition(term: Term, actor: Actor) -> sa.ColumnElement[bool]:
    """One term as a condition. Raises Invalid as `conditions`."""
    if term.field is None:
        if not term.value:
            term.wrong("There is nothing between these quotes.")
        holds_it = sa.or_(_contains(Job.title, term.value), _contains(Job.error, term.value))
    else:
        make = _FIELDS.get(term.field)
        if make is None:
            _unknown_field(term)
        if not term.value:
            term.wrong(f"Write a value after {term.field}:", f"{term.field}:{_EXAMPLES[term.field]}")
        holds_it = make(term, actor)
    # NULL is not what was excluded: without this, "-error:ffmpeg" would hide every job without an error.
    return sa.not_(sa.func.coalesce(holds_it, sa.false())) if term.negated else holds_it


def _unknown_field(term: Term) -> NoReturn:
    close = get_close_matches(term.field or "", _FIELDS, n=1)
    if close:
        term.wrong(f"There is no field {term.field}.", f"{close[0]}:{_as_typed(term)}")
    term.wrong(
        f"There is no field {term.field}. Fields: {', '.join(_FIELDS)}. To look for these words, put them in quotes."
    )


def _as_typed(term: Term) -> str:
    return f'"{term.value}"' if term.quoted else term.value


def _contains(column: Any, text: str) -> sa.ColumnElement[bool]:
    return holds(col(column), text)


# --- fields -----------------------------------------------------------------------------------------------------------


def in_passing(column: Any, default: Any) -> sa.ColumnElement[Any]:
    """The column, said so that no index serves it: who reads along the grid's order sorts nothing."""
    return sa.func.coalesce(column, default)


def _one_of(name: str, words: type[StrEnum]) -> Callable[[Term, Actor], sa.ColumnElement[bool]]:
    def condition(term: Term, _: Actor) -> sa.ColumnElement[bool]:
        wanted = []
        for part in _alternatives(term):
            known = [word.value for word in words]
            if part.lower() not in known:
                close = get_close_matches(part.lower(), known, n=1)
                explanation = f"There is no {term.field} “{part}”. Known: {', '.join(known)}."
                # The others stay as they were typed.
                meant = (
                    ",".join(close[0] if each == part else each for each in _alternatives(term))
                    if close
                    else ""
                )
                term.wrong(explanation, f"{term.field}:{meant}" if meant else None)
            wanted.append(words(part.lower()))
        return col(getattr(term.table, name)).in_(wanted)

    return condition


def _kind(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    return sa.or_(*(_glob(term.table.kind, part) for part in _alternatives(term)))


def _glob(column: Any, pattern: str) -> sa.ColumnElement[bool]:
    if "*" not in pattern:
        return col(column) == pattern
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")
    return col(column).like(escaped, escape="\\")


def _alternatives(term: Term) -> Sequence[str]:
    parts = term.value.split(",")
    if not all(parts):
        term.wrong("Between two commas stands a value.", f"{term.field}:{','.join(filter(None, parts))}")
    return parts


def _text(column: Any) -> Callable[[Term, Actor], sa.ColumnElement[bool]]:
    return lambda term, _: _contains(column, term.value)


def _fingerprint(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    return col(Job.fingerprint) == term.value.lower()


def _owner(term: Term, actor: Actor) -> sa.ColumnElement[bool]:
    name = term.value.lower()
    if name == "me":
        return col(term.table.owner_id) == actor.user_id
    emails = col(User.email) == name
    if "@" not in name:
        emails = sa.or_(
            col(User.email).startswith(f"{name}@", autoescape=True), sa.func.lower(User.name) == name
        )
    return col(term.table.owner_id).in_(sa.select(col(User.id)).where(emails))


def _number(column: Any) -> Callable[[Term, Actor], sa.ColumnElement[bool]]:
    def compared(term: Term, _: Actor) -> sa.ColumnElement[bool]:
        compare, number = number_of(term)
        condition: sa.ColumnElement[bool] = compare(in_passing(col(column), 0), number)
        return condition

    return compared


def number_of(term: Term) -> tuple[Callable[[Any, Any], Any], int]:
    """How a column is compared with which number. Raises Invalid."""
    found = _COMPARISON.fullmatch(term.value)
    if not found or found["unit"] or int(found["number"]) > _LARGEST_NUMBER:
        term.wrong(f"{term.field}: takes a number, with <, <=, >, >= or alone.", f"{term.field}:>1")
    return _SIGNS[found["sign"] or "="], int(found["number"])


def _age(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    compare, moment = ago(term)
    condition: sa.ColumnElement[bool] = compare(col(Job.created_at), moment)
    return condition if compare in {operator.gt, operator.ge} else _made_before(condition, moment)


def _made_before(condition: sa.ColumnElement[bool], moment: datetime) -> sa.ColumnElement[bool]:
    """What was made, or over, before a moment has its place in the order before it: a walk begins there."""
    return sa.and_(condition, col(Job.rank) < first_id_at(moment + CLOCKS))


def ago(term: Term, or_else: str = "") -> tuple[Callable[[Any, Any], Any], datetime]:
    """How a column is compared with which moment. Raises Invalid."""
    field = term.field
    found = _COMPARISON.fullmatch(term.value.lower())
    if not found or not found["unit"]:
        number = found["number"] if found else "1"
        term.wrong(f"{field}: takes < or > and a time: 30s, 10m, 2h, 1d, 1w.{or_else}", f"{field}:<{number}d")
    if found["sign"] in {None, "="}:
        term.wrong(f"{field}: needs < (younger) or > (older).", f"{field}:<{term.value.lstrip('=')}")
    seconds = int(found["number"]) * _SECONDS[found["unit"]]
    if seconds > _OLDEST:
        term.wrong("That is more than a hundred years.")
    # Younger is later: the comparison turns around.
    turned = {"<": operator.gt, "<=": operator.ge, ">": operator.lt, ">=": operator.le}[found["sign"]]
    return turned, (term.at or now()) - timedelta(seconds=seconds)


def _ended(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    condition, end = ended(term, in_passing(col(Job.finished_at), sa.null()))
    return _made_before(condition, end) if end else condition


def ended(term: Term, finished: Any) -> tuple[sa.ColumnElement[bool], datetime | None]:
    """`<7d`: in the last seven days; `2026-11-22` or `2026-11-22T14:00..2026-11-22T20:00`: in that day or span, UTC.

    With the moment before which all of it was over, where it names one. Raises Invalid.
    """
    try:
        start, end = _span(term.value)
    except ValueError:
        compare, moment = ago(term, " Or a day, 2026-11-22, or a span, 2026-11-22T14:00..2026-11-23.")
        return compare(finished, moment), None if compare in {operator.gt, operator.ge} else moment
    return sa.and_(finished >= start, finished < end), end


def _span(text: str) -> tuple[datetime, datetime]:
    first, dots, last = text.upper().partition("..")
    start = _moment(first)
    return (start, _moment(last)) if dots else (start, start + timedelta(days=1))


def _moment(text: str) -> datetime:
    if not _DATE.match(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _after(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    return _was_run(col(Attempt.after_fingerprint) == term.value.lower(), col(Attempt.void).is_(False))


def _was_run(*so: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Said so that PostgreSQL asks it of a job that it comes across, and does not join all jobs to all such runs."""
    return sa.func.coalesce(sa.exists().where(col(Attempt.job_id) == col(Job.id), *so), sa.false())


def retried_after(term: Term, actor: Actor) -> sa.Select[Any]:
    """The jobs that were retried after a failure."""
    rolled = OutcomeRollup
    # The index of retries begins with the kind: with those that have ever run here, it serves.
    kinds = sa.select(col(rolled.kind)).where(
        col(rolled.workspace_id) == actor.workspace_id,
        col(rolled.whose) == actor.workspace_id,
        col(rolled.grain) == Grain.DAY,
    )
    return sa.select(col(Attempt.job_id)).where(
        col(Attempt.kind).in_(kinds),
        col(Attempt.after_fingerprint) == term.value.lower(),
        col(Attempt.void).is_(False),
    )


def _batch(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    return _was_run(col(Attempt.batch_id).is_not(None), col(Attempt.batch_id).between(*_ids(term)))


def retried_by(term: Term) -> sa.Select[Any]:
    """The jobs that a batch retried. The index of the attempts that belong to batches serves it."""
    return sa.select(col(Attempt.job_id)).where(
        col(Attempt.batch_id).is_not(None), col(Attempt.batch_id).between(*_ids(term))
    )


def _dismissed(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    said = term.value.lower()
    if said not in {"yes", "no"}:
        term.wrong("dismissed: takes yes or no.", "dismissed:yes")
    return is_dismissed() if said == "yes" else ~is_dismissed()


def _id(term: Term, _: Actor) -> sa.ColumnElement[bool]:
    # A range, not a text comparison: the same on both databases, and the primary key's index serves it.
    return col(Job.id).between(*_ids(term))


def _ids(term: Term) -> tuple[UUID, UUID]:
    """The first and the last id that begin so."""
    digits = term.value.lower().rstrip("…*").replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        term.wrong(f"{term.field}: takes a job's id or its beginning: digits, a to f, and dashes.")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


_FIELDS: dict[str, Callable[[Term, Actor], sa.ColumnElement[bool]]] = {
    "status": _one_of("status", Status),
    "kind": _kind,
    "error": _text(Job.error),
    "title": _text(Job.title),
    "type": _one_of("failure_type", FailureType),
    "fingerprint": _fingerprint,
    "owner": _owner,
    "worker": _text(Job.worker),
    "age": _age,
    "ended": _ended,
    "after": _after,
    "batch": _batch,
    "dismissed": _dismissed,
    "attempts": _number(Job.attempt),
    "retries": _number(Job.retry_count),
    "id": _id,
}
FIELDS = tuple(_FIELDS)
"""What stands before a colon."""
_COUNTED = {"status", "kind", "owner"}
_EXAMPLES = {
    "status": "failed", "kind": "video.process", "error": "ffmpeg", "title": "interview", "type": "transient",
    "fingerprint": "3f2a91c07be4d518", "owner": "me", "worker": "render-1", "age": "<1d", "ended": "<1d",
    "after": "3f2a91c07be4d518", "batch": "0198", "dismissed": "yes", "attempts": ">1",
    "retries": ">0", "id": "0198",
}  # fmt: skip
