"""The sections of `/settings`, in the order in which they are listed.

To add one: write a class in a module of its own in this package, whose `__init__` takes the `SettingsPage` and draws
into the current slot (`card(…)` gives it a frame), and whose `refresh(actor)` reads and then draws what has changed.
Then add one entry here, with the predicate of `Actor` that says who sees it. Address, navigation, title, refreshing,
the end of a right while the page is open, and the words of errors come with it. What people do in it goes through
`page.change(work, done, trouble)`; questions before it through `page.confirm.ask(…)`. Lists are paged by
`page.cursor` and `page.link(cursor)`.
"""

from services.people.access import Actor
from ui.pages.settings.credits import CreditsSection
from ui.pages.settings.members import MembersSection
from ui.pages.settings.notifications import NotificationsSection
from ui.pages.settings.retries import RetriesSection
from ui.pages.settings.section import SettingsSection, everybody
from ui.pages.settings.tokens import TokensSection
from ui.pages.settings.webhooks import WebhooksSection
from ui.pages.settings.workspace import WorkspaceSection

SECTIONS: tuple[SettingsSection, ...] = (
    SettingsSection(
        "workspace", "Workspace", "domain", "What this workspace is called, and how long it keeps its jobs.",
        lambda actor: actor.is_admin, WorkspaceSection,
    ),
    SettingsSection(
        "members", "Members", "group", "Who is in this workspace, and what each may do.",
        lambda actor: actor.is_admin, MembersSection,
    ),
    SettingsSection(
        "tokens", "API tokens", "vpn_key", "Keys for programs: one each, so that one can end without the others.",
        everybody, TokensSection,
    ),
    SettingsSection(
        "credits", "Credits", "toll", "What retries have cost, and what is left.", everybody, CreditsSection
    ),
    SettingsSection(
        "retries", "Retries", "replay",
        "Hold retries back while something is being mended, of all jobs or of one kind.",
        lambda actor: actor.operates, RetriesSection,
    ),
    SettingsSection(
        "webhooks", "Webhooks", "webhook", "How receivers know that a webhook comes from this workspace.",
        lambda actor: actor.is_admin, WebhooksSection,
    ),
    SettingsSection(
        "notifications", "Notifications", "notifications", "Who is told, where, and of what.", everybody,
        NotificationsSection,
    ),
)  # fmt: skip


def sections_of(actor: Actor) -> list[SettingsSection]:
    """Those that an actor sees."""
    return [section for section in SECTIONS if section.may(actor)]
