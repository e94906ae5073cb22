"""What batches do and have done, in words: for the dialog before, the banner meanwhile, the toast at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.batch.actions import ACTIONS
from services.vocabulary import BatchAction
from ui.components import wording

BY_KIND = {rules.kind: action for action, rules in ACTIONS.items()}
"""The action of a batch's job, by its kind."""

_REASONS = {
    "conflict": "changed meanwhile",
    "error": "not checked",
    "file_too_large": "too large to download",
    "forbidden": "not allowed",
    "input_missing": "input gone",
    "insufficient_credits": "insufficient credits",
    "insufficient_disk_space": "no room on the disk",
    "invalid": "of an unknown kind",
    "job_not_found": "not found",
    "never_recovered": "never recovered before",
    "not_active": "over already",
    "not_retryable": "not in a status to be retried",
    "not_retryable_torrent": "to be re-uploaded (torrents)",
    "queue_unavailable": "not reached by the queue",
    "quota_exceeded": "over the owner's quota",
    "rate_limited": "too many retries",
    "retries_disabled": "retries switched off",
    "retry_limit_reached": "no retries left",
    "service_unavailable": "a service does not answer",
    "still_active": "still waiting or running",
    "stopped": "not reached",
}


@dataclass(frozen=True)
class ActionWords:
    """How an action is spoken of."""

    verb: str
    doing: str
    done: str
    icon: str
    button: str
    """Classes of the button that does it."""


WORDS = {
    BatchAction.RETRY: ActionWords("Retry", "Retrying", "retried", "replay", "btn retry"),
    BatchAction.CANCEL: ActionWords("Cancel", "Cancelling", "cancelled", "block", "btn danger-solid"),
    BatchAction.DELETE: ActionWords("Delete", "Deleting", "deleted", "delete", "btn danger-solid"),
}


def reason(code: str) -> str:
    """Why jobs are left alone, in two or three words."""
    return _REASONS.get(code) or code.replace("_", " ")


def reasons(skipped: Mapping[str, int]) -> list[str]:
    """`12 insufficient credits`, the most frequent first."""
    by_count = sorted(skipped.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{wording.number(count)} {reason(code)}" for code, count in by_count]


def summary(action: BatchAction, result: Mapping[str, Any]) -> str:
    """What came of a batch: `1,203 retried, 14 skipped (12 insufficient credits, 2 changed meanwhile)`."""
    done = ACTIONS[action].done
    parts = [f"{wording.number(int(result.get(done) or 0))} {done}"]
    skipped: Mapping[str, int] = result.get("skipped") or {}
    if skipped:
        parts.append(f"{wording.number(sum(skipped.values()))} skipped ({', '.join(reasons(skipped))})")
    if failed := int(result.get("failed") or 0):
        parts.append(f"{wording.number(failed)} could not be checked")
    return ", ".join(parts)
