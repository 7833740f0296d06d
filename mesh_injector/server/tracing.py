"""Optional tracing: one OpenTelemetry span for each sampled review, below the span of the API server where it sends one.

Where and how much is said by OpenTelemetry's own environment variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, …):
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from mesh_injector import reasons
from mesh_injector.engine.outcome import Outcome
from mesh_injector.errors import ConfigError, Problem

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

DEFAULT_RATIO: Final = 0.01
"""The part of reviews without a sampled parent that is traced where `OTEL_TRACES_SAMPLER` says nothing."""


class Trace(Protocol):
    """What is told of each answered review."""

    def __call__(self, headers: Iterable[tuple[bytes, bytes]], uid: str, outcome: Outcome, seconds: float) -> None:
        """Take HTTP headers, uid and outcome, and how many seconds it took until now."""
        ...


@contextlib.contextmanager
def exporting() -> Iterator[Trace]:
    """Send spans to a collector while the block lasts, and what is left of them at its end.

    Raises ConfigError (TRACING_MISSING) where the extra `tracing` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ImportError as error:
        fix = "pip install 'mesh-injector[tracing]', or leave --tracing out"
        raise ConfigError(Problem(reasons.TRACING_MISSING, "OpenTelemetry is not installed", "--tracing", fix)) from error
    sampler = None if "OTEL_TRACES_SAMPLER" in os.environ else ParentBasedTraceIdRatio(DEFAULT_RATIO)
    provider = TracerProvider(sampler, Resource.create({"service.name": "mesh-injector"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield _spans(provider.get_tracer("mesh_injector"))
    finally:
        provider.shutdown()


def _spans(tracer: "Tracer") -> Trace:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()

    def trace(headers: Iterable[tuple[bytes, bytes]], uid: str, outcome: Outcome, seconds: float) -> None:
        end = time.time_ns()
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in (b"traceparent", b"tracestate")}
        told = {"uid": uid, "outcome": outcome.verdict.value, "reason": outcome.reason.value, "mesh": outcome.mesh}
        attributes = {f"mesh_injector.{name}": value for name, value in told.items()}
        begin = end - int(seconds * 1e9)
        tracer.start_span("review", propagator.extract(carrier), SpanKind.SERVER, attributes, start_time=begin).end(end)

    return trace
