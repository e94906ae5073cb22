"""The worker's half of a retry's trace, with the real runner on both databases."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from services.kinds import load_kinds
from services.retry.retrying import retry
from services.vocabulary import Status
from tests.support.spans import spans_are_kept
from tests.support.waiting import eventually
from tests.support.workers import KINDS, a_worker
from tests.tasks.conftest import Bench


@pytest.fixture(autouse=True)
def _known_kinds(bench: Bench) -> None:
    load_kinds([KINDS])


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with spans_are_kept() as exporter:
        yield exporter


async def test_one_trace_from_the_desk_to_the_outcome(bench: Bench, spans: InMemorySpanExporter):
    async with a_worker(bench.desk.settings):
        job = await bench.ended((await bench.submit("ends", how="job_error")).id)
        assert spans.get_finished_spans() == (), "a first run is no retry"
        await retry(bench.desk, bench.me, job.id)
        again = await bench.ended(job.id)
        await eventually(lambda: len(spans.get_finished_spans()) == 2)
    desk, worker = sorted(spans.get_finished_spans(), key=lambda span: span.kind is SpanKind.CONSUMER)
    assert again.status is Status.FAILED
    assert worker.name == desk.name == "retry_job"
    assert worker.parent
    assert desk.context
    assert (worker.parent.trace_id, worker.parent.span_id) == (desk.context.trace_id, desk.context.span_id)
    assert [event.name for event in worker.events] == ["worker started"]
    ours, theirs = dict(desk.attributes or {}), dict(worker.attributes or {})
    assert (ours.pop("mulligan.status"), theirs.pop("mulligan.status")) == ("queued", "failed")
    assert ours == theirs
    assert not worker.status.is_ok


async def test_a_run_does_not_fail_for_what_its_span_cannot_say(
    bench: Bench, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr("tasks.traced._look_back", away)
    async with a_worker(bench.desk.settings):
        job = await bench.ended((await bench.submit("ends", how="job_error")).id)
        await retry(bench.desk, bench.me, job.id)
        again = await bench.ended(job.id, within=10)
    assert (again.status, again.attempt, again.error) == (Status.FAILED, 2, job.error)
