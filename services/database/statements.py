"""The set-based statements of workers and batches, one text per database, built once.

Each takes its rows as one JSON parameter (`rows_source`), so that a batch of any size is the same prepared statement.
Those that change jobs and attempts are run by `services/lifecycle.py` alone.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from services.database.database import UtcDateTime, rows_source
from services.models import Json, words
from services.vocabulary import RETRIES_SWITCH, STARTS_SWITCH, Priority, Status, Trigger

_ID = {"id": "uuid", "attempt": "integer"}
_OUTCOME = _ID | {
    "status": "text",
    "error": "text",
    "failure_type": "text",
    "advice": "text",
    "fingerprint": "text",
    "traceback": "text",
    "result": "jsonb",
    "output_attempt": "integer",
}

_CHOSEN = {"id": "uuid", "version": "integer", "status": "text", "counts": "integer"}
_CHARGE = {
    "id": "uuid",
    "amount": "integer",
    "balance_after": "integer",
    "job_id": "uuid",
    "attempt": "integer",
}
_SKIP = {"job_id": "uuid", "status": "text", "code": "text", "message": "text"}

# Later than for a single job: a batch's doorbells are many, and being behind others is no sign of loss.
BULK_KICK_AGAIN_SECONDS = 60

# What a change tells the feed.
_CHANGE: dict[str, Any] = {
    "id": sa.Uuid(),
    "attempt": sa.Integer(),
    "workspace_id": sa.Uuid(),
    "owner_id": sa.Uuid(),
    "status": words(Status),
    "version": sa.Integer(),
    "progress": sa.Float(),
    "step": sa.String(),
}
_CLAIMED = _CHANGE | {
    "kind": sa.String(),
    "title": sa.String(),
    "args": Json,
    "upload_id": sa.Uuid(),
    "output_attempt": sa.Integer(),
    "auto_retry_count": sa.Integer(),
    "paused_at": UtcDateTime(),
    "priority": words(Priority),
}
_RENEWED: dict[str, Any] = {"id": sa.Uuid(), "attempt": sa.Integer(), "cancel_requested_at": UtcDateTime()}


@dataclass(frozen=True)
class Statements:
    """Statements with `:rows` and, where it says so, `:worker` and `:lease` (seconds)."""

    claim: sa.TextualSelect
    """`:rows` of (id, attempt), `:worker`, `:lease`. Returns the claimed jobs."""
    claim_attempt: sa.TextualSelect
    """`:rows` of (id, attempt), `:worker`. Returns why they were made, and in which trace."""
    finish: sa.TextualSelect
    """`:rows` of outcomes, `:worker`. Returns the finished jobs."""
    finish_attempt: sa.TextClause
    notice: sa.TextClause
    """`:rows` of (id, attempt). Notes attempts that have just ended, where somebody wants to be told of such."""
    schedule: sa.TextualSelect
    """`:rows` of (id, attempt, wait in seconds). Schedules the next attempt of what has just failed."""
    schedule_steps: sa.TextClause
    """`:rows` of (id, attempt). Gives the next attempt the checkpoints of this one."""
    renew: sa.TextualSelect
    """`:rows` of (id, attempt), `:worker`, `:lease`. Returns what is still held."""
    progress: sa.TextualSelect
    """`:rows` of (id, attempt, progress, step), `:worker`. Returns the jobs it moved."""
    requeue: sa.TextualSelect
    """`:rows` of (id, version, status, counts). Returns the jobs that were still as they were read."""
    requeue_attempt: sa.TextClause
    """`:rows` of (id, cost, fingerprint), `:by`, `:batch`. The new attempts of jobs that `requeue` returned."""
    cancel_waiting: sa.TextualSelect
    """`:rows` of (id), `:error`."""
    cancel_attempt: sa.TextClause
    """`:rows` of (id, attempt), `:error`."""
    cancel_running: sa.TextualSelect
    """`:rows` of (id), `:by`. Asks their workers."""
    bury: sa.TextualSelect
    """`:rows` of (id, version). Tombstones of jobs that have ended."""
    fold: sa.TextClause
    """`:rows` of (id, attempt). Marks attempts as counted in the roll-ups."""
    roll_outcomes: sa.TextClause
    """`:rows` of a roll-up's columns. Adds counts to rows that are there, and makes those that are not."""
    roll_durations: sa.TextClause
    roll_recoveries: sa.TextClause
    forget: tuple[sa.TextClause, ...]
    """`:rows` of (id). Removes what buried jobs have said and kept."""
    charge: sa.TextClause
    """`:rows` of (id, amount, balance_after, job_id, attempt), `:workspace`, `:reason`, `:actor`, `:note`. Lines of the
    ledger."""
    unused: sa.TextualSelect
    """`:rows` of (id, attempt). What attempts cost that no worker had."""
    uncharge: sa.TextClause
    """`:rows` of (id, attempt)."""
    skip: sa.TextClause
    """`:rows` of (job_id, status, code, message), `:batch`. What a batch left alone, and why."""


