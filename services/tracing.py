"""OpenTelemetry spans of retries: from the press of a button to the end of the run, in one trace.

Nothing is recorded, and next to nothing is done, unless `set_up_tracing` finds where to send spans:
`docs/features/observability.md`.
"""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.errors import MulliganError
from services.scrubbing import scrub
from services.vocabulary import Trigger

RETRY = "retry_job"
BATCH = "retry_batch"
PREVIOUS_ERROR = "mulligan.previous_error"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_MOST_OF_AN_ERROR = 200
_FLUSH_MS = 1_000
_HEADER = "traceparent"

logger = logging.getLogger(__name__)
_propagator = TraceContextTextMapPropagator()


@dataclass(frozen=True)
class Retrying:
    """What a retry's spans say of it, at the desk and at the worker."""

    job_id: UUID
    kind: str
    attempt: int
    trigger: Trigger
    upload_id: UUID | None = None
    previous_error: str | None = None

    def attributes(self) -> dict[str, str | int]:
        """As attributes; what there is not is left out."""
        error = self.previous_error
        said: dict[str, str | int | None] = {
            "mulligan.job_id": str(self.job_id),
            "mulligan.kind": self.kind,
            "mulligan.attempt": self.attempt,
            "mulligan.trigger": str(self.trigger),
            "mulligan.upload_id": str(self.upload_id) if self.upload_id else None,
            PREVIOUS_ERROR: shown(error) if error else None,
        }
        return {name: value for name, value in said.items() if value is not None}


def shown(error: str) -> str:
    """An error as a span may show it: without secrets, and not too long."""
    return scrub(error)[:_MOST_OF_AN_ERROR]


def set_up_tracing(service: str) -> None:
    """Sends spans to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, if it says so. Once per process, before any span."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("no spans are sent: %s is set, but mulligan[tracing] is not installed", _ENDPOINTS[0])
        return
    named = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)})
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    logger.info("spans are sent by OTLP as %s", named.attributes["service.name"])


async def flush_spans() -> None:
    """Sends what is left, within a second; whatever goes wrong is not worth waiting for."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush:
        await asyncio.to_thread(flush, _FLUSH_MS)


@contextmanager
def retrying(retry: Retrying) -> Iterator[Span]:
    """The span of a retry at the desk, which ends when it is accepted or refused."""
    with _span(RETRY, SpanKind.PRODUCER, retry.attributes()) as span:
        yield span


@contextmanager
def going_on(retry: Retrying, traceparent: str | None) -> Iterator[Span]:
    """The same retry at the worker, from the claim to the outcome: a child of the span that asked for it."""
    with _span(RETRY, SpanKind.CONSUMER, retry.attributes(), traceparent) as span:
        span.add_event("worker started")
        yield span


@contextmanager
def batching(batch_id: UUID, kind: str, attempt: int) -> Iterator[Span]:
    """The one span of a batch; its jobs have none."""
    said: dict[str, str | int] = {
        "mulligan.job_id": str(batch_id),
        "mulligan.kind": kind,
        "mulligan.attempt": attempt,
    }
    with _span(BATCH, SpanKind.CONSUMER, said) as span:
        yield span


def event(name: str, attributes: Mapping[str, str | int] | None = None) -> None:
    """Something that happened within the span that this code runs in, if any."""
    trace.get_current_span().add_event(name, attributes)


def current_traceparent() -> str | None:
    """The W3C header of the span that this code runs in; None: there is none, or it is not recorded."""
    carrier: dict[str, str] = {}
    if trace.get_current_span().is_recording():
        _propagator.inject(carrier)
    return carrier.get(_HEADER)


def in_trace() -> str:
    """`, trace 4bf9…` for the end of a log line; empty where there is no trace."""
    context = trace.get_current_span().get_span_context()
    return f", trace {trace.format_trace_id(context.trace_id)}" if context.is_valid else ""


@contextmanager
def _span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], traceparent: str | None = None
) -> Iterator[Span]:
    parent = _propagator.extract({_HEADER: traceparent}) if traceparent else None
    tracer = trace.get_tracer("mulligan")
    # Exceptions are not recorded as they are: what a database says of an error shows the arguments of jobs.
    started = tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )
    with started as span:
        try:
            yield span
        except MulliganError as error:
            span.set_status(StatusCode.ERROR, error.code)
            raise
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
