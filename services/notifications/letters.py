"""What a message says: plain words about one job, a batch, a lost worker, or about many at once."""

import re
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.durations import human_duration
from services.models import Attempt, Job, Workspace
from services.notifications.courier import Letter, Tone
from services.notifications.tables import Message
from services.scrubbing import scrub
from services.settings import Settings
from services.vocabulary import NoticeEvent, Status

_TITLE_LIMIT = 120
_ERROR_LIMIT = 500
_HEADS: dict[NoticeEvent, tuple[str, Tone]] = {
    NoticeEvent.JOB_COMPLETED: ("Completed", "success"),
    NoticeEvent.JOB_FAILED: ("Failed", "failure"),
    NoticeEvent.RETRY_COMPLETED: ("Retry completed", "success"),
    NoticeEvent.RETRY_FAILED: ("Retry failed", "failure"),
    NoticeEvent.RETRIES_USED_UP: ("Retries used up", "failure"),
    NoticeEvent.BATCH_FINISHED: ("Batch finished", "info"),
    NoticeEvent.WORKER_LOST: ("Worker lost", "warning"),
}
_COUNTED: dict[str, tuple[str, str]] = {
    NoticeEvent.JOB_COMPLETED: ("job completed", "jobs completed"),
    NoticeEvent.JOB_FAILED: ("job failed", "jobs failed"),
    NoticeEvent.RETRY_COMPLETED: ("retry completed", "retries completed"),
    NoticeEvent.RETRY_FAILED: ("retry failed", "retries failed"),
    NoticeEvent.RETRIES_USED_UP: ("job has no retries left", "jobs have no retries left"),
    NoticeEvent.BATCH_FINISHED: ("batch finished", "batches finished"),
    NoticeEvent.WORKER_LOST: ("worker lost", "workers lost"),
}
_BLANK = re.compile(r"\s+")
# "@everyone", "<!channel>": a job's title must not call a whole room, nor be markup.
_CALLS = re.compile(r"[@<](?=\S)")
_WORD_JOINER = "\u2060"


async def letter_of(
    session: AsyncSession, settings: Settings, message: Message, workspace: Workspace
) -> Letter | None:
    """What a message says now; None where it has become pointless: its job was deleted meanwhile."""
    if message.event is None:
        return _digest(settings, message.facts, workspace)
    if message.event is NoticeEvent.WORKER_LOST:
        return _lost(settings, message.facts)
    job = await session.get(Job, message.job_id)
    ended = await session.get(Attempt, (message.job_id, message.attempt))
    if job is None or ended is None or job.deleted_at is not None:
        return None
    return _one(settings, message.event, job, ended, workspace)


def short_letter(event: NoticeEvent, job: Job, ended: Attempt) -> Letter:
    """The same in two lines, for a browser's own notification."""
    head, tone = _HEADS[event]
    lines = _batch(job, ended)[0] if event is NoticeEvent.BATCH_FINISHED else [plain(ended.error or job.kind)]
    return Letter(f"{head}: {plain(job.title)}", lines[0] if lines else "", tone)


def trial_letter(channel: str, workspace: str) -> Letter:
    """What a channel is tried with."""
    return Letter(
        "Mulligan: a test", f"The channel {plain(channel)} of {plain(workspace)} works: news will come here."
    )


def plain(text: str, limit: int = _TITLE_LIMIT) -> str:
    """A stranger's text as a message may hold it: one line, no secrets, nothing that a chat takes for a call."""
    line = _BLANK.sub(" ", "".join(c if c.isprintable() else " " for c in scrub(text))).strip()
    line = line if len(line) <= limit else f"{line[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"
    return _CALLS.sub(lambda found: found[0] + _WORD_JOINER, line)


def _one(settings: Settings, event: NoticeEvent, job: Job, ended: Attempt, workspace: Workspace) -> Letter:
    head, tone = _HEADS[event]
    if event is NoticeEvent.BATCH_FINISHED:
        lines, tone = _batch(job, ended)
    else:
        lines = [plain(text, _ERROR_LIMIT) for text in (ended.error, ended.advice) if text]
        lines.append(" · ".join(_figures(job, ended)))
    lines += _where(settings, workspace, f"/jobs/{job.id}")
    return Letter(f"{head}: {plain(job.title)}", "\n".join(lines), tone)


def _figures(job: Job, ended: Attempt) -> list[str]:
    said = [plain(job.kind)]
    if ended.number > 1:
        said.append(f"attempt {ended.number}")
    if ended.started_at and ended.finished_at:
        said.append(human_duration((ended.finished_at - ended.started_at).total_seconds()))
    return said


def _batch(job: Job, ended: Attempt) -> tuple[list[str], Tone]:
    """How far it came, and how it ended."""
    result = job.result or {}
    done = next(
        ((word, result[word]) for word in ("retried", "cancelled", "deleted") if word in result), None
    )
    said = [f"{result['matched']:,} matched"] if "matched" in result else []
    said += [f"{done[1]:,} {done[0]}"] if done else []
    skipped = sum((result.get("skipped") or {}).values())
    said += [f"{skipped:,} skipped"] if skipped else []
    said += [f"{result['failed']:,} broke"] if result.get("failed") else []
    lines = [", ".join(said)] if said else []
    if result.get("stopped"):
        lines.append(f"Stopped before its end: {plain(str(result['stopped']), _ERROR_LIMIT)}")
    if ended.status is not Status.COMPLETED:
        lines.append(
            f"It is {ended.status}" + (f": {plain(ended.error, _ERROR_LIMIT)}" if ended.error else "")
        )
        return lines, "failure"
    return lines, "warning" if result.get("stopped") else "info"


def _lost(settings: Settings, facts: dict[str, Any]) -> Letter:
    running = int(facts.get("running") or 0)
    lines = [f"{plain(str(facts.get('worker')))} on {plain(str(facts.get('host')))} stopped answering."]
    if running:
        jobs = "1 job" if running == 1 else f"{running} jobs"
        lines.append(f"It had {jobs} running: they go on elsewhere or fail, as their kinds say.")
    return Letter("Worker lost", "\n".join(lines + _link(settings, "/workers")), "warning")


def _digest(settings: Settings, counts: dict[str, dict[str, int]], workspace: Workspace) -> Letter:
    heads, lines = [], []
    for event, (one, many) in _COUNTED.items():
        if not (kinds := counts.get(event)):
            continue
        total = sum(kinds.values())
        heads.append(f"{total:,} more {one if total == 1 else many}")
        most = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
        named = ", ".join(f"{plain(kind)} {count:,}" for kind, count in most if kind)
        lines.append(f"{heads[-1]}: {named}" if named else heads[-1])
    tone: Tone = "failure" if any(counts.get(event) for event in _BAD) else "info"
    return Letter(", ".join(heads), "\n".join(lines + _where(settings, workspace, "/")), tone)


_BAD = (NoticeEvent.JOB_FAILED, NoticeEvent.RETRY_FAILED, NoticeEvent.RETRIES_USED_UP)


def _where(settings: Settings, workspace: Workspace, path: str) -> list[str]:
    return [f"Workspace {plain(workspace.name)}", *_link(settings, f"{path}?w={workspace.slug}")]


def _link(settings: Settings, path: str) -> list[str]:
    """The page about it, where Mulligan knows under what address people see it."""
    return [f"{settings.public_url.rstrip('/')}{path}"] if settings.public_url else []
