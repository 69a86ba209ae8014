"""OpenTelemetry: spans that link, metrics, a gauge; needs the extra `exec_tracker[otel]`.

It depends on OpenTelemetry's API alone. Without an SDK in the application nothing is recorded.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from exec_tracker.aio import AsyncExecutionTracker
from exec_tracker.errors import ConfigurationError
from exec_tracker.tracker import ExecutionTracker

try:
    from exec_tracker.integrations.otel.instrumentation import OpenTelemetry
except ModuleNotFoundError as exc:
    if not (exc.name or "").startswith("opentelemetry"):
        raise
    raise ConfigurationError(
        "Telemetry needs OpenTelemetry's API: pip install 'exec_tracker[otel]'."
    ) from exc

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument"]

Tracker = TypeVar("Tracker", ExecutionTracker, AsyncExecutionTracker)

_instrumented: WeakSet[ExecutionTracker | AsyncExecutionTracker] = WeakSet()


def instrument(
    tracker: Tracker,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    record_keys: bool = False,
    record_messages: bool = False,
    abandoned_every: timedelta | None = timedelta(minutes=1),
) -> Tracker:
    """Trace and measure a tracker's calls, and return the tracker; a second time changes nothing.

    The providers are the application's global ones unless given. Neither parameters nor results are
    recorded. Execution ids, which hold keys and users' ids, are with `record_keys`; messages of
    exceptions, which may hold anything, with `record_messages`. `abandoned_every` is how often the
    gauge of abandoned executions may ask the database, at most and only when it is collected; None
    makes no gauge. Raises ConfigurationError for an interval that cannot be one.
    """
    if tracker in _instrumented:
        return tracker
    telemetry = OpenTelemetry(
        tracker,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        record_keys=record_keys,
        record_messages=record_messages,
        abandoned_every=abandoned_every,
    )
    _instrumented.add(tracker)
    return tracker.instrument(telemetry)
