"""The invariants 1 to 6 of the house, looked for in what the database holds: after each step, against the last look."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.policy import RetryPolicy
from services.vocabulary import ACTIVE, PAUSABLE, TERMINAL, CreditReason, Status, Trigger
from tests.invariants.model import Model
from tests.invariants.outside import Outside
from tests.invariants.parts import COUNTED
from tests.invariants.snapshot import Snapshot

# What may change without a greater version: progress, and the clocks of leases and doorbells.
_RESTLESS = {"progress", "step", "lease_expires_at", "due_at", "kick_due_at", "kicks"}
# What is taken from a deleted job, or given back to its owner.
_MAY_BE_TAKEN = {"error", "traceback", "advice", "cost"}
# What is taken from a record that another took the place of, when that one is deleted. Nobody sees its version.
_CONTENT = {"title", "args", "result", "error", "advice", "upload_id", "idempotency_key", "output_attempt"}


def check_changes(before: Snapshot, now: Snapshot) -> None:
    """No change but with a greater version; nothing is forgotten, and history is not rewritten."""
    for job_id, old in before.jobs.items():
        new = now.jobs[job_id]
        changed = {name for name in old if old[name] != new[name]} - _RESTLESS
        is_emptied = changed <= _CONTENT and new["replaced_by"] is not None
        if changed and not is_emptied:
            assert new["version"] > old["version"], f"{changed} changed without a greater version"
            assert new["updated_at"] >= old["updated_at"]
        assert new["attempt"] >= old["attempt"]
        is_back = old["replaced_by"] is not None and new["replaced_by"] is None
        assert old["deleted_at"] is None or not changed or is_back or is_emptied, "a tombstone has changed"
    for key, old in before.attempts.items():
        new = now.attempts[key]
        changed = {name for name in old if old[name] != new[name]}
        if old["status"] in TERMINAL:
            folded = {"folded"} if old["folded"] is None else set()
            assert changed <= _MAY_BE_TAKEN | folded, f"attempt {key}: {changed} of history were rewritten"
        assert not changed & {"job_id", "number", "trigger", "kind", "requested_by", "after_fingerprint"}
    known = {line["id"]: line for line in now.ledger}
    assert all(known.get(line["id"]) == line for line in before.ledger), "the ledger was rewritten"


def check_now(now: Snapshot, policies: Mapping[str, RetryPolicy], limits: Mapping[str, int]) -> None:
    """What must be so at any moment."""
    lines: dict[UUID, list[dict[str, Any]]] = {job["rank"]: [] for job in now.jobs.values()}
    for (job_id, number), run in sorted(now.attempts.items(), key=lambda item: item[0][1]):
        line = lines[now.jobs[job_id]["rank"]]
        line.append(run)
        assert number == len(line), "numbers have no gaps and are not used again, by no record of a line"
    newest = [job for job in now.jobs.values() if job["replaced_by"] is None]
    assert sorted(job["rank"] for job in newest) == sorted(lines), "a line has one end"
    for job in newest:
        _check_job(job, lines[job["rank"]], policies[job["kind"]])
    for job in now.jobs.values():
        assert job["replaced_by"] is None or (job["deleted_at"] and job["status"] in TERMINAL), "it is hidden"
    running = Counter(job["kind"] for job in newest if job["status"] is Status.RUNNING)
    assert all(running[kind] <= most for kind, most in limits.items()), "more run than there are slots"
    seen = Counter(job["status"] for job in now.jobs.values() if job["deleted_at"] is None)
    assert seen == Counter(now.counted), "the kept counters say how many there are"
    _check_money(now)


def _check_job(job: dict[str, Any], runs: list[dict[str, Any]], policy: RetryPolicy) -> None:
    """`runs` are those of all records whose place it took, too."""
    assert job["attempt"] == len(runs)
    active = [run for run in runs if run["status"] in ACTIVE]
    if job["status"] in ACTIVE:
        assert active == runs[-1:], "an active job has one active attempt, its latest"
        assert runs[-1]["job_id"] == job["id"]
        assert runs[-1]["status"] == job["status"]
    else:
        assert not active, "a job that is over has no active attempt"
    assert (job["lease_expires_at"] is not None) == (job["status"] is Status.RUNNING)
    assert job["status"] is not Status.QUEUED or job["kick_due_at"], "somebody will ring again"
    assert (job["due_at"] is not None) == (job["status"] is Status.SCHEDULED), "it has a time to begin"
    assert job["waits_for"] is None or job["status"] is Status.SCHEDULED, "what is over waits for nothing"
    assert job["paused_at"] is None or job["status"] in PAUSABLE, "what is over is not paused"
    assert all(run["cost"] == 0 for run in runs if run["void"]), "a void attempt costs nothing"
    assert all(run["started_at"] is None for run in runs if run["void"]), "and never ran"
    counted = [run for run in runs if run["trigger"] in COUNTED and not run["void"]]
    assert job["retry_count"] == len(counted) * policy.counts
    auto = [run for run in runs if run["trigger"] is Trigger.AUTO and not run["void"]]
    assert job["auto_retry_count"] == len(auto)
    limit = policy.limit if job["max_retries"] is None else job["max_retries"]
    assert limit is None or not policy.counts or job["retry_count"] <= limit


def _check_money(now: Snapshot) -> None:
    assert now.balance >= 0
    assert now.balance == sum(line["amount"] for line in now.ledger)
    charges = Counter(
        (line["job_id"], line["attempt"]) for line in now.ledger if line["reason"] is CreditReason.CHARGE
    )
    assert all(count == 1 for count in charges.values()), "an attempt is charged once"
    assert charges.keys() <= now.attempts.keys(), "each charge has its attempt"
    paid: Counter[tuple[UUID, int]] = Counter()
    for line in now.ledger:
        if line["job_id"]:
            paid[line["job_id"], line["attempt"]] -= line["amount"]
    for key, run in now.attempts.items():
        assert paid[key] == run["cost"], f"attempt {key} costs what was paid for it"


def check_against(model: Model, now: Snapshot) -> None:
    """The database holds what the model says, job by job and line by line."""
    assert now.jobs.keys() == model.jobs.keys()
    for job_id, work in model.jobs.items():
        check_job(model, job_id, now)
        work.version = now.jobs[job_id]["version"]
    said = Counter((line.job, line.attempt, line.amount) for line in model.lines)
    assert Counter((line["job_id"], line["attempt"], line["amount"]) for line in now.ledger) == said


def check_job(model: Model, job_id: UUID, now: Snapshot) -> None:
    """As `check_against`, for one job."""
    work, job = model.jobs[job_id], now.jobs[job_id]
    real = {
        "status": job["status"],
        "retries": job["retry_count"],
        "autos": job["auto_retry_count"],
        "worker": job["worker"] if job["status"] is Status.RUNNING else None,
        "output": job["output_attempt"],
        "cancel_wish": job["cancel_requested_at"] is not None,
        "deleted": job["deleted_at"] is not None,
        "replaced_by": job["replaced_by"],
        "attempt": job["attempt"],
        "waits_for": job["waits_for"],
        "paused": job["paused_at"] is not None,
    }
    said = {name: getattr(work, name) for name in real}
    said["worker"] = work.worker if work.status is Status.RUNNING else None
    assert real == said, f"{work.kind}: the database has {real}, the model {said}"
    runs = {
        number: (run["trigger"], run["status"], run["cost"], run["void"], run["started_at"] is not None)
        for (owner, number), run in now.attempts.items()
        if owner == job_id
    }
    assert runs == {
        number: (run.trigger, run.status, run.cost, run.void, run.began) for number, run in work.runs.items()
    }
    for number, run in work.runs.items():
        if not run.void:
            assert now.kept.get((job_id, number), set()) == set(run.kept)


def check_outside(model: Model, outside: Outside) -> None:
    """What was prepared is in use, or it was undone; never both."""
    counted_on = model.prepared() - outside.given_up
    assert counted_on <= outside.standing.keys(), "what an attempt counts on was undone"
    assert outside.left_over() <= model.made(), "something stands prepared for nothing"
