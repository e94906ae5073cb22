"""`/failures`: what went wrong, as groups of the same mistake, and what retries after each have come to."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from services.batch import batch
from services.batch.batch import Selection, Trial
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
from ui.components.skeleton import Skeleton
from ui.pages.hints import Hints
from ui.pages.open_page import OpenPage
from ui.pages.route import page_at
from ui.visit import Visit, Web, enter

_PAGE = 25

Key = tuple[str, str]
"""Kind and fingerprint."""


def install(web: Web) -> None:
    """Adds the page to this process."""

    @page_at("/failures", "Failures")
    async def failures_page(request: Request) -> Response | None:
        visit = await enter(web, request)
        await FailuresPage(visit, muted=request.query_params.get("muted") == "yes").begin()
        return None


class FailuresPage(OpenPage):
    """The groups, in the order of the last reading: figures change in place, new groups wait behind a button."""

    every_seconds = 2.0  # grouping reads every failed job

    def __init__(self, visit: Visit, *, muted: bool = False) -> None:
        super().__init__(visit, "Failures")
        self._only_muted = muted
        self._groups: list[FailureGroup] = []
        self._cards: dict[Key, FailureCard] = {}
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
            self.skeleton = Skeleton((96,) * 4)
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

    async def load(self) -> None:
        """Everything anew, in the order of now."""
        groups = await self._read()
        if not self.ended:
            self._show(groups)

    def _show(self, groups: list[FailureGroup]) -> None:
        """All of them, in the order of now."""
        self._groups = groups
        self._cards.clear()
        self._list.clear()
        self._show_more()
        self._newer.dress("hidden")
        if groups:
            self._empty.hide()
        elif self._only_muted:
            self._empty.say(
                "Nothing is muted", "Failures that are muted stand here, out of the way.",
                icon="notifications_off", link=("All failures", self.visit.link("/failures")),
            )  # fmt: skip
        else:
            self._empty.say(
                "Nothing has failed", "Failed jobs stand here, grouped by what went wrong.",
                icon="sentiment_satisfied", link=("All jobs", self.visit.link("/")),
            )  # fmt: skip

    async def refresh(self) -> None:
        """Figures anew, where they stand."""
        groups = await self._read()
        if self.ended:
            return
        if not self._groups:
            self._show(groups)
            if groups:
                await self._hints.read()
                self._hints.offer(Hint.GROUPS, self._hint_place)
            return
        now = {_key(group): group for group in groups}
        for group in self._groups[: len(self._cards)]:
            card = self._cards[_key(group)]
            card.show(now.get(_key(group)) or _over(group))
        new = len(now.keys() - {_key(group) for group in self._groups})
        self._newer.say(f"{wording.plural(new, 'new failure')}")
        self._newer.dress("btn small" if new else "hidden")

    async def _read(self) -> list[FailureGroup]:
        desk, actor = self.visit.desk, self.actor
        groups = await self.read_shared("failures", load=lambda: failure_groups(desk, actor, muted=None))
        if self.ended:
            return []
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
