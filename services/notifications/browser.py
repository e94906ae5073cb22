"""What an open page tells its person by the browser's own notifications: that jobs of theirs have just ended."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from services.database.database import db_now
from services.desk import Desk
from services.feed import Change
from services.models import Attempt, Job
from services.notifications import news
from services.notifications.courier import Letter
from services.notifications.letters import short_letter
from services.people.access import Actor
from services.vocabulary import TERMINAL

# Other changes of a job that is over, and a feed that was away, must not tell old news.
_JUST_SECONDS = 60
MOST_ONE_BY_ONE = 3
_MOST_READ = 50


class Bulletin(NamedTuple):
    """A job's end, in words."""

    job_id: UUID
    attempt: int
    letter: Letter


def may_be_news(actor: Actor, change: Change) -> bool:
    """Whether a change may be the end of a job of the actor's own; `just_ended` knows."""
    return (
        change.status in TERMINAL
        and change.owner_id == actor.user_id
        and change.workspace_id == actor.workspace_id
        and change.replaced_by is None
    )


async def just_ended(desk: Desk, actor: Actor, ids: Collection[UUID]) -> list[Bulletin]:
    """Of these jobs, those of the actor's own that have just ended, and are news (`rules.events_of`)."""
    query = sa.select(Job).where(
        *actor.visible(), col(Job.owner_id) == actor.user_id, col(Job.id).in_(list(ids)[:_MOST_READ]),
        col(Job.status).in_(TERMINAL), col(Job.finished_at) > db_now(-_JUST_SECONDS),
    )  # fmt: skip
    async with desk.db.read() as session:
        jobs = {job.id: job for job in (await session.scalars(query)).all()}
        found = await news.of_attempts(session, [(job.id, job.attempt) for job in jobs.values()], desk.kinds)
        bulletins = []
        for one in found:
            ended = await session.get(Attempt, (one.job_id, one.attempt))
            if ended and one.job_id:
                letter = short_letter(one.events[0], jobs[one.job_id], ended)
                bulletins.append(Bulletin(one.job_id, ended.number, letter))
    return bulletins


def gathered(bulletins: Collection[Bulletin]) -> Letter:
    """Many of them in one."""
    failed = sum(one.letter.tone == "failure" for one in bulletins)
    said = [f"{failed} failed"] if failed else []
    if others := len(bulletins) - failed:
        said.append(f"{others} completed")
    return Letter(f"{len(bulletins)} of your jobs ended", ", ".join(said), "failure" if failed else "success")
