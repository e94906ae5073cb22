"""The batches that are under way, each a slim line above the grid with what can be done about it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.jobs.jobs import Actions
from services.models import Job
from services.vocabulary import Status
from ui.components.batch_words import BY_KIND, WORDS
from ui.components.element import Tag

OnBatch = Callable[[str, Job], Awaitable[None]]


@dataclass(frozen=True)
class BatchView:
    """A batch under way, and what may be done about it."""

    job: Job
    actions: Actions
    href: str


class BatchBanner:
    """Shows batches. Knows nothing of where they come from."""

    def __init__(self, on_action: OnBatch) -> None:
        self._on_action = on_action
        self._lines: dict[UUID, _Line] = {}
        self._element = Tag("div", classes="batches hidden", role="region", aria_label="Batches under way")

    def show(self, views: Sequence[BatchView]) -> None:
        """Shows these, each where it stood."""
        for job_id in self._lines.keys() - {view.job.id for view in views}:
            self._lines.pop(job_id).element.delete()
        for view in views:
            line = self._lines.get(view.job.id)
            if line is None:
                with self._element:
                    line = self._lines[view.job.id] = _Line(self._on_action)
            line.show(view)
        self._element.dress("batches" if self._lines else "batches hidden")

    def progress(self, job_id: UUID, percent: float, step: str | None) -> None:
        """One of them is further on."""
        if line := self._lines.get(job_id):
            line.progress(percent, step)


class _Line:
    def __init__(self, on_action: OnBatch) -> None:
        self._on_action = on_action
        self._view: BatchView | None = None
        with Tag("div", classes="batch") as self.element:
            self._words = Tag("span", classes="words")
            Tag("span", classes="grow")
            self._pause = self._button("Pause", "pause")
            self._resume = self._button("Resume", "resume")
            self._cancel = self._button("Cancel batch", "cancel")
            self._details = Tag("a", "Details", "btn small")

    def show(self, view: BatchView) -> None:
        """Says where the batch is."""
        self._view = view
        self.progress(view.job.progress, view.job.step)
        for button, shown in (
            (self._pause, view.actions.pause),
            (self._resume, view.actions.resume),
            (self._cancel, view.actions.cancel),
        ):
            button.dress("btn small" if shown else "hidden")
        self._details.put(href=view.href)

    def progress(self, percent: float, step: str | None) -> None:
        """Says how far it is."""
        if self._view is None:
            return
        job, words = self._view.job, WORDS[BY_KIND[self._view.job.kind]]
        self.element.vary("--p", f"{percent:.1f}%")
        self.element.put(data_icon=words.icon)
        if job.cancel_requested_at:
            self._words.say(f"Stopping: {step or job.title}")
        elif job.paused_at:
            self._words.say(f"Paused: {words.doing.lower()} {step or ''}".rstrip())
        elif job.status is Status.RUNNING and step:
            self._words.say(f"{words.doing} {step}")
        else:
            self._words.say(f"{job.title}: waits for a worker")

    def _button(self, word: str, action: str) -> Tag:
        button = Tag("button", word, "hidden", type="button")
        button.on("click", lambda: self._act(action), args=[])
        return button

    async def _act(self, action: str) -> None:
        if self._view:
            await self._on_action(action, self._view.job)