@cache
def statements(*, is_sqlite: bool) -> Statements:
    """The statements for SQLite or for PostgreSQL."""
    if is_sqlite:
        now = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"
        later = "(strftime('%Y-%m-%d %H:%M:%f', 'now', v.wait || ' seconds') || '000')"
        lease = "(strftime('%Y-%m-%d %H:%M:%f', 'now', :lease || ' seconds') || '000')"
        numbers = """(SELECT json_group_object(key, value) FROM json_each(audit_entry.data)
            WHERE type IN ('integer', 'real'))"""
        kick_again = f"(strftime('%Y-%m-%d %H:%M:%f', 'now', '{BULK_KICK_AGAIN_SECONDS} seconds') || '000')"
    else:
        now = "clock_timestamp()"
        later = "(clock_timestamp() + make_interval(secs => v.wait))"
        lease = "(clock_timestamp() + make_interval(secs => :lease))"
        numbers = """(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(audit_entry.data)
            WHERE jsonb_typeof(value) = 'number')"""
        kick_again = f"(clock_timestamp() + make_interval(secs => {BULK_KICK_AGAIN_SECONDS}))"
    ids = rows_source({"id": "uuid"}, is_sqlite=is_sqlite)
    versions = rows_source({"id": "uuid", "version": "integer"}, is_sqlite=is_sqlite)
    pairs = rows_source(_ID, is_sqlite=is_sqlite)
    outcomes = rows_source(_OUTCOME, is_sqlite=is_sqlite)
    moved = rows_source(_ID | {"progress": "float8", "step": "text"}, is_sqlite=is_sqlite)
    waits = rows_source(_ID | {"wait": "float8"}, is_sqlite=is_sqlite)
    chosen = rows_source(_CHOSEN, is_sqlite=is_sqlite)
    costs = rows_source({"id": "uuid", "cost": "integer", "fingerprint": "text"}, is_sqlite=is_sqlite)
    charges = rows_source(_CHARGE, is_sqlite=is_sqlite)
    skips = rows_source(_SKIP, is_sqlite=is_sqlite)
    held = "job.id = v.id AND job.attempt = v.attempt AND job.worker = :worker AND job.status = 'running'"

    return Statements(
        claim=_returning(
            f"""UPDATE job SET status = 'running', worker = :worker, started_at = {now}, updated_at = {now},
                lease_expires_at = {lease}, kick_due_at = NULL, progress = 0, step = NULL, version = job.version + 1
            FROM {pairs}
            WHERE job.id = v.id AND job.attempt = v.attempt AND job.status = 'queued' AND job.deleted_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM switch WHERE switch.workspace_id = job.workspace_id
                    AND switch.name = '{STARTS_SWITCH}' AND (switch.kind = job.kind
                        OR (switch.kind = '' AND substr(job.kind, 1, 7) <> 'system.')))""",
            _CLAIMED,
        ),
        claim_attempt=sa.text(
            f"""UPDATE attempt SET status = 'running', worker = :worker, started_at = {now}
            FROM {pairs} WHERE attempt.job_id = v.id AND attempt.number = v.attempt
            RETURNING attempt.job_id, attempt.trigger, attempt.trace"""
        ).columns(job_id=sa.Uuid(), trigger=words(Trigger), trace=sa.String()),
        finish=_returning(
            f"""UPDATE job SET status = v.status, error = v.error, failure_type = v.failure_type, advice = v.advice,
                fingerprint = v.fingerprint, result = v.result, output_attempt = v.output_attempt,
                progress = CASE WHEN v.status = 'completed' THEN 100 ELSE job.progress END,
                finished_at = {now}, updated_at = {now}, lease_expires_at = NULL, paused_at = NULL,
                version = job.version + 1
            FROM {outcomes} WHERE {held}""",
            _CHANGE,
        ),
        finish_attempt=_text(
            f"""UPDATE attempt SET status = v.status, error = v.error, failure_type = v.failure_type, advice = v.advice,
                fingerprint = v.fingerprint, traceback = v.traceback, finished_at = {now}
            FROM {outcomes} WHERE attempt.job_id = v.id AND attempt.number = v.attempt"""
        ),
        notice=_text(
            f"""INSERT INTO notice (job_id, attempt, workspace_id)
            SELECT job.id, job.attempt, job.workspace_id FROM {pairs}
            JOIN job ON job.id = v.id AND job.attempt = v.attempt
            WHERE job.status IN ('completed', 'failed', 'cancelled', 'timeout') AND EXISTS
                (SELECT 1 FROM channel WHERE channel.workspace_id = job.workspace_id AND channel.is_on)
            ON CONFLICT DO NOTHING"""
        ),
        # A wish to cancel that came too late to stop the run still stops the next one. Nothing is retried by itself
        # while retries are switched off.
        schedule=_returning(
            f"""UPDATE job SET status = 'scheduled', attempt = job.attempt + 1, due_at = {later},
                auto_retry_count = job.auto_retry_count + 1, finished_at = NULL, progress = 0, step = NULL,
                updated_at = {now}, version = job.version + 1
            FROM {waits}
            WHERE job.id = v.id AND job.attempt = v.attempt AND job.status IN ('failed', 'timeout')
                AND job.cancel_requested_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM switch WHERE switch.workspace_id = job.workspace_id
                    AND switch.name = '{RETRIES_SWITCH}' AND switch.kind IN ('', job.kind))""",
            _CHANGE | {"kind": sa.String(), "fingerprint": sa.String()},
        ),
        schedule_steps=_text(
            f"""INSERT INTO step (job_id, attempt, name, position, status, result, started_at, finished_at)
            SELECT s.job_id, s.attempt + 1, s.name, s.position, 'kept', s.result, s.started_at, s.finished_at
            FROM step AS s, {pairs}
            WHERE s.job_id = v.id AND s.attempt = v.attempt
                AND s.status IN ('completed', 'kept') AND s.result IS NOT NULL"""
        ),
        renew=_returning(f"UPDATE job SET lease_expires_at = {lease} FROM {pairs} WHERE {held}", _RENEWED),
        progress=_returning(
            f"UPDATE job SET progress = v.progress, step = v.step FROM {moved} WHERE {held}",
            _CHANGE,
        ),
        requeue=_returning(
            f"""UPDATE job SET status = 'queued', attempt = job.attempt + 1, retry_count = job.retry_count + v.counts,
                output_attempt = NULL, progress = 0, step = NULL, error = NULL, failure_type = NULL, advice = NULL,
                fingerprint = NULL, result = NULL, worker = NULL, lease_expires_at = NULL, cancel_requested_at = NULL,
                cancel_requested_by = NULL, started_at = NULL, finished_at = NULL, due_at = NULL,
                waits_for = NULL, queued_at = {now}, updated_at = {now}, kick_due_at = {kick_again}, kicks = 1,
                priority = 'low',
                version = job.version + 1
            FROM {chosen}
            WHERE job.id = v.id AND job.version = v.version AND job.status = v.status AND job.deleted_at IS NULL""",
            _CHANGE | {"kind": sa.String()},
        ),
        requeue_attempt=_text(
            f"""INSERT INTO attempt
                (job_id, number, trigger, requested_by, status, void, cost, kind, after_fingerprint, batch_id,
                queued_at)
            SELECT job.id, job.attempt, 'batch', :by, 'queued', FALSE, v.cost, job.kind, v.fingerprint, :batch, {now}
            FROM {costs} JOIN job ON job.id = v.id"""
        ).bindparams(sa.bindparam("batch", type_=sa.Uuid())),
        cancel_waiting=_returning(
            f"""UPDATE job SET status = 'cancelled', error = :error, failure_type = 'cancelled', fingerprint = NULL,
                finished_at = {now}, due_at = NULL, kick_due_at = NULL, paused_at = NULL,
                waits_for = NULL, updated_at = {now}, version = job.version + 1
            FROM {ids}
            WHERE job.id = v.id AND job.deleted_at IS NULL
                AND (job.status = 'queued' OR (job.status = 'scheduled' AND job.attempt = 1))""",
            _CHANGE,
        ),
        cancel_attempt=_text(
            f"""UPDATE attempt SET status = 'cancelled', error = :error, failure_type = 'cancelled', finished_at = {now}
            FROM {pairs} WHERE attempt.job_id = v.id AND attempt.number = v.attempt"""
        ),
        cancel_running=_returning(
            f"""UPDATE job SET cancel_requested_at = {now}, cancel_requested_by = :by,
                updated_at = {now}, version = job.version + 1
            FROM {ids} WHERE job.id = v.id AND job.status = 'running' AND job.cancel_requested_at IS NULL""",
            _CHANGE,
        ),
        bury=_returning(
            f"""UPDATE job SET deleted_at = {now}, title = '', args = '{{}}', result = NULL, error = NULL,
                advice = NULL, upload_id = NULL, idempotency_key = NULL, output_attempt = NULL,
                updated_at = {now}, version = job.version + 1
            FROM {versions}
            WHERE job.id = v.id AND job.version = v.version AND job.deleted_at IS NULL
                AND job.status IN ('completed', 'failed', 'cancelled', 'timeout')""",
            _CHANGE,
        ),
        fold=_text(
            f"UPDATE attempt SET folded = TRUE FROM {pairs} WHERE attempt.job_id = v.id AND attempt.number = v.attempt"
        ),
        roll_outcomes=_roll(
            "outcome_rollup",
            {"status": "text", "is_retry": "boolean"},
            "runs",
            "credits",
            is_sqlite=is_sqlite,
        ),
        roll_durations=_roll(
            "duration_rollup", {"measure": "text", "bucket": "integer"}, "runs", is_sqlite=is_sqlite
        ),
        roll_recoveries=_roll(
            "recovery_rollup", {"fingerprint": "text", "status": "text"}, "runs", is_sqlite=is_sqlite
        ),
        forget=(
            _text(f"DELETE FROM log_line WHERE job_id IN (SELECT v.id FROM {ids})"),
            _text(f"DELETE FROM step WHERE job_id IN (SELECT v.id FROM {ids})"),
            _text(f"DELETE FROM dismissal WHERE job_id IN (SELECT v.id FROM {ids})"),
            _text(f"DELETE FROM batch_skip WHERE batch_id IN (SELECT v.id FROM {ids})"),
            # Who did what when, and the figures, stay.
            _text(f"UPDATE audit_entry SET data = {numbers} WHERE job_id IN (SELECT v.id FROM {ids})"),
            _text(
                f"""UPDATE attempt SET error = NULL, traceback = NULL, advice = NULL, changes = NULL,
                    args_before = NULL, upload_before = NULL
                FROM {ids} WHERE attempt.job_id = v.id"""
            ),
        ),
        charge=_text(
            f"""INSERT INTO credit_entry
                (id, workspace_id, amount, balance_after, reason, actor, note, job_id, attempt, created_at)
            SELECT v.id, :workspace, v.amount, v.balance_after, :reason, :actor, :note, v.job_id, v.attempt, {now}
            FROM {charges}"""
        ).bindparams(sa.bindparam("workspace", type_=sa.Uuid())),
        unused=_text(
            f"""SELECT attempt.job_id, attempt.number, attempt.cost FROM {pairs}
            JOIN attempt ON attempt.job_id = v.id AND attempt.number = v.attempt
            WHERE attempt.cost > 0 AND attempt.started_at IS NULL"""
        ).columns(job_id=sa.Uuid(), number=sa.Integer(), cost=sa.Integer()),
        uncharge=_text(
            f"UPDATE attempt SET cost = 0 FROM {pairs} WHERE attempt.job_id = v.id AND attempt.number = v.attempt"
        ),
        skip=_text(
            f"""INSERT INTO batch_skip (batch_id, job_id, status, code, message)
            SELECT :batch, v.job_id, v.status, v.code, v.message FROM {skips}"""
        ).bindparams(sa.bindparam("batch", type_=sa.Uuid())),
    )


def _roll(table: str, own: dict[str, str], *counts: str, is_sqlite: bool) -> sa.TextClause:
    keys = {
        "workspace_id": "uuid",
        "whose": "uuid",
        "grain": "text",
        "start": "timestamptz",
        "kind": "text",
    } | own
    rows = rows_source(keys | dict.fromkeys(counts, "bigint"), is_sqlite=is_sqlite)
    names = ", ".join((*keys, *counts))
    # As SQLAlchemy writes a moment into SQLite.
    start = "replace(substr(v.start, 1, 19), 'T', ' ') || '.000000'" if is_sqlite else "v.start"
    values = ", ".join(start if name == "start" else f"v.{name}" for name in (*keys, *counts))
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in counts)
    return _text(
        f"""INSERT INTO {table} ({names}) SELECT {values} FROM {rows} WHERE TRUE
        ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {sums}"""
    )


def _text(sql: str) -> sa.TextClause:
    return sa.text(sql)


def _returning(sql: str, columns: dict[str, Any]) -> sa.TextualSelect:
    names = ", ".join(f"job.{name}" for name in columns)
    return sa.text(f"{sql} RETURNING {names}").columns(**columns)
