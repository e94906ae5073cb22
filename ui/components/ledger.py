"""The lines of a ledger, each with what it was for."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from services.models import CreditEntry
from services.vocabulary import CreditReason
from ui.components import wording
from ui.components.element import Tag
from ui.components.moment import Moment

_WORDS = {
    CreditReason.INITIAL: "The workspace began",
    CreditReason.CHARGE: "Retry",
    CreditReason.REFUND: "Given back",
}


def draw_ledger(
    entries: Sequence[CreditEntry], titles: Mapping[UUID, str], link: Callable[[str], str]
) -> None:
    """`titles` are those of the jobs that the reader sees."""
    with Tag("table", classes="log-table ledger", aria_label="Ledger"):
        with Tag("thead"), Tag("tr"):
            for name in ("When", "For", "Amount", "Balance after", "Who"):
                Tag("th", name, "num" if name in {"Amount", "Balance after"} else "", scope="col")
        with Tag("tbody"):
            for entry in entries:
                _row(entry, titles.get(entry.job_id) if entry.job_id else None, link)


def signed(amount: int) -> str:
    """With its sign: a plus, or a true minus."""
    return f"+{wording.number(amount)}" if amount >= 0 else f"\N{MINUS SIGN}{wording.number(-amount)}"


def _row(entry: CreditEntry, title: str | None, link: Callable[[str], str]) -> None:
    with Tag("tr"):
        with Tag("td", classes="when"):
            Moment(entry.created_at, "ago")
        with Tag("td", classes="who"):
            _purpose(entry, title, link)
        Tag("td", signed(entry.amount), "num amount in" if entry.amount > 0 else "num amount")
        Tag("td", wording.number(entry.balance_after), "num after muted")
        Tag("td", entry.actor or "Mulligan", "by muted")


def _purpose(entry: CreditEntry, title: str | None, link: Callable[[str], str]) -> None:
    if entry.reason is CreditReason.GRANT:
        Tag("div", entry.note or "Without a reason")
        Tag("div", "added by hand" if entry.amount > 0 else "taken by hand", "muted")
        return
    words = _WORDS[entry.reason]
    if entry.job_id is None:
        Tag("div", words)
        return
    if title:
        Tag("a", title, "link", href=link(f"/jobs/{entry.job_id}"))
    else:
        Tag("span", f"{wording.short_id(entry.job_id)}… (deleted)", "mono", title=str(entry.job_id))
    attempt = f", attempt {entry.attempt}" if entry.attempt else ""
    why = f": {entry.note}" if entry.note else ""
    Tag("div", f"{words}{attempt}{why}", "muted")
