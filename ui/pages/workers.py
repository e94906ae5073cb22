"""`/workers`: for who looks after the desk: workers, queues, jobs that stay queued, and the switch for retries."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from services.desk import Desk
from services.models import Switch, Worker
from services.operations import pauses, stuck, switches, workers
from services.operations import queues as operations
from services.operations.queues import Queue
from services.operations.stuck import Stuck
from services.people.access import Actor
from ui.components import wording
from ui.components.confirm_dialog import ConfirmDialog, Question
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.operations import draw_all_paused, draw_queues, draw_stuck, draw_workers
from ui.components.reason_dialog import ReasonDialog
from ui.components.retry_switch import RetrySwitch
from ui.components.section import Section
from ui.components.skeleton import Skeleton
from ui.pages.open_page import OpenPage
from ui.pages.plain import not_found
from ui.pages.route import page_at
from ui.visit import Visit, Web, enter

_EVERY_SECONDS = 3.0
_STUCK_SHOWN = 25


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/workers", "Workers")
    async def workers_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        if not visit.actor.sees_all_jobs:
            return not_found("Workers and queues are looked after by admins and operators.")
        await WorkersPage(visit).begin()
        return None


@dataclass(frozen=True)
class _House:
    """One reading."""

    workers: list[Worker]
    queues: list[Queue]
    stuck: list[Stuck]
    stuck_in_all: int
    off: list[Switch]
    paused: list[Switch]


async def _read(desk: Desk, actor: Actor) -> _House:
    online, queues, (found, _), count, off, paused = await asyncio.gather(
        workers.online(desk),
        operations.queues(desk, actor),
        stuck.list_stuck(desk, actor, limit=_STUCK_SHOWN),
        stuck.count_stuck(desk, actor),
        switches.list_switches(desk, actor),
        pauses.list_pauses(desk, actor),
    )
    return _House(online, queues, found, count, off, paused)


class WorkersPage(OpenPage):
    """Four cards, read anew every few seconds and drawn where they changed."""

    rereads_every = _EVERY_SECONDS  # much of this is told by no change of a job

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit, "Workers")
        self._count = 0
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Workers")
                Tag("div", classes="grow")
                reload = Tag(
                    "button", "Reload", "btn", type="button", data_icon="refresh", title="Look again"
                )
            Tag("p", "Who does the work, what waits for it, and what has waited for too long.", "muted lead")
            self.skeleton = Skeleton((96, 120, 200))
            with Tag("div", classes="hidden") as self._body:
                self._build()
        reload.on("click", self.reload, args=[])

    def _build(self) -> None:
        with Tag("section", classes="card ops-card", aria_label="Retries"):
            Tag("h2", "Retries")
            self._switch = RetrySwitch(self.visit.desk.kinds, self._switch_off, self._switch_on)
        self._stuck_head = Tag("div", classes="hidden")
        with self._stuck_head:
            self._stuck_title = Tag("h2")
            Tag("div", classes="grow")
            self._ring_all = Tag(
                "button", "Ring for all", "btn small", type="button", data_icon="notifications_active"
            )
            self._fail_all = Tag("button", "Fail all", "btn small danger", type="button")
        self._stuck = Section(classes="grid-card")
        Tag("h2", "Online", "ops-title")
        self._workers = Section(classes="grid-card")
        self._empty = Empty()
        with Tag("div", classes="ops-head ops-title"):
            Tag("h2", "Queues")
            Tag("div", classes="grow")
            self._pause_all = Tag("button", "Pause every kind", "hidden", type="button", data_icon="pause")
        self._all_paused = Section(classes="all-paused")
        self._queues = Section(classes="grid-card")
        self.confirm = ConfirmDialog()
        self._reason = ReasonDialog()
        self._pause_all.on("click", lambda: self._turn(None, pause=True), args=[])
        self._ring_all.on("click", lambda: self._ring(None), args=[])
        self._fail_all.on("click", lambda: self._ask_fail(None), args=[])

    async def refresh(self) -> None:
        """Reads again; draws what has changed."""
        actor = await self.visit.renew()
        house = await self.read_shared("operations", load=lambda: _read(self.visit.desk, actor))
        if not self.ended:
            self._show(house)

    # --- showing ------------------------------------------------------------------------------------------------------

    def _show(self, house: _House) -> None:
        self._body.dress("")
        may = self.actor.operates
        self._switch.show(house.off, may=may)
        self._count = house.stuck_in_all
        seen = tuple((one.job.id, one.job.version, one.waiting.message) for one in house.stuck)
        ring, fail = (self._ring, self._ask_fail) if may else (None, None)
        self._stuck.show(
            (seen, may), lambda: draw_stuck(house.stuck, self.visit.link, ring, fail), visible=bool(seen)
        )
        shown = f", the first {len(seen)} of them" if len(seen) < self._count else ""
        hours = wording.duration(self.visit.desk.settings.stuck_seconds)
        self._stuck_title.say(f"{wording.plural(self._count, 'job')} queued for over {hours}{shown}")
        self._stuck_head.dress("ops-head" if seen else "hidden")
        for button, classes in ((self._ring_all, "btn small"), (self._fail_all, "btn small danger")):
            button.dress(classes if may and self._count > 1 else "hidden")
        online = tuple((w.name, w.running, *w.queues, str(w.engines), w.seen_at) for w in house.workers)
        self._workers.show(
            online, lambda: draw_workers(house.workers, self._running_on), visible=bool(online)
        )
        if online:
            self._empty.hide()
        else:
            words = "Start one with `mulligan worker`. Until then, jobs wait, and nothing is lost."
            self._empty.say("No worker is online", words, icon="power_off")
        turn = self._turn if may else None
        every = next((one for one in house.paused if one.kind == ""), None)
        self._pause_all.dress("btn small" if may and every is None else "hidden")
        self._all_paused.show(
            (every and every.at, may),
            lambda: draw_all_paused(every, turn) if every else None,
            visible=every is not None,
        )
        self._queues.show(
            (repr(house.queues), tuple((one.kind, one.at) for one in house.paused), may),
            lambda: draw_queues(house.queues, house.paused, turn),
        )

    def _running_on(self, worker: str) -> str:
        """Of this workspace's jobs, those that a worker has now."""
        return self.visit.link("/", status="running", q=f"worker:{worker}")

    # --- what people do -----------------------------------------------------------------------------------------------

    async def _switch_off(self, kind: str | None, reason: str) -> bool:
        async def work(actor: Actor) -> None:
            await switches.switch_off(self.visit.desk, actor, kind, reason)

        return await self._change(work, "Retries are off.", "Retries stay on.")

    async def _switch_on(self, kind: str | None) -> None:
        async def work(actor: Actor) -> None:
            await switches.switch_on(self.visit.desk, actor, kind)

        await self._change(work, "Retries are on again.", "Retries stay off.")

    async def _turn(self, kind: str | None, *, pause: bool) -> None:
        what = kind or "every kind"

        async def resume(actor: Actor) -> None:
            await pauses.resume(self.visit.desk, actor, kind)

        async def then(reason: str) -> None:
            async def work(actor: Actor) -> None:
                await pauses.pause(self.visit.desk, actor, kind, reason)

            await self._change(work, f"{kind or what.capitalize()} is paused.", "Nothing was paused.")

        if pause:
            text = "No job of it begins in this workspace until it is resumed. What runs goes on, and nothing is lost."
            self._reason.ask(Question(f"Pause {what}?", text, "Pause", icon="pause_circle"), then)
        else:
            await self._change(resume, f"{kind or what.capitalize()} is resumed.", "It stays paused.")

    async def _ring(self, job_id: UUID | None) -> None:
        rung = 0

        async def work(actor: Actor) -> None:
            nonlocal rung
            rung = await stuck.ring_again(self.visit.desk, actor, [job_id] if job_id else None)

        if await self.do(work, trouble="Nobody was rung."):
            self.frame.toasts.success(f"Rang again for {wording.plural(rung, 'job')}.")
            await self._look_anew()

    async def _ask_fail(self, job_id: UUID | None) -> None:
        which = "this job" if job_id else f"all {wording.number(self._count)} stuck jobs"
        text = (
            "It becomes failed, with why it waited; what it cost is given back. It can be retried afterwards."
        )
        if job_id is None:
            text = "They become failed, each with why it waited; what they cost is given back. All can be retried."
        self.confirm.ask(
            Question(f"Fail {which}?", text, "Fail job" if job_id else "Fail all", no="Keep waiting"),
            lambda: self._fail(job_id),
        )

    async def _fail(self, job_id: UUID | None) -> None:
        failed = 0

        async def work(actor: Actor) -> None:
            nonlocal failed
            failed = await stuck.fail(self.visit.desk, actor, [job_id] if job_id else None)

        if await self.do(work, trouble="Nothing was failed."):
            self.frame.toasts.success(f"{wording.plural(failed, 'job')} failed.")
            await self._look_anew()

    async def _change(self, work: Callable[[Actor], Awaitable[None]], words: str, trouble: str) -> bool:
        if not await self.do(work, trouble=trouble):
            return False
        self.frame.toasts.success(words)
        await self._look_anew()
        return True

    async def _look_anew(self) -> None:
        self.visit.web.live.shared.forget()
        await self.reread()
