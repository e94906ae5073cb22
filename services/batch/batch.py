"""Many jobs at once: what retrying, cancelling or deleting them would do (`preview`), and a job that does it (`start`).

The job is walked through by `services/batch/walk.py` in a worker: `docs/features/batch.md`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services import audit, lifecycle
from services import credits as ledger
from services.batch.actions import ACTIONS, ActionRules
from services.batch.checks import check_many
from services.batch.match import STANDING, Selection, Standing, counted, matching
from services.database.database import db_now
from services.desk import Desk
from services.errors import InsufficientCredits, Invalid, JobNotFound, RetriesDisabled
from services.feed import Change
from services.ids import new_id
from services.jobs import counts as job_counts
from services.jobs.submission import ring
from services.models import Batch, Job, Switch
from services.operations import switches
from services.people.access import Actor
from services.vocabulary import BatchAction

__all__ = ["MOST_CANARY", "BatchPreview", "Selection", "Trial", "count", "preview", "start"]

MOST_CANARY = 1_000
_CHECKED_IN_PREVIEW = 50

Group = tuple[Standing, int]
"""Jobs that stand alike, and how many they are."""


@dataclass(frozen=True)
class Trial:
    """What a batch of retries wants to see before it goes on."""

    canary: int = 0
    """So many jobs are retried first; the rest follows only if one of them recovers. 0: none."""
    stop_at: float | None = None
    """The share of its retries that may fail, 0 to 1; beyond it the batch stops. None: any."""

    def require_sense(self, action: BatchAction) -> None:
        """Raises Invalid for figures out of range, or where nothing is retried."""
        if (self.canary or self.stop_at is not None) and action is not BatchAction.RETRY:
            raise Invalid("Only retries have a canary or a share of failures to stop at.")
        if not 0 <= self.canary <= MOST_CANARY:
            raise Invalid(f"A canary is of at most {MOST_CANARY} jobs.")
        if self.stop_at is not None and not 0 <= self.stop_at <= 1:
            raise Invalid("stop_at is a share: between 0 and 1.")


@dataclass(frozen=True)
class BatchPreview:
    """What a batch would do now."""

    matched: int
    allowed: int
    skipped: dict[str, int]
    """Code → how many."""
    cost: int
    balance_after: int
    unchecked: int = 0
    """How many of the allowed have checks that need I/O; too many to make them before the batch does."""


async def preview(
    desk: Desk, actor: Actor, selection: Selection, action: BatchAction = BatchAction.RETRY
) -> BatchPreview:
    """What it would do to these jobs. Changes nothing. Of few jobs also the checks with I/O are made.

    Raises:
        Forbidden: the actor is a viewer.
        Invalid: nothing is chosen, or the search has a mistake.
    """
    actor.require_change()
    selection.require_some()
    rules, match = ACTIONS[action], matching(actor, selection)
    checked = [kind.name for kind in desk.kinds if rules.has_checks(desk, kind.name)]
    async with desk.db.read() as session:
        groups = await _groups(session, match)
        balance = await ledger.balance_of(session, actor.workspace_id)
        few = sa.select(col(Job.id), *STANDING).where(*match, col(Job.kind).in_(checked))
        rows = (await session.execute(few.limit(_CHECKED_IN_PREVIEW + 1))).all() if checked else []
        off = await switches.of_workspace(session, actor.workspace_id)
    if len(rows) > _CHECKED_IN_PREVIEW:
        return _preview(desk, rules, selection, groups, balance, off)
    standings = {row[0]: Standing(*row[1:]) for row in rows}
    allowed = [job_id for job_id, standing in standings.items() if rules.refusal(desk, standing, off) is None]
    against = await check_many(desk, actor, allowed)
    refused = [(standings[job_id], verdict.code) for job_id, verdict in against.items()]
    return _preview(desk, rules, selection, groups, balance, off, refused, checked=True)


async def count(desk: Desk, actor: Actor, selection: Selection) -> int:
    """How many jobs it is about. Raises Invalid as `preview`."""
    selection.require_some()
    async with desk.db.read() as session:
        if (kept := counted(actor, selection)) is not None:
            return sum((await job_counts.by_status(session, kept)).values())
        query = sa.select(sa.func.count()).select_from(Job).where(*matching(actor, selection))
        return (await session.scalars(query)).one()


async def start(
    desk: Desk,
    actor: Actor,
    selection: Selection,
    action: BatchAction = BatchAction.RETRY,
    trial: Trial | None = None,
) -> Job:
    """Makes the job that does it, and rings for it. What fails or appears from now on does not belong.

    Raises:
        Forbidden: the actor is a viewer.
        Invalid: nothing is chosen, the search has a mistake, or the trial makes no sense.
        RetriesDisabled: retries are switched off.
    """
    actor.require_change()
    selection.require_some()
    trial = trial or Trial()
    trial.require_sense(action)
    if action is BatchAction.RETRY and not desk.settings.retries_enabled:
        raise RetriesDisabled
    rules, match = ACTIONS[action], matching(actor, selection)
    job = Job(
        id=new_id(), workspace_id=actor.workspace_id, owner_id=actor.user_id, kind=rules.kind,
        title=rules.title, args=selection.model_dump(mode="json", exclude_defaults=True),
    )  # fmt: skip

    async def work(session: AsyncSession) -> Job:
        groups = await _groups(session, match)
        balance = await ledger.balance_of(session, actor.workspace_id)
        off = await switches.of_workspace(session, actor.workspace_id)
        if action is BatchAction.RETRY and (all_off := switches.among(off, "")):
            raise switches.disabled(all_off)
        seen = _preview(desk, rules, selection, groups, balance, off)
        job.title = _title(rules, selection, seen.matched)
        await lifecycle.create(session, job, actor.name)
        await session.flush()
        batch = Batch(
            job_id=job.id, action=action, canary=trial.canary, stop_at=trial.stop_at, cut_off=job.id,
            started_at=(await session.execute(sa.select(db_now()))).scalar_one(),
            expected=seen.matched, ceiling=seen.cost,
        )  # fmt: skip
        session.add(batch)
        said = {"matched": seen.matched, "allowed": seen.allowed, "cost": seen.cost}
        audit.record(session, actor, f"batch.{action}", job.id, **said)
        return job

    made = await desk.db.transact(work)
    await ring(desk, [made])
    await desk.feed.publish([Change.of(made)])
    return made


def _title(rules: ActionRules, selection: Selection, matched: int) -> str:
    if selection.ids:
        return f"{rules.title} {selection}"
    return f"{rules.title} {matched:,} job{'' if matched == 1 else 's'}: {selection}"[:300]


async def _groups(session: AsyncSession, match: list[sa.ColumnElement[bool]]) -> list[Group]:
    query = sa.select(*STANDING, sa.func.count()).where(*match).group_by(*STANDING)
    return [(Standing(*row[:-1]), row[-1]) for row in await session.execute(query)]


def _preview(
    desk: Desk,
    rules: ActionRules,
    selection: Selection,
    groups: Iterable[Group],
    balance: int,
    off: Sequence[Switch],
    refused: Iterable[tuple[Standing, str]] = (),
    *,
    checked: bool = False,
) -> BatchPreview:
    groups = list(groups)
    skipped: Counter[str] = Counter()
    may: Counter[Standing] = Counter()
    for standing, count in groups:
        if error := rules.refusal(desk, standing, off):
            skipped[error.code] += count
        else:
            may[standing] += count
    for standing, code in refused:
        skipped[code] += 1
        may[standing] -= 1
    found = sum(count for _, count in groups)
    wanted = len(set(selection.ids)) if selection.ids else found
    allowed, cost = _affordable(desk, rules, may, balance)
    skipped[InsufficientCredits.code] += may.total() - allowed
    skipped[JobNotFound.code] += wanted - found
    unchecked = (
        0 if checked else sum(n for standing, n in may.items() if rules.has_checks(desk, standing.kind))
    )
    return BatchPreview(wanted, allowed, dict(+skipped), cost, balance - cost, min(unchecked, allowed))


def _affordable(desk: Desk, rules: ActionRules, may: Counter[Standing], balance: int) -> tuple[int, int]:
    """How many can be paid for, and at which cost. Where costs differ, the cheapest first: at least so many."""
    allowed = cost = 0
    for price, count in sorted((rules.cost(desk, standing), count) for standing, count in may.items()):
        paid = min(count, (balance - cost) // price) if price else count
        allowed, cost = allowed + paid, cost + paid * price
    return allowed, cost
