"""What stands in the audit log, in words."""

from collections.abc import Mapping
from typing import Any

from services.models import AuditEntry

_VERBS = {
    "job.submit": "submitted a job",
    "job.retry": "retried a job",
    "job.auto_retry": "will try a job again",
    "job.retry.reverted": "could not retry a job: the queue did not answer",
    "job.cancel": "cancelled a job",
    "job.start_now": "started a job before its time",
    "job.stop_retrying": "stopped a waiting retry",
    "job.copy": "ran a job again as a copy",
    "job.pause": "paused a job",
    "job.resume": "let a job go on",
    "job.dismiss": "dismissed a failed job",
    "job.restore": "said that a job needs attention again",
    "job.delete": "deleted a job",
    "job.erase": "erased a job that was kept long enough",
    "batch.retry": "started a batch of retries",
    "batch.cancel": "started a batch of cancellations",
    "batch.delete": "started a batch of deletions",
    "retention.delete": "deleted jobs that were kept long enough",
    "retries.off": "switched retries off",
    "retries.on": "switched retries on again",
    "webhooks.secret": "made a secret that signs webhooks",
    "webhooks.unsigned": "took the secret of webhooks away",
    "kind.pause": "paused jobs",
    "kind.resume": "resumed jobs",
    "stuck.ring": "rang again for stuck jobs",
    "stuck.fail": "failed a stuck job",
    "failure.mute": "muted a failure",
    "failure.unmute": "unmuted a failure",
    "failure.note": "wrote a note on a failure",
    "credits.grant": "changed the credits",
    "member.add": "added a member",
    "member.invite": "invited somebody",
    "member.join": "accepted an invitation",
    "member.link": "made a sign-in link for a member",
    "member.role": "changed a member's role",
    "member.remove": "removed a member",
    "invitation.withdraw": "withdrew an invitation",
    "invitation.decline": "declined an invitation",
    "password.set": "set a password",
    "profile.name": "changed their name",
    "token.create": "made an API token",
    "token.revoke": "revoked an API token",
    "workspace.name": "renamed the workspace",
    "workspace.retention": "changed how long jobs are kept",
    "channel.make": "added a notification channel",
    "channel.change": "changed a notification channel",
    "channel.remove": "removed a notification channel",
    "channel.test": "sent a test notification",
}


def actions() -> list[tuple[str, str]]:
    """Everything that can stand in the log, as code and words, in the order of the words."""
    return sorted(_VERBS.items(), key=lambda pair: pair[1])


def sentence(entry: AuditEntry) -> str:
    """What was done: `retried a job`."""
    return _VERBS.get(entry.action) or entry.action.replace(".", " ").replace("_", " ")


def details(data: Mapping[str, Any]) -> str:
    """The rest of an entry, shortly: `attempt 3 · cost 1 · after Worker lost`."""
    said = [
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in data.items()
        if value not in (None, "", [])
    ]
    return " · ".join(said)


def _short(value: Any) -> str:
    match value:
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case list() | tuple():
            text = ", ".join(map(str, value))
        case _:
            text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}\N{HORIZONTAL ELLIPSIS}"
