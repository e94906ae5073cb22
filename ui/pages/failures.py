"""`/failures`: what went wrong, as groups of the same mistake, and what retries after each have come to."""

import asyncio
from dataclasses import replace
from time import monotonic

from nicegui import ui
from starlette.requests import Request
from starlette.responses import Response

from services.batch import batch
from services.batch.batch import Selection, Trial
from services.errors import NotFound
from services.failures import marks
from services.failures.groups import FailureGroup, failure_groups
from services.failures.lately import Retried
from services.people.access import Actor
from services.people.hints import Hint
from services.vocabulary import UNSUCCESSFUL, BatchAction
from ui.components import wording
from ui.components.batch_dialog import BatchDialog, BatchWish
from ui.components.element import Tag
from ui.components.empty import Empty
from ui.components.failure_card import FailureCard, draw_previous
from ui.components.mark_dialog import MarkDialog, MarkWish
from ui.pages.hints import Hints
from ui.pages.not_found import not_found
from ui.pages.open_page import BUILD_SECONDS, OpenPage
from ui.visit import Unauthenticated, Visit, Web, enter, to_sign_in

_SKELETON_AFTER_SECONDS = 0.4
_PAGE = 25
# Grouping reads every failed job: once in a while is enough, however fast they come.
_EVERY_SECONDS = 2.0

Key = tuple[str, str]
"""Kind and fingerprint."""


def install(web: Web) -> None:
    """Adds the page to this process."""

    @ui.page("/failures", title="Failures · Mulligan", response_timeout=BUILD_SECONDS)
    async def failures_page(request: Request) -> Response | None:
        try:
            visit = await enter(web, request)
        except Unauthenticated:
            return to_sign_in(request)
        except NotFound:
            return not_found("There is no such workspace here.")
        await FailuresPage(visit, muted=request.query_params.get("muted") == "yes").begin()
        return None


