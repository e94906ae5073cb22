"""The one door for a job's status. Every change of it is a guarded statement in `services/transitions`,
which nobody but this module imports (import-linter sees to it).

People are guarded by `version`, workers by `attempt` and `worker`; no row means that somebody else was first. Every
function works inside the caller's transaction and does nothing outside it: rings and publications come after commit.

    scheduled ──due──▶ queued ──claim──▶ running ──finish──▶ completed | failed | timeout | cancelled
        ▲                ▲  ▲    └─stuck─▶ failed (an operator)
        │                │  └──rescue───────┤ (handed back, or its lease ran out)
        ├── run_at       └──retry── failed, timeout, … (as the kind's policy says)
        └── retry later, by a person or by itself; taken back, it is again as it had ended
"""

from services.transitions.keeping import (
    Chores,
    chores,
    expire,
    is_awaited,
    lost_leases,
    queue_awaited,
    queue_due,
    rescues_in_a_row,
    take_looks,
    unclaimed,
    wait_on,
)
from services.transitions.many import Candidate, Requeued, bury_many, cancel_many, requeue_many
from services.transitions.ordering import bury, bury_forebears, cancel, create, fail_stuck, pause, resume
from services.transitions.parts import (
    FIRST_KICK_AGAIN_SECONDS,
    FIRST_LOOK_AGAIN_SECONDS,
    Claim,
    cancelled,
    doorbells,
    keep_steps,
)
from services.transitions.retrying import (
    Edit,
    Later,
    Requeue,
    replace,
    requeue,
    revert_replace,
    revert_requeue,
    schedule_retry,
)
from services.transitions.waiting import ended_as, look_now, start_now, take_back_retry
from services.transitions.working import (
    Claimed,
    Outcome,
    Progress,
    Wish,
    claim,
    finish,
    hand_back,
    is_held,
    progress,
    renew,
    retry_later,
    wishes,
)

__all__ = [
    "FIRST_KICK_AGAIN_SECONDS",
    "FIRST_LOOK_AGAIN_SECONDS",
    "Candidate",
    "Chores",
    "Claim",
    "Claimed",
    "Edit",
    "Later",
    "Outcome",
    "Progress",
    "Requeue",
    "Requeued",
    "Wish",
    "bury",
    "bury_forebears",
    "bury_many",
    "cancel",
    "cancel_many",
    "cancelled",
    "chores",
    "claim",
    "create",
    "doorbells",
    "ended_as",
    "expire",
    "fail_stuck",
    "finish",
    "hand_back",
    "is_awaited",
    "is_held",
    "keep_steps",
    "look_now",
    "lost_leases",
    "pause",
    "progress",
    "queue_awaited",
    "queue_due",
    "renew",
    "replace",
    "requeue",
    "requeue_many",
    "rescues_in_a_row",
    "resume",
    "retry_later",
    "revert_replace",
    "revert_requeue",
    "schedule_retry",
    "start_now",
    "take_back_retry",
    "take_looks",
    "unclaimed",
    "wait_on",
    "wishes",
]
