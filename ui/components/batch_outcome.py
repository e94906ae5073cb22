"""What came of a batch, on its page: how many, what was left alone and why, and how the retries have gone since."""

from collections.abc import Callable, Mapping
from typing import Any

from services.batch.actions import ACTIONS
from services.batch.fates import Fates
from services.vocabulary import ACTIVE, UNSUCCESSFUL, BatchAction, Status
from ui.components import wording
from ui.components.batch_words import reasons
from ui.components.element import Tag
from ui.theme import look_css


def draw_batch(
    action: BatchAction, result: Mapping[str, Any], fates: Fates | None, find: Callable[[str], str]
) -> None:
    """`find` is the address of the batch's jobs in some statuses: `completed`, `failed,timeout`."""
    Tag("h2", "What came of it")
    if result:
        _draw_counts(action, result)
    if fates:
        _draw_fates(fates, find)


def _draw_counts(action: BatchAction, result: Mapping[str, Any]) -> None:
    done = ACTIONS[action].done
    with Tag("dl", classes="facts sums"):
        _fact("Matched", int(result.get("matched") or 0))
        _fact(done.capitalize(), int(result.get(done) or 0))
        skipped: Mapping[str, int] = result.get("skipped") or {}
        _fact("Left alone", sum(skipped.values()))
        for line in reasons(skipped):
            Tag("dt")
            Tag("dd", line, "muted")
        if failed := int(result.get("failed") or 0):
            _fact("Could not be checked", failed)
        if action is BatchAction.RETRY:
            Tag("dt", "Cost")
            Tag("dd", wording.plural(int(result.get("cost") or 0), "credit"))
    if stopped := result.get("stopped"):
        Tag("p", f"It stopped: {stopped}", "refused")


def _draw_fates(fates: Fates, find: Callable[[str], str]) -> None:
    Tag("h3", "How the retries went")
    with Tag("ul", classes="fates"):
        for count, words, look, statuses in (
            (fates.completed, "completed", Status.COMPLETED, {Status.COMPLETED}),
            (fates.failed, "failed again", Status.FAILED, UNSUCCESSFUL),
            (fates.cancelled, "cancelled", Status.CANCELLED, {Status.CANCELLED}),
            (fates.under_way, "under way", Status.RUNNING, ACTIVE),
        ):
            if count:
                with Tag("li"):
                    Tag("span", words, f"badge {look_css(look)}")
                    Tag("a", wording.plural(count, "job"), "link", href=find(",".join(sorted(statuses))))


def _fact(name: str, value: int) -> None:
    Tag("dt", name)
    Tag("dd", wording.plural(value, "job"))