class FailuresPage(OpenPage):
    """The groups, in the order of the last reading: figures change in place, new groups wait behind a button."""

    def __init__(self, visit: Visit, *, muted: bool = False) -> None:
        super().__init__(visit, "Failures")
        self._only_muted = muted
        self._groups: list[FailureGroup] = []
        self._cards: dict[Key, FailureCard] = {}
        self._read_at = 0.0
        self._waits = False
        with self.frame.main:
            with Tag("div", classes="page-head"):
                Tag("h1", "Muted failures" if muted else "Failures")
                self._newer = Tag("button", "", "hidden", type="button", data_icon="arrow_upward")
                Tag("div", classes="grow")
                other = {} if muted else {"muted": "yes"}
                self._other = Tag("a", "", "hidden", href=visit.link("/failures", **other))
                reload = Tag(
                    "button",
                    "Reload",
                    "btn",
                    type="button",
                    data_icon="refresh",
                    title="Read the groups again",
                )
            Tag(
                "p", "Failed jobs grouped by what went wrong. Recovery: how often a retry after this error has worked.",
                "muted lead",
            )  # fmt: skip
            self._hint_place = Tag("div")
            self._wait = Tag("div", classes="hidden")
            with self._wait:
                for _ in range(4):
                    Tag("div", classes="card failure skeleton-line", style="height:80px")
            self._list = Tag("ul", classes="failures", aria_label="Failures")
            self._more = Tag("button", "Show more", "hidden", type="button")
            self._empty = Empty()
            self._hints = Hints(self)
            self.dialog = BatchDialog(self._start)
            self.mark_dialog = MarkDialog(self._save_mark)
        self._wanted: Selection | None = None
        self._newer.on("click", self.reload, args=[])
        reload.on("click", self.reload, args=[])
        self._more.on("click", self._show_more, args=[])

    async def begin(self) -> None:
        """Reads and draws; with skeletons first, where reading takes a while."""
        self.open()
        reading = asyncio.gather(self.reload(), self.show_figures(), self._hints.read())
        reading.add_done_callback(lambda _: self._offer_hint())
        done, _ = await asyncio.wait({reading}, timeout=_SKELETON_AFTER_SECONDS)
        if not done:
            self._wait.dress("failures")

    def _offer_hint(self) -> None:
        if self._groups:
            self._hints.offer(Hint.GROUPS, self._hint_place)

    async def reload(self) -> None:
        """Everything anew, in the order of now."""

        async def work(_: Actor) -> None:
            groups = await self._read()
            if self.ended:
                return
            self._groups = groups
            self._cards.clear()
            self._list.clear()
            self._show_more()
            self._newer.dress("hidden")
            if not groups and self._only_muted:
                self._empty.say(
                    "Nothing is muted", "Failures that are muted stand here, out of the way.",
                    icon="notifications_off", link=("All failures", self.visit.link("/failures")),
                )  # fmt: skip
            elif not groups:
                self._empty.say(
                    "Nothing has failed", "Failed jobs stand here, grouped by what went wrong.",
                    icon="sentiment_satisfied", link=("All jobs", self.visit.link("/")),
                )  # fmt: skip
            else:
                self._empty.hide()

        await self.do(work, trouble="The failures could not be read.")
        self._wait.dress("hidden")

    async def refresh(self) -> None:
        """Figures anew, where they stand; not oftener than every few seconds."""
        if self._waits:
            return
        self._waits = True
        try:
            await asyncio.sleep(max(self._read_at + _EVERY_SECONDS - monotonic(), 0))
        finally:
            self._waits = False
        if self.ended or self.client.is_deleted:
            return
        now = {_key(group): group for group in await self._read()}
        if not self._groups and now:
            await self.reload()
            return
        for group in self._groups[: len(self._cards)]:
            card = self._cards[_key(group)]
            card.show(now.get(_key(group)) or _over(group))
        new = len(now.keys() - {_key(group) for group in self._groups})
        self._newer.say(f"{wording.plural(new, 'new failure')}")
        self._newer.dress("btn small" if new else "hidden")

    async def _read(self) -> list[FailureGroup]:
        desk, actor = self.visit.desk, self.actor
        self._read_at = monotonic()
        groups = await self.read_shared("failures", load=lambda: failure_groups(desk, actor, muted=None))
        muted = sum(group.muted for group in groups)
        self._other.say("All failures" if self._only_muted else f"{wording.number(muted)} muted")
        self._other.put(data_icon="arrow_back" if self._only_muted else "notifications_off")
        self._other.dress("btn" if muted or self._only_muted else "hidden")
        return [group for group in groups if group.muted is self._only_muted]

    def _show_more(self) -> None:
        start = len(self._cards)
        with self._list:
            for group in self._groups[start : start + _PAGE]:
                self._cards[_key(group)] = self._card(group)
        left = len(self._groups) - len(self._cards)
        self._more.say(f"Show more ({left})")
        self._more.dress("btn" if left else "hidden")

    def _card(self, group: FailureGroup) -> FailureCard:
        async def retry() -> None:
            await self._ask(group)

        jobs = self.visit.link("/", q=_search(group))

        async def mark() -> None:
            self.mark_dialog.show(self._cards[_key(group)].group)

        return FailureCard(
            group, jobs, retry if self.actor.may_change else None, mark if self.actor.operates else None
        )

    async def _save_mark(self, wish: MarkWish) -> bool:
        async def work(actor: Actor) -> None:
            desk = self.visit.desk
            if wish.note is not None:
                await marks.note(desk, actor, wish.fingerprint, wish.note)
            if wish.mute or wish.unmute:
                await marks.mute(desk, actor, wish.fingerprint, wish.mute)

        if not await self.do(work, trouble="That was not saved."):
            return False
        if wish.mute or wish.unmute:
            self.frame.toasts.success("Muted." if wish.mute else "It is seen again.")
        self.visit.web.live.shared.forget()
        await self.reload()
        return True

    # --- a group's second chance --------------------------------------------------------------------------------------

    async def _ask(self, group: FailureGroup) -> None:
        async def work(actor: Actor) -> None:
            selection = _selection(group)
            seen = await batch.preview(self.visit.desk, actor, selection)
            self._wanted = selection
            what = f"{wording.plural(group.jobs, 'job')} of {group.kind}"
            self.dialog.show(BatchWish(BatchAction.RETRY, what, seen, lambda: draw_previous(group)))

        if not self.dialog.is_open:
            await self.do(work, trouble="What a retry would do cannot be told.")

    async def _start(self, trial: Trial) -> None:
        selection, self._wanted = self._wanted, None
        if selection is None:
            return

        async def work(actor: Actor) -> None:
            job = await batch.start(self.visit.desk, actor, selection, BatchAction.RETRY, trial)
            details = self.visit.link(f"/jobs/{job.id}")
            self.frame.toasts.summary("The group is retried in the background", details)

        await self.do(work, trouble="The group was not retried.")


def _search(group: FailureGroup) -> str:
    return f"kind:{group.kind} fingerprint:{group.fingerprint} dismissed:no"


def _selection(group: FailureGroup) -> Selection:
    return Selection(q=_search(group), status=sorted(UNSUCCESSFUL))


def _key(group: FailureGroup) -> Key:
    return group.kind, group.fingerprint


def _over(group: FailureGroup) -> FailureGroup:
    """The group when no job is in it any more."""
    return replace(group, jobs=0, now=Retried())
