"""Settings: the balance, the ledger, and for admins the way to add credits or take some."""

from typing import TYPE_CHECKING

from nicegui import ui

from services import credits as ledger
from services.jobs import jobs
from services.people.access import Actor
from ui.components import wording
from ui.components.confirm_dialog import Question
from ui.components.element import Tag
from ui.components.ledger import draw_ledger
from ui.components.pager import Pager
from ui.components.section import Section
from ui.pages.settings.section import card

if TYPE_CHECKING:
    from ui.pages.settings.page import SettingsPage

_PAGE = 50


class CreditsSection:
    """What there is, what it went for."""

    def __init__(self, page: "SettingsPage") -> None:
        self._page = page
        self._balance = 0
        with card("Balance"):
            with Tag("p", classes="set-figure"):
                self._figure = Tag("strong", "\N{EN DASH}", "num")
                self._word = Tag("span", "credits", "muted")
            Tag("p", "A retry that costs something is charged here; the balance never goes below 0.", "muted")
            self._form = Tag("div", classes="hidden")
            with self._form:
                self._amount = ui.input("Amount").props("outlined dense inputmode=numeric maxlength=9")
                self._reason = ui.input("Reason, shown in the ledger").props("outlined dense maxlength=500")
                add = Tag("button", "Add", "btn", type="button", data_icon="add")
                take = Tag("button", "Take away", "btn danger", type="button", data_icon="remove")
            self._wrong = Tag("p", "", "alert hidden", role="alert")
        self._ledger = Section(classes="grid-card set-list")
        self._pager = Pager(page.link)
        add.on("click", lambda: self._ask(1), args=[])
        take.on("click", lambda: self._ask(-1), args=[])

    async def refresh(self, actor: Actor) -> None:
        """Reads balance and ledger."""
        desk = self._page.visit.desk
        entries, following = await ledger.ledger(desk, actor, self._page.cursor, _PAGE)
        self._balance = await ledger.balance(desk, actor)
        about = {entry.job_id for entry in entries if entry.job_id}
        titles = {job.id: job.title for job in await jobs.read_jobs(desk, actor, about)}
        self._figure.say(wording.number(self._balance))
        self._word.say("credit" if self._balance == 1 else "credits")
        self._form.dress("switch-form set-grant" if actor.is_admin else "hidden")
        key = (tuple(entry.id for entry in entries), tuple(sorted(titles.items())))
        self._ledger.show(
            key, lambda: draw_ledger(entries, titles, self._page.visit.link), visible=bool(entries)
        )
        self._pager.show(self._page.cursor, following)

    def _ask(self, sign: int) -> None:
        text, reason = str(self._amount.value or "").strip(), (self._reason.value or "").strip()
        amount = sign * int(text) if text.isascii() and text.isdigit() else 0
        after = self._balance + amount
        wrong = _mistake(amount, reason, self._balance)
        self._wrong.say(wrong)
        self._wrong.dress("alert set-wrong" if wrong else "alert hidden")
        if wrong:
            return
        many = wording.plural(abs(amount), "credit")
        before = f"The balance is {wording.number(self._balance)} now and {wording.number(after)} afterwards."
        question = Question(
            f"Add {many}?" if amount > 0 else f"Take {many} away?",
            f"{before} Reason: {reason}",
            f"Add {many}" if amount > 0 else f"Take {many}",
            icon="toll",
            is_harmless=amount > 0,
        )
        self._page.confirm.ask(question, lambda: self._grant(amount, reason))

    async def _grant(self, amount: int, reason: str) -> None:
        async def work(actor: Actor) -> None:
            await ledger.grant(self._page.visit.desk, actor, amount, reason)

        done = "added" if amount > 0 else "taken away"
        if await self._page.change(work, f"{wording.plural(abs(amount), 'credit')} {done}."):
            self._amount.set_value("")
            self._reason.set_value("")
            await self._page.show_figures()


def _mistake(amount: int, reason: str, balance: int) -> str:
    """What to correct before it is worth asking; the service has the last word."""
    if not amount:
        return "Say how many credits, as a whole number."
    if not reason:
        return "Say what it is for. It stands in the ledger and in the audit log."
    if balance + amount < 0:
        return f"There are {wording.number(balance)}: the balance never goes below 0."
    return ""
