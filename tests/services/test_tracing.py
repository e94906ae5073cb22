"""Spans of retries: what they say, that the worker's is the child of the desk's, and that no secret is in them."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlmodel import col

from services import lifecycle, tracing
from services.desk import Desk
from services.errors import Conflict, QueueUnavailable
from services.failures.failures import failure
from services.jobs import submission
from services.lifecycle import Claim, Outcome
from services.models import Attempt, AuditEntry, Job
from services.people.access import Actor
from services.policy import AutoRetry, RetryPolicy
from services.retry.retrying import retry
from services.vocabulary import FailureType, Status, Trigger
from tests.support.desks import a_kind, a_person, open_desk
from tests.support.spans import spans_are_kept
from tests.support.valkey import ValkeyServer

SECRET = "https://dana:hunter22@example.org/f?token=abc123"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with spans_are_kept() as exporter:
        yield exporter


@pytest.fixture
async def desk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    kind = a_kind(policy=RetryPolicy(cost=1, auto=AutoRetry(limit=1)))
    async with open_desk(database_url, redis_url, tmp_path, kind, kick_timeout_seconds=0.5) as desk:
        yield desk


async def a_failed_job(desk: Desk, owner: Actor, retry_in: float | None = None) -> Job:
    job = await submission.submit(desk, owner, "test.priced", {})
    broke = failure("test.priced", FailureType.TRANSIENT, f"Cannot fetch {SECRET}: " + "x" * 500)
    async with desk.db.write() as session:
        await lifecycle.claim(session, [Claim(job.id, 1)], "w1", 60)
        await lifecycle.finish(session, [Outcome(job.id, 1, Status.FAILED, broke, retry_in=retry_in)], "w1")
    return job


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


async def test_the_desks_half(desk: Desk, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture):
    dana = await a_person(desk, credits=5)
    job = await a_failed_job(desk, dana)
    caplog.set_level(logging.INFO, "services.retry")
    await retry(desk, dana, job.id)

    (span,) = spans.get_finished_spans()
    said = dict(span.attributes or {})
    assert span.name == "retry_job"
    assert events(span) == ["job reset", "kicked"]
    error = str(said.pop("mulligan.previous_error"))
    assert said == {
        "mulligan.job_id": str(job.id), "mulligan.kind": "test.priced", "mulligan.attempt": 2,
        "mulligan.trigger": "manual", "mulligan.status": "queued",
    }  # fmt: skip
    assert error.startswith("Cannot fetch https://")
    assert len(error) <= 200
    assert not any(secret in error for secret in ("hunter22", "abc123"))

    async with desk.db.read() as session:
        attempt = await session.get_one(Attempt, (job.id, 2))
        audited = (await session.scalars(sa.select(AuditEntry).where(col(AuditEntry.job_id) == job.id))).all()
    assert span.context
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    assert (attempt.trace or "").startswith(f"00-{trace_id}-{span_id}-")
    assert [entry.action for entry in audited] == ["job.submit", "job.retry"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"job {job.id} queued for retry, attempt 2, by {dana.email}, trace {trace_id}"


async def test_without_a_collector_nothing_is_stored_and_the_line_is_still_there(
    desk: Desk, caplog: pytest.LogCaptureFixture
):
    dana = await a_person(desk, credits=5)
    job = await a_failed_job(desk, dana)
    caplog.set_level(logging.INFO, "services.retry")
    await retry(desk, dana, job.id)
    async with desk.db.read() as session:
        assert (await session.get_one(Attempt, (job.id, 2))).trace is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"job {job.id} queued for retry, attempt 2, by {dana.email}"


async def test_a_refusal_and_a_queue_that_is_away(
    desk: Desk, spans: InMemorySpanExporter, valkey: ValkeyServer
):
    dana = await a_person(desk, credits=5)
    job = await a_failed_job(desk, dana)
    with pytest.raises(Conflict):
        await retry(desk, dana, job.id, version=1)
    assert spans.get_finished_spans() == (), "what is refused at once is no retry"
    valkey.stop()
    try:
        with pytest.raises(QueueUnavailable):
            await retry(desk, dana, job.id)
    finally:
        valkey.start()
    (span,) = spans.get_finished_spans()
    assert events(span) == ["job reset"]
    assert (span.status.is_ok, span.status.description) == (False, "queue_unavailable")


async def test_an_automatic_retry_goes_on_in_the_trace_and_is_audited(
    desk: Desk, spans: InMemorySpanExporter
):
    dana = await a_person(desk, credits=5)
    job = await a_failed_job(desk, dana)
    await retry(desk, dana, job.id)
    broke = failure("test.priced", FailureType.TRANSIENT, "Again")
    async with desk.db.write() as session:
        won = await lifecycle.claim(session, [Claim(job.id, 2)], "w1", 60)
        await lifecycle.finish(session, [Outcome(job.id, 2, Status.FAILED, broke, retry_in=60)], "w1")
    async with desk.db.read() as session:
        second, third = [await session.get_one(Attempt, (job.id, number)) for number in (2, 3)]
        audited = (await session.scalars(sa.select(AuditEntry).order_by(col(AuditEntry.id).desc()))).first()
    assert (third.trigger, third.trace) == (Trigger.AUTO, second.trace)
    assert (won[Claim(job.id, 2)].trigger, won[Claim(job.id, 2)].trace) == (Trigger.MANUAL, second.trace)
    assert audited
    assert (audited.action, audited.job_id, audited.data) == ("job.auto_retry", job.id, {"attempt": 3})


class TestSetUp:
    def test_nothing_is_set_up_unless_somebody_says_where_to(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
        monkeypatch.setattr(trace, "set_tracer_provider", pytest.fail)
        tracing.set_up_tracing("mulligan-web")

    def test_the_extra_is_missing(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
        tracing.set_up_tracing("mulligan-web")
        assert "mulligan[tracing] is not installed" in caplog.text
