"""For who looks after the desk: queues, switches, jobs that stay queued."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.jobs import jobs
from services.models import Switch
from services.operations import pauses, stuck, switches
from services.operations import queues as operations
from ui.api.caller import Caller, TheDesk
from ui.api.schemas import Flag, JobOut, Order, WaitingOut, Wire

router = APIRouter(prefix="/api", tags=["operations"])

_MOST_IDS = 1_000


class SlotsOut(Wire):
    """A kind of which only so many run at a time."""

    kind: str
    running: int
    limit: int


class QueueOut(Wire):
    """A queue, over all workspaces."""

    name: str
    kinds: list[str]
    waiting: int = Field(description="Queued jobs.")
    oldest: datetime | None = Field(description="Since when the one waits that waits longest.")
    doorbells: int | None = Field(description="Rung and not answered; null where Redis does not answer.")
    workers: int = Field(description="How many that are online listen to it.")
    slots: list[SlotsOut]


class SwitchOut(BaseModel):
    """What an operator has switched off, or paused."""

    kind: str | None = Field(description="Null: of all kinds.")
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, switch: Switch) -> "SwitchOut":
        """The switch of the services."""
        return cls(kind=switch.kind or None, reason=switch.reason, by=switch.by, at=switch.at)


class SwitchList(BaseModel):
    """What is switched off in the workspace; empty: nothing."""

    retries: list[SwitchOut]


class SwitchOrder(Order):
    """Retries off, or on again."""

    kind: str | None = Field(default=None, min_length=1, max_length=100, description="Default: of all kinds.")
    off: Flag
    reason: str = Field(default="", max_length=300, description="Shown to whoever would retry.")


class PauseOrder(Order):
    """A kind paused, or resumed."""

    kind: str | None = Field(default=None, min_length=1, max_length=100, description="Default: every kind.")
    paused: Flag
    reason: str = Field(default="", max_length=300, description="Shown to whoever waits.")


class StuckOut(BaseModel):
    """A job that stays queued, and why."""

    job: JobOut
    waiting: WaitingOut


class StuckList(BaseModel):
    """A page of stuck jobs, oldest first."""

    items: list[StuckOut]
    next_cursor: UUID | None
    total: int


class StuckOrder(Order):
    """Which of the stuck jobs."""

    ids: list[UUID] | None = Field(default=None, max_length=_MOST_IDS, description="Default: all.")


class Done(BaseModel):
    """For how many jobs it was done; what was not stuck any more is left alone."""

    jobs: int


@router.get("/queues")
async def get_queues(desk: TheDesk, actor: Caller) -> list[QueueOut]:
    """What waits in each queue, since when, and who listens."""
    return [QueueOut.model_validate(queue) for queue in await operations.queues(desk, actor)]


@router.get("/switches")
async def get_switches(desk: TheDesk, actor: Caller) -> SwitchList:
    """What is switched off in the workspace, why, and by whom."""
    return SwitchList(retries=[SwitchOut.of(one) for one in await switches.list_switches(desk, actor)])


@router.put("/switches/retries")
async def put_switch(desk: TheDesk, actor: Caller, order: SwitchOrder) -> SwitchList:
    """Switches retries off or on, for operators and admins. Twice the same does no harm."""
    if order.off:
        await switches.switch_off(desk, actor, order.kind, order.reason)
    else:
        await switches.switch_on(desk, actor, order.kind)
    return await get_switches(desk, actor)


@router.get("/pauses")
async def get_pauses(desk: TheDesk, actor: Caller) -> list[SwitchOut]:
    """The kinds that are paused in the workspace, why, and by whom."""
    return [SwitchOut.of(one) for one in await pauses.list_pauses(desk, actor)]


@router.put("/pauses")
async def put_pause(desk: TheDesk, actor: Caller, order: PauseOrder) -> list[SwitchOut]:
    """Pauses a kind or resumes it, for operators and admins: while it is paused, none of its jobs begins."""
    if order.paused:
        await pauses.pause(desk, actor, order.kind, order.reason)
    else:
        await pauses.resume(desk, actor, order.kind)
    return await get_pauses(desk, actor)


@router.get("/stuck")
async def get_stuck(
    desk: TheDesk,
    actor: Caller,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: UUID | None = None,
) -> StuckList:
    """Jobs that have been queued for longer than `MULLIGAN_STUCK_SECONDS`."""
    found, following = await stuck.list_stuck(desk, actor, cursor, limit)
    owners = await jobs.owners(desk, [one.job for one in found])
    return StuckList(
        items=[
            StuckOut(
                job=JobOut.of(desk, actor, one.job, owners[one.job.owner_id].email),
                waiting=WaitingOut.model_validate(one.waiting),
            )
            for one in found
        ],
        next_cursor=following,
        total=await stuck.count_stuck(desk, actor),
    )


@router.post("/stuck/kick", status_code=202)
async def kick_stuck(desk: TheDesk, actor: Caller, order: StuckOrder | None = None) -> Done:
    """Rings for stuck jobs again, for operators and admins."""
    return Done(jobs=await stuck.ring_again(desk, actor, order.ids if order else None))


@router.post("/stuck/fail")
async def fail_stuck(desk: TheDesk, actor: Caller, order: StuckOrder | None = None) -> Done:
    """Fails stuck jobs with the reason, for operators and admins. They can be retried; unused credits come back."""
    return Done(jobs=await stuck.fail(desk, actor, order.ids if order else None))
