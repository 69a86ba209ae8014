"""What it costs to be watched: processor time per call, with nobody, the API alone, and an SDK.

    python benchmarks/telemetry.py [ROUNDS]

Replays on a private server, in rounds that take turns; the median of the rounds is printed. What
exporters cost is left out: the spans end in a processor that drops them.
"""

from __future__ import annotations

import sys
from statistics import median
from time import process_time
from uuid import uuid4

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from exec_tracker import ExecuteOptions, ExecutionTracker, migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.integrations.otel import instrument

CALLS = 500


def spent(tracker: ExecutionTracker, options: ExecuteOptions) -> float:
    """Return the microseconds of this process that one replay takes."""
    began = process_time()
    for _ in range(CALLS):
        tracker.execute_idempotent(options, lambda: None)
    return (process_time() - began) / CALLS * 1e6


def main(rounds: int) -> None:
    """Measure, and print what being watched adds."""
    tracers = TracerProvider()
    tracers.add_span_processor(SpanProcessor())
    meters = MeterProvider([InMemoryMetricReader()])
    with EmbeddedPostgres() as server:
        migrations.upgrade(server.url)
        kinds = {
            "nobody": ExecutionTracker(server.url),
            "the API alone": instrument(ExecutionTracker(server.url), abandoned_every=None),
            "an SDK": instrument(
                ExecutionTracker(server.url), tracer_provider=tracers, meter_provider=meters
            ),
        }
        kinds["nobody"].ensure_user(user := uuid4())
        options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user)
        for tracker in kinds.values():
            spent(tracker, options)
        measured = [
            {name: spent(one, options) for name, one in kinds.items()} for _ in range(rounds)
        ]
        for tracker in kinds.values():
            tracker.close()
    print(f"nobody: {median(one['nobody'] for one in measured):.0f} µs")
    for name in ("the API alone", "an SDK"):
        print(f"{name}: +{median(one[name] - one['nobody'] for one in measured):.0f} µs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
