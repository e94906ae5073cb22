"""Failed jobs as groups of the same mistake, and what people say of them."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from services.errors import Invalid
from services.failures import marks
from services.failures.groups import FailureGroup, failure_groups
from services.failures.marks import NOTE_LIMIT, Mute
from services.failures.tables import FailureMark
from services.vocabulary import FailureType
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Moment, NoteOut, Order, Wire

router = APIRouter(prefix="/api/failures", tags=["failures"])


class RetriedOut(Wire):
    """What becomes of jobs that failed so."""

    under_way: int = Field(description="Retries that are queued, scheduled or running.")
    recovered: int = Field(description="Retries that completed since the hour before this one began.")


class MuteOut(BaseModel):
    """A group that is out of the way."""

    by: str
    at: datetime
    until: datetime | None = Field(description="Null: until somebody unmutes it.")
    above: int | None = Field(description="Seen again once it has more jobs than that.")


class MarkOut(BaseModel):
    """What people say of a group."""

    fingerprint: str
    mute: MuteOut | None
    note: NoteOut | None

    @classmethod
    def of(cls, mark: FailureMark) -> Self:
        """The mark of the services."""
        return cls(fingerprint=mark.fingerprint, mute=_mute_of(mark), note=NoteOut.of(mark))


class FailureGroupOut(BaseModel):
    """Jobs that stand failed for the same reason."""

    fingerprint: str
    kind: str
    message: str = Field(description="Numbers, ids, paths and quoted text are replaced by placeholders.")
    type: FailureType
    advice: str | None
    jobs: int = Field(
        description="Without dismissed ones. 0 where all are retried now or have just recovered."
    )
    first_seen: datetime
    last_seen: datetime
    retried: int = Field(description="Retries after this failure that have ended, in this workspace.")
    recovered: int = Field(description="Those of them that completed.")
    trend: list[int] = Field(
        description="How many of the jobs failed in each of the last 24 hours, oldest first."
    )
    now: RetriedOut
    muted: bool = Field(description="Whether it is out of the way.")
    mute: MuteOut | None = Field(description="How it was muted, also where that is over.")
    note: NoteOut | None

    @classmethod
    def of(cls, group: FailureGroup) -> Self:
        """The group as data."""
        return cls(
            fingerprint=group.fingerprint, kind=group.kind, message=group.message, type=group.type,
            advice=group.advice, jobs=group.jobs, first_seen=group.first_seen, last_seen=group.last_seen,
            retried=group.odds.tried, recovered=group.odds.succeeded, trend=list(group.trend),
            now=RetriedOut.model_validate(group.now), muted=group.muted,
            mute=_mute_of(group.mark) if group.mark else None, note=NoteOut.of(group.mark),
        )  # fmt: skip


class MuteOrder(Order):
    """For how long; nothing said: until somebody unmutes it."""

    until: Moment | None = None
    above: int | None = Field(default=None, ge=0, le=2**31 - 1, description="Or until it has more jobs.")


class MarkOrder(Order):
    """What to change; what is left out stays."""

    mute: MuteOrder | None = Field(default=None, description="Null unmutes.")
    note: str | None = Field(
        default=None, max_length=NOTE_LIMIT, description="Plain text; null takes it away."
    )


@router.get("")
async def list_failures(
    desk: TheDesk,
    actor: Caller,
    *,
    muted: Annotated[bool, Query(description="Those that are muted instead of the others.")] = False,
) -> list[FailureGroupOut]:
    """Failures, those with the most jobs first, each with how often a retry after it has helped."""
    return [FailureGroupOut.of(group) for group in await failure_groups(desk, actor, muted=muted)]


@router.patch("/{fingerprint}")
async def mark_failure(
    desk: TheDesk,
    actor: Caller,
    fingerprint: Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$")],
    order: MarkOrder,
) -> MarkOut:
    """Mutes a group of failures or puts a note on it, for operators and admins."""
    mark = None
    if "mute" in order.model_fields_set:
        wish = Mute(order.mute.until, order.mute.above) if order.mute else None
        mark = await marks.mute(desk, actor, fingerprint, wish)
    if "note" in order.model_fields_set:
        mark = await marks.note(desk, actor, fingerprint, order.note or "")
    if mark is None:
        raise Invalid("Say what to change: mute or note.")
    return MarkOut.of(mark)


def _mute_of(mark: FailureMark) -> MuteOut | None:
    if mark.muted_at is None or mark.muted_by is None:
        return None
    return MuteOut(by=mark.muted_by, at=mark.muted_at, until=mark.muted_until, above=mark.muted_above)
