"""What a search could go on with at the cursor: fields, then their values, out of what the workspace has."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col

from services.desk import Desk
from services.jobs import counts
from services.jobs.search import FIELDS
from services.jobs.terms import place_of_term
from services.models import Membership, User
from services.operations import workers
from services.people.access import Actor
from services.vocabulary import FailureType

_MOST = 9
_LONGEST = 500

_HINTS = {
    "status": "where it stands", "kind": "what sort of job", "error": "words of the error",
    "title": "words of the title", "type": "what sort of failure", "fingerprint": "the very same mistake",
    "owner": "who submitted it", "worker": "who ran it", "age": "since it was made", "ended": "since it was over",
    "after": "retried after that mistake", "batch": "retried by that batch",
    "dismissed": "needs no attention", "attempts": "how often it ran",
    "retries": "how often it was retried", "id": "its id, or the beginning of it",
}  # fmt: skip
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_USUAL_AGES = ("<1h", "<1d", "<7d", ">1d", ">7d")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to go on."""

    text: str
    """What stands in place of the term; a field ends in a colon, to be gone on with."""
    label: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """The ways to go on, the best first, and which part of the search each of them replaces: `start` to `end`."""

    start: int
    end: int
    options: tuple[Option, ...]


Value = tuple[str, str]
"""A value, and a hint."""


async def complete(desk: Desk, actor: Actor, text: str, at: int | None = None) -> Completions:
    """The ways to go on at the character `at`, or at the end. Nothing that the actor may not see is among them."""
    text = text[:_LONGEST]
    at = len(text) if at is None else max(0, min(at, len(text)))
    start, end = place_of_term(text, at)
    typed = text[start:at]
    negation, field, colon, value = _parts(typed)
    if colon:
        done, comma, part = value.rpartition(",") if field in _LISTED else ("", "", value)
        found = await _VALUES[field](desk, actor, part) if field in _VALUES and '"' not in value else []
        before = f"{negation}{field}:{done}{comma}"
        options = [Option(before + name, name, hint) for name, hint in _best(found, part)]
    else:
        names = [(f"{name}:", _HINTS.get(name, "")) for name in FIELDS]
        options = [
            Option(negation + name, name, hint) for name, hint in names if name.startswith(value.lower())
        ]
    if [option.text for option in options] == [text[start:end]]:
        options = []  # there is nothing to add to it
    return Completions(start, end, tuple(options if not colon else options[:_MOST]))


def _parts(typed: str) -> tuple[str, str, str, str]:
    negation = "-" if typed.startswith("-") else ""
    field, colon, value = typed.removeprefix("-").partition(":")
    return (negation, field.lower(), colon, value) if colon else (negation, "", "", field)


def _best(values: Iterable[Value], part: str) -> list[Value]:
    """Those that hold what was typed, first those that begin so; in the given order otherwise."""
    part = part.lower()
    held = [value for value in values if part in value[0].lower() or (part and part in value[1].lower())]
    return sorted(held, key=lambda value: not value[0].lower().startswith(part))


# --- values -----------------------------------------------------------------------------------------------------------


async def _statuses(desk: Desk, actor: Actor, _: str) -> list[Value]:
    async with desk.db.read() as session:
        found = await counts.by_status(session, counts.seen_by(actor))
    return [(status, f"{count:,}") for status, count in found.items()]


async def _kinds(desk: Desk, actor: Actor, _: str) -> list[Value]:
    """Those there are jobs of first, the most first; then those that one could make."""
    async with desk.db.read() as session:
        found = await counts.by_kind(session, counts.seen_by(actor))
    names = [
        *sorted(found, key=lambda name: -found[name]),
        *(k.name for k in desk.kinds if k.name not in found),
    ]
    titles = {kind.name: kind.title for kind in desk.kinds}
    return [(name, titles.get(name, "")) for name in names]


async def _types(_desk: Desk, _actor: Actor, _part: str) -> list[Value]:
    return [(word.value, "") for word in FailureType]


async def _owners(desk: Desk, actor: Actor, part: str) -> list[Value]:
    me = ("me", actor.name)
    if not actor.sees_all_jobs:
        return [me]
    query = (
        sa.select(col(User.email), col(User.name))
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(col(Membership.workspace_id) == actor.workspace_id)
        .where(
            sa.or_(
                col(User.email).icontains(part, autoescape=True),
                col(User.name).icontains(part, autoescape=True),
            )
        )
        .order_by(col(User.email))
        .limit(_MOST)
    )
    async with desk.db.read() as session:
        return [me, *((row[0], row[1]) for row in await session.execute(query))]


async def _workers(desk: Desk, _actor: Actor, _part: str) -> list[Value]:
    return [(worker.name, "online") for worker in await workers.online(desk)]


async def _ages(_desk: Desk, _actor: Actor, part: str) -> list[Value]:
    found = re.fullmatch(r"([<>]?=?)(\d{1,4})[a-z]?", part.lower())
    forms = [f"{found[1] or '<'}{found[2]}{unit}" for unit in _UNITS] if found else list(_USUAL_AGES)
    return [(form, _age_words(form)) for form in forms]


def _age_words(form: str) -> str:
    number = form.strip("<>=")[:-1]
    unit = _UNITS[form[-1]]
    return f"{'less' if form[0] == '<' else 'more'} than {number} {unit.removesuffix('s') if number == '1' else unit}"


async def _numbers(_desk: Desk, _actor: Actor, part: str) -> list[Value]:
    return (
        [(form, "") for form in (">0", ">1", ">2", "<3", "0", "1")]
        if not part.isdigit()
        else [(f">{part}", "")]
    )


async def _yes_or_no(_desk: Desk, _actor: Actor, _part: str) -> list[Value]:
    return [("yes", "somebody said so"), ("no", "")]


_VALUES: dict[str, Callable[[Desk, Actor, str], Awaitable[list[Value]]]] = {
    "status": _statuses, "kind": _kinds, "type": _types, "owner": _owners, "worker": _workers, "age": _ages,
    "ended": _ages, "dismissed": _yes_or_no, "attempts": _numbers, "retries": _numbers,
}  # fmt: skip
_LISTED = {"status", "kind", "type"}
