"""See what becomes of executions as traces and metrics: OpenTelemetry.

    python examples/traced.py [DATABASE_URL]

Needs the extra `otel` and OpenTelemetry's SDK (`pip install opentelemetry-sdk`). Without a URL it
starts a private PostgreSQL, for which it needs the extra `embedded`. Here the spans are printed; an
application exports them to its collector.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import UUID

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from exec_tracker import ExecuteOptions, ExecutionTracker, OutcomeUnknownError, migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.integrations.otel import instrument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

ADA = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")
ORDER = ExecuteOptions(idempotency_key="order-1", workflow_id="charge", user_id=ADA)


def charge_without_answer() -> str:
    """Charge, and never hear what came of it."""
    with trace.get_tracer("shop").start_as_current_span("POST /charges"):
        raise OutcomeUnknownError("the connection was lost")


def charge() -> str:
    """Charge, and hear that it worked."""
    with trace.get_tracer("shop").start_as_current_span("POST /charges"):
        return "ch_1"


def line_of(span: ReadableSpan) -> str:
    """Write a span on one line: its depth, its name, what was decided, and its links."""
    told = [event.name.removeprefix("exec_tracker.") for event in span.events]
    decided = ", ".join(name for name in told if name != "exception")
    links = f" -> links to {len(span.links)}" if span.links else ""
    return f"{'' if span.parent is None else '  '}{span.name}: {decided or '-'}{links}\n"


def main(url: str) -> None:
    """Lose an answer, take over, replay, and print what was traced and counted."""
    tracers, reader = TracerProvider(), InMemoryMetricReader()
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line_of)))
    trace.set_tracer_provider(tracers)
    meters = MeterProvider([reader])

    tracker = instrument(ExecutionTracker(url), meter_provider=meters)
    tracker.ensure_user(ADA)
    with suppress(OutcomeUnknownError):
        tracker.execute_idempotent(ORDER, charge_without_answer)
    print_metric(reader, "exec_tracker.abandoned")
    tracker.execute_idempotent(ORDER, charge, on_abandoned="retry")
    tracker.execute_idempotent(ORDER, charge)
    print_metric(reader, "exec_tracker.executions")
    tracker.close()


def print_metric(reader: InMemoryMetricReader, name: str) -> None:
    """Collect, and print one instrument's values by outcome."""
    data = reader.get_metrics_data()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
        if metric.name == name:
            points = metric.data.data_points
            by = "exec_tracker.outcome"
            values = sorted((one.attributes.get(by, "now"), one.value) for one in points)
            print(name, dict(values))


@contextmanager
def database(given: list[str]) -> Iterator[str]:
    """Take the given database, or start a private one."""
    if given:
        yield given[0]
        return
    with EmbeddedPostgres() as server:
        migrations.upgrade(server.url)
        yield server.url


if __name__ == "__main__":
    with database(sys.argv[1:]) as url:
        main(url)
