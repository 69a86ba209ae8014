"""OpenTelemetry's real SDK with exporters in memory, and what was exported as plain values."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from exec_tracker.integrations.otel import instrument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


class Telemetry:
    """Providers of a test's own, and what they have recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def attach(self, tracker: Any, **settings: Any) -> Any:
        """Instrument a tracker with these providers, without a gauge unless a test asks for one."""
        return instrument(
            tracker,
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            **{"abandoned_every": None, **settings},
        )

    def close(self) -> None:
        """Shut the providers down."""
        self.tracers.shutdown()
        self.meters.shutdown()

    @contextmanager
    def span(self, name: str) -> Iterator[Any]:
        """Trace a block of the test's own."""
        with self.tracers.get_tracer("test").start_as_current_span(name) as span:
            yield span

    def spans(self, prefix: str = "") -> list[ReadableSpan]:
        """Return the spans that have ended, in that order."""
        spans = self._exporter.get_finished_spans()
        return [span for span in spans if span.name.startswith(prefix)]

    def only(self, name: str) -> ReadableSpan:
        """Return the one span of this name."""
        (span,) = (span for span in self.spans() if span.name == name)
        return span

    def points(self, name: str) -> list[Any]:
        """Collect, and return the data points of one instrument."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def counted(self, name: str, *by: str) -> dict[tuple[Any, ...], float]:
        """Collect, and return a counter's or gauge's values by some of its attributes."""
        counted: dict[tuple[Any, ...], float] = {}
        for point in self.points(name):
            key = tuple(point.attributes.get(one) for one in by)
            counted[key] = counted.get(key, 0) + point.value
        return counted


def events(span: ReadableSpan) -> list[str]:
    """Return the names of a span's events, without the common beginning."""
    return [event.name.removeprefix("exec_tracker.") for event in span.events]


def linked(span: ReadableSpan) -> list[int]:
    """Return the ids of the spans that a span links to."""
    return [link.context.span_id for link in span.links]


def span_id(span: ReadableSpan) -> int:
    """Return a span's own id."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id
