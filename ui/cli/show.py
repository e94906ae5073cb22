"""Jobs in words and tables, for people at a terminal."""

import json
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from services.vocabulary import Status

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def job_table(jobs: Sequence[dict[str, Any]]) -> Iterable[str]:
    """One line a job: id, status, kind, age, title, and the error of those that have one."""
    rows = [("ID", "STATUS", "KIND", "AGE", "TITLE")]
    rows += [(j["id"], _state(j), plain(j["kind"]), age(j["created_at"]), _title(j)) for j in jobs]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    room = shutil.get_terminal_size((160, 24)).columns
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[4]])[: max(room, 80)].rstrip()


def job_page(job: dict[str, Any]) -> Iterable[str]:
    """A job with its history."""
    yield f"{plain(job['title'])}"
    yield f"  {job['id']}  {plain(job['kind'])}  {_state(job)}  version {job['version']}"
    yield f"  by {plain(job['owner'])}, {age(job['created_at'])} ago"
    if job["waiting"]:
        yield f"  waits: {plain(job['waiting']['message'])}"
    if job["error"]:
        yield f"  error: {plain(job['error'])}"
    if job["advice"]:
        yield f"  advice: {plain(job['advice'])}"
    yield from _said("dismissed by", job["dismissal"], "reason")
    if job["waits_for"]:
        yield f"  waits for: {plain(job['waits_for'])}"
    elif job["run_at"]:
        yield f"  begins at {job['run_at']}"
    if job["made_from"]:
        yield f"  made from {job['made_from']}"
    for name, value in job["args"].items():
        yield f"  {plain(name)}: {plain(str(value))}"
    yield ""
    for attempt in job["attempts"]:
        words = f"  attempt {attempt['number']} ({attempt['trigger']}): {attempt['status']}"
        yield f"{words}, {plain(attempt['error'])}" if attempt["error"] else words
        yield from _changes(attempt["changes"] or [])
    for artifact in job["artifacts"]:
        yield f"  file {plain(artifact['name'])}, {artifact['size']} bytes"


def plan_page(plan: dict[str, Any]) -> Iterable[str]:
    """What a retry would do."""
    yield f"Retry of {plain(plan['title'])} ({plan['status']}, version {plan['version']})"
    yield (
        "  It can be retried."
        if plan["allowed"]
        else f"  It cannot be retried: {plain(plan['error']['message'])}"
    )
    if plan["previous_error"]:
        yield f"  error: {plain(plan['previous_error'])}"
    if plan["replaces"]:
        yield "  a new record takes this one's place"
    yield f"  resets: {', '.join(map(plain, plan['resets']))}"
    yield f"  keeps: {', '.join(map(plain, plan['keeps']))}"
    yield f"  costs {plan['cost']}; balance {plan['balance']}, after it {plan['balance_after']}"
    left = plan["retries_left"]
    yield f"  retries used {plan['retries_used']}, left {'any number' if left is None else left}"
    yield from _changes(plan["changes"])
    if plan["waits_for"]:
        yield f"  begins as soon as this check passes: {plain(plan['waits_for'])}"
    elif plan["at"]:
        yield f"  begins at {plan['at']}"
    if plan["can_wait"]:
        yield "  --when-available would begin it as soon as it can"
    if plan["can_force"]:
        yield "  --force would go on all the same"
    for check in plan["checks"]:
        yield f"  [{'ok' if check['passed'] else 'no'}] {plain(check['message'])}"
    if odds := plan["odds"]:
        yield f"  after this very error, {odds['succeeded']} of {odds['tried']} retries worked"
    if plan["advice"]:
        yield f"  advice: {plain(plan['advice'])}"
    yield from _said("note by", plan["note"], "text")


def _said(what: str, said: dict[str, Any] | None, words: str) -> Iterable[str]:
    """What somebody wrote, if anybody did."""
    if said:
        yield f"  {what} {plain(said['by'])}: {plain(said[words])}"


def _changes(changes: Sequence[dict[str, Any]]) -> Iterable[str]:
    for change in changes:
        before, after = (plain(json.dumps(change[side], ensure_ascii=False)) for side in ("before", "after"))
        yield f"    {plain(change['path'])}: {before} -> {after}"


def preview_page(preview: dict[str, Any], done: str) -> Iterable[str]:
    """What a batch would do."""
    yield f"{preview['allowed']} of {preview['matched']} jobs would be {done}"
    for code, count in sorted(preview["skipped"].items()):
        yield f"  {count} left alone: {code}"
    if preview["unchecked"]:
        yield f"  of {preview['unchecked']}, checks are made only when it runs"
    if done == "retried":
        yield f"Cost: {preview['cost']} credits; {preview['balance_after']} left after it"


def plain(text: str) -> str:
    """Without what would steer a terminal: titles, errors and file names come from strangers."""
    return "".join(c if c.isprintable() else " " for c in text)


def age(moment: str) -> str:
    """How long ago: `45s`, `12m`, `3h`, `8d`."""
    seconds = max(int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()), 0)
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _state(job: dict[str, Any]) -> str:
    return (
        f"{job['status']} {job['progress']:.0f}%" if job["status"] == Status.RUNNING else str(job["status"])
    )


def _title(job: dict[str, Any]) -> str:
    title = plain(job["title"])
    return f"{title}: {plain(job['error'])}" if job["error"] else title
