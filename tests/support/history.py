"""Jobs with a past that tests know exactly: written as rows, since no real run takes three hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.desk import Desk
from services.ids import first_id_at, new_id
from services.models import Attempt, Job
from services.people.access import Actor
from services.vocabulary import Status, Trigger


@dataclass(frozen=True)
class Past:
    """One run. Times are seconds; `pause` is how long after the end of the run before it was queued."""

    status: Status
    waited: float = 1
    ran: float = 1
    trigger: Trigger = Trigger.FIRST
    pause: float = 0
    fingerprint: str | None = None
    cost: int = 0
    void: bool = False
    changes: list[dict[str, object]] | None = None
    claimed: bool = True
    """Whether a worker ever had it."""


def id_at(moment: datetime) -> UUID:
    """A key as it would have been made then."""
    return UUID(int=first_id_at(moment).int | new_id().int % (1 << 80))


def job_with_past(owner: Actor, kind: str, begin: datetime, runs: Sequence[Past]) -> list[Job | Attempt]:
    """The rows of a job whose first run was queued at `begin`."""
    job = Job(
        id=id_at(begin), workspace_id=owner.workspace_id, owner_id=owner.user_id, kind=kind, title=kind,
        created_at=begin,
    )  # fmt: skip
    job.rank = job.id
    rows: list[Job | Attempt] = [job]
    end, after = begin, None
    for number, past in enumerate(runs, 1):
        queued = end + timedelta(seconds=past.pause)
        started = queued + timedelta(seconds=past.waited)
        ended = started + timedelta(seconds=past.ran)
        rows.append(
            Attempt(
                job_id=job.id, number=number, trigger=past.trigger, status=past.status, kind=kind, cost=past.cost,
                void=past.void, after_fingerprint=after, fingerprint=past.fingerprint, changes=past.changes,
                error="It broke" if past.fingerprint else None,
                queued_at=queued, started_at=started if past.claimed else None, finished_at=ended,
            )
        )  # fmt: skip
        job.attempt, job.status = number, past.status
        job.queued_at, job.started_at, job.finished_at = queued, started, ended
        job.fingerprint = past.fingerprint
        job.error = "It broke" if past.fingerprint else None
        if not past.void:
            end, after = ended, past.fingerprint
    return rows


async def remember(desk: Desk, rows: Sequence[Job | Attempt]) -> None:
    """Writes the rows: jobs before their attempts."""
    async with desk.db.write() as session:
        session.add_all([row for row in rows if isinstance(row, Job)])
        await session.flush()
        session.add_all([row for row in rows if isinstance(row, Attempt)])


async def fold_all(desk: Desk) -> int:
    """As housekeeping does it, until nothing is left. How many runs."""
    from services.insights import folding

    count = 0
    while folded := await desk.db.transact(folding.fold):
        count += folded
    return count
